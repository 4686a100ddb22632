/* test_parse.c - what is an expression, and what is said of what is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filter/filter.h"

static int parse(const char *text, size_t len, char why[TB_FILTER_WHY])
{
    struct tb_filter *filter = NULL;
    int err = tb_filter_parse(text, len, &filter, why);
    tb_filter_free(filter);
    return err;
}

static void the_whole_grammar_is_taken(void **state)
{
    static const char *const GOOD[] = {
        "ok",
        "OK and Fault",
        "!!ok",
        "! (ok)",
        "ok !partial duration <3",
        "ok=true throttle!=false",
        "ok = \"true\"",
        "duration<-.5e3",
        "http.status = 404 OR http.status=429",
        "user contains \"\" and user beginswith \"a\" or user endswith b",
        "user = \"a\\\"b\\\\c\\d\"",
        "name = backend-flask",
        "annotation.a.b.c",
        "annotation[a.b] = 1 annotation[\"a b\"] = true annotation[3] != \"x\"",
        "annotation.x >= 3 annotation.x CONTAINS \"y\" annotation.y = z",
        "service()",
        "service(id(name:\"a\", type : \"b\",account.id:\"1\")) { ! fault }",
        "service(id(type:\"b\")) edge() edge(\"a\", id(name:\"b\")) {error}",
        "rootcause.fault.service{first} RootCause.Error.Entity{last = true and index >= 0}",
        "rootcause.responsetime.exception { message BEGINSWITH \"x\" }",
        "rootcause.json = #[{\"Services\": [{\"Name\": \"a ] \\\" #\"}]}]",
        "rootcause.json != #[]",
        "group.name = \"a\" group.arn != \"arn:aws:xray:r:1:group/a/B\"",
        "group.name = a",
        "(((ok)))",
        "user = \"\xc3\xa4\xe2\x82\xac\"",
        "\t ok\r\n",
        "first last index remote root inferred name = a type = a message = a coverage > 0.5",
    };
    char why[TB_FILTER_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        if (parse(GOOD[i], strlen(GOOD[i]), why) != 0)
            fail_msg("%s: %s", GOOD[i], why);
    }
}

/* AWS X-Ray developer guide, "Using filter expressions", one after another. */
static void every_example_of_the_guide_is_taken(void **state)
{
    static const char *const GUIDE[] = {
        "responsetime > 5",
        "duration >= 5 AND duration <= 8",
        "ok",
        "!ok",
        "ok = false",
        "rootcause.fault.entity { last and name = \"deserialize\" }",
        "rootcause.responsetime.entity { remote and coverage > 0.7 and name = \"traces\" }",
        "rootcause.fault.service { inferred and name = traces and type = \"AWS::DynamoDB\" }",
        "service(\"data-plane\") {root = true and fault = true}",
        "http.status != 200",
        "ok !partial duration <3",
        "rootcause.fault.service { index > 5 }",
        "rootcause.responsetime.entity { last and coverage > 0.8 }",
        "http.url CONTAINS \"/api/game/\"",
        "user CONTAINS \"\"",
        "rootcause.fault.service { name = \"Auth\" }",
        "rootcause.responsetime.service { last and type = \"AWS::DynamoDB\" }",
        "rootcause.fault.exception { last and message = \"Access Denied for account_id: "
        "1234567890\" }",
        "service(\"api.example.com\") { fault }",
        "service() { fault }",
        "service(\"api.example.com\") { fault = true OR responsetime > 2.5 } AND "
        "annotation.account = \"12345\"",
        "edge(\"api.example.com\", \"backend.example.com\") { error }",
        "http.url BEGINSWITH \"http://api.example.com/\" AND http.url CONTAINS \"/v2/\" AND "
        "!service(\"api.example.com\")",
        "http.url AND responseTime > 2",
        "annotation.gameid = \"817DL6VO\"",
        "annotation.age",
        "!annotation.age",
        "annotation.age > 29",
        "annotation[age] > 29",
        "annotation[gameid] = \"817DL6VO\"",
        "group.name = \"high_response_time\" AND user = \"alice\"",
        "rootcause.json = #[{ \"Services\": [ { \"Name\": \"GetWeatherData\", \"EntityPath\": [{ "
        "\"Name\": \"GetWeatherData\" }, { \"Name\": \"get_temperature\" } ] }, { \"Name\": "
        "\"GetTemperature\", \"EntityPath\": [ { \"Name\": \"GetTemperature\" } ] } ] }]",
        "service(\"random-name\") { error }",
        "service(id(name: \"random-name\", type: \"AWS::Lambda::Function\")) { error }",
        "service(id(type: \"AWS::Lambda::Function\")) { error }",
        "edge(id(name: \"service-one\", type:\"service::type\"), id(name: \"service-two\", "
        "type:\"service::type\")) { fault }",
    };
    char why[TB_FILTER_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(GUIDE) / sizeof(GUIDE[0]); i++) {
        if (parse(GUIDE[i], strlen(GUIDE[i]), why) != 0)
            fail_msg("%s: %s", GUIDE[i], why);
    }
}

static void what_is_wrong_is_said_with_its_column(void **state)
{
    static const struct {
        const char *text, *why;
    } CASES[] = {
        {"", "column 1: expected a keyword, not the end of the expression"},
        {"  ", "column 3: expected a keyword, not the end of the expression"},
        {"fault AND", "column 10: expected a keyword, not the end of the expression"},
        {"OR fault", "column 1: expected a keyword, not \"OR\""},
        {"fault OR OR error", "column 10: expected a keyword, not \"OR\""},
        {"(fault", "column 7: expected AND, OR or \")\", not the end of the expression"},
        {"fault)", "column 6: expected AND or OR, not \")\""},
        {"fault }", "column 7: expected AND or OR, not \"}\""},
        {"()", "column 2: expected a keyword, not \")\""},
        {"faults", "column 1: expected a keyword, not \"faults\"; did you mean \"fault\"?"},
        {"http.stauts = 5", "column 1: expected a keyword, not \"http.stauts\"; did you mean "
                            "\"http.status\"?"},
        {"servce(\"x\")", "column 1: expected a keyword, not \"servce\"; did you mean "
                          "\"service(\"?"},
        {"NOT ok", "column 1: expected \"!\" for not, not \"NOT\""},
        {"ok && fault", "column 4: expected AND or OR, not \"&\""},
        {"ok == true", "column 5: expected a value: equal is a single \"=\", not \"=\""},
        {"ok = maybe", "column 6: expected true or false, not \"maybe\""},
        {"ok > true", "column 4: expected = or !=, not \">\""},
        {"ok = 1", "column 6: expected true or false, not \"1\""},
        {"duration CONTAINS \"5\"", "column 10: expected =, !=, <, <=, > or >=, not \"CONTAINS\""},
        {"duration > 5s", "column 12: expected a number, not \"5s\""},
        {"duration > 1e999", "column 12: expected a number, not \"1e999\""},
        {"user =", "column 7: expected a string in double quotes, not the end of the expression"},
        {"user = AND", "column 8: expected a string in double quotes, not \"AND\""},
        {"user = 'x'", "column 8: expected double quotes, not single ones"},
        {"user = \"x", "column 8: expected a closing quote for the string that begins here, and "
                       "the expression ends"},
        {"user = \"x\\\"", "column 8: expected a closing quote for the string that begins here, "
                           "and the expression ends"},
        {"service(\\\"x\\\")", "column 9: a backslash stands outside of a string: quotes need "
                               "none here"},
        {"service", "column 8: expected \"(\" behind service, not the end of the expression"},
        {"service(backend)", "column 9: expected the name of a service in double quotes, or "
                             "id(...), not \"backend\""},
        {"service(\"x\"){}", "column 14: expected a keyword, not \"}\""},
        {"service(\"x\", \"y\")", "column 12: expected \")\", not \",\""},
        {"service(id())", "column 12: expected name, type or account.id, not \")\""},
        {"service(id(name))", "column 16: expected \":\", not \")\""},
        {"service(id(name: x))", "column 18: expected a string in double quotes, not \"x\""},
        {"service(id(name:\"x\" type:\"y\"))", "column 21: expected \",\" or \")\", not \"type\""},
        {"service(id(name:\"x\",name:\"y\"))", "column 21: expected each of name, type and "
                                               "account.id once, not \"name\""},
        {"service(){service()}", "column 11: service() belongs to the whole trace, and cannot "
                                 "stand inside braces"},
        {"edge(){edge()}", "column 8: edge() belongs to the whole trace, and cannot stand inside "
                           "braces"},
        {"service(){group.name=\"a\"}", "column 11: a group belongs to the whole trace, and cannot "
                                        "stand inside braces"},
        {"rootcause.fault.service{annotation.a}", "column 25: an annotation belongs to the whole "
                                                  "trace, and cannot stand inside braces"},
        {"annotation", "column 11: expected \".KEY\" or \"[KEY]\" behind annotation, not the end "
                       "of the expression"},
        {"annotation. = 1", "column 12: expected the key of an annotation behind \"annotation.\""},
        {"annotation[] = 1", "column 12: expected the key of an annotation, not \"]\""},
        {"annotation[a", "column 13: expected \"]\" behind the key of the annotation, not the end "
                         "of the expression"},
        {"rootcause.fault.service", "column 24: expected \"{\" behind the root cause, not the end "
                                    "of the expression"},
        {"rootcause.x.service{ok}", "column 1: expected rootcause.fault, .error or .responsetime, "
                                    "and .service, .entity or .exception behind it, not "
                                    "\"rootcause.x.service\""},
        {"rootcause.json", "column 15: expected = or != behind rootcause.json, not the end of the "
                           "expression"},
        {"rootcause.json = []", "column 18: expected a JSON list, #[ ... ], not \"[\""},
        {"rootcause.json = #[", "column 18: expected a JSON list, #[ ... ]"},
        {"group.name", "column 11: expected = or != behind a group, not the end of the expression"},
        {"group.name CONTAINS \"a\"", "column 12: expected = or != behind a group, not "
                                      "\"CONTAINS\""},
        {"group.name = 5", "column 14: expected a string in double quotes, not \"5\""},
        /* Characters are counted, not bytes. */
        {"user = \"\xc3\xa4\xc3\xb6\" nix", "column 13: expected a keyword, not \"nix\""},
        {"ok \xff", "column 4: this is not UTF-8"},
        {"ok ; fault", "column 4: expected a keyword, not \";\""},
        {"http.url LIKE \"x\"", "column 10: expected AND, OR, a keyword, or =, !=, CONTAINS, "
                                "BEGINSWITH or ENDSWITH behind http.url, not \"LIKE\""},
        {"http.url (LIKE)", "column 11: expected a keyword, not \"LIKE\""},
    };
    char why[TB_FILTER_WHY];
    int n_wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(parse(CASES[i].text, strlen(CASES[i].text), why), -EINVAL);
        /* Whether a word is near another is the matter of suggest.h. */
        if (strcmp(why, CASES[i].why) != 0)
            print_error("%s: %s\n", CASES[i].text, why), n_wrong++;
    }
    assert_int_equal(n_wrong, 0);
}

static void long_words_are_cut_in_what_is_said(void **state)
{
    char text[3000];
    char why[TB_FILTER_WHY];
    (void)state;
    for (size_t i = 0; i + 1 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 2);
    assert_int_equal(parse(text, sizeof(text), why), -EINVAL);
    assert_non_null(strstr(why, "...\""));
    assert_true(strlen(why) < 100);
}

/* n times open, what, n times close. */
static int nested(size_t n, const char *open, const char *what, const char *close)
{
    char text[TB_FILTER_MAX_BYTES] = "";
    char why[TB_FILTER_WHY];
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", open);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", what);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", close);
    return parse(text, len, why);
}

static void size_depth_and_number_of_terms_are_bounded(void **state)
{
    static char text[TB_FILTER_MAX_BYTES + 2];
    char why[TB_FILTER_WHY];
    (void)state;
    assert_int_equal(nested(TB_FILTER_DEPTH - 1, "(", "ok", ")"), 0);
    assert_int_equal(nested(TB_FILTER_DEPTH, "(", "ok", ")"), -EINVAL);
    assert_int_equal(nested(TB_FILTER_DEPTH - 1, "!", "ok", ""), 0);
    assert_int_equal(nested(TB_FILTER_DEPTH, "!", "ok", ""), -EINVAL);
    /* Each beside another has a link. */
    assert_int_equal(nested(TB_FILTER_TERMS / 2 - 1, "ok ", "ok", ""), 0);
    assert_int_equal(nested(TB_FILTER_TERMS / 2 + 1, "ok ", "ok", ""), -EINVAL);
    memset(text, ' ', sizeof(text));
    memcpy(text, "ok", 2);
    assert_int_equal(parse(text, TB_FILTER_MAX_BYTES, why), 0);
    assert_int_equal(parse(text, TB_FILTER_MAX_BYTES + 1, why), -EINVAL);
    assert_string_equal(why, "the expression has more than 4096 bytes");
    assert_int_equal(tb_filter_column(why), 0);
    assert_int_equal(parse("ok\0ok", 5, why), -EINVAL);
    assert_int_equal(parse("user = \"a\0b\"", 12, why), -EINVAL);
}

/* What a reader might take for a part of it lies behind its end. */
static void nothing_behind_the_end_is_read(void **state)
{
    static const char *const TEXTS[] = {"ok", "service(\"x\")", "http.url = \"x\"", "duration > 55",
                                        "annotation.key"};
    char why[TB_FILTER_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        for (size_t len = 0; len <= strlen(TEXTS[i]); len++) {
            char *exact = malloc(len > 0 ? len : 1);
            memcpy(exact, TEXTS[i], len);
            (void)parse(exact, len, why);
            free(exact);
        }
    }
}

static void the_column_can_be_asked_for(void **state)
{
    (void)state;
    assert_int_equal(tb_filter_column("column 23: expected"), 23);
    assert_int_equal(tb_filter_column("something"), 0);
    assert_int_equal(tb_filter_column("column 99999999999999999999: x"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_grammar_is_taken),
        cmocka_unit_test(every_example_of_the_guide_is_taken),
        cmocka_unit_test(what_is_wrong_is_said_with_its_column),
        cmocka_unit_test(long_words_are_cut_in_what_is_said),
        cmocka_unit_test(size_depth_and_number_of_terms_are_bounded),
        cmocka_unit_test(nothing_behind_the_end_is_read),
        cmocka_unit_test(the_column_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
