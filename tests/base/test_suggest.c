/* test_suggest.c - mistyped words and the words that were meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/suggest.h"

static const char *const names[] = {"demo", "status", "items", "item", "occurrences", "trace"};
enum { N_NAMES = sizeof(names) / sizeof(names[0]) };

static void the_nearest_word_is_suggested(void **state)
{
    (void)state;
    static const struct {
        const char *typed, *meant;
    } cases[] = {{"staus", "status"},    {"sttaus", "status"},
                 {"itmes", "items"},     {"iten", "item"},
                 {"deom", "demo"},       {"traces", "trace"},
                 {"occ", "occurrences"}, {"ocurrence", "occurrences"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(tb_suggest(cases[i].typed, names, N_NAMES), cases[i].meant);
}

static void nothing_is_suggested_for_something_else(void **state)
{
    (void)state;
    assert_null(tb_suggest("frobnicate", names, N_NAMES));
    assert_null(tb_suggest("", names, N_NAMES));
    assert_null(tb_suggest("x", names, N_NAMES));
}

static void a_very_long_word_is_no_word(void **state)
{
    char typed[5000];
    (void)state;
    memset(typed, 's', sizeof(typed));
    typed[sizeof(typed) - 1] = '\0';
    assert_null(tb_suggest(typed, names, N_NAMES));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_word_is_suggested),
        cmocka_unit_test(nothing_is_suggested_for_something_else),
        cmocka_unit_test(a_very_long_word_is_no_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
