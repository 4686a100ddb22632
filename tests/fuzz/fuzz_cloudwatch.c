/* fuzz_cloudwatch.c - a hostile item in a batch, and a hostile answer of CloudWatch Logs: the first
 * byte has the settings, what is before the first NUL is an item, the rest an answer. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "sink/cloudwatch.h"

enum { N = 3, HAS_METRICS = 1, DROPS_OLD = 2, OMITS = 4 };

static const struct tb_sink_credentials CREDENTIALS = {"AKIDEXAMPLE", "secret", "session"};

/* The request is JSON whose messages are JSON. */
static void check(const struct tb_sink_request *request)
{
    cJSON *body = cJSON_ParseWithLength(tb_buf_str(&request->body), request->body.len);
    const cJSON *event;
    double last = 0;
    size_t bytes = 0;
    cJSON_ArrayForEach(event, cJSON_GetObjectItemCaseSensitive(body, "logEvents"))
    {
        double at = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(event, "timestamp"));
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "message"));
        cJSON *record = text ? cJSON_Parse(text) : NULL;
        if (!cJSON_IsObject(record) || at < last)
            abort();
        bytes += strlen(text) + TB_CLOUDWATCH_EXTRA;
        last = at;
        cJSON_Delete(record);
    }
    if (bytes == 0 || bytes > TB_CLOUDWATCH_BATCH_BYTES)
        abort();
    cJSON_Delete(body);
}

static void encode(const struct tb_sink_target *target, const char *data, size_t len)
{
    static const char PLAIN[] =
        "{\"timestamp\":1795339661,\"body\":{\"message\":{\"body\":\"x\"}}}";
    struct tb_sink_item items[N] = {{.uuid = "a", .data = PLAIN, .len = sizeof(PLAIN) - 1},
                                    {.uuid = "b", .data = data, .len = len},
                                    {.uuid = "c", .data = PLAIN, .len = sizeof(PLAIN) - 1}};
    struct tb_sink_request request;
    int settled = tb_sink_cloudwatch.encode(target, items, N, &request);
    if (settled < 1 || settled > N)
        abort();
    check(&request);
    tb_sink_request_done(&request);
}

static void judge(const struct tb_sink_target *target, const char *body, size_t len)
{
    struct tb_sink_judgement judged[N];
    struct tb_sink_item items[N] = {{.uuid = "a"}, {.uuid = "b"}, {.uuid = "c"}};
    const struct tb_sink_reply reply = {
        .status = len > 0 && body[0] == 'x' ? 400 : 200, .body = body, .body_len = len};
    tb_sink_cloudwatch.judge(target, &reply, items, N, judged);
    for (size_t i = 0; i < N; i++)
        if (memchr(judged[i].reason, '\0', sizeof(judged[i].reason)) == NULL)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const struct tb_sink_settings settings = {
        .host = "",
        .region = "ca-central-1",
        .log_group = "cruddur",
        .has_metrics = (data[0] & HAS_METRICS) != 0,
        .drops_old = (data[0] & DROPS_OLD) != 0,
        .omit = {.request = (data[0] & OMITS) != 0, .person = (data[0] & OMITS) != 0}};
    const struct tb_sink_target target = {.endpoint = "",
                                          .token = "stream",
                                          .settings = &settings,
                                          .credentials = &CREDENTIALS,
                                          .now_ms = INT64_C(1795339661000)};
    const char *text = (const char *)data + 1;
    size_t len = strnlen(text, size - 1);
    encode(&target, text, len);
    judge(&target, text + len, size - 1 - len);
    return 0;
}
