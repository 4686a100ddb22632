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

#include "sink/rollbar.h"

#define TOKEN "0123456789abcdef0123456789abcdef"

static const struct tb_sink_target TARGET = {.endpoint = "https://api.rollbar.com/api/1/item/",
                                             .token = TOKEN};

static int encode(const struct tb_sink_target *target, const char *data, size_t len,
                  struct tb_sink_request *out)
{
    struct tb_sink_item item = {.data = data, .len = len};
    memset(out, 0, sizeof(*out));
    int n = tb_sink_rollbar.encode(target, &item, 1, out);
    return n == 1 ? 0 : n;
}

static void an_item_becomes_this_request(void **state)
{
    (void)state;
    static const char DATA[] = "{\"uuid\":\"u\",\"big\":9007199254740993, \"x\":null}";
    struct tb_sink_request request;
    assert_int_equal(encode(&TARGET, DATA, sizeof(DATA) - 1, &request), 0);
    assert_string_equal(request.url, "https://api.rollbar.com/api/1/item/");
    const char *line = tb_sink_next_header(&request, NULL);
    assert_string_equal(line, "Content-Type: application/json");
    line = tb_sink_next_header(&request, line);
    assert_string_equal(line, "X-Rollbar-Access-Token: " TOKEN);
    assert_null(tb_sink_next_header(&request, line));
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
        struct tb_sink_target target = {.endpoint = TARGET.endpoint, .token = TOKENS[i]};
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
    struct tb_sink_target targets[] = {{.endpoint = "", .token = TOKEN},
                                       {.endpoint = url, .token = TOKEN}};
    assert_int_equal(encode(&TARGET, "", 0, &request), -EINVAL);
    assert_int_equal(encode(&TARGET, "[]", 2, &request), -EINVAL);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(encode(&targets[i], "{}", 2, &request), -EINVAL);
}

struct judge_case {
    int status;
    const char *error, *body;
    const char *remaining, *remaining_s;
    enum tb_verdict verdict;
    int64_t wait_ms;
    const char *reason;
};

#define OK_BODY "{\"err\":0,\"result\":{\"id\":null,\"uuid\":\"u\"}}"
#define NOT_OURS "HTTP 200: the answer is not Rollbar's: is rollbar.endpoint right?"

static const struct judge_case CASES[] = {
    /* taken */
    {200, NULL, OK_BODY, NULL, NULL, TB_VERDICT_ACK, 0, ""},
    {200, NULL, OK_BODY, "100", "30", TB_VERDICT_ACK, 0, ""},
    {200, NULL, "{\"err\": 0}", NULL, NULL, TB_VERDICT_ACK, 0, ""},
    /* taken, and the window is used up */
    {200, NULL, OK_BODY, "0", "30", TB_VERDICT_ACK, 30000, ""},
    {200, NULL, OK_BODY, "0", "2000000000", TB_VERDICT_ACK, 60000, ""},
    {200, NULL, OK_BODY, "0", "0", TB_VERDICT_ACK, 1000, ""},
    {200, NULL, OK_BODY, "0", NULL, TB_VERDICT_ACK, 0, ""},
    /* 200 from somebody else */
    {200, NULL, "<html>log in</html>", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, NULL, NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "[0]", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{}", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":\"0\"}", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":0", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":1,\"message\":\"odd\"}", NULL, NULL, TB_VERDICT_RETRY, 0,
     "HTTP 200: odd"},
    {200, NULL, "{\"err\":1,\"err\":0}", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":0.5}", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {200, NULL, "{\"err\":null}", NULL, NULL, TB_VERDICT_RETRY, 0, NOT_OURS},
    {202, NULL, "accepted", NULL, NULL, TB_VERDICT_RETRY, 0,
     "HTTP 202: the answer is not Rollbar's: is rollbar.endpoint right?"},
    /* a relay that says the same in its own way */
    {202, NULL, OK_BODY, NULL, NULL, TB_VERDICT_ACK, 0, ""},
    {200, NULL, "{\"err\":false,\"result\":{}}", NULL, NULL, TB_VERDICT_ACK, 0, ""},
    {200, NULL, " \n{\"result\":null,\"err\":0}\n", NULL, NULL, TB_VERDICT_ACK, 0, ""},
    /* too fast */
    {429, NULL, "{\"err\":1,\"message\":\"Over limit\"}", "0", "12", TB_VERDICT_SLOW, 12000,
     "HTTP 429: Over limit"},
    {429, NULL, "", NULL, NULL, TB_VERDICT_SLOW, 60000, "HTTP 429"},
    {429, NULL, "", "0", "0", TB_VERDICT_SLOW, 1000, "HTTP 429"},
    {429, NULL, "", "0", "-5", TB_VERDICT_SLOW, 60000, "HTTP 429"},
    {429, NULL, "", "0", "2000000000", TB_VERDICT_SLOW, 3600000, "HTTP 429"},
    {429, NULL, "", "0", "9223372036854775807", TB_VERDICT_SLOW, 3600000, "HTTP 429"},
    /* this item never */
    {400, NULL, "{\"err\":1,\"message\":\"bad JSON\"}", NULL, NULL, TB_VERDICT_DROP, 0,
     "HTTP 400: bad JSON"},
    {413, NULL, "<h1>413</h1>", NULL, NULL, TB_VERDICT_DROP, 0, "HTTP 413"},
    {422, NULL, "{\"err\":1,\"message\":\"Invalid format. data.level should be string.\"}", NULL,
     NULL, TB_VERDICT_DROP, 0, "HTTP 422: Invalid format. data.level should be string."},
    {422, NULL, "{\"err\":1,\"message\":{\"a\":1}}", NULL, NULL, TB_VERDICT_DROP, 0, "HTTP 422"},
    /* this token never */
    {401, NULL, "{\"err\":1,\"message\":\"access_token is missing\"}", NULL, NULL, TB_VERDICT_PARK,
     0, "HTTP 401: access_token is missing"},
    {403, NULL, "{\"err\":1,\"message\":\"access token not found: " TOKEN "\"}", NULL, NULL,
     TB_VERDICT_PARK, 0, "HTTP 403: access token not found: (token)"},
    {403, NULL, "{\"err\":1,\"message\":\"no token begins with 0123456789abcdef01..\"}", NULL, NULL,
     TB_VERDICT_PARK, 0, "HTTP 403: no token begins with (token).."},
    {403, NULL, "{\"err\":1,\"message\":\"none ends with 89abcdef, 01234567 is short\"}", NULL,
     NULL, TB_VERDICT_PARK, 0, "HTTP 403: none ends with (token), (token) is short"},
    {403, NULL, "{\"err\":1,\"message\":\"item 0123456 of 3456789\"}", NULL, NULL, TB_VERDICT_PARK,
     0, "HTTP 403: item 0123456 of 3456789"},
    /* later */
    {404, NULL, "", NULL, NULL, TB_VERDICT_RETRY, 0,
     "HTTP 404: nothing there: is rollbar.endpoint right?"},
    {408, NULL, "", NULL, NULL, TB_VERDICT_RETRY, 0, "HTTP 408"},
    {301, NULL, "", NULL, NULL, TB_VERDICT_RETRY, 0,
     "HTTP 301: redirected: set rollbar.endpoint to the final address"},
    {500, NULL, "{\"err\":1,\"message\":\"oops\\nline " TOKEN TOKEN "\"}", NULL, NULL,
     TB_VERDICT_RETRY, 0, "HTTP 500: oops?line (token)(token)"},
    {503, NULL, "busy", NULL, NULL, TB_VERDICT_RETRY, 0, "HTTP 503"},
    {407, NULL, "", NULL, NULL, TB_VERDICT_RETRY, 0,
     "HTTP 407: the proxy wants a login: put user:password@ into rollbar.proxy"},
    {0, "Connection refused", NULL, NULL, NULL, TB_VERDICT_RETRY, 0, "Connection refused"},
    {0, "at " TOKEN, NULL, NULL, NULL, TB_VERDICT_RETRY, 0, "at (token)"},
    {0, NULL, NULL, NULL, NULL, TB_VERDICT_RETRY, 0, "no answer"},
};

static struct tb_sink_reply reply_of(int status, const char *body)
{
    return (struct tb_sink_reply){
        .status = status, .body = body, .body_len = body ? strlen(body) : 0};
}

static void every_answer_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct judge_case *c = &CASES[i];
        struct tb_sink_reply reply = reply_of(c->status, c->body);
        reply.error = c->error;
        reply.rate_remaining = c->remaining;
        reply.rate_remaining_s = c->remaining_s;
        struct tb_sink_judgement judgement;
        memset(&judgement, 0x5a, sizeof(judgement));
        tb_rollbar_judge(&TARGET, &reply, &judgement);
        if (judgement.verdict != c->verdict || judgement.wait_ms != c->wait_ms ||
            strcmp(judgement.reason, c->reason) != 0)
            fail_msg("case %zu (%d): verdict %d, wait %lld, \"%s\"", i, c->status,
                     (int)judgement.verdict, (long long)judgement.wait_ms, judgement.reason);
        assert_int_equal(judgement.may_repair, c->verdict == TB_VERDICT_DROP);
    }
}

enum { NOW_S = 784111777 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

static const struct {
    int status;
    const char *remaining, *remaining_s, *retry_after, *reset;
    int64_t wait_ms;
} WAITS[] = {
    /* The first header that says something one can believe. */
    {429, "0", "12", "99", "784111999", 12000},
    {429, "0", NULL, "99", "784111999", 99000},
    {429, "0", NULL, NULL, "784111999", 222000},
    {429, "0", NULL, "Sun, 06 Nov 1994 08:50:37 GMT", NULL, 60000},
    {429, NULL, " 7 ", NULL, NULL, 7000},
    /* Lies. */
    {429, "0", "-5", "30", NULL, 30000},
    {429, "0", "2000000000", "30", NULL, 30000},
    {429, "0", "2000000000", NULL, NULL, 3600000},
    {429, "0", "99999999999999999999999999", NULL, NULL, 3600000},
    {429, "0", "soon", "later", "never", 60000},
    {429, "0", "1e3", "0x10", "", 60000},
    {429, "0", "", NULL, "784111776", 60000},
    {429, "0", NULL, "Sun, 06 Nov 1994 08:49:37 GMT", NULL, 60000},
    {429, "0", NULL, "Sun, 06 Nov 1994 08:49:36 GMT", NULL, 60000},
    {429, "0", NULL, "Sun, 06 Nov 2094 08:49:37 GMT", NULL, 3600000},
    {429, "0", NULL, "Sun, 06 Nov 1994 08:50:37 GMT or so", NULL, 60000},
    {429, "0", NULL, NULL, "784111777000", 3600000},
    {429, "0", "0", NULL, NULL, 1000},
    /* Taken, and nothing is left of the window. */
    {200, "0", "12", NULL, NULL, 12000},
    {200, "0", NULL, NULL, "784111807", 30000},
    {200, "0", "2000000000", NULL, NULL, 60000},
    {200, "0", "-1", NULL, NULL, 0},
    {200, "-1", "12", NULL, NULL, 0},
    {200, "none", "12", NULL, NULL, 0},
    {200, "1", "12", "12", NULL, 0},
    /* The service is away, and says for how long. */
    {503, NULL, NULL, "20", NULL, 20000},
    {503, NULL, NULL, "86400", NULL, 300000},
    {503, NULL, "20", NULL, NULL, 0},
    {500, NULL, NULL, "20", NULL, 0},
    {403, "0", "12", "12", NULL, 0},
};

static void headers_say_how_long_to_wait_and_may_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(WAITS) / sizeof(WAITS[0]); i++) {
        struct tb_sink_reply reply = reply_of(WAITS[i].status, OK_BODY);
        struct tb_sink_judgement judgement;
        reply.now_s = NOW_S;
        reply.rate_remaining = WAITS[i].remaining;
        reply.rate_remaining_s = WAITS[i].remaining_s;
        reply.retry_after = WAITS[i].retry_after;
        reply.rate_reset = WAITS[i].reset;
        tb_rollbar_judge(&TARGET, &reply, &judgement);
        if (judgement.wait_ms != WAITS[i].wait_ms)
            fail_msg("case %zu: %lld", i, (long long)judgement.wait_ms);
    }
}

/* What a refused item becomes; NULL: there is nothing to be mended. */
static const struct {
    int status;
    const char *data, *mended;
} REPAIRS[] = {
    {422, "{\"level\":\"error\",\"body\":{\"message\":{\"body\":\"m\"}}}", NULL},
    {500, "{\"context\":null}", NULL},
    {422, "{\"context\":null,\"n\":9007199254740993}", "{\"n\":9007199254740993}"},
    {400, "{\"context\":{\"a\":1},\"x\":1}", "{\"x\":1}"},
    {422, "{\"level\":40,\"x\":1}", "{\"x\":1}"},
    {422, "{\"level\":\"fatal\",\"x\":1}", "{\"x\":1}"},
    {422, "{\"custom\":[],\"x\":1}", "{\"x\":1}"},
    {422, "{\"person\":{\"id\":7},\"x\":1}", "{\"x\":1}"},
    {422, "{\"person\":{\"id\":\"7\"},\"x\":1}", NULL},
    {422, "{\"body\":{\"telemetry\":{},\"message\":{\"body\":\"m\"}}}",
     "{\"body\":{\"message\":{\"body\":\"m\"}}}"},
    {422, "{\"body\":{\"message\":{\"body\":\"m\"},\"trace\":{\"frames\":[]}}}",
     "{\"body\":{\"trace\":{\"frames\":[]}}}"},
    {422, "{\"body\":{\"trace\":{\"exception\":{\"class\":\"E\",\"message\":{}},\"frames\":[]}}}",
     "{\"body\":{\"trace\":{\"exception\":{\"class\":\"E\"},\"frames\":[]}}}"},
    {422, "{\"body\":{\"trace_chain\":[{\"exception\":{\"class\":\"E\"}}]}}",
     "{\"body\":{\"trace_chain\":[{\"exception\":{\"class\":\"E\"},\"frames\":[]}]}}"},
    {422, "{\"body\":{\"trace\":{\"frames\":[{\"filename\":null},7,{\"filename\":\"a.c\"}]}}}",
     "{\"body\":{\"trace\":{\"frames\":[{\"filename\":\"<unknown>\"},7,{\"filename\":\"a.c\"}]}}}"},
    {422, "no JSON", NULL},
    {413, "{\"x\":1}", NULL},
};

static void a_refused_item_is_mended_where_that_is_possible(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(REPAIRS) / sizeof(REPAIRS[0]); i++) {
        struct tb_buf out;
        tb_buf_init(&out, 4096);
        const char *data = REPAIRS[i].data;
        int done = tb_sink_rollbar.repair(REPAIRS[i].status, data, strlen(data), &out);
        const char *wanted = REPAIRS[i].mended ? REPAIRS[i].mended : "";
        if (done != (REPAIRS[i].mended != NULL) || strcmp(tb_buf_str(&out), wanted) != 0)
            fail_msg("case %zu: %d %s", i, done, tb_buf_str(&out));
        tb_buf_done(&out);
    }
}

static void an_item_that_is_too_large_for_them_is_cut_harder(void **state)
{
    (void)state;
    enum { LARGE = 400 << 10, SMALL = 128 << 10 };
    struct tb_buf data, out;
    tb_buf_init(&data, 1 << 20);
    tb_buf_init(&out, 1 << 20);
    tb_buf_adds(&data, "{\"uuid\":\"u\",\"body\":{\"message\":{\"body\":\"");
    while (data.len < LARGE)
        tb_buf_adds(&data, "ten bytes ");
    tb_buf_adds(&data, "\"}}}");
    int done = tb_sink_rollbar.repair(413, tb_buf_str(&data), data.len, &out);
    assert_int_equal(done, 1);
    assert_in_range(out.len, 100, SMALL);
    assert_non_null(strstr(tb_buf_str(&out), "\"uuid\":\"u\""));
    tb_buf_done(&data);
    tb_buf_done(&out);
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
        struct tb_sink_reply reply = reply_of(403, body);
        struct tb_sink_judgement judgement;
        tb_rollbar_judge(&TARGET, &reply, &judgement);
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
    struct tb_sink_reply reply = {.status = 200, .body = body, .body_len = DEEP};
    struct tb_sink_judgement judgement;
    tb_rollbar_judge(&TARGET, &reply, &judgement);
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
        cmocka_unit_test(headers_say_how_long_to_wait_and_may_lie),
        cmocka_unit_test(a_refused_item_is_mended_where_that_is_possible),
        cmocka_unit_test(an_item_that_is_too_large_for_them_is_cut_harder),
        cmocka_unit_test(no_part_of_a_token_shows_wherever_it_stands),
        cmocka_unit_test(deep_nesting_is_only_an_unreadable_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
