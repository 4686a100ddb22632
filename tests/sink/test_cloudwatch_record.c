/* test_cloudwatch_record.c - the record of an item: what stands in it, what is cut, what is left
 * out, and its metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink/cloudwatch.h"
#include "vectors.h"

#define AT_MS INT64_C(1795339661123)

static struct tb_sink_settings settings;
static struct tb_sink_facts facts;
static char mem[TB_CLOUDWATCH_RECORD_BYTES + 1];
static size_t mem_len;
static cJSON *record;

static int set_up(void **state)
{
    (void)state;
    settings = (struct tb_sink_settings){.host = "feed-1", .region = "r", .log_group = "cruddur"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cJSON_Delete(record);
    record = NULL;
    return 0;
}

static void make(const char *data, size_t len, int64_t at_ms)
{
    const struct tb_sink_item item = {.uuid = "u", .data = data, .len = len};
    (void)tear_down(NULL);
    assert_int_equal(tb_sink_facts_read(&item, &settings, &facts), 0);
    mem_len = tb_cloudwatch_record(&facts, &settings, at_ms, mem);
    tb_sink_facts_done(&facts);
    assert_int_equal(mem_len, strlen(mem));
    record = cJSON_Parse(mem);
    assert_non_null(record);
}

static void of(const char *data)
{
    make(data, strlen(data), AT_MS);
}

static const char *member(const char *name)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, name));
    return text ? text : "";
}

static double number(const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, name);
    return cJSON_IsNumber(value) ? value->valuedouble : -1;
}

static cJSON *expected_record(void)
{
    cJSON *vector = vectors_json("payloads/put_log_events.json");
    const char *body = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(vector, "body"));
    cJSON *call = cJSON_Parse(body);
    const cJSON *event = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(call, "logEvents"), 0);
    cJSON *expected =
        cJSON_Parse(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(event, "message")));
    cJSON_Delete(call);
    cJSON_Delete(vector);
    return expected;
}

/* The item of the vectors, with what that one has of a process beside it. */
static void the_record_has_what_the_vector_has(void **state)
{
    static const char ITEM[] =
        "{\"uuid\":\"d4c7acef55bf4c9ea95e4fe9428a8287\",\"timestamp\":1795339661.123,"
        "\"level\":\"critical\",\"environment\":\"production\",\"code_version\":\"1.4.2\","
        "\"server\":{\"host\":\"feed-1\",\"pid\":4242},\"body\":{\"trace\":{\"exception\":"
        "{\"class\":\"SIGSEGV\",\"message\":\"SIGSEGV: invalid address 0x0000000000000010 "
        "(SEGV_MAPERR)\"},\"frames\":["
        "{\"filename\":\"src/main.c\",\"lineno\":58,\"method\":\"main\"},"
        "{\"filename\":\"src/loop.c\",\"lineno\":310,\"method\":\"loop_run\"},"
        "{\"filename\":\"src/feed.c\",\"lineno\":96,\"method\":\"feed_on_message\"},"
        "{\"filename\":\"src/feed.c\",\"lineno\":212,\"method\":\"feed_deserialize\"}]}},"
        "\"attributes\":[{\"key\":\"trace_id\",\"value\":\"6b02b58de0617ecba70ed68ac9552d48\"},"
        "{\"key\":\"span_id\",\"value\":\"53995c3f42cd8ad8\"}],\"custom\":{\"service\":"
        "\"cruddur-feedd\",\"trace\":{\"flags\":\"01\"},\"native\":{\"thread\":\"feed-worker\"}}}";
    (void)state;
    settings.has_metrics = true;
    cJSON *expected = expected_record();
    const cJSON *value;
    assert_non_null(expected);
    of(ITEM);
    cJSON_ArrayForEach(value, expected)
    {
        const cJSON *ours = cJSON_GetObjectItemCaseSensitive(record, value->string);
        if (ours == NULL)
            fail_msg("no %s", value->string);
        /* That one's frames have addresses. */
        if (strcmp(value->string, "stack") != 0)
            assert_true(cJSON_Compare(ours, value, 1));
    }
    assert_string_equal(member("stack"),
                        "SIGSEGV: invalid address 0x0000000000000010 (SEGV_MAPERR)\n"
                        "#0 feed_deserialize at src/feed.c:212\n"
                        "#1 feed_on_message at src/feed.c:96\n"
                        "#2 loop_run at src/loop.c:310\n"
                        "#3 main at src/main.c:58\n");
    assert_string_equal(member("rollbar_uuid"), "d4c7acef55bf4c9ea95e4fe9428a8287");
    cJSON_Delete(expected);
}

static void no_name_begins_with_an_at_sign(void **state)
{
    const cJSON *value;
    (void)state;
    settings.has_metrics = true;
    of("{\"body\":{\"message\":{\"body\":\"x\"}},\"custom\":{\"@message\":\"y\"}}");
    cJSON_ArrayForEach(value, record)
    {
        assert_true(value->string[0] != '@');
        assert_false(cJSON_IsNull(value));
    }
    assert_null(strchr(mem, '\n'));
}

static void the_console_and_w3c_searches_find_it(void **state)
{
    static const struct {
        const char *data, *trace_id, *span_id, *xray, *both;
    } cases[] = {
        /* Of OpenTelemetry alone: the same ID in X-Ray's form. */
        {"{\"custom\":{\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\",\"span_id\":"
         "\"53995c3f42cd8ad8\"}}",
         "6b02b58de0617ecba70ed68ac9552d48", "53995c3f42cd8ad8",
         "1-6b02b58d-e0617ecba70ed68ac9552d48",
         "1-6b02b58d-e0617ecba70ed68ac9552d48@53995c3f42cd8ad8"},
        /* Both, and they differ: each has its own. */
        {"{\"custom\":{\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\",\"span_id\":"
         "\"53995c3f42cd8ad8\",\"xray_trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\","
         "\"trace\":{\"xray_parent_id\":\"70de5b6f19ff9a0a\"}}}",
         "6b02b58de0617ecba70ed68ac9552d48", "53995c3f42cd8ad8",
         "1-5759e988-bd862e3fe1be46a994272793",
         "1-5759e988-bd862e3fe1be46a994272793@70de5b6f19ff9a0a"},
        /* They differ and the segment is not known: the span is not X-Ray's. */
        {"{\"custom\":{\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\",\"span_id\":"
         "\"53995c3f42cd8ad8\",\"xray_trace_id\":\"1-5759e988-bd862e3fe1be46a994272793\"}}",
         "6b02b58de0617ecba70ed68ac9552d48", "53995c3f42cd8ad8",
         "1-5759e988-bd862e3fe1be46a994272793", "1-5759e988-bd862e3fe1be46a994272793"},
        {"{\"custom\":{}}", "", "", "", ""}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        of(cases[i].data);
        assert_string_equal(member("trace_id"), cases[i].trace_id);
        assert_string_equal(member("span_id"), cases[i].span_id);
        assert_string_equal(member("xray_trace_id"), cases[i].xray);
        assert_string_equal(member("AWS-XRAY-TRACE-ID"), cases[i].both);
        assert_true(cases[i].xray[0] == '\0' || strstr(mem, cases[i].xray) != NULL);
    }
}

static void what_may_not_leave_is_left_out(void **state)
{
    static const char ITEM[] =
        "{\"request\":{\"url\":\"http://h/secret-path\",\"method\":\"GET\",\"user_ip\":"
        "\"10.0.0.1\"},\"custom\":{\"http_status\":599},\"person\":{\"id\":\"person-7\",\"email\":"
        "\"a@b.c\"},\"body\":{\"trace\":"
        "{\"exception\":{\"class\":\"E\"},\"frames\":[{\"filename\":\"f.py\",\"lineno\":1,"
        "\"method\":\"m\",\"code\":\"secret_code()\"}]}}}";
    (void)state;
    of(ITEM);
    assert_string_equal(member("http_url"), "http://h/secret-path");
    assert_string_equal(member("http_method"), "GET");
    assert_string_equal(member("client_ip"), "10.0.0.1");
    assert_string_equal(member("user_id"), "person-7");
    assert_null(strstr(mem, "secret_code"));
    assert_null(strstr(mem, "a@b.c"));
    settings.omit = (struct tb_sink_omit){.source = true, .request = true, .person = true};
    of(ITEM);
    assert_null(strstr(mem, "secret-path"));
    assert_null(strstr(mem, "GET"));
    assert_null(strstr(mem, "10.0.0.1"));
    assert_null(strstr(mem, "599"));
    assert_null(strstr(mem, "person-7"));
}

/* An item whose texts are each of so many of those bytes. */
static char *large_item(const char *piece, size_t bytes, size_t *len)
{
    static const char *const parts[] = {"{\"context\":\"",
                                        "\",\"environment\":\"",
                                        "\",\"fingerprint\":\"",
                                        "\",\"custom\":{\"service\":\"",
                                        "\"},\"server\":{\"host\":\"",
                                        "\"},\"request\":{\"url\":\"",
                                        "\"},\"body\":{\"trace\":{\"exception\":{\"class\":\"",
                                        "\",\"message\":\"",
                                        "\"},\"frames\":[{\"method\":\"",
                                        "\",\"filename\":\"",
                                        "\"}]}}}"};
    enum { N = sizeof(parts) / sizeof(parts[0]) };
    char *data = malloc(N * (bytes + 128));
    size_t at = 0;
    assert_non_null(data);
    for (size_t i = 0; i < N; i++) {
        memcpy(data + at, parts[i], strlen(parts[i]));
        at += strlen(parts[i]);
        for (size_t n = 0; i + 1 < N && n + strlen(piece) <= bytes; n += strlen(piece)) {
            memcpy(data + at, piece, strlen(piece));
            at += strlen(piece);
        }
    }
    *len = at;
    return data;
}

static void what_is_large_is_cut_and_stays_json(void **state)
{
    static const char *const pieces[] = {
        "x", "\\\"", "\\\\", "\\u0001", "\xc3\xa9", "\xf0\x9f\x90\x9b", "\\n"};
    (void)state;
    settings.has_metrics = true;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        size_t len;
        char *data = large_item(pieces[i], 200 << 10, &len);
        make(data, len, AT_MS);
        free(data);
        assert_true(mem_len <= TB_CLOUDWATCH_RECORD_BYTES);
        assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "truncated")));
        assert_true(strlen(member("message")) > 8000);
        assert_true(strlen(member("stack")) > 8000);
        assert_true(number("ErrorCount") == 1);
        assert_non_null(cJSON_GetObjectItemCaseSensitive(record, "_aws"));
    }
}

static void a_chain_says_what_caused_what(void **state)
{
    (void)state;
    of("{\"body\":{\"trace_chain\":[{\"exception\":{\"class\":\"A\",\"message\":\"one\"},"
       "\"frames\":"
       "[{\"method\":\"f\",\"filename\":\"a.py\",\"lineno\":3}]},{\"exception\":{\"class\":\"B\"},"
       "\"frames\":[{\"method\":\"g\"}]}]}}");
    assert_string_equal(member("stack"), "A: one\n#0 f at a.py:3\nCaused by: B\n#0 g\n");
    assert_string_equal(member("error_class"), "A");
    assert_string_equal(member("function"), "f");
    assert_string_equal(member("file"), "a.py");
    assert_true(number("line") == 3);
}

static void a_message_has_no_stack(void **state)
{
    (void)state;
    of("{\"level\":\"warning\",\"body\":{\"message\":{\"body\":\"disk is full\"}}}");
    assert_string_equal(member("message"), "disk is full");
    assert_string_equal(member("level"), "WARNING");
    assert_string_equal(member("host"), "feed-1");
    assert_string_equal(member("timestamp"), "2026-11-22T09:27:41.123Z");
    assert_null(cJSON_GetObjectItemCaseSensitive(record, "stack"));
    assert_null(cJSON_GetObjectItemCaseSensitive(record, "_aws"));
    assert_null(cJSON_GetObjectItemCaseSensitive(record, "truncated"));
}

static void metrics_count_fifty_classes_and_the_others_as_one(void **state)
{
    char text[160];
    (void)state;
    settings.has_metrics = true;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(text, sizeof(text),
                       "{\"custom\":{\"service\":\"s\"},\"body\":{\"trace\":{\"exception\":{"
                       "\"class\":\"E%d\"},\"frames\":[]}}}",
                       i);
        of(text);
        if (strcmp(member("error_class"), "_OTHER") == 0)
            break;
        assert_null(cJSON_GetObjectItemCaseSensitive(record, "error_class_full"));
    }
    assert_string_equal(member("error_class"), "_OTHER");
    assert_true(member("error_class_full")[0] == 'E');
    of("{\"custom\":{\"service\":\"s\"},\"body\":{\"trace\":{\"exception\":{\"class\":\"E0\"},"
       "\"frames\":[]}}}");
    assert_string_equal(member("error_class"), "E0");
    settings.has_metrics = false;
    of("{\"body\":{\"trace\":{\"exception\":{\"class\":\"E99\"},\"frames\":[]}}}");
    assert_string_equal(member("error_class"), "E99");
}

/* Each would be a metric that Amazon bills, and senders choose the names. */
static void metrics_count_fifty_services_and_the_others_as_one(void **state)
{
    char text[160];
    char last[32] = "";
    int n_counted = 0;
    (void)state;
    settings.has_metrics = true;
    for (int i = 0; i < 60; i++) {
        (void)snprintf(last, sizeof(last), "service-%d", i);
        (void)snprintf(text, sizeof(text),
                       "{\"custom\":{\"service\":\"%s\"},\"body\":{\"message\":{\"body\":\"x\"}}}",
                       last);
        of(text);
        n_counted += strcmp(member("service"), last) == 0;
    }
    assert_in_range(n_counted, 1, 50);
    assert_string_equal(member("service"), "_OTHER");
    assert_string_equal(member("error_class"), "_OTHER");
    assert_string_equal(member("service_full"), last);
    of("{\"custom\":{\"service\":\"service-0\"},\"body\":{\"message\":{\"body\":\"x\"}}}");
    assert_string_equal(member("service"), "service-0");
    assert_null(cJSON_GetObjectItemCaseSensitive(record, "service_full"));
    settings.has_metrics = false;
    of(text);
    assert_string_equal(member("service"), last);
    assert_null(cJSON_GetObjectItemCaseSensitive(record, "service_full"));
}

static void dimensions_are_never_empty_nor_odd(void **state)
{
    (void)state;
    settings.has_metrics = true;
    of("{\"body\":{\"message\":{\"body\":\"x\"}}}");
    assert_string_equal(member("service"), "unknown");
    assert_true(member("error_class")[0] != '\0');
    of("{\"custom\":{\"service\":\":a b\xc3\xa9\"},\"body\":{\"message\":{\"body\":\"x\"}}}");
    assert_string_equal(member("service"), "_a_b__");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_record_has_what_the_vector_has),
        TEST(no_name_begins_with_an_at_sign),
        TEST(the_console_and_w3c_searches_find_it),
        TEST(what_may_not_leave_is_left_out),
        TEST(what_is_large_is_cut_and_stays_json),
        TEST(a_chain_says_what_caused_what),
        TEST(a_message_has_no_stack),
        TEST(metrics_count_fifty_classes_and_the_others_as_one),
        TEST(dimensions_are_never_empty_nor_odd),
        TEST(metrics_count_fifty_services_and_the_others_as_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
