/* test_match.c - what is decided where AWS's guide leaves it open (docs/filter.md). The vectors
 * have the rest. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"
#include "view_json.h"

static const char TRACE[] =
    "{\"duration\":2,\"responsetime\":null,\"partial\":false,"
    "\"http\":{\"url\":\"http://a/b\",\"status\":500},"
    "\"users\":[\"alice\",\"Bob\"],"
    "\"annotations\":{\"n\":31,\"s\":\"31\",\"t\":true,\"f\":false,\"empty\":\"\"},"
    "\"services\":["
    "{\"name\":\"web\",\"root\":true,\"ok\":false,\"fault\":true,\"error\":false,"
    "\"http\":{\"status\":500},\"responsetime\":2},"
    "{\"name\":\"feedd\",\"root\":false,\"ok\":true,\"throttle\":true,\"account_id\":\"1\"}],"
    "\"edges\":[{\"src\":{\"name\":\"web\"},\"dst\":{\"name\":\"feedd\",\"type\":\"T\"},"
    "\"ok\":true}],"
    "\"rootcause\":{\"fault\":{\"exception\":[{\"name\":\"A\",\"message\":\"a\"},"
    "{\"name\":\"B\"}],\"entity\":[{\"name\":\"one\",\"remote\":false,\"coverage\":0.5}]}}}";

static struct tb_filter *parsed(const char *text)
{
    char why[TB_FILTER_WHY];
    struct tb_filter *filter = NULL;
    if (tb_filter_parse(text, strlen(text), &filter, why) != 0)
        fail_msg("%s: %s", text, why);
    return filter;
}

static bool matches(const char *expression, const char *trace, const struct tb_filter_group *groups,
                    size_t n_groups)
{
    struct json_view view;
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    assert_int_equal(tb_doc_new(trace, strlen(trace), &doc, why), 0);
    json_view_init(&view, doc, trace, 0);
    struct tb_filter *filter = parsed(expression);
    bool result = tb_filter_match(filter, groups, n_groups, &view.view);
    tb_filter_free(filter);
    json_view_done(&view);
    tb_doc_free(doc);
    return result;
}

static void what_is_decided_holds(void **state)
{
    static const struct {
        const char *text;
        bool matches;
    } CASES[] = {
        /* AND binds closer than OR, side by side as well. */
        {"fault OR ok AND ok", true},
        {"ok AND ok OR fault", true},
        {"(fault OR ok) ok", false},
        {"fault OR ok ok", true},
        {"!ok OR ok", true},
        {"!(ok OR fault)", false},
        {"!ok fault", true},
        {"!fault OR fault", true},
        {"!http.status = 500", false},
        /* What is not there satisfies no comparison. */
        {"responsetime", false},
        {"!responsetime", true},
        {"responsetime < 1", false},
        {"responsetime != 1", false},
        {"!responsetime != 1", true},
        {"http.method != \"GET\"", false},
        {"http.method CONTAINS \"\"", false},
        {"http.method", false},
        {"http.url CONTAINS \"\"", true},
        {"inferred", false},
        {"inferred = false", false},
        {"!inferred", true},
        {"partial = false", true},
        {"annotation.none != 1", false},
        {"annotation.none", false},
        {"!annotation.none", true},
        /* Of the trace: its root's; throttle of any. */
        {"ok", false},
        {"ok = false", true},
        {"ok != true", true},
        {"ok != FALSE", false},
        {"ok = \"false\"", true},
        {"throttle", true},
        {"error = false", true},
        /* Numbers. */
        {"duration = 2", true},
        {"duration = 2.0", true},
        {"duration != 2", false},
        {"duration <= 2 duration >= 2", true},
        {"duration < 2", false},
        {"duration > 1.999", true},
        {"duration > -1", true},
        {"duration = 20e-1", true},
        {"http.status", true},
        /* Strings: case counts; of several values one, and for != all. */
        {"user = \"alice\"", true},
        {"user = \"Alice\"", false},
        {"user = alice", true},
        {"user != \"alice\"", false},
        {"user != \"carol\"", true},
        {"user ENDSWITH \"ob\"", true},
        {"user BEGINSWITH \"lice\"", false},
        {"user", true},
        {"instance.id", false},
        {"instance.id != \"x\"", false},
        /* Annotations keep to their type. */
        {"annotation.n > 29", true},
        {"annotation.s > 29", false},
        {"annotation.s = \"31\"", true},
        {"annotation.n = \"31\"", false},
        {"annotation.n != \"31\"", false},
        {"annotation.n != 30", true},
        {"annotation.n CONTAINS \"3\"", false},
        {"annotation.t", true},
        {"annotation.f", false},
        {"annotation.f = false", true},
        {"annotation.f != true", true},
        {"annotation.t = \"true\"", false},
        {"annotation.t > 0", false},
        {"annotation.empty", true},
        {"annotation.N", false},
        {"annotation[n] = 31", true},
        {"annotation[\"n\"] = 31", true},
        {"ANNOTATION.n = 31", true},
        /* Services and edges. */
        {"service(\"Web\")", false},
        {"service(\"\")", false},
        {"service(\"web\") {duration}", false},
        {"service(\"web\") {responsetime = 2}", true},
        {"service() {ok fault}", false},
        {"service() {ok} service() {fault}", true},
        {"service() {!ok}", true},
        {"service(\"feedd\") {!ok}", false},
        {"service(\"feedd\") {http.status}", false},
        {"service(\"feedd\") {user = \"alice\"}", false},
        {"service(id(account.id: \"1\")) {throttle}", true},
        {"service(id(name: \"web\", account.id: \"1\"))", false},
        {"service() {name BEGINSWITH \"fe\" AND root = false}", true},
        {"service() {root != true}", true},
        {"edge()", true},
        {"edge(\"web\", id(type: \"T\")) {ok}", true},
        {"edge() {fault}", false},
        {"edge() {!fault}", true},
        {"edge() {fault = false}", false},
        {"edge() {name = \"web\"}", false},
        /* Root causes. */
        {"rootcause.fault.exception {first name = \"A\"}", true},
        {"rootcause.fault.exception {last name = \"A\"}", false},
        {"rootcause.fault.exception {!last}", true},
        {"rootcause.fault.exception {index = 1 name = \"B\"}", true},
        {"rootcause.fault.exception {index = 2}", false},
        {"rootcause.fault.exception {message}", true},
        {"rootcause.fault.exception {last message != \"x\"}", false},
        {"rootcause.fault.entity {first last !remote coverage > 0.4}", true},
        {"rootcause.fault.entity {remote = false}", true},
        {"rootcause.error.exception {first}", false},
        {"rootcause.json = #[]", false},
        /* Outside of a list there is no first one. */
        {"first", false},
        {"first = false", false},
        {"index >= 0", false},
        {"!last", true},
        {"name = \"web\"", false},
        {"service() {first}", false},
    };
    int n_wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        if (matches(CASES[i].text, TRACE, NULL, 0) == CASES[i].matches)
            continue;
        print_error("%s: not %s\n", CASES[i].text, CASES[i].matches ? "true" : "false");
        n_wrong++;
    }
    assert_int_equal(n_wrong, 0);
}

static void a_trace_without_anything_has_nothing(void **state)
{
    static const char *const NO[] = {
        "ok",        "fault",  "throttle", "partial",      "ok = false",
        "service()", "edge()", "user",     "duration < 1", "group.name = \"x\""};
    (void)state;
    for (size_t i = 0; i < sizeof(NO) / sizeof(NO[0]); i++)
        assert_false(matches(NO[i], "{}", NULL, 0));
    assert_true(matches("!ok", "{}", NULL, 0));
    assert_true(matches("!service()", "{}", NULL, 0));
}

static void where_no_root_is_known_the_earliest_service_stands_for_it(void **state)
{
    (void)state;
    static const char trace[] = "{\"services\":[{\"name\":\"a\",\"root\":false,\"fault\":true},"
                                "{\"name\":\"b\",\"root\":false,\"ok\":true}]}";
    assert_true(matches("fault", trace, NULL, 0));
    assert_false(matches("ok", trace, NULL, 0));
}

static void an_annotation_may_have_several_values(void **state)
{
    (void)state;
    static const char trace[] = "{\"annotations\":{\"k\":\"a\",\"k\":\"b\",\"k\":7}}";
    assert_true(matches("annotation.k = \"b\"", trace, NULL, 0));
    assert_true(matches("annotation.k = 7", trace, NULL, 0));
    assert_false(matches("annotation.k != \"b\"", trace, NULL, 0));
    assert_false(matches("annotation.k = \"c\"", trace, NULL, 0));
}

static void groups_are_named_by_name_and_arn(void **state)
{
    (void)state;
    struct tb_filter *errors = parsed("fault OR error");
    struct tb_filter *nested = parsed("group.name = \"errors\" AND duration > 1");
    const struct tb_filter_group groups[] = {{"errors", errors}, {"nested", nested}};
    static const struct {
        const char *text;
        bool matches;
    } CASES[] = {
        {"group.name = \"errors\"", true},
        {"group.name = \"Errors\"", false},
        {"group.name != \"errors\"", false},
        {"group.name = nested", true},
        {"group.name = \"none\"", false},
        {"group.name != \"none\"", true},
        {"group.arn = \"arn:aws:xray:eu-west-1:1:group/errors/ABC\"", true},
        {"group.arn = \"arn:aws:xray:eu-west-1:1:group/error/ABC\"", false},
        {"group.arn = \"errors\"", true},
        {"!group.name = \"errors\"", false},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        if (matches(CASES[i].text, TRACE, groups, 2) != CASES[i].matches)
            fail_msg("%s", CASES[i].text);
    }
    tb_filter_free(errors);
    tb_filter_free(nested);
}

static void circles_of_groups_end(void **state)
{
    (void)state;
    struct tb_filter *a = parsed("group.name = \"b\"");
    struct tb_filter *b = parsed("group.name = \"a\" OR fault");
    struct tb_filter *self = parsed("group.name = \"self\"");
    const struct tb_filter_group groups[] = {{"a", a}, {"b", b}, {"self", self}};
    assert_true(matches("group.name = \"a\"", TRACE, groups, 3));
    assert_false(matches("group.name = \"self\"", TRACE, groups, 3));
    tb_filter_free(a);
    tb_filter_free(b);
    tb_filter_free(self);
}

/* Each names the next one twice: without a memory of what was asked it would take for ever. */
static void each_group_is_asked_once(void **state)
{
    static char names[TB_FILTER_GROUPS][8];
    struct tb_filter_group groups[TB_FILTER_GROUPS];
    struct tb_filter *filters[TB_FILTER_GROUPS];
    char text[128];
    (void)state;
    for (int i = 0; i < TB_FILTER_GROUPS; i++) {
        snprintf(names[i], sizeof(names[i]), "g%d", i);
        if (i + 1 < TB_FILTER_GROUPS)
            snprintf(text, sizeof(text), "group.name = g%d AND !group.name != g%d", i + 1, i + 1);
        else
            snprintf(text, sizeof(text), "fault");
        filters[i] = parsed(text);
        groups[i] = (struct tb_filter_group){names[i], filters[i]};
    }
    assert_true(matches("group.name = g0", TRACE, groups, TB_FILTER_GROUPS));
    assert_true(tb_filter_can_match_error(filters[0], groups, TB_FILTER_GROUPS));
    for (int i = 0; i < TB_FILTER_GROUPS; i++)
        tb_filter_free(filters[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_decided_holds),
        cmocka_unit_test(a_trace_without_anything_has_nothing),
        cmocka_unit_test(where_no_root_is_known_the_earliest_service_stands_for_it),
        cmocka_unit_test(an_annotation_may_have_several_values),
        cmocka_unit_test(groups_are_named_by_name_and_arn),
        cmocka_unit_test(circles_of_groups_end),
        cmocka_unit_test(each_group_is_asked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
