/* test_otlp_judge.c - what each answer to OTLP means, as its specification has it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sink/sink.h"

enum { N = 3, DATE_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static const char *const headers[] = {"x-honeycomb-team: hcaik_0123456789abcdef"};
static const struct tb_sink_settings settings = {.headers = headers, .n_headers = 1};
static const struct tb_sink_target target = {
    .endpoint = "https://api.honeycomb.io/v1/logs", .token = "", .settings = &settings};

static struct tb_sink_judgement judged[N];

static void judge_with(const struct tb_sink_type *sink, const struct tb_sink_reply *reply)
{
    static const struct tb_sink_item items[N] = {
        {.uuid = "a", .data = ""}, {.uuid = "b", .data = ""}, {.uuid = "c", .data = ""}};
    memset(judged, 0x5a, sizeof(judged));
    sink->judge(&target, reply, items, N, judged);
    for (size_t i = 1; i < N; i++)
        assert_memory_equal(&judged[i], &judged[0], sizeof(judged[0]));
}

static void judge(int status, const char *body)
{
    const struct tb_sink_reply reply = {
        .status = status, .body = body, .body_len = strlen(body), .now_s = DATE_S};
    judge_with(&tb_sink_otlp, &reply);
}

static void what_is_repeated_of_a_login_is_hidden(void **state)
{
    static const char said[] = "{\"message\":\"bad Authorization: Basic b25lOmFAYiBjOjEyMzQ1Ng== "
                               "(one:a@b c:123456)\"}";
    const struct tb_sink_target with_login = {
        .endpoint = "http://one:a%40b%20c%3a123456@h/v1/logs", .token = "", .settings = &settings};
    const struct tb_sink_reply reply = {.status = 400, .body = said, .body_len = sizeof(said) - 1};
    const struct tb_sink_item item = {.uuid = "a", .data = ""};
    (void)state;
    tb_sink_otlp.judge(&with_login, &reply, &item, 1, judged);
    assert_string_equal(judged[0].reason, "HTTP 400: bad Authorization: Basic (key) ((key))");
}

static void success_without_a_word_takes_all(void **state)
{
    static const char *const bodies[] = {"",
                                         "{}",
                                         "{\"partialSuccess\":{}}",
                                         "{\"partialSuccess\":null}",
                                         "{\"partialSuccess\":{\"rejectedLogRecords\":\"0\"}}",
                                         "{\"partialSuccess\":{\"rejectedLogRecords\":0}}",
                                         "{\"partialSuccess\":{\"rejectedLogRecords\":\"-1\"}}",
                                         "{\"partialSuccess\":7}",
                                         "\x0a\x00",
                                         "garbage"};
    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        judge(200, bodies[i]);
        assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
        assert_string_equal(judged[0].reason, "");
        assert_int_equal(judged[0].wait_ms, 0);
    }
    judge(202, "");
    assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
}

static void what_is_rejected_is_never_sent_again(void **state)
{
    (void)state;
    judge(200,
          "{\"partialSuccess\":{\"rejectedLogRecords\":\"3\",\"errorMessage\":\"too\\nold\"}}");
    assert_int_equal(judged[0].verdict, TB_VERDICT_DROP);
    assert_string_equal(judged[0].reason, "rejected: too");
    judge(200, "{\"partialSuccess\":{\"rejectedLogRecords\":99}}");
    assert_int_equal(judged[0].verdict, TB_VERDICT_DROP);
    judge(200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"1\",\"errorMessage\":\"too old\"}}");
    assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
    assert_string_equal(judged[0].reason, "1 of 3 were rejected, not said which: too old");
    judge(200, "{\"partialSuccess\":{\"rejectedLogRecords\":\"0\",\"errorMessage\":\"slow\"}}");
    assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
    assert_string_equal(judged[0].reason, "taken with a warning: slow");
}

static void spans_have_a_count_of_their_own(void **state)
{
    static const char body[] = "{\"partialSuccess\":{\"rejectedSpans\":\"3\"}}";
    const struct tb_sink_reply reply = {.status = 200, .body = body, .body_len = strlen(body)};
    (void)state;
    judge_with(&tb_sink_otlp_spans, &reply);
    assert_int_equal(judged[0].verdict, TB_VERDICT_DROP);
    judge_with(&tb_sink_otlp, &reply);
    assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
}

static void only_four_statuses_are_tried_again(void **state)
{
    (void)state;
    for (int status = 400; status < 600; status++) {
        enum tb_verdict expected = TB_VERDICT_DROP;
        if (status == 429 || status == 502 || status == 503 || status == 504)
            expected = TB_VERDICT_RETRY;
        else if (status == 401 || status == 403 || status == 404 || status == 405 ||
                 status == 407 || status == 415)
            expected = TB_VERDICT_PARK;
        judge(status, "");
        assert_int_equal(judged[0].verdict, expected);
        assert_int_equal(judged[0].wait_ms, 0);
        assert_int_equal(judged[0].may_repair, 0);
        assert_non_null(strstr(judged[0].reason, "HTTP "));
    }
}

static void a_wrong_address_is_named_whatever_stands_there_says(void **state)
{
    (void)state;
    judge(404, "404 page not found\n");
    assert_int_equal(judged[0].verdict, TB_VERDICT_PARK);
    assert_string_equal(judged[0].reason, "HTTP 404: nothing takes OTLP there: is otlp.endpoint "
                                          "right, with its path?");
    judge(415, "{\"message\":\"protobuf alone\"}");
    assert_string_equal(judged[0].reason, "HTTP 415: protobuf alone");
}

static void what_is_no_answer_is_tried_again(void **state)
{
    const struct tb_sink_reply none = {.status = 0, .error = "connection refused"};
    const struct tb_sink_reply unsaid = {.status = 0};
    (void)state;
    judge_with(&tb_sink_otlp, &none);
    assert_int_equal(judged[0].verdict, TB_VERDICT_RETRY);
    assert_string_equal(judged[0].reason, "connection refused");
    judge_with(&tb_sink_otlp, &unsaid);
    assert_int_equal(judged[0].verdict, TB_VERDICT_RETRY);
    judge(200, " <!DOCTYPE html><p>Log in</p>");
    assert_int_equal(judged[0].verdict, TB_VERDICT_RETRY);
    assert_non_null(strstr(judged[0].reason, "web page"));
    judge(307, "");
    assert_int_equal(judged[0].verdict, TB_VERDICT_RETRY);
    assert_non_null(strstr(judged[0].reason, "final address"));
}

static void retry_after_is_heeded(void **state)
{
    static const struct {
        const char *text;
        int64_t wait_ms;
    } cases[] = {{"7", 7000},
                 {" 30 ", 30000},
                 {"0", 0},
                 {"-5", 0},
                 {"soon", 0},
                 {"99999999999999999999999", 3600000},
                 {"86400", 3600000},
                 {"Sun, 06 Nov 1994 08:50:37 GMT", 60000},
                 {"Sun, 06 Nov 1994 08:49:00 GMT", 0},
                 {"Fri, 06 Nov 2037 08:49:00 GMT", 3600000},
                 {"Sun, 06 Nov 1994 08:50:37 GMT x", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static const int statuses[] = {429, 502, 503, 504};
        for (size_t s = 0; s < 4; s++) {
            const struct tb_sink_reply reply = {
                .status = statuses[s], .body = "", .now_s = DATE_S, .retry_after = cases[i].text};
            judge_with(&tb_sink_otlp, &reply);
            assert_int_equal(judged[0].verdict,
                             cases[i].wait_ms > 0 ? TB_VERDICT_SLOW : TB_VERDICT_RETRY);
            assert_int_equal(judged[0].wait_ms, cases[i].wait_ms);
        }
    }
}

static void the_servers_words_are_told_without_the_key(void **state)
{
    static const struct {
        int status;
        const char *body, *reason;
    } cases[] = {
        {401, "{\"message\":\"missing 'x-honeycomb-team' header\"}",
         "HTTP 401: missing 'x-honeycomb-team' header"},
        {401, "{\"error\":\"unknown API key - check your credentials\"}",
         "HTTP 401: unknown API key - check your credentials"},
        {400, "{\"code\":3,\"message\":\"bad \\u0001 data\",\"details\":[]}",
         "HTTP 400: bad ? data"},
        {401, "{\"error\":\"hcaik_0123456789abcdef is no key\"}", "HTTP 401: (key) is no key"},
        {401, "no such key: 0123456789abcdef\nmore", "HTTP 401: no such key: (key)"},
        {400, "plain words", "HTTP 400: plain words"},
        {404, "<html>404</html>",
         "HTTP 404: nothing takes OTLP there: is otlp.endpoint right, with its path?"},
        {413, "", "HTTP 413: the request is too large"},
        {500, "", "HTTP 500"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        judge(cases[i].status, cases[i].body);
        assert_string_equal(judged[0].reason, cases[i].reason);
    }
}

static void an_answer_that_was_cut_is_not_read(void **state)
{
    static const char body[] = "{\"partialSuccess\":{\"rejectedLogRecords\":\"3\"}}";
    const struct tb_sink_reply reply = {
        .status = 200, .body = body, .body_len = strlen(body), .is_cut = 1};
    (void)state;
    judge_with(&tb_sink_otlp, &reply);
    assert_int_equal(judged[0].verdict, TB_VERDICT_ACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_repeated_of_a_login_is_hidden),
        cmocka_unit_test(success_without_a_word_takes_all),
        cmocka_unit_test(what_is_rejected_is_never_sent_again),
        cmocka_unit_test(spans_have_a_count_of_their_own),
        cmocka_unit_test(only_four_statuses_are_tried_again),
        cmocka_unit_test(a_wrong_address_is_named_whatever_stands_there_says),
        cmocka_unit_test(what_is_no_answer_is_tried_again),
        cmocka_unit_test(retry_after_is_heeded),
        cmocka_unit_test(the_servers_words_are_told_without_the_key),
        cmocka_unit_test(an_answer_that_was_cut_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
