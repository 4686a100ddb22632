/* test_xray.c - the documents that X-Ray gets, byte for byte, their sizes, and the datagram.
 *
 * tests/data/sinks/xray/NAME.item.json becomes NAME.document.json. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/fd.h"
#include "vectors.h"
#include "xray_check.h"

#define UUID "d4c7acef-55bf-4c9e-a95e-4fe9428a8287"
#define PLAIN .host = "agent-1", .region = "ca-central-1"
#define HEADER "{\"format\":\"json\",\"version\":1}\n"

struct document_case {
    const char *name, *item;
    struct tb_sink_settings settings;
};
static const struct document_case CASES[] = {
    {"crash", "crash", {PLAIN, .log_group = "cruddur", .origin = "AWS::ECS::Container"}},
    {"chain", "chain", {PLAIN}},
    {"chain_by_host",
     "chain",
     {PLAIN, .name = "flask", .name_pattern = "*4567-OMENKING-?.*.gitpod.io*"}},
    {"chain_named", "chain", {PLAIN, .name = "flask", .name_pattern = "*.example.com"}},
    {"chain_omitted",
     "chain",
     {PLAIN, .name_pattern = "*", .omit = {.source = true, .request = true, .person = true}}},
    {"subsegment", "subsegment", {PLAIN, .log_group = "cruddur", .origin = "AWS::ECS::Container"}},
    {"cause", "cause", {PLAIN}},
    {"message", "message", {PLAIN}},
    {"modules", "modules", {PLAIN}},
    {"status", "status", {PLAIN}},
};

static struct tb_sink_target target_of(const struct tb_sink_settings *settings)
{
    return (struct tb_sink_target){.endpoint = "udp://127.0.0.1:2000",
                                   .token = "",
                                   .settings = settings,
                                   .now_ms = 1795691543000};
}

static char *read_file(const char *name, const char *what)
{
    char path[1024];
    struct tb_buf text;
    tb_buf_init(&text, 1 << 20);
    (void)snprintf(path, sizeof(path), TEST_DATA "/sinks/xray/%s.%s.json", name, what);
    assert_int_equal(tb_fd_slurp(-1, path, &text), 0);
    text.data[strcspn(text.data, "\n")] = '\0';
    return text.data;
}

/* To be freed. */
static char *document_with(const struct tb_sink_target *target, const char *uuid, const char *data)
{
    size_t len = 0;
    char *mem = malloc(TB_XRAY_DOCUMENT_BYTES + 1);
    struct tb_sink_item item = {.uuid = uuid, .data = data, .len = strlen(data)};
    assert_non_null(mem);
    assert_int_equal(tb_xray_document(target, &item, mem, TB_XRAY_DOCUMENT_BYTES + 1, &len), 0);
    const char *fault = xray_fault(mem, len);
    if (fault)
        fail_msg("%s: %s", fault, mem);
    return mem;
}

static char *document_of(const char *data)
{
    struct tb_sink_target target = target_of(NULL);
    return document_with(&target, UUID, data);
}

static void items_become_these_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct tb_sink_target target = target_of(&CASES[i].settings);
        char uuid[37];
        char *data = read_file(CASES[i].item, "item");
        char *expected = read_file(CASES[i].name, "document");
        const char *at = strstr(data, "\"uuid\":\"");
        (void)snprintf(uuid, sizeof(uuid), "%.36s", at + strlen("\"uuid\":\""));
        char *document = document_with(&target, uuid, data);
        assert_string_equal(document, expected);
        free(document);
        free(expected);
        free(data);
    }
}

/* What an error record of another maker has become: the same where both say something. */
static void the_vectors_segment_says_the_same(void **state)
{
    static const char *const PATHS[] = {"trace_id", "parent_id", "fault"};
    (void)state;
    cJSON *item = vectors_json("payloads/rollbar_item.json");
    cJSON *expected = vectors_json("payloads/xray_segment.json");
    if (item == NULL || expected == NULL)
        skip();
    char *data = cJSON_PrintUnformatted(cJSON_GetObjectItem(item, "data"));
    char *document = document_of(data);
    cJSON *made = cJSON_Parse(document);
    for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++)
        assert_true(cJSON_Compare(cJSON_GetObjectItem(made, PATHS[i]),
                                  cJSON_GetObjectItem(expected, PATHS[i]), true));
    static const char *const EXCEPTION[] = {"type", "message", "stack"};
    const cJSON *a = cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetObjectItem(made, "cause"), "exceptions"), 0);
    const cJSON *b = cJSON_GetArrayItem(
        cJSON_GetObjectItem(cJSON_GetObjectItem(expected, "cause"), "exceptions"), 0);
    for (size_t i = 0; i < sizeof(EXCEPTION) / sizeof(EXCEPTION[0]); i++)
        assert_true(cJSON_Compare(cJSON_GetObjectItem(a, EXCEPTION[i]),
                                  cJSON_GetObjectItem(b, EXCEPTION[i]), true));
    cJSON_Delete(made);
    cJSON_Delete(item);
    cJSON_Delete(expected);
    free(document);
    free(data);
}

static void a_framework_that_is_none_names_no_service(void **state)
{
    (void)state;
    char *document = document_of("{\"framework\":\"none\",\"server\":{\"host\":\"feed-1\"}}");
    assert_non_null(strstr(document, "\"name\":\"feed-1\""));
    free(document);
    document = document_of("{\"framework\":\"flask\",\"server\":{\"host\":\"feed-1\"}}");
    assert_non_null(strstr(document, "\"name\":\"flask\""));
    free(document);
}

struct colour_case {
    const char *data;
    bool error, throttle, fault;
};

#define STATUS(level, status)                                                                      \
    "{\"level\":\"" level "\",\"custom\":{\"http_status\":" status "},"                            \
    "\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":\"E\"}}}}"

static void the_colour_is_that_of_the_status(void **state)
{
    static const struct colour_case COLOURS[] = {
        {STATUS("error", "0"), false, false, true},
        {STATUS("error", "200"), false, false, true},
        {STATUS("error", "400"), true, false, false},
        {STATUS("critical", "499"), true, false, false},
        {STATUS("error", "429"), true, true, false},
        {STATUS("error", "500"), false, false, true},
        {STATUS("warning", "500"), false, false, false},
        {STATUS("info", "429"), false, false, false},
        {"{\"level\":\"error\",\"body\":{\"message\":{\"body\":\"x\"}}}", false, false, true},
        {"{\"body\":{\"message\":{\"body\":\"x\"}}}", false, false, false},
        {"{\"level\":\"critical\",\"custom\":{\"http_status\":404,\"native\":{\"kind\":\"crash\"}},"
         "\"body\":{\"trace\":{\"frames\":[]}}}",
         false, false, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(COLOURS) / sizeof(COLOURS[0]); i++) {
        char *document = document_of(COLOURS[i].data);
        assert_int_equal(strstr(document, "\"error\":true") != NULL, COLOURS[i].error);
        assert_int_equal(strstr(document, "\"throttle\":true") != NULL, COLOURS[i].throttle);
        assert_int_equal(strstr(document, "\"fault\":true") != NULL, COLOURS[i].fault);
        assert_null(strstr(document, "false"));
        free(document);
    }
}

static void times_have_microseconds(void **state)
{
    static const struct {
        const char *data, *times;
    } TIMES[] = {
        {"{\"timestamp\":1795339661}",
         "\"start_time\":1795339661.000000,\"end_time\":1795339661.000001"},
        {"{\"custom\":{\"occurred_at\":\"2026-11-22T09:27:41.999999999Z\"}}",
         "\"start_time\":1795339661.999999,\"end_time\":1795339662.000000"},
        {"{\"timestamp\":1795339661.5,\"custom\":{\"trace\":{\"started_at\":1795339660.000001}}}",
         "\"start_time\":1795339660.000001,\"end_time\":1795339661.500000"},
        {"{\"timestamp\":1795339661,\"custom\":{\"trace\":{\"started_at\":1795339662}}}",
         "\"start_time\":1795339661.000000,\"end_time\":1795339661.000001"},
        {"{}", "\"start_time\":1795691543.000000,\"end_time\":1795691543.000001"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(TIMES) / sizeof(TIMES[0]); i++) {
        char *document = document_of(TIMES[i].data);
        assert_non_null(strstr(document, TIMES[i].times));
        free(document);
    }
}

static void names_have_only_what_xray_takes(void **state)
{
    static const struct {
        const char *name, *clean;
    } NAMES[] = {
        {"backend-flask", "backend-flask"},
        {"a_b.c:d/e%f&g#h=i+j\\k-l@m n", "a_b.c:d/e%f&g#h=i+j\\k-l@m n"},
        {"<a>?;*()!$~^\"'b,", "ab"},
        {"a\t\r\nb", "a b"},
        {"  a  ", "  a"},
        {"Caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac", "Caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac"},
        {"a\xe2\x80\xae"
         "b\xf0\x9f\x90\x8d"
         "c",
         "abc"},
        {"a\xff\x80z", "az"},
        {"\x01", ""},
    };
    char out[TB_XRAY_NAME_BYTES];
    char many[1201];
    (void)state;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        tb_xray_clean_name(NAMES[i].name, out);
        assert_string_equal(out, NAMES[i].clean);
    }
    for (size_t i = 0; i < 1200; i += 2)
        memcpy(many + i, "\xc3\xa9", 3);
    tb_xray_clean_name(many, out);
    assert_int_equal(strlen(out), 2 * TB_XRAY_NAME_CHARS);
}

static void the_parent_is_the_span_of_the_same_trace_alone(void **state)
{
#define IDS "\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\",\"span_id\":\"53995c3f42cd8ad8\""
    (void)state;
    char *document = document_of("{\"custom\":{" IDS "}}");
    assert_non_null(strstr(document, "\"trace_id\":\"1-6b02b58d-e0617ecba70ed68ac9552d48\","
                                     "\"parent_id\":\"53995c3f42cd8ad8\""));
    free(document);
    document = document_of("{\"custom\":{" IDS ","
                           "\"xray_trace_id\":\"1-7b02b58d-e0617ecba70ed68ac9552d48\"}}");
    assert_non_null(strstr(document, "\"trace_id\":\"1-7b02b58d-e0617ecba70ed68ac9552d48\""));
    assert_null(strstr(document, "parent_id"));
    free(document);
    /* It is told to be a part of a segment, and of which one is not known. */
    document = document_of("{\"custom\":{" IDS ",\"trace\":{\"xray_is_local\":true}}}");
    assert_null(strstr(document, "subsegment"));
    free(document);
#undef IDS
}

static void an_error_of_no_request_has_a_trace_of_its_own(void **state)
{
    (void)state;
    char *first = document_of("{\"timestamp\":1795339661}");
    char *second = document_of("{\"timestamp\":1795339661}");
    assert_string_equal(first, second);
    assert_non_null(strstr(first, "\"trace_id\":\"1-6b02b58d-"));
    assert_null(strstr(first, "parent_id"));
    free(second);
    struct tb_sink_target target = target_of(NULL);
    second = document_with(&target, "another", "{\"timestamp\":1795339661}");
    assert_memory_not_equal(strstr(first, "1-6b02b58d-"), strstr(second, "1-6b02b58d-"), 35);
    free(first);
    free(second);
}

/* An item with so many frames, causes and so long a message. */
static char *large_item(unsigned n_causes, unsigned n_frames, size_t message_len, char fill)
{
    struct tb_buf data;
    tb_buf_init(&data, 8 << 20);
    tb_buf_adds(&data, "{\"timestamp\":1795339661,\"level\":\"error\",\"title\":\"");
    for (unsigned i = 0; i < 250; i++)
        tb_buf_add(&data, &fill, 1);
    tb_buf_adds(&data, "\",\"body\":{\"trace_chain\":[");
    for (unsigned c = 0; c < n_causes; c++) {
        tb_buf_addf(&data, "%s{\"exception\":{\"class\":\"E%u\",\"message\":\"", c ? "," : "", c);
        for (size_t i = 0; i < message_len; i++)
            tb_buf_add(&data, &fill, 1);
        tb_buf_adds(&data, "\"},\"frames\":[");
        for (unsigned f = 0; f < n_frames; f++)
            tb_buf_addf(&data,
                        "%s{\"filename\":\"/a/rather/long/path/to/the/source/of/file_%u.c\","
                        "\"lineno\":%u,\"method\":\"function_number_%u\"}",
                        f ? "," : "", f, f + 1, f);
        tb_buf_adds(&data, "]}");
    }
    tb_buf_adds(&data, "]}}");
    assert_int_equal(data.err, 0);
    return data.data;
}

static void large_items_are_cut_from_the_outside(void **state)
{
    static const struct {
        unsigned causes, frames;
        size_t message;
    } LARGE[] = {{1, 50, 10}, {1, 200, 100}, {1, 1000, 100000}, {16, 256, 2000}, {40, 3, 5000}};
    (void)state;
    for (size_t i = 0; i < sizeof(LARGE) / sizeof(LARGE[0]); i++) {
        char *data = large_item(LARGE[i].causes, LARGE[i].frames, LARGE[i].message, 'm');
        char *document = document_of(data);
        cJSON *json = cJSON_Parse(document);
        const cJSON *exception = cJSON_GetArrayItem(
            cJSON_GetObjectItem(cJSON_GetObjectItem(json, "cause"), "exceptions"), 0);
        const cJSON *stack = cJSON_GetObjectItem(exception, "stack");
        int n = cJSON_GetArraySize(stack);
        double truncated = cJSON_GetNumberValue(cJSON_GetObjectItem(exception, "truncated"));
        assert_true(strlen(document) <= TB_XRAY_AIM_BYTES);
        assert_true(n > 0);
        if ((unsigned)n < LARGE[i].frames)
            assert_int_equal((unsigned)truncated, LARGE[i].frames - (unsigned)n);
        assert_int_equal(
            cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetArrayItem(stack, 0), "line")),
            LARGE[i].frames);
        assert_non_null(strstr(document, "https://rollbar.com/occurrence/uuid/?uuid=" UUID));
        cJSON_Delete(json);
        free(document);
        free(data);
    }
}

static void the_longest_texts_still_make_a_document(void **state)
{
    static const char FILLS[] = {'"', '\\', 'x'};
    (void)state;
    for (size_t i = 0; i < sizeof(FILLS); i++) {
        struct tb_buf data;
        tb_buf_init(&data, 8 << 20);
        tb_buf_adds(&data, "{\"level\":\"error\"");
        static const char *const KEYS[] = {"title", "environment", "context", "code_version",
                                           "fingerprint"};
        for (size_t k = 0; k < 5; k++) {
            tb_buf_addf(&data, ",\"%s\":\"", KEYS[k]);
            for (int n = 0; n < 5000; n++)
                tb_buf_adds(&data, FILLS[i] == 'x' ? "\\u0001" : FILLS[i] == '"' ? "\\\"" : "\\\\");
            tb_buf_adds(&data, "\"");
        }
        tb_buf_adds(&data, ",\"body\":{\"message\":{\"body\":\"");
        for (int n = 0; n < 50000; n++)
            tb_buf_adds(&data, FILLS[i] == 'x' ? "\\u0001" : "\\\\");
        tb_buf_adds(&data, "\"}}}");
        char *document = document_of(tb_buf_str(&data));
        assert_true(strlen(document) <= TB_XRAY_AIM_BYTES);
        free(document);
        tb_buf_done(&data);
    }
}

static void a_text_is_cut_before_a_whole_character(void **state)
{
    struct tb_buf data;
    (void)state;
    tb_buf_init(&data, 1 << 20);
    tb_buf_adds(&data, "{\"body\":{\"message\":{\"body\":\"x");
    for (int i = 0; i < 3000; i++)
        tb_buf_adds(&data, "\xe2\x82\xac");
    tb_buf_adds(&data, "\"}}}");
    char *document = document_of(tb_buf_str(&data));
    assert_null(strstr(document, "\xef\xbf\xbd"));
    assert_non_null(strstr(document, "\xe2\x82\xac\"}]}"));
    free(document);
    tb_buf_done(&data);
}

/* ---- the datagram ---- */

static void one_item_is_one_datagram(void **state)
{
    struct tb_sink_target target = target_of(NULL);
    struct tb_sink_item items[2] = {{.uuid = UUID, .data = "{}", .len = 2},
                                    {.uuid = "u", .data = "{}", .len = 2}};
    struct tb_sink_request request;
    (void)state;
    assert_int_equal(tb_sink_xray.batch, 1);
    assert_false(tb_sink_xray.is_signed);
    assert_int_equal(tb_sink_xray.encode(&target, items, 2, &request), 1);
    assert_string_equal(request.url, "udp://127.0.0.1:2000");
    assert_null(tb_sink_next_header(&request, NULL));
    assert_memory_equal(tb_buf_str(&request.body), HEADER, strlen(HEADER));
    const char *document = tb_buf_str(&request.body) + strlen(HEADER);
    assert_null(xray_fault(document, strlen(document)));
    assert_null(strchr(document, '\n'));
    tb_sink_request_done(&request);
}

static void what_is_no_item_is_settled_without_a_datagram(void **state)
{
    struct tb_sink_target target = target_of(NULL);
    struct tb_sink_item item = {.uuid = UUID, .data = "[]", .len = 2};
    struct tb_sink_request request;
    (void)state;
    assert_int_equal(tb_sink_xray.encode(&target, &item, 1, &request), 1);
    assert_non_null(item.why);
    assert_int_equal(request.body.len, 0);
    tb_sink_request_done(&request);
    target.endpoint = "http://127.0.0.1:2000";
    assert_int_equal(tb_sink_xray.encode(&target, &item, 1, &request), -EINVAL);
    tb_sink_request_done(&request);
}

static void a_datagram_that_was_sent_is_taken(void **state)
{
    struct tb_sink_target target = target_of(NULL);
    struct tb_sink_item item = {.uuid = UUID, .data = "{}", .len = 2};
    struct tb_sink_reply reply = {.status = 200};
    struct tb_sink_judgement judgement;
    (void)state;
    tb_sink_xray.judge(&target, &reply, &item, 1, &judgement);
    assert_int_equal(judgement.verdict, TB_VERDICT_ACK);
    reply = (struct tb_sink_reply){.error = "Connection refused"};
    tb_sink_xray.judge(&target, &reply, &item, 1, &judgement);
    assert_int_equal(judgement.verdict, TB_VERDICT_RETRY);
    assert_string_equal(judgement.reason, "the X-Ray daemon: Connection refused");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_become_these_documents),
        cmocka_unit_test(the_vectors_segment_says_the_same),
        cmocka_unit_test(a_framework_that_is_none_names_no_service),
        cmocka_unit_test(the_colour_is_that_of_the_status),
        cmocka_unit_test(times_have_microseconds),
        cmocka_unit_test(names_have_only_what_xray_takes),
        cmocka_unit_test(the_parent_is_the_span_of_the_same_trace_alone),
        cmocka_unit_test(an_error_of_no_request_has_a_trace_of_its_own),
        cmocka_unit_test(large_items_are_cut_from_the_outside),
        cmocka_unit_test(the_longest_texts_still_make_a_document),
        cmocka_unit_test(a_text_is_cut_before_a_whole_character),
        cmocka_unit_test(one_item_is_one_datagram),
        cmocka_unit_test(what_is_no_item_is_settled_without_a_datagram),
        cmocka_unit_test(a_datagram_that_was_sent_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
