/* test_reach.c - what an expression can match at all, and the services that it needs. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"

static struct tb_filter *parsed(const char *text)
{
    char why[TB_FILTER_WHY];
    struct tb_filter *filter = NULL;
    if (tb_filter_parse(text, strlen(text), &filter, why) != 0)
        fail_msg("%s: %s", text, why);
    return filter;
}

static void what_no_error_is_can_match_none(void **state)
{
    static const char *const NEVER[] = {
        "ok",
        "ok = true",
        "!(fault OR error)",
        "service(\"x\") {ok}",
        "service() {!error !fault}",
        "fault AND error",
        "throttle AND fault",
        "partial",
        "inferred OR ok",
        "service(\"x\") {fault} AND ok",
        "annotation.gameid = \"1\"",
        "availabilityzone = \"a\"",
        "instance.id CONTAINS \"\"",
        "edge(\"a\", \"b\") {fault}",
        "rootcause.responsetime.service {name = \"x\"}",
        "rootcause.json = #[]",
        "name = \"x\"",
        "index > 0",
        "root AND fault",
        "service(id(account.id: \"1\"))",
        "group.name = \"nosuch\"",
        "group.name = \"well\"",
        "group.name != \"wrong\"",
    };
    static const char *const MAY[] = {
        "service() {root AND fault}",
        "fault",
        "error",
        "!ok",
        "!fault", /* an error by its status */
        "throttle",
        "ok OR duration > 5",
        "duration > 5",
        "service(\"x\")",
        "service(\"x\") {fault OR error}",
        "!service(\"x\")",
        "annotation.rollbar_uuid = \"x\"",
        "!annotation.gameid",
        "http.url CONTAINS \"/api/\"",
        "user = \"alice\"",
        "rootcause.fault.exception {name = \"SIGSEGV\"}",
        "rootcause.error.exception {name = \"NotFound\"} error",
        "!edge(\"a\", \"b\")",
        "group.name = \"wrong\"",
        "group.name != \"well\"",
    };
    struct tb_filter *wrong = parsed("fault OR error");
    struct tb_filter *well = parsed("ok");
    const struct tb_filter_group groups[] = {{"wrong", wrong}, {"well", well}};
    (void)state;
    for (size_t i = 0; i < sizeof(NEVER) / sizeof(NEVER[0]); i++) {
        struct tb_filter *filter = parsed(NEVER[i]);
        if (tb_filter_can_match_error(filter, groups, 2))
            fail_msg("%s", NEVER[i]);
        tb_filter_free(filter);
    }
    for (size_t i = 0; i < sizeof(MAY) / sizeof(MAY[0]); i++) {
        struct tb_filter *filter = parsed(MAY[i]);
        if (!tb_filter_can_match_error(filter, groups, 2))
            fail_msg("%s", MAY[i]);
        tb_filter_free(filter);
    }
    tb_filter_free(wrong);
    tb_filter_free(well);
}

static void a_call_can_match_where_there_are_other_services(void **state)
{
    static const struct {
        const char *text;
        bool can;
    } cases[] = {
        {"edge(\"a\", \"b\")", true},         {"edge(\"a\", \"b\") {fault}", true},
        {"edge(\"a\", \"b\") {ok}", false},   {"edge(\"a\", id(account.id: \"1\"))", false},
        {"edge(\"a\", \"b\") AND ok", false}, {"service(\"a\") {fault}", true},
        {"service(\"a\") {ok}", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_filter *filter = parsed(cases[i].text);
        if (tb_filter_can_match_call(filter, NULL, 0) != cases[i].can)
            fail_msg("%s", cases[i].text);
        tb_filter_free(filter);
    }
}

static void the_services_without_which_nothing_matches_are_told(void **state)
{
    static const struct {
        const char *text, *names;
    } CASES[] = {
        {"service(\"backend-flask\")", "backend-flask,"},
        {"service(\"backend-flask\") {fault OR error}", "backend-flask,"},
        {"service(id(name: \"a\", type: \"b\")) AND fault", "a,"},
        {"service(\"a\") AND service(\"b\") {fault}", "a,b,"},
        {"service(\"a\") AND (service(\"a\") OR fault)", "a,"},
        {"service(\"a\") OR service(\"b\")", ""},
        {"service(\"a\") OR fault", ""},
        {"!service(\"a\")", ""},
        {"service() {fault}", ""},
        {"service(\"a\") {ok}", ""}, /* that is another warning */
        {"group.name = \"g\"", "backend-flask,"},
        {"group.name != \"g\"", ""},
    };
    struct tb_filter *g = parsed("service(\"backend-flask\")");
    const struct tb_filter_group groups[] = {{"g", g}};
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const char *names[4];
        char text[64] = "";
        struct tb_filter *filter = parsed(CASES[i].text);
        size_t n = tb_filter_services(filter, groups, 1, names, 4);
        for (size_t k = 0; k < n; k++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s,", names[k]);
        assert_string_equal(text, CASES[i].names);
        assert_int_equal(tb_filter_services(filter, groups, 1, NULL, 0), n);
        tb_filter_free(filter);
    }
    tb_filter_free(g);
}

static void circles_of_groups_end(void **state)
{
    struct tb_filter *a = parsed("group.name = \"b\"");
    struct tb_filter *b = parsed("group.name = \"a\"");
    const struct tb_filter_group groups[] = {{"a", a}, {"b", b}};
    (void)state;
    assert_true(tb_filter_can_match_error(a, groups, 2)); /* not certain */
    tb_filter_free(a);
    tb_filter_free(b);
}

static int note(void *arg, const char *name)
{
    char *text = arg;
    strncat(text, name, 60 - strlen(text));
    return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void the_groups_that_it_names_are_told(void **state)
{
    char text[64] = "";
    struct tb_filter *filter = parsed("group.name = a OR (!group.arn = b service(\"x\"))");
    (void)state;
    assert_int_equal(tb_filter_named_groups(filter, note, text), 0);
    assert_string_equal(text, "ab");
    tb_filter_free(filter);
    filter = parsed("group.name = stop OR group.name = c");
    assert_int_equal(tb_filter_named_groups(filter, note, text), 7);
    tb_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_error_is_can_match_none),
        cmocka_unit_test(a_call_can_match_where_there_are_other_services),
        cmocka_unit_test(the_services_without_which_nothing_matches_are_told),
        cmocka_unit_test(circles_of_groups_end),
        cmocka_unit_test(the_groups_that_it_names_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
