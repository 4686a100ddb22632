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

static void what_is_told_from_the_same_folder_is_not_joined(void **state)
{
    static const struct {
        const char *folder, *file;
        bool is_told_whole;
    } cases[] = {
        {"./nptl", "./nptl/pthread_create.c", true},
        {"./nptl/", "./nptl/x.c", true},
        {"./a/b", "./a/b/x.c", true},
        {"./a/b", "./a/x.c", false},
        {".", "./src/src/x.c", false},
        {"./src", "src/x.c", false},
        {"./src", "./x.c", false},
        {"./nptl", "./nptl2/x.c", false},
        {"/build/x", "./build/x/y.c", false},
        {"./", "./x.c", false},
        {"src", "./src/x.c", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tb_symbol_path_is_told_whole(cases[i].folder, cases[i].file),
                         cases[i].is_told_whole);
}

static void folders_of_builds_are_not_shown(void **state)
{
    static const struct {
        const char *path, *shown;
    } cases[] = {
        {"/build/reproducible-path/nginx-1.22.1/src/core/nginx.c", "src/core/nginx.c"},
        {"/build/reproducible-path/x.c", "x.c"},
        {"/build/nginx-AbC123/nginx-1.22.1/src/core/nginx.c", "src/core/nginx.c"},
        {"/build/source/src/x.c", "src/x.c"},
        {"/build/src/x.c", "/build/src/x.c"},
        {"/build/app/src/x.c", "/build/app/src/x.c"},
        {"/build/x.c", "/build/x.c"},
        {"/build/", "/build/"},
        {"/usr/src/debug/glibc-2.37-4.fc38.x86_64/nptl/pthread_kill.c", "nptl/pthread_kill.c"},
        {"/usr/src/debug/nginx-1.24-1.x86_64/nginx-1.24/src/x.c", "src/x.c"},
        {"/usr/src/debug/glibc/glibc/nptl/x.c", "nptl/x.c"},
        {"/usr/src/debug/zlib/inflate.c", "inflate.c"},
        {"/usr/src/debug/x.c", "/usr/src/debug/x.c"},
        {"/usr/src/glibc-2.36-9/nptl/x.c", "nptl/x.c"},
        {"/usr/src/app/server.c", "/usr/src/app/server.c"},
        {"/builddir/build/BUILD/curl-8.2/lib/url.c", "lib/url.c"},
        {"/rustc/9fc6b43126469e3858e2fe86cafb4f0fd5068869/library/core/src/option.rs",
         "library/core/src/option.rs"},
        {"/rustc/x", "/rustc/x"},
        {"/proc/self/cwd/src/x.cc", "src/x.cc"},
        {"build-tree/lib/x.c", "lib/x.c"},
        {"/home/me/.cargo/registry/src/index.crates.io-6f17d22bba15001f/serde-1.0.9/src/de.rs",
         "serde-1.0.9/src/de.rs"},
        {"/root/go/pkg/mod/github.com/x/y@v1.2.3/y.go", "github.com/x/y@v1.2.3/y.go"},
        {"/home/me/.cargo/registry/src/x", "/home/me/.cargo/registry/src/x"},
        {"/srv/app/src/x.c", "/srv/app/src/x.c"},
        {"src/src/x.c", "src/src/x.c"},
        {"nginx-1.22/x.c", "nginx-1.22/x.c"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_string_equal(tb_symbol_path_shown(cases[i].path), cases[i].shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_made_plain),
        cmocka_unit_test(what_is_told_from_the_same_folder_is_not_joined),
        cmocka_unit_test(folders_of_builds_are_not_shown),
        cmocka_unit_test(name_that_is_too_long_keeps_its_last_part),
        cmocka_unit_test(plain_paths_are_absolute_and_do_not_climb),
        cmocka_unit_test(below_means_a_folder_and_not_a_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
