/* Addresses of other tools: what a template may hold, and what becomes of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "item/link.h"

static const struct tb_link_values values = {.trace_id = "65f0b1c2aaaaaaaabbbbbbbbcccccccc",
                                             .span_id = "0123456789abcdef",
                                             .xray_trace_id = "1-65f0b1c2-aaaaaaaabbbbbbbbcccccccc",
                                             .uuid = "u-1",
                                             .service = "back end/ä\"><&%",
                                             .environment = "",
                                             .region = "ca-central-1",
                                             .start_ms = 1710272962123,
                                             .end_ms = 1710272963999};

static void places_are_filled_and_encoded(void **state)
{
    static const struct {
        const char *url, *expected;
    } cases[] = {{"https://x/", "https://x/"},
                 {"http://x/{trace_id}/{span_id}",
                  "http://x/65f0b1c2aaaaaaaabbbbbbbbcccccccc/0123456789abcdef"},
                 {"https://{region}.x/{xray_trace_id}?u={uuid}",
                  "https://ca-central-1.x/1-65f0b1c2-aaaaaaaabbbbbbbbcccccccc?u=u-1"},
                 {"https://x/?s={service}", "https://x/?s=back%20end%2F%C3%A4%22%3E%3C%26%25"},
                 {"https://x/#a$3D{start_ms},{end_ms},{start_s},{end_s}",
                  "https://x/#a$3D1710272962123,1710272963999,1710272962,1710272963"}};
    char out[TB_LINK_BYTES];
    char why[TB_LINK_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(tb_link_check(cases[i].url, why), 0);
        assert_int_equal(tb_link_expand(cases[i].url, &values, out), 0);
        assert_string_equal(out, cases[i].expected);
    }
}

static void without_its_values_there_is_no_link(void **state)
{
    static const char *const urls[] = {"https://x/{environment}", "https://x/{host}"};
    static const struct tb_link_values none;
    char out[TB_LINK_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
        assert_int_equal(tb_link_expand(urls[i], &values, out), -ENOENT);
    assert_int_equal(tb_link_expand("https://x/{start_s}", &none, out), -ENOENT);
    assert_int_equal(tb_link_expand("https://x/{trace_id}", &none, out), -ENOENT);
}

static void bad_templates_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "//x/",
                                      "javascript:alert(1)",
                                      "HTTPS://x",
                                      "https://",
                                      "ftp://x",
                                      "https://x/ y",
                                      "https://x/\"",
                                      "https://x/'",
                                      "https://x/<",
                                      "https://x/\n",
                                      "https://x/\x80",
                                      "https://x/{",
                                      "https://x/}",
                                      "https://x/{}",
                                      "https://x/{trace_id",
                                      "https://x/{{trace_id}}",
                                      "https://x/{Trace_id}",
                                      "https://{service}.x/",
                                      "https://x{trace_id}?"};
    char why[TB_LINK_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why[0] = '\0';
        if (tb_link_check(bad[i], why) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_true(why[0] != '\0');
    }
}

static void a_brace_that_is_alone_is_told_as_that(void **state)
{
    char why[TB_LINK_WHY];
    (void)state;
    assert_int_equal(tb_link_check("https://x/{trace_id", why), -EINVAL);
    assert_string_equal(why, "has a \"{\" without its \"}\"");
    assert_int_equal(tb_link_check("https://x/trace_id}", why), -EINVAL);
    assert_string_equal(why, "has a \"}\" without its \"{\"");
    assert_int_equal(tb_link_check("https://x/{traceid}", why), -EINVAL);
    assert_non_null(strstr(why, "has {traceid}, which is none of {trace_id}"));
}

static void what_is_too_long_is_no_link(void **state)
{
    char service[1000];
    char url[1200];
    char out[TB_LINK_BYTES];
    char why[TB_LINK_WHY];
    struct tb_link_values long_values = values;
    (void)state;
    memset(service, '/', sizeof(service) - 1);
    service[sizeof(service) - 1] = '\0';
    long_values.service = service;
    assert_int_equal(tb_link_expand("https://x/{service}", &long_values, out), -EMSGSIZE);
    memset(url, 'a', sizeof(url));
    memcpy(url, "https://", 8);
    url[1024] = '\0';
    assert_int_equal(tb_link_check(url, why), -EINVAL);
    url[1023] = '\0';
    assert_int_equal(tb_link_check(url, why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_filled_and_encoded),
        cmocka_unit_test(without_its_values_there_is_no_link),
        cmocka_unit_test(bad_templates_are_refused),
        cmocka_unit_test(a_brace_that_is_alone_is_told_as_that),
        cmocka_unit_test(what_is_too_long_is_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
