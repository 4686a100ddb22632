/* test_otlp.c - what OTLP is sent of an item: tests/data/sinks has the item and what is expected;
 * hostile items; groups of programs; bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <zlib.h>

#include "sink/otlp.h"

enum { FILE_BYTES = 1 << 20, NOW_MS = 1 };
static const int64_t now_ms = 1795339662623;

static struct tb_sink_settings plain = {
    .host = "", .is_plain = true, .name = "", .name_pattern = "", .origin = "", .region = ""};
static struct tb_sink_target target = {
    .endpoint = "http://127.0.0.1:4318/v1/logs", .token = "", .settings = &plain, .now_ms = now_ms};

static int begin(void **state)
{
    (void)state;
    memset(&plain, 0, sizeof(plain));
    plain.host = "";
    plain.is_plain = true;
    target.settings = &plain;
    return 0;
}

/* In place; with is no longer than what. */
static void replace(char *text, const char *what, const char *with)
{
    for (char *at = strstr(text, what); at; at = strstr(at, what)) {
        memmove(at + strlen(with), at + strlen(what), strlen(at + strlen(what)) + 1);
        memcpy(at, with, strlen(with));
    }
}

static char *read_data(const char *name)
{
    char path[512];
    char *text = calloc(1, FILE_BYTES);
    (void)snprintf(path, sizeof(path), "%s/sinks/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s is not there", path);
    size_t len = fread(text, 1, FILE_BYTES - 1, file);
    fclose(file);
    while (len > 0 && text[len - 1] == '\n')
        text[--len] = '\0';
    replace(text, "@VERSION@", TOWBAR_VERSION);
#if defined(__aarch64__)
    replace(text, "@ARCH@", "arm64");
#else
    replace(text, "@ARCH@", "amd64");
#endif
    return text;
}

/* The body of a request with one item. */
static char *encode_one(const struct tb_sink_type *sink, const char *uuid, const char *data)
{
    struct tb_sink_request request;
    struct tb_sink_item item = {.uuid = uuid, .data = data, .len = strlen(data)};
    assert_int_equal(sink->encode(&target, &item, 1, &request), 1);
    assert_null(item.why);
    char *body = strdup(tb_buf_str(&request.body));
    tb_sink_request_done(&request);
    return body;
}

static void check_file(const struct tb_sink_type *sink, const char *in, const char *expected)
{
    char *data = read_data(in);
    char *want = read_data(expected);
    char *body = encode_one(sink, "d4c7acef-55bf-4c9e-a95e-4fe9428a8287", data);
    cJSON *a = cJSON_Parse(body);
    cJSON *b = cJSON_Parse(want);
    assert_non_null(a);
    assert_non_null(b);
    if (!cJSON_Compare(a, b, true))
        fail_msg("%s: %s", expected, body);
    cJSON_Delete(a);
    cJSON_Delete(b);
    free(data);
    free(want);
    free(body);
}

static void a_crash_is_a_log_record(void **state)
{
    (void)state;
    plain.log_group = "cruddur";
    check_file(&tb_sink_otlp, "crash.json", "crash.otlp.json");
}

static void a_crash_is_a_span_with_an_event(void **state)
{
    (void)state;
    check_file(&tb_sink_otlp_spans, "crash.json", "crash.otlp-spans.json");
}

static void an_error_of_flask_is_a_log_record(void **state)
{
    (void)state;
    plain.host = "agent-host";
    check_file(&tb_sink_otlp, "flask.json", "flask.otlp.json");
}

static void a_message_is_no_exception(void **state)
{
    (void)state;
    check_file(&tb_sink_otlp, "message.json", "message.otlp.json");
    check_file(&tb_sink_otlp_spans, "message.json", "message.otlp-spans.json");
}

static void what_is_omitted_does_not_leave(void **state)
{
    char *data = read_data("flask.json");
    (void)state;
    plain.omit = (struct tb_sink_omit){.source = true, .request = true, .person = true};
    const struct tb_sink_type *const sinks[] = {&tb_sink_otlp, &tb_sink_otlp_spans};
    for (size_t i = 0; i < 2; i++) {
        char *body = encode_one(sinks[i], "u", data);
        assert_null(strstr(body, "url.full"));
        assert_null(strstr(body, "andrew"));
        assert_null(strstr(body, "203.0.113.9"));
        assert_null(strstr(body, "curl/7"));
        assert_null(strstr(body, "return data"));
        free(body);
    }
    free(data);
    for (int is_omitted = 0; is_omitted < 2; is_omitted++) {
        plain.omit = (struct tb_sink_omit){.request = is_omitted, .person = is_omitted};
        char *body = encode_one(&tb_sink_otlp, "u",
                                "{\"custom\":{\"http_status\":500},\"attributes\":[{\"key\":"
                                "\"session_id\",\"value\":\"s-7\"}],\"body\":{\"message\":"
                                "{\"body\":\"m\"}}}");
        assert_int_equal(strstr(body, "http.response.status_code") == NULL, is_omitted);
        assert_int_equal(strstr(body, "s-7") == NULL, is_omitted);
        free(body);
    }
}

/* ---- several items ---- */

static char *unpack(const struct tb_buf *body)
{
    z_stream z;
    char *text = calloc(1, FILE_BYTES);
    memset(&z, 0, sizeof(z));
    assert_int_equal(inflateInit2(&z, MAX_WBITS + 16), Z_OK);
    z.next_in = (unsigned char *)body->data;
    z.avail_in = (uInt)body->len;
    z.next_out = (unsigned char *)text;
    z.avail_out = FILE_BYTES - 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    (void)inflateEnd(&z);
    return text;
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static void items_of_one_program_share_its_resource(void **state)
{
    static const char *const texts[] = {
        "{\"custom\":{\"service\":\"a\"},\"body\":{\"message\":{\"body\":\"one\"}}}",
        "{\"custom\":{\"service\":\"b\"},\"body\":{\"message\":{\"body\":\"two\"}}}", "[1]",
        "{\"custom\":{\"service\":\"a\"},\"body\":{\"message\":{\"body\":\"three\"}}}"};
    struct tb_sink_item items[4];
    struct tb_sink_request request;
    (void)state;
    for (size_t i = 0; i < 4; i++)
        items[i] = (struct tb_sink_item){.uuid = "u", .data = texts[i], .len = strlen(texts[i])};
    plain.is_plain = false;
    const char *const headers[] = {"x-honeycomb-team: key", "x-b: 2"};
    plain.headers = headers;
    plain.n_headers = 2;
    assert_int_equal(tb_sink_otlp.encode(&target, items, 4, &request), 4);
    assert_null(items[0].why);
    assert_string_equal(items[2].why, "it is no JSON object");
    assert_string_equal(request.url, target.endpoint);
    const char *line = tb_sink_next_header(&request, NULL);
    assert_string_equal(line, "Content-Type: application/json");
    line = tb_sink_next_header(&request, line);
    assert_string_equal(line, "Content-Encoding: gzip");
    line = tb_sink_next_header(&request, line);
    assert_string_equal(line, headers[0]);
    line = tb_sink_next_header(&request, line);
    assert_string_equal(line, headers[1]);
    assert_null(tb_sink_next_header(&request, line));
    char *body = unpack(&request.body);
    assert_int_equal(count(body, "\"resource\":"), 2);
    assert_int_equal(count(body, "timeUnixNano"), 3);
    assert_true(strstr(body, "\"one\"") < strstr(body, "\"three\""));
    assert_true(strstr(body, "\"three\"") < strstr(body, "\"two\""));
    free(body);
    tb_sink_request_done(&request);
}

static void of_bad_items_alone_no_request_is_made(void **state)
{
    struct tb_sink_item items[2] = {{.uuid = "u", .data = "", .len = 0},
                                    {.uuid = "u", .data = "{", .len = 1}};
    struct tb_sink_request request;
    (void)state;
    assert_int_equal(tb_sink_otlp.encode(&target, items, 2, &request), 2);
    assert_non_null(items[0].why);
    assert_non_null(items[1].why);
    assert_int_equal(request.body.len, 0);
    tb_sink_request_done(&request);
}

static void a_request_has_bounds(void **state)
{
    enum { N = 64, LEN = 400000 };
    static char big[LEN + 64];
    struct tb_sink_item items[N];
    struct tb_sink_request request;
    (void)state;
    size_t len = (size_t)snprintf(big, sizeof(big), "{\"body\":{\"message\":{\"body\":\"");
    while (len < LEN)
        len += (size_t)snprintf(big + len, sizeof(big) - len, "\\u0001%c", 'a' + (int)(len % 26));
    len += (size_t)snprintf(big + len, sizeof(big) - len, "\"}}}");
    for (size_t i = 0; i < N; i++)
        items[i] = (struct tb_sink_item){.uuid = "u", .data = big, .len = len};
    int n = tb_sink_otlp.encode(&target, items, N, &request);
    assert_in_range(n, 1, N);
    assert_in_range(request.body.len, (size_t)n * 65535, (size_t)n * 80000);
    cJSON *json = cJSON_ParseWithLength(request.body.data, request.body.len);
    assert_non_null(json);
    cJSON_Delete(json);
    tb_sink_request_done(&request);
}

static void bodies_of_any_size_unpack_to_the_plain_one(void **state)
{
    static const size_t sizes[] = {1, 3000, 4000, 9000, 30000, 34000, 60000};
    static char data[70000];
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t len = (size_t)snprintf(data, sizeof(data), "{\"body\":{\"message\":{\"body\":\"");
        for (size_t k = 0; k < sizes[i]; k++)
            data[len++] = (char)('a' + k * k % 26);
        (void)snprintf(data + len, sizeof(data) - len, "\"}}}");
        struct tb_sink_item item = {.uuid = "u", .data = data, .len = strlen(data)};
        struct tb_sink_request request;
        plain.is_plain = true;
        char *expected = encode_one(&tb_sink_otlp, "u", data);
        plain.is_plain = false;
        assert_int_equal(tb_sink_otlp.encode(&target, &item, 1, &request), 1);
        char *body = unpack(&request.body);
        assert_string_equal(body, expected);
        free(body);
        free(expected);
        tb_sink_request_done(&request);
    }
}

/* ---- hostile items ---- */

static void whatever_an_item_is_the_request_is_json(void **state)
{
    static const char *const texts[] = {
        "{}",
        "{\"body\":1,\"custom\":[],\"attributes\":{},\"request\":\"x\",\"person\":[]}",
        "{\"attributes\":[1,null,{\"key\":1,\"value\":{}},{\"key\":\"session_id\",\"value\":[]}]}",
        "{\"custom\":{\"native\":{\"kind\":7,\"signal\":[],\"executable\":\"/a/\"},\"scope\":[1]}}",
        "{\"custom\":{\"scope\":{\"\":\"a\",\"b\":1,\"c\\\"d\":\"e\\u0000f\",\"g\":{}}}}",
        ("{\"body\":{\"trace\":{\"frames\":[1,null,{},{\"method\":\"\\\"\\\\\\n\\u0007\","
         "\"lineno\":-5,\"address\":\"x\"}],\"exception\":{\"class\":1,\"message\":null}}}}"),
        "{\"body\":{\"trace_chain\":[{},{\"exception\":{\"class\":\"A\"}},7]}}",
        "{\"level\":\"nonsense\",\"timestamp\":-1,\"title\":\"\\ud800\"}",
        "{\"timestamp\":1e300,\"custom\":{\"trace_id\":\"zz\",\"trace\":{\"flags\":\"zz\"}}}"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct tb_sink_type *const sinks[] = {&tb_sink_otlp, &tb_sink_otlp_spans};
        for (size_t s = 0; s < 2; s++) {
            char *body = encode_one(sinks[s], "\"u\\\n", texts[i]);
            cJSON *json = cJSON_Parse(body);
            if (!json)
                fail_msg("%s became %s", texts[i], body);
            assert_null(strstr(body, "imeUnixNano\":\"0\""));
            cJSON_Delete(json);
            free(body);
        }
    }
}

/* Collectors refuse a request in which one key stands twice, whole. */
static void a_key_of_the_scope_that_is_said_twice_stands_once(void **state)
{
    (void)state;
    char *body = encode_one(&tb_sink_otlp, "u",
                            "{\"custom\":{\"scope\":{\"a\":\"1\",\"a\":\"2\",\"\\u0061\":\"3\","
                            "\"a\\u0000b\":\"4\",\"b\":\"5\"}},\"body\":{\"message\":{\"body\":"
                            "\"m\"}}}");
    assert_int_equal(count(body, "\"rollbar.scope.a\""), 1);
    assert_int_equal(count(body, "\"rollbar.scope.b\""), 1);
    assert_non_null(strstr(body, "\"droppedAttributesCount\":2"));
    free(body);
}

static void members_of_a_scope_are_counted_when_left_out(void **state)
{
    char text[4096];
    (void)state;
    size_t len = (size_t)snprintf(text, sizeof(text), "{\"custom\":{\"scope\":{\"n\":[1]");
    for (int i = 0; i < 40; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"k%d\":\"v\"", i);
    (void)snprintf(text + len, sizeof(text) - len, "}}}");
    char *body = encode_one(&tb_sink_otlp, "u", text);
    assert_int_equal(count(body, "rollbar.scope.k"), 31);
    assert_non_null(strstr(body, "\"droppedAttributesCount\":10"));
    free(body);
}

static void texts_are_cut_at_characters(void **state)
{
    struct tb_buf out;
    struct tb_otlp_text text;
    (void)state;
    tb_buf_init(&out, 100);
    tb_otlp_string(&out, "a\xc3\xa4\xc3\xa4", 4);
    assert_string_equal(tb_buf_str(&out), "\"a\xc3\xa4\"");
    tb_buf_reset(&out);
    tb_otlp_string(&out, "ab\"c", 3);
    assert_string_equal(tb_buf_str(&out), "\"ab\"");
    tb_buf_reset(&out);
    tb_otlp_text_open(&text, &out, 10);
    tb_otlp_text_add(&text, "a\nb");
    tb_otlp_text_add(&text, "\x01");
    assert_true(!text.is_cut);
    tb_otlp_text_add(&text, "c");
    assert_true(text.is_cut);
    tb_otlp_text_add(&text, "d");
    tb_otlp_text_close(&text);
    assert_string_equal(tb_buf_str(&out), "\"a\\nb\\u0001\"");
    tb_buf_done(&out);
}

static void only_what_ended_a_program_is_fatal(void **state)
{
    static const struct {
        const char *level, *more;
        int severity;
    } cases[] = {{"critical", "", 17},
                 {"critical", ",\"custom\":{\"native\":{\"kind\":\"crash\"}}", 21},
                 {"critical", ",\"custom\":{\"native\":{\"kind\":\"vanished\"}}", 21},
                 {"critical", ",\"custom\":{\"native\":{\"kind\":\"report\"}}", 17},
                 {"critical", ",\"attributes\":[{\"key\":\"is_uncaught\",\"value\":\"true\"}]", 21},
                 {"error", ",\"attributes\":[{\"key\":\"is_uncaught\",\"value\":\"true\"}]", 17},
                 {"warning", ",\"custom\":{\"native\":{\"kind\":\"vanished\"}}", 13},
                 {"info", "", 9},
                 {"debug", "", 5}};
    char text[512];
    char expected[64];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(text, sizeof(text), "{\"level\":\"%s\"%s}", cases[i].level, cases[i].more);
        (void)snprintf(expected, sizeof(expected), "\"severityNumber\":%d,", cases[i].severity);
        char *body = encode_one(&tb_sink_otlp, "u", text);
        if (!strstr(body, expected))
            fail_msg("%s: %s", text, body);
        assert_int_equal(strstr(body, "\"error\"") != NULL, cases[i].severity >= 17);
        free(body);
    }
}

static void a_type_in_the_message_is_not_told_twice(void **state)
{
    static const char data[] = "{\"body\":{\"trace\":{\"frames\":[],\"exception\":{\"class\":"
                               "\"SIGSEGV\",\"message\":\"SIGSEGV: at 0x10\"}}}}";
    (void)state;
    char *body = encode_one(&tb_sink_otlp, "u", data);
    assert_non_null(strstr(body, "{\"stringValue\":\"SIGSEGV: at 0x10\\n\"}"));
    free(body);
}

static void the_same_item_is_the_same_span(void **state)
{
    char *data = read_data("message.json");
    char *once = encode_one(&tb_sink_otlp_spans, "u-1", data);
    char *twice = encode_one(&tb_sink_otlp_spans, "u-1", data);
    char *other = encode_one(&tb_sink_otlp_spans, "u-2", data);
    (void)state;
    assert_string_equal(once, twice);
    assert_string_not_equal(once, other);
    free(data);
    free(once);
    free(twice);
    free(other);
}

/* Who reads "ot=th:c" counts the span for four. */
static void a_span_stands_for_itself_alone(void **state)
{
    static const char *const cases[][2] = {
        {"ot=th:c", ""},
        {"ot=th:c,", ""},
        {"ot=th:c;rv:1,x=1", ",\"traceState\":\"x=1\","},
        {"x=1, ot=th:c,y=2", ",\"traceState\":\"x=1,y=2\","},
        {"ott=1,a=ot=", ",\"traceState\":\"ott=1,a=ot=\","},
    };
    char data[256];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)snprintf(data, sizeof(data),
                       "{\"custom\":{\"trace_id\":\"6b02b58de0617ecba70ed68ac9552d48\","
                       "\"trace\":{\"state\":\"%s\"}}}",
                       cases[i][0]);
        char *body = encode_one(&tb_sink_otlp_spans, "u", data);
        assert_int_equal(count(body, "traceState"), cases[i][1][0] != '\0');
        assert_non_null(strstr(body, cases[i][1]));
        free(body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_crash_is_a_log_record, begin),
        cmocka_unit_test_setup(a_crash_is_a_span_with_an_event, begin),
        cmocka_unit_test_setup(an_error_of_flask_is_a_log_record, begin),
        cmocka_unit_test_setup(a_message_is_no_exception, begin),
        cmocka_unit_test_setup(what_is_omitted_does_not_leave, begin),
        cmocka_unit_test_setup(a_key_of_the_scope_that_is_said_twice_stands_once, begin),
        cmocka_unit_test_setup(items_of_one_program_share_its_resource, begin),
        cmocka_unit_test_setup(of_bad_items_alone_no_request_is_made, begin),
        cmocka_unit_test_setup(a_request_has_bounds, begin),
        cmocka_unit_test_setup(bodies_of_any_size_unpack_to_the_plain_one, begin),
        cmocka_unit_test_setup(whatever_an_item_is_the_request_is_json, begin),
        cmocka_unit_test_setup(members_of_a_scope_are_counted_when_left_out, begin),
        cmocka_unit_test_setup(texts_are_cut_at_characters, begin),
        cmocka_unit_test_setup(only_what_ended_a_program_is_fatal, begin),
        cmocka_unit_test_setup(a_type_in_the_message_is_not_told_twice, begin),
        cmocka_unit_test_setup(the_same_item_is_the_same_span, begin),
        cmocka_unit_test_setup(a_span_stands_for_itself_alone, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
