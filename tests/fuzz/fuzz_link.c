/* fuzz_link.c - templates of links and hostile values: the first line is the template, the others
 * are the values. What a good template makes is an address that a page may show, with the host that
 * the template has. */
#include <stdlib.h>
#include <string.h>

#include "item/link.h"

enum { VALUES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[TB_LINK_WHY];
    char out[TB_LINK_BYTES];
    char *lines[VALUES + 1];
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    char *at = text;
    for (size_t i = 0; i < VALUES + 1; i++) {
        lines[i] = at;
        at += strcspn(at, "\n");
        if (*at == '\n')
            *at++ = '\0';
    }
    const struct tb_link_values values = {.trace_id = lines[1],
                                          .span_id = lines[2],
                                          .xray_trace_id = lines[3],
                                          .uuid = lines[4],
                                          .service = lines[5],
                                          .environment = lines[6],
                                          .host = lines[7],
                                          .region = lines[8],
                                          .start_ms = (int64_t)size * 1000,
                                          .end_ms = INT64_MAX};
    int is_good = tb_link_check(lines[0], why) == 0;
    if (tb_link_expand(lines[0], &values, out) == 0) {
        const char *slashes = strstr(lines[0], "//");
        size_t host = slashes ? (size_t)(slashes - lines[0]) + 2 : 0;
        host += strcspn(lines[0] + host, "/?#{");
        if (!tb_link_is_safe(out) || (is_good && memcmp(out, lines[0], host) != 0))
            abort();
    }
    free(text);
    return 0;
}
