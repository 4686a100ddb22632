/* Which debug files an answer of the symbolizer lacks, also when the answer is nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/wanted.h"
#include "symbol/worker.h"

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"
#define C "cccccccccccccccc"
#define D "dddddddddddddddd"
#define MISSING(id) ",\"missing\":\"" id "\""
static void expect(const char *answer, const char *ids)
{
    struct tb_wanted wanted;
    char found[1024] = "";
    tb_wanted_read(answer, strlen(answer), &wanted);
    for (size_t i = 0; i < wanted.n; i++)
        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s", i > 0 ? " " : "",
                 wanted.ids[i]);
    assert_string_equal(found, ids);
}

/* What an answer says of a module; more is further members, or "". */
struct said {
    const char *id, *symbols, *more;
};

/* An answer with a frame in each of the modules, the outermost first. */
static void expect_of(const struct said *modules, size_t n, const char *ids)
{
    char text[8192] = "{\"frames\":[";
    size_t len = strlen(text);
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"method\":\"f\",\"build_id\":\"%s\"}", i > 0 ? "," : "",
                                modules[i].id);
    len += (size_t)snprintf(text + len, sizeof(text) - len, "],\"modules\":[");
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len,
                                "%s{\"build_id\":\"%s\",\"symbols\":\"%s\"%s}", i > 0 ? "," : "",
                                modules[i].id, modules[i].symbols, modules[i].more);
    (void)snprintf(text + len, sizeof(text) - len, "]}");
    expect(text, ids);
}

#define EXPECT(ids, ...)                                                                           \
    expect_of((const struct said[]){__VA_ARGS__},                                                  \
              sizeof((const struct said[]){__VA_ARGS__}) / sizeof(struct said), ids)

static void modules_without_debug_data_are_wanted_innermost_first(void **state)
{
    (void)state;
    EXPECT(C " " A " " B " " D, {D, "none", ""}, {A, "none", ""}, {B, "symtab", ""},
           {A, "none", ""}, {C, "exported", ""});
}

static void all_others_are_not(void **state)
{
    (void)state;
    EXPECT("", {A, "debug", ""}, {B, "unreadable", ""}, {C, "changed", ""}, {D, "", ""});
    EXPECT("", {A, "NONE", ""}, {B, "nonesuch", ""});
}

/* Of those often the names of functions alone were looked for. */
static void modules_that_only_threads_are_in_are_not_wanted(void **state)
{
    (void)state;
    expect("{\"frames\":[],\"modules\":[{\"build_id\":\"" A "\",\"symbols\":\"symtab\"}],"
           "\"threads\":[{\"tids\":[1],\"frames\":[{\"method\":\"g\",\"module\":\"m\"}]}]}",
           "");
}

static void where_the_file_of_dwz_is_missing_that_one_is_wanted(void **state)
{
    (void)state;
    EXPECT(C, {A, "symtab", MISSING(C)}, {B, "none", MISSING(C)});
    EXPECT(C, {A, "debug", MISSING(C)});
    EXPECT(A, {A, "symtab", MISSING("../../x")});
    EXPECT("", {A, "debug", MISSING("../../x")});
    EXPECT("", {A, "changed", MISSING(C)}, {B, "unreadable", MISSING(C)});
}

static void what_stood_in_the_way_of_data_that_are_there_is_not_helped_by_more(void **state)
{
    (void)state;
    EXPECT(C, {A, "symtab", ",\"note\":\"took longer than 5 s\""},
           {B, "symtab", ",\"note\":\"needs the file dwz made\"" MISSING(C)});
}

static void data_from_elsewhere_make_good_what_the_module_carries(void **state)
{
    (void)state;
    EXPECT(A, {A, "exported", ",\"note\":\"" TB_SYMBOL_NOTE_NO_MINI "\""});
    EXPECT(A, {A, "none", ",\"note\":\"" TB_SYMBOL_NOTE_DAMAGED "\""});
}

static void what_is_no_build_id_is_never_wanted(void **state)
{
    (void)state;
    EXPECT("", {"../../../../etc/passwd", "none", ""}, {"AAAAAAAAAAAAAAAA", "none", ""},
           {"aaaaaaaaaaaaaaa\\u0000", "none", ""}, {"aaaaaaaaaaaaaaa?", "none", ""},
           {A A A A A, "none", ""}, {"", "none", ""});
}

static void nonsense_wants_nothing(void **state)
{
    static const char frame[] = "{\"frames\":[{\"build_id\":\"" A "\"}],\"modules\":";
    static const char *const answers[] = {
        "", "[]", "{}", "null", "{\"frames\":1,\"modules\":2}", "{\"frames\":[1,null,[]]}",
    };
    static const char *const modules[] = {
        "[1,null,[],{}]}",
        "[{\"build_id\":\"" A "\",\"symbols\":\"none\"",
        "[{\"build_id\":\"" A "\",\"symbols\":7}]}",
        "{}}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        expect(answers[i], "");
    for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
        char answer[512];
        (void)snprintf(answer, sizeof(answer), "%s%s", frame, modules[i]);
        expect(answer, "");
    }
}

static void of_very_many_the_innermost_are_wanted(void **state)
{
    enum { MANY = 300 };
    char *answer = malloc(MANY * 200);
    struct tb_wanted wanted;
    char hex[32];
    (void)state;
    assert_non_null(answer);
    size_t len = (size_t)sprintf(answer, "{\"frames\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf(answer + len, "%s{\"build_id\":\"%016x\"}", i > 0 ? "," : "", i);
    len += (size_t)sprintf(answer + len, "],\"modules\":[");
    for (int i = 0; i < MANY; i++)
        len += (size_t)sprintf(answer + len, "%s{\"build_id\":\"%016x\",\"symbols\":\"none\"}",
                               i > 0 ? "," : "", i);
    len += (size_t)sprintf(answer + len, "]}");
    tb_wanted_read(answer, len, &wanted);
    assert_int_equal(wanted.n, TB_WANTED_MAX);
    snprintf(hex, sizeof(hex), "%016x", MANY - 1);
    assert_string_equal(wanted.ids[0], hex);
    snprintf(hex, sizeof(hex), "%016x", MANY - TB_WANTED_MAX);
    assert_string_equal(wanted.ids[TB_WANTED_MAX - 1], hex);
    free(answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modules_without_debug_data_are_wanted_innermost_first),
        cmocka_unit_test(all_others_are_not),
        cmocka_unit_test(modules_that_only_threads_are_in_are_not_wanted),
        cmocka_unit_test(where_the_file_of_dwz_is_missing_that_one_is_wanted),
        cmocka_unit_test(what_stood_in_the_way_of_data_that_are_there_is_not_helped_by_more),
        cmocka_unit_test(data_from_elsewhere_make_good_what_the_module_carries),
        cmocka_unit_test(what_is_no_build_id_is_never_wanted),
        cmocka_unit_test(nonsense_wants_nothing),
        cmocka_unit_test(of_very_many_the_innermost_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
