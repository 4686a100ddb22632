/* fuzz_sink.c - answers of a hostile Rollbar: status, four headers and a body, cut from the input
 * at its line ends; and what the sink makes of an item that it refused. */
#include <stdlib.h>
#include <string.h>

#include "item/doc.h"
#include "sink/rollbar.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

enum { LINE = 256, HEADERS = 4, HOUR_MS = 3600 * 1000, ITEM_BYTES = 512 << 10 };

/* The next line, ended; *at is behind it. */
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

static void judge(int status, char headers[HEADERS][LINE], const char *body, size_t body_len)
{
    static const struct tb_sink_target target = {.endpoint = "https://api.rollbar.com/api/1/item/",
                                                 .token = TOKEN};
    struct tb_sink_reply reply = {.status = status,
                                  .body = body,
                                  .body_len = body_len,
                                  .now_s = 784111777,
                                  .rate_remaining = headers[0],
                                  .rate_remaining_s = headers[1],
                                  .rate_reset = headers[2],
                                  .retry_after = headers[3]};
    struct tb_sink_judgement judgement;
    tb_rollbar_judge(&target, &reply, &judgement);
    if (judgement.wait_ms < 0 || judgement.wait_ms > HOUR_MS ||
        memchr(judgement.reason, '\0', sizeof(judgement.reason)) == NULL ||
        strstr(judgement.reason, "01234567") != NULL)
        abort();
}

/* What is mended is JSON, and mending it again changes nothing. */
static void repair(int status, const char *data, size_t len)
{
    struct tb_buf once, twice;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    tb_buf_init(&once, ITEM_BYTES);
    tb_buf_init(&twice, ITEM_BYTES);
    if (tb_sink_rollbar.repair(status, data, len, &once) == 1) {
        if (tb_doc_new(tb_buf_str(&once), once.len, &doc, why) < 0)
            abort();
        if (status != 413 &&
            tb_sink_rollbar.repair(status, tb_buf_str(&once), once.len, &twice) == 1 &&
            twice.len > once.len)
            abort();
        tb_doc_free(doc);
    }
    tb_buf_done(&once);
    tb_buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int STATUSES[] = {200, 429, 422, 413, 400, 403, 503, 0};
    const char *at = (const char *)data;
    const char *end = at + size;
    char headers[HEADERS][LINE];
    if (size == 0)
        return 0;
    int status = STATUSES[(unsigned char)*at++ % 8];
    for (int i = 0; i < HEADERS; i++)
        take_line(&at, end, headers[i]);
    judge(status, headers, at, (size_t)(end - at));
    repair(status, at, (size_t)(end - at));
    return 0;
}
