/* Which debug files an answer of the symbolizer lacks, also when the answer is nonsense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/wanted.h"

#define A "aaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbb"
#define C "cccccccccccccccc"
#define D "dddddddddddddddd"
#define FRAME(id) "{\"method\":\"f\",\"build_id\":\"" id "\"}"
#define MODULE(id, symbols) "{\"name\":\"m\",\"build_id\":\"" id "\",\"symbols\":\"" symbols "\"}"

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

static void modules_without_debug_data_are_wanted_innermost_first(void **state)
{
    (void)state;
    expect("{\"frames\":[" FRAME(D) "," FRAME(A) "," FRAME(B) "," FRAME(A) "," FRAME(
               C) "],"
                  "\"modules\":[" MODULE(A, "none") "," MODULE(B, "symtab") "," MODULE(
                      C, "exported") "," MODULE(D, "none") "]}",
           C " " A " " B " " D);
}

static void all_others_are_not(void **state)
{
    static const char *const words[] = {"debug", "unreadable", "changed", "", "NONE", "nonesuch"};
    (void)state;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char answer[512];
        snprintf(answer, sizeof(answer),
                 "{\"frames\":[" FRAME(A) "],\"modules\":[{\"build_id\":\"" A
                                          "\",\"symbols\":\"%s\"}]}",
                 words[i]);
        expect(answer, "");
    }
}

/* Of those often the names of functions alone were looked for. */
static void modules_that_only_threads_are_in_are_not_wanted(void **state)
{
    (void)state;
    expect("{\"frames\":[" FRAME(A) "],\"modules\":[" MODULE(A, "debug") "," MODULE(
               B, "symtab") "],\"threads\":[{\"tids\":[1],\"frames\":[{\"method\":\"g\",\"module\":"
                            "\"m\"}]}]}",
           "");
}

static void where_the_file_of_dwz_is_missing_that_one_is_wanted(void **state)
{
    (void)state;
    expect("{\"frames\":[" FRAME(A) "," FRAME(B) "],\"modules\":["
                                                 "{\"build_id\":\"" A
                                                 "\",\"symbols\":\"symtab\",\"missing\":\"" C "\"},"
                                                 "{\"build_id\":\"" B
                                                 "\",\"symbols\":\"none\",\"missing\":\"" C "\"}]}",
           C);
    expect("{\"frames\":[" FRAME(A) "],\"modules\":["
                                    "{\"build_id\":\"" A "\",\"symbols\":\"debug\",\"missing\":\"" C
                                    "\"}]}",
           "");
    expect("{\"frames\":[" FRAME(A) "],\"modules\":["
                                    "{\"build_id\":\"" A
                                    "\",\"symbols\":\"symtab\",\"missing\":\"../../x\"}]}",
           A);
}

static void what_is_no_build_id_is_never_wanted(void **state)
{
    (void)state;
    expect(
        "{\"frames\":[" FRAME("../../../../etc/passwd") "," FRAME("AAAAAAAAAAAAAAAA") "," FRAME(
            "aa"
            "aa"
            "aa"
            "aa"
            "aa"
            "aa"
            "aa"
            "a"
            "\\"
            "u0"
            "00"
            "0") "," FRAME("aaaaaaaaaaaaaaa?") "," FRAME(A A A A
                                                             A) "],\"modules\":"
                                                                "[" MODULE(
                                                                    "../../../"
                                                                    "../etc/"
                                                                    "passwd",
                                                                    "none") "," MODULE("AAAAAAAAAAA"
                                                                                       "AAAAA",
                                                                                       "none") "," MODULE("aaaaaaaaaaaaaaa"
                                                                                                          "\\u0000",
                                                                                                          "none") "," MODULE("aaaaaaaaaaaaaaa?",
                                                                                                                             "none") "," MODULE(A A A A
                                                                                                                                                    A,
                                                                                                                                                "none") "]}",
        "");
}

static void nonsense_wants_nothing(void **state)
{
    static const char *const answers[] = {
        "",
        "[]",
        "{}",
        "null",
        "{\"frames\":1,\"modules\":2}",
        "{\"frames\":[1,null,[]]}",
        "{\"frames\":[" FRAME(A) "],\"modules\":[1,null,[],{}]}",
        "{\"frames\":[" FRAME(A) "],\"modules\":[" MODULE(A, "none"),
        "{\"frames\":[" FRAME(A) "],\"modules\":[{\"build_id\":\"" A "\",\"symbols\":7}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
        expect(answers[i], "");
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
        cmocka_unit_test(what_is_no_build_id_is_never_wanted),
        cmocka_unit_test(nonsense_wants_nothing),
        cmocka_unit_test(of_very_many_the_innermost_are_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
