/* test_deploy.c - requests of the deploy API, and the id in its answers. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sink/deploy.h"

static struct tb_sink_request request;

static int encode(const char *endpoint, int64_t remote_id, const char *comment)
{
    const struct tb_sink_target target = {.endpoint = endpoint,
                                          .token = "0123456789abcdef0123456789abcdef"};
    const struct tb_sink_deploy deploy = {.environment = "production",
                                          .revision = "a\"b",
                                          .status = "started",
                                          .comment = comment,
                                          .local_username = "",
                                          .rollbar_username = "",
                                          .remote_id = remote_id};
    memset(&request, 0xff, sizeof(request));
    return tb_sink_deploy_encode(&target, &deploy, &request);
}

static void the_url_is_beside_that_of_items(void **state)
{
    static const char *const urls[][3] = {
        {"https://h/api/1/item/", "https://h/api/1/deploy/", "https://h/api/1/deploy/7"},
        {"https://h/api/1/item", "https://h/api/1/deploy/", "https://h/api/1/deploy/7"},
        {"http://h:1/x/item/?a=b#c", "http://h:1/x/deploy/?a=b", "http://h:1/x/deploy/7?a=b"}};
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        assert_int_equal(encode(urls[i][0], 0, ""), 0);
        assert_string_equal(request.url, urls[i][1]);
        assert_null(request.method);
        tb_sink_request_done(&request);
        assert_int_equal(encode(urls[i][0], 7, ""), 0);
        assert_string_equal(request.url, urls[i][2]);
        assert_string_equal(request.method, "PATCH");
        tb_sink_request_done(&request);
    }
    assert_int_equal(encode("https://h/api/1/", 0, ""), -EINVAL);
    tb_sink_request_done(&request);
}

static void the_body_is_json_whatever_the_texts_are(void **state)
{
    static char comment[(64 << 10) + 1];
    (void)state;
    assert_int_equal(encode("https://h/item/", 0, "new\nqueue"), 0);
    assert_string_equal(tb_buf_str(&request.body),
                        "{\"access_token\":\"0123456789abcdef0123456789abcdef\","
                        "\"environment\":\"production\",\"revision\":\"a\\\"b\","
                        "\"comment\":\"new\\nqueue\",\"status\":\"started\"}");
    tb_sink_request_done(&request);
    memset(comment, 1, sizeof(comment) - 1);
    assert_int_equal(encode("https://h/item/", 0, comment), 0);
    assert_true(request.body.len > 6 * (sizeof(comment) - 1));
    tb_sink_request_done(&request);
    assert_int_equal(encode("https://h/item/", 7, "x"), 0);
    assert_string_equal(
        tb_buf_str(&request.body),
        "{\"access_token\":\"0123456789abcdef0123456789abcdef\",\"status\":\"started\"}");
    tb_sink_request_done(&request);
}

static void the_id_is_found_in_either_place(void **state)
{
    static const struct {
        const char *body;
        int64_t id;
    } cases[] = {{"{\"err\":0,\"data\":{\"deploy_id\":5}}", 5},
                 {"{\"err\":0,\"result\":{\"deploy_id\":6}}", 6},
                 {"{\"data\":{\"deploy_id\":-5}}", 0},
                 {"{\"data\":{\"deploy_id\":1e300}}", 0},
                 {"{\"data\":7}", 0},
                 {"no json", 0},
                 {"", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tb_sink_deploy_id(cases[i].body, strlen(cases[i].body)), cases[i].id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_url_is_beside_that_of_items),
        cmocka_unit_test(the_body_is_json_whatever_the_texts_are),
        cmocka_unit_test(the_id_is_found_in_either_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
