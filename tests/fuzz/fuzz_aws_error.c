/* fuzz_aws_error.c - answers of a hostile service of AWS: the status, x-amzn-errortype, Date,
 * Retry-After and the body, cut from the input at its line ends. */
#include <stdlib.h>
#include <string.h>

#include "sink/aws_error.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

enum { LINE = 256, HEADERS = 3, HOUR_MS = 3600 * 1000 };

static void take_line(const char **at, const char *end, char out[LINE])
{
    size_t len = 0;
    for (; *at < end && **at != '\n'; (*at)++) {
        if (len < LINE - 1)
            out[len++] = **at;
    }
    out[len] = '\0';
    *at += *at < end;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int STATUSES[] = {200, 400, 403, 404, 413, 429, 500, 0};
    static const struct tb_sink_credentials CREDENTIALS = {"AKIDEXAMPLE", SECRET, ""};
    static const struct tb_sink_target TARGET = {.credentials = &CREDENTIALS,
                                                 .now_ms = INT64_C(1795339661000)};
    const char *at = (const char *)data;
    const char *end = at + size;
    char headers[HEADERS][LINE];
    struct tb_sink_judgement judgement;
    if (size == 0)
        return 0;
    struct tb_sink_reply reply = {.status = STATUSES[(unsigned char)*at++ % 8],
                                  .now_s = 1795339661};
    for (int i = 0; i < HEADERS; i++)
        take_line(&at, end, headers[i]);
    reply.error_type = headers[0][0] != '\0' ? headers[0] : NULL;
    reply.date = headers[1][0] != '\0' ? headers[1] : NULL;
    reply.retry_after = headers[2];
    reply.body = at;
    reply.body_len = (size_t)(end - at);
    tb_aws_error_judge(&TARGET, &reply, "logs:PutLogEvents", &judgement);
    if (judgement.wait_ms < 0 || judgement.wait_ms > HOUR_MS ||
        memchr(judgement.reason, '\0', sizeof(judgement.reason)) == NULL ||
        strstr(judgement.reason, "wJalrXUt") != NULL)
        abort();
    return 0;
}
