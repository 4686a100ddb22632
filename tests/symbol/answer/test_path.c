/* test_path.c - file names of debug data, made plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "symbol/answer/path.h"

static void names_are_made_plain(void **state)
{
    static const struct {
        const char *in, *out;
        bool is_whole;
    } cases[] = {
        {"/a/b.c", "/a/b.c", true},
        {"//a///b.c", "/a/b.c", true},
        {"/a/./b/../c.c", "/a/c.c", true},
        {"/a/b/../../c.c", "/c.c", true},
        {"/../etc/passwd", "/etc/passwd", false},
        {"/a/../../etc/passwd", "/etc/passwd", false},
        {"src/./x.c", "src/x.c", true},
        {"./x.c", "x.c", true},
        {"../x.c", "x.c", false},
        {"a/../../x.c", "x.c", false},
        {"a/..", "?", false},
        {"", "?", false},
        {"/", "/", true},
        {"...", "...", true},
        {"/a/..b/c", "/a/..b/c", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[64];
        assert_int_equal(tb_symbol_path_normalise(cases[i].in, out, sizeof(out)),
                         cases[i].is_whole);
        assert_string_equal(out, cases[i].out);
    }
}

static void name_that_is_too_long_keeps_its_last_part(void **state)
{
    char out[16];
    (void)state;
    assert_false(tb_symbol_path_normalise("/a/very/long/way/to/x.c", out, sizeof(out)));
    assert_string_equal(out, "x.c");
    assert_false(tb_symbol_path_normalise("/a/very/long/way/to/abcdefghijklmnop.c", out, 16));
    assert_string_equal(out, "abcdefghijklmno");
}

static void plain_paths_are_absolute_and_do_not_climb(void **state)
{
    (void)state;
    assert_true(tb_symbol_path_is_plain("/usr/lib/x..so"));
    assert_true(tb_symbol_path_is_plain("/..x/y"));
    assert_false(tb_symbol_path_is_plain("usr"));
    assert_false(tb_symbol_path_is_plain(""));
    assert_false(tb_symbol_path_is_plain("/usr/../etc"));
    assert_false(tb_symbol_path_is_plain("/usr/.."));
    assert_false(tb_symbol_path_is_plain("/.."));
}

static void below_means_a_folder_and_not_a_prefix(void **state)
{
    (void)state;
    assert_string_equal(tb_symbol_path_below("/srv/app/x.c", "/srv/app"), "x.c");
    assert_string_equal(tb_symbol_path_below("/srv/app/x.c", "/srv/app/"), "x.c");
    assert_string_equal(tb_symbol_path_below("/srv/x.c", "/"), "srv/x.c");
    assert_null(tb_symbol_path_below("/srv/app2/x.c", "/srv/app"));
    assert_null(tb_symbol_path_below("/srv/app", "/srv/app"));
    assert_null(tb_symbol_path_below("/srv/app/x.c", ""));
    assert_null(tb_symbol_path_below("x.c", "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_plain),
        cmocka_unit_test(name_that_is_too_long_keeps_its_last_part),
        cmocka_unit_test(plain_paths_are_absolute_and_do_not_climb),
        cmocka_unit_test(below_means_a_folder_and_not_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
