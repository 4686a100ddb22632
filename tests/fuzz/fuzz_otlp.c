/* fuzz_otlp.c - OTLP: a hostile item becomes a request that is JSON, of bounded size; a hostile
 * reply (status, Retry-After and body, cut from the input at line ends) is judged within bounds and
 * without our key in the reason. */
#include <stdlib.h>
#include <string.h>

#include "item/doc.h"
#include "sink/sink.h"

enum { HOUR_MS = 3600 * 1000, LINE = 64, BODY_BYTES = 4 << 20, N = 2 };

static const char *const headers[] = {"x-honeycomb-team: hcaik_0123456789abcdef"};
static const struct tb_sink_settings settings = {
    .host = "h", .headers = headers, .n_headers = 1, .is_plain = true, .log_group = "g"};
static const struct tb_sink_target target = {.endpoint = "http://127.0.0.1:4318/v1/logs",
                                             .token = "",
                                             .settings = &settings,
                                             .now_ms = 1795339662623};

static void encode(const struct tb_sink_type *sink, const char *data, size_t len)
{
    struct tb_sink_item items[N] = {{.uuid = "u", .data = data, .len = len},
                                    {.uuid = "v", .data = "{}", .len = 2}};
    struct tb_sink_request request;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (sink->encode(&target, items, N, &request) != N || items[1].why != NULL)
        abort();
    if (request.body.len > BODY_BYTES ||
        tb_doc_new_large(request.body.data, request.body.len, &doc, why) != 0)
        abort();
    tb_doc_free(doc);
    tb_sink_request_done(&request);
}

static void judge(const struct tb_sink_type *sink, int status, const char *after, const char *body,
                  size_t len)
{
    static const struct tb_sink_item items[N] = {{.uuid = "u", .data = ""},
                                                 {.uuid = "v", .data = ""}};
    const struct tb_sink_reply reply = {
        .status = status, .body = body, .body_len = len, .retry_after = after, .now_s = 784111777};
    struct tb_sink_judgement judged[N];
    sink->judge(&target, &reply, items, N, judged);
    for (size_t i = 0; i < N; i++) {
        if (judged[i].wait_ms < 0 || judged[i].wait_ms > HOUR_MS || judged[i].may_repair ||
            memchr(judged[i].reason, '\0', sizeof(judged[i].reason)) == NULL ||
            strstr(judged[i].reason, "0123456789") != NULL)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 429, 503, 400, 401, 500, 0, 307};
    char after[LINE];
    size_t len = 0;
    if (size == 0)
        return 0;
    const char *at = (const char *)data + 1;
    const char *end = (const char *)data + size;
    encode(&tb_sink_otlp, (const char *)data, size);
    encode(&tb_sink_otlp_spans, (const char *)data, size);
    for (; at < end && *at != '\n'; at++)
        if (len < LINE - 1)
            after[len++] = *at;
    after[len] = '\0';
    at += at < end;
    judge(&tb_sink_otlp, statuses[data[0] % 8], after, at, (size_t)(end - at));
    judge(&tb_sink_otlp_spans, statuses[data[0] % 8], after, at, (size_t)(end - at));
    return 0;
}
