/* test_sinks_memory.c - every allocation of a request fails once: each sink says so, and loses
 * nothing and holds nothing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink/sink.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static int left = -1; /* allocations until one fails; -1: none does */

static int fails(void)
{
    return left >= 0 && left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static const char ITEM[] =
    "{\"uuid\":\"d4c7acef-55bf-4c9e-a95e-4fe9428a8287\",\"timestamp\":1795339661,\"body\":{"
    "\"trace\""
    ":{\"exception\":{\"class\":\"E\",\"message\":\"m\"},\"frames\":[{\"filename\":\"f\","
    "\"lineno\":"
    "1,\"method\":\"m\"}]}},\"custom\":{\"service\":\"s\",\"trace_id\":"
    "\"6b02b58de0617ecba70ed68ac9552d48\",\"span_id\":\"53995c3f42cd8ad8\"}}";

static int encode(const struct tb_sink_type *sink, const char *endpoint,
                  struct tb_sink_request *request)
{
    static const struct tb_sink_credentials credentials = {"AKIDEXAMPLE", "secret", "session"};
    static const struct tb_sink_settings settings = {.host = "h",
                                                     .region = "ca-central-1",
                                                     .log_group = "cruddur",
                                                     .name = "",
                                                     .name_pattern = "",
                                                     .origin = ""};
    const struct tb_sink_target target = {.endpoint = endpoint,
                                          .token = "stream",
                                          .settings = &settings,
                                          .credentials = &credentials,
                                          .now_ms = INT64_C(1795339661000)};
    struct tb_sink_item items[2] = {
        {.uuid = "d4c7acef-55bf-4c9e-a95e-4fe9428a8287", .data = ITEM, .len = sizeof(ITEM) - 1},
        {.uuid = "d4c7acef-55bf-4c9e-a95e-4fe9428a8288", .data = ITEM, .len = sizeof(ITEM) - 1}};
    return sink->encode(&target, items, sink->batch < 2 ? sink->batch : 2, request);
}

static void fail_each(const struct tb_sink_type *sink, const char *endpoint)
{
    int n_failed = 0;
    for (int n = 0;; n++) {
        struct tb_sink_request request;
        left = n;
        int settled = encode(sink, endpoint, &request);
        int was_reached = left < 0;
        left = -1;
        tb_sink_request_done(&request);
        if (!was_reached) {
            assert_true(settled > 0);
            break;
        }
        assert_int_equal(settled, -ENOMEM);
        n_failed++;
    }
    assert_true(n_failed > 2);
}

static void cloudwatch_says_that_memory_is_short(void **state)
{
    (void)state;
    fail_each(&tb_sink_cloudwatch, "");
}

static void xray_says_that_memory_is_short(void **state)
{
    (void)state;
    fail_each(&tb_sink_xray, "udp://127.0.0.1:2000");
    fail_each(&tb_sink_xray_api, "");
}

static void otlp_says_that_memory_is_short(void **state)
{
    (void)state;
    fail_each(&tb_sink_otlp, "https://api.honeycomb.io/v1/logs");
    fail_each(&tb_sink_otlp_spans, "https://api.honeycomb.io/v1/traces");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cloudwatch_says_that_memory_is_short),
        cmocka_unit_test(xray_says_that_memory_is_short),
        cmocka_unit_test(otlp_says_that_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
