/* test_name.c - function names as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "symbol/answer/name.h"

static void names_are_cleaned(void **state)
{
    static const char *const cases[][2] = {
        {"main", "main"},
        {"feed_parse.part.0", "feed_parse"},
        {"feed_parse.constprop.0.isra.0", "feed_parse"},
        {"feed_parse.cold", "feed_parse"},
        {"feed_parse.llvm.1234567890", "feed_parse"},
        {"feed_parse.lto_priv.3", "feed_parse"},
        {"feed.parse", "feed.parse"},
        {"feed.partial", "feed.partial"},
        {"__libc_start_main@@GLIBC_2.34", "__libc_start_main"},
        {"_ZN6shapes3BoxIlE4openEi", "shapes::Box<long>::open"},
        {"_ZN6shapes12_GLOBAL__N_16hiddenEl.part.0", "shapes::(anonymous namespace)::hidden"},
        {"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
        {"_RNvC7mycrate3foo", "mycrate::foo"},
        {"_Zwhatever", "_Zwhatever"},
        {".cold", ".cold"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *name = tb_symbol_name_clean(cases[i][0]);
        assert_non_null(name);
        assert_string_equal(name, cases[i][1]);
        free(name);
    }
    assert_null(tb_symbol_name_clean(""));
}

static void monstrous_names_are_cut(void **state)
{
    static char name[100000];
    (void)state;
    memset(name, 'a', sizeof(name) - 1);
    name[0] = '_';
    name[1] = 'Z';
    char *clean = tb_symbol_name_clean(name);
    assert_non_null(clean);
    assert_true(strlen(clean) <= 512);
    free(clean);
    memset(name + 2, 'P', sizeof(name) - 3); /* a pointer to a pointer to ... */
    clean = tb_symbol_name_clean(name);
    assert_non_null(clean);
    assert_true(strlen(clean) <= 512);
    free(clean);
}

static void types_of_exceptions_are_named(void **state)
{
    static const char *const cases[][2] = {
        {"St13runtime_error", "std::runtime_error"},
        {"i", "int"},
        {"PKc", "char const*"},
        {"4Mine", "Mine"},
        {"*4Mine", "Mine"},
        {"N2ns4MineE", "ns::Mine"},
        {"N2ns4MineIiEE", "ns::Mine<int>"},
        {"N12_GLOBAL__N_14MineE", "(anonymous namespace)::Mine"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *name = tb_symbol_type_name(cases[i][0]);
        assert_non_null(name);
        assert_string_equal(name, cases[i][1]);
        free(name);
    }
}

static void what_is_no_type_has_no_name(void **state)
{
    static const char *const cases[] = {"", "*", "99Mine", "_Z3foov"};
    static char name[100000];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_null(tb_symbol_type_name(cases[i]));
    memset(name, 'P', sizeof(name) - 1);
    assert_null(tb_symbol_type_name(name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_cleaned),
        cmocka_unit_test(monstrous_names_are_cut),
        cmocka_unit_test(types_of_exceptions_are_named),
        cmocka_unit_test(what_is_no_type_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
