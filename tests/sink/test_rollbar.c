/* test_rollbar.c - what is sent to Rollbar, byte for byte, and what its answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "sink/sink.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static const struct tb_sink_target TARGET = {"https://api.rollbar.com/api/1/item/", TOKEN};

static int encode(const struct tb_sink_target *target, const char *data, size_t len,
                  struct tb_sink_request *out)
{
    memset(out, 0, sizeof(*out));
    return tb_sink_rollbar.encode(target, data, len, out);
}

static void an_item_becomes_this_request(void **state)
{
    (void)state;
    static const char DATA[] = "{\"uuid\":\"u\",\"big\":9007199254740993, \"x\":null}";
    struct tb_sink_request request;
    assert_int_equal(encode(&TARGET, DATA, sizeof(DATA) - 1, &request), 0);
    assert_string_equal(request.url, "https://api.rollbar.com/api/1/item/");
    assert_int_equal(request.n_headers, 2);
    assert_string_equal(request.headers[0], "Content-Type: application/json");
    assert_string_equal(request.headers[1], "X-Rollbar-Access-Token: " TOKEN);
    assert_string_equal(tb_buf_str(&request.body),
                        "{\"data\":{\"uuid\":\"u\",\"big\":9007199254740993, \"x\":null}}");
    tb_sink_request_done(&request);
}

static void half_a_mebibyte_is_the_limit_of_a_body(void **state)
{
    (void)state;
    enum { LIMIT = 524288, AROUND = sizeof("{\"data\":}") - 1 };
    char *data = malloc(LIMIT);
    assert_non_null(data);
    memset(data, ' ', LIMIT);
    data[0] = '{';
    struct tb_sink_request request;
    assert_int_equal(encode(&TARGET, data, LIMIT - AROUND, &request), 0);
    assert_int_equal(request.body.len, LIMIT);
    tb_sink_request_done(&request);
    assert_int_equal(encode(&TARGET, data, LIMIT - AROUND + 1, &request), -EMSGSIZE);
    tb_sink_request_done(&request);
    free(data);
}

static void a_token_cannot_smuggle_a_header(void **state)
{
    (void)state;
    static const char *const TOKENS[] = {"", "a\r\nHost: x", "a b", "a\n", "t\xc3\xb6ken", "\x7f"};
    for (size_t i = 0; i < sizeof(TOKENS) / sizeof(TOKENS[0]); i++) {
        struct tb_sink_target target = {TARGET.endpoint, TOKENS[i]};
        struct tb_sink_request request;
        assert_int_equal(encode(&target, "{}", 2, &request), -EINVAL);
        tb_sink_request_done(&request);
    }
}

static void what_is_no_object_or_has_no_endpoint_is_refused(void **state)
{
    (void)state;
    struct tb_sink_request request;
    char url[2000];
    memset(url, 'u', sizeof(url) - 1);
    url[sizeof(url) - 1] = '\0';
    struct tb_sink_target targets[] = {{"", TOKEN}, {url, TOKEN}};
    assert_int_equal(encode(&TARGET, "", 0, &request), -EINVAL);
    assert_int_equal(encode(&TARGET, "[]", 2, &request), -EINVAL);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(encode(&targets[i], "{}", 2, &request), -EINVAL);
}

struct judge_case {
    int status;
    const char *error, *body;
    int64_t remaining, remaining_s;
    enum tb_verdict verdict;
    int64_t wait_ms;
    const char *reason;
};

#define HUGE_S INT64_C(2000000000)
#define OK_BODY "{\"err\":0,\"result\":{\"id\":null,\"uuid\":\"u\"}}"
#define NOT_OURS "HTTP 200: the answer is not Rollbar's: is rollbar.endpoint right?"

static const struct judge_case CASES[] = {
    /* taken */
    {200, NULL, OK_BODY, -1, -1, TB_VERDICT_ACK, 0, ""},
    {200, NULL, OK_BODY, 100, 30, TB_VERDICT_ACK, 0, ""},
    {200, NULL, "{\"err\": 0}", -1, -1, TB_VERDICT_ACK, 0, ""},
    /* taken, and the window is used up */
    {200, NULL, OK_BODY, 0, 30, TB_VERDICT_ACK, 30000, ""},
    {200, NULL, OK_BODY, 0, HUGE_S, TB_VERDICT_ACK, 3600000, ""},
    {200, NULL, OK_BODY, 0, 0, TB_VERDICT_ACK, 1000, ""},
    {200, NULL, OK_BODY, 0, -1, TB_VERDICT_ACK, 0, ""},
    /* 200 from somebody else */
    {200, NULL, "<html>log in</html>", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, NULL, -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "[0]", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{}", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":\"0\"}", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":0", -1, -1, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":1,\"message\":\"odd\"}", -1, -1, TB_VERDICT_RETRY, 0, "HTTP 200: odd"},
    {202, NULL, OK_BODY, -1, -1, TB_VERDICT_RETRY, 0, "HTTP 202"},
    /* too fast */
    {429, NULL, "{\"err\":1,\"message\":\"Over limit\"}", 0, 12, TB_VERDICT_SLOW, 12000,
     "HTTP 429: Over limit"},
    {429, NULL, "", -1, -1, TB_VERDICT_SLOW, 60000, "HTTP 429"},
    {429, NULL, "", 0, 0, TB_VERDICT_SLOW, 1000, "HTTP 429"},
    {429, NULL, "", 0, -5, TB_VERDICT_SLOW, 60000, "HTTP 429"},
    {429, NULL, "", 0, HUGE_S, TB_VERDICT_SLOW, 3600000, "HTTP 429"},
    {429, NULL, "", 0, INT64_MAX, TB_VERDICT_SLOW, 3600000, "HTTP 429"},
    /* this item never */
    {400, NULL, "{\"err\":1,\"message\":\"bad JSON\"}", -1, -1, TB_VERDICT_DROP, 0,
     "HTTP 400: bad JSON"},
    {413, NULL, "<h1>413</h1>", -1, -1, TB_VERDICT_DROP, 0, "HTTP 413"},
    {422, NULL, "{\"err\":1,\"message\":\"Invalid format. data.level should be string.\"}", -1, -1,
     TB_VERDICT_DROP, 0, "HTTP 422: Invalid format. data.level should be string."},
    {422, NULL, "{\"err\":1,\"message\":{\"a\":1}}", -1, -1, TB_VERDICT_DROP, 0, "HTTP 422"},
    /* this token never */
    {401, NULL, "{\"err\":1,\"message\":\"access_token is missing\"}", -1, -1, TB_VERDICT_PARK, 0,
     "HTTP 401: access_token is missing"},
    {403, NULL, "{\"err\":1,\"message\":\"access token not found: " TOKEN "\"}", -1, -1,
     TB_VERDICT_PARK, 0, "HTTP 403: access token not found: (token)"},
    {403, NULL, "{\"err\":1,\"message\":\"no token begins with 0123456789abcdef01..\"}", -1, -1,
     TB_VERDICT_PARK, 0, "HTTP 403: no token begins with (token).."},
    {403, NULL, "{\"err\":1,\"message\":\"none ends with 89abcdef, 01234567 is short\"}", -1, -1,
     TB_VERDICT_PARK, 0, "HTTP 403: none ends with (token), (token) is short"},
    {403, NULL, "{\"err\":1,\"message\":\"item 0123456 of 3456789\"}", -1, -1, TB_VERDICT_PARK, 0,
     "HTTP 403: item 0123456 of 3456789"},
    /* later */
    {404, NULL, "", -1, -1, TB_VERDICT_RETRY, 0,
     "HTTP 404: nothing there: is rollbar.endpoint right?"},
    {408, NULL, "", -1, -1, TB_VERDICT_RETRY, 0, "HTTP 408"},
    {301, NULL, "", -1, -1, TB_VERDICT_RETRY, 0,
     "HTTP 301: redirected: set rollbar.endpoint to the final address"},
    {500, NULL, "{\"err\":1,\"message\":\"oops\\nline " TOKEN TOKEN "\"}", -1, -1, TB_VERDICT_RETRY,
     0, "HTTP 500: oops?line (token)(token)"},
    {503, NULL, "busy", -1, -1, TB_VERDICT_RETRY, 0, "HTTP 503"},
    {0, "Connection refused", NULL, -1, -1, TB_VERDICT_RETRY, 0, "Connection refused"},
    {0, "at " TOKEN, NULL, -1, -1, TB_VERDICT_RETRY, 0, "at (token)"},
    {0, NULL, NULL, -1, -1, TB_VERDICT_RETRY, 0, "no answer"},
};

static void every_answer_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct judge_case *c = &CASES[i];
        struct tb_sink_reply reply = {c->status,    c->error,
                                      c->body,      c->body ? strlen(c->body) : 0,
                                      c->remaining, c->remaining_s};
        struct tb_sink_judgement judgement;
        memset(&judgement, 0x5a, sizeof(judgement));
        tb_sink_rollbar.judge(&TARGET, &reply, &judgement);
        if (judgement.verdict != c->verdict || judgement.wait_ms != c->wait_ms ||
            strcmp(judgement.reason, c->reason) != 0)
            fail_msg("case %zu (%d): verdict %d, wait %lld, \"%s\"", i, c->status,
                     (int)judgement.verdict, (long long)judgement.wait_ms, judgement.reason);
    }
}

static void no_part_of_a_token_shows_wherever_it_stands(void **state)
{
    (void)state;
    /* Also where the reason ends: a token cut by the end would be half a token shown. */
    for (size_t before = 0; before < TB_SINK_REASON + 10; before++) {
        char body[1024];
        char filler[TB_SINK_REASON + 16];
        memset(filler, '-', before);
        filler[before] = '\0';
        (void)snprintf(body, sizeof(body), "{\"err\":1,\"message\":\"%s" TOKEN " tail\"}", filler);
        struct tb_sink_reply reply = {403, NULL, body, strlen(body), -1, -1};
        struct tb_sink_judgement judgement;
        tb_sink_rollbar.judge(&TARGET, &reply, &judgement);
        assert_null(strstr(judgement.reason, "0123"));
        assert_true(strlen(judgement.reason) < TB_SINK_REASON);
    }
}

static void deep_nesting_is_only_an_unreadable_answer(void **state)
{
    (void)state;
    enum { DEEP = 60000 };
    char *body = malloc(DEEP);
    assert_non_null(body);
    memset(body, '[', DEEP);
    struct tb_sink_reply reply = {200, NULL, body, DEEP, -1, -1};
    struct tb_sink_judgement judgement;
    tb_sink_rollbar.judge(&TARGET, &reply, &judgement);
    assert_int_equal(judgement.verdict, TB_VERDICT_RETRY);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_becomes_this_request),
        cmocka_unit_test(half_a_mebibyte_is_the_limit_of_a_body),
        cmocka_unit_test(a_token_cannot_smuggle_a_header),
        cmocka_unit_test(what_is_no_object_or_has_no_endpoint_is_refused),
        cmocka_unit_test(every_answer_has_its_verdict),
        cmocka_unit_test(no_part_of_a_token_shows_wherever_it_stands),
        cmocka_unit_test(deep_nesting_is_only_an_unreadable_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
