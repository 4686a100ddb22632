/* sign.c - signs requests that come line by line, for tests that compare with other signers.
 *
 *   METHOD TAB URL TAB REGION TAB SERVICE TAB KEY TAB SECRET TAB SESSION TAB NOW_MS TAB BODY
 *   [TAB HEADER: VALUE]...
 *
 * prints the Authorization header of each, or "refused". */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sink/sigv4.h"

enum { LINE = 1 << 16, FIELDS = 40, FIXED = 9 };

static const char *authorization(const struct tb_sink_request *request)
{
    static const char NAME[] = "Authorization: ";
    for (const char *line = NULL; (line = tb_sink_next_header(request, line)) != NULL;)
        if (strncmp(line, NAME, sizeof(NAME) - 1) == 0)
            return line + sizeof(NAME) - 1;
    return "refused";
}

static void sign(char *fields[FIELDS], size_t n)
{
    const struct tb_sink_credentials credentials = {fields[4], fields[5], fields[6]};
    const struct tb_sink_target target = {.credentials = &credentials,
                                          .now_ms = strtoll(fields[7], NULL, 10)};
    struct tb_sink_request request;
    int err = tb_sink_request_init(&request, fields[1], LINE);
    request.method = fields[0];
    tb_buf_adds(&request.body, fields[8]);
    for (size_t i = FIXED; i < n && err == 0; i++)
        err = tb_sink_header(&request, "%s", fields[i]);
    if (err == 0)
        err = tb_sigv4_sign(&request, &target, fields[2], fields[3]);
    puts(err == 0 ? authorization(&request) : "refused");
    tb_sink_request_done(&request);
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *fields[FIELDS];
        size_t n = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *at = line; at != NULL && n < FIELDS; n++) {
            fields[n] = at;
            at = strchr(at, '\t');
            if (at != NULL)
                *at++ = '\0';
        }
        if (n < FIXED)
            return 2;
        sign(fields, n);
    }
    return 0;
}
