/* Which files a path of the settings means: no more than it says, and over no link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>

#include "../support/folder.h"
#include "agent/files/names.h"

static const char *const suffixes[] = {".rollbar", ".ratchet", NULL};
static char found[1024];

static void note(void *arg, const struct tb_names_entry *entry)
{
    (void)arg;
    if (!entry->fits)
        return;
    strncat(found, strrchr(entry->folder, '/'), sizeof(found) - strlen(found) - 1);
    strncat(found, "/", sizeof(found) - strlen(found) - 1);
    strncat(found, entry->name, sizeof(found) - strlen(found) - 1);
    strncat(found, " ", sizeof(found) - strlen(found) - 1);
}

static int walk(const char *path)
{
    struct tb_names_walk walk = {.suffixes = suffixes, .entry = note};
    found[0] = '\0';
    return tb_names_walk(path, &walk);
}

static void a_pattern_fits_whole_names_only(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool fits;
    } cases[] = {
        {"*", "a", true},
        {"*", ".a", false},
        {".*", ".a", true},
        {"?a", ".a", false},
        {"a?c", "abc", true},
        {"a?c", "ac", false},
        {"*.log", "x.log", true},
        {"*.log", ".log", false},
        {"*.log", "x.log.1", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXbY", false},
        {"[ab]", "a", false},
        {"[ab]", "[ab]", true},
        {"", "", true},
        {"", "a", false},
        {"**", "abc", true},
        {"a\\*", "a*", false},
        {"a", "ab", false},
        {"*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (tb_names_fit(cases[i].pattern, cases[i].name) != cases[i].fits)
            fail_msg("\"%s\" and \"%s\"", cases[i].pattern, cases[i].name);
}

static void of_a_folder_the_files_count_that_end_so(void **state)
{
    (void)state;
    put_file("a.rollbar", "");
    put_file("b.log", "");
    assert_int_equal(mkdir(in_folder("c.rollbar"), 0700), 0);
    put_file(".rollbar", "");
    assert_int_equal(walk(test_folder), 0);
    assert_non_null(strstr(found, "/a.rollbar "));
    assert_null(strstr(found, "b.log"));
    assert_null(strstr(found, "c.rollbar"));
    assert_null(strstr(found, "/.rollbar "));
}

static void wildcards_of_folders_do_not_follow_links(void **state)
{
    char pattern[256];
    (void)state;
    assert_int_equal(mkdir(in_folder("real"), 0700), 0);
    assert_int_equal(mkdir(in_folder("real/log"), 0700), 0);
    put_file("real/log/x.rollbar", "");
    assert_int_equal(symlink("real", in_folder("link")), 0);
    assert_int_equal(mkdir(in_folder("trap"), 0700), 0);
    assert_int_equal(symlink("../real/log", in_folder("trap/log")), 0);
    snprintf(pattern, sizeof(pattern), "%s/*/log/*.rollbar", test_folder);
    assert_int_equal(walk(pattern), 0);
    assert_string_equal(found, "/log/x.rollbar ");
    snprintf(pattern, sizeof(pattern), "%s/link/log/*.rollbar", test_folder);
    assert_int_equal(walk(pattern), 0); /* what the operator names is followed */
    assert_string_equal(found, "/log/x.rollbar ");
}

static void a_path_without_wildcards_is_a_file_or_a_folder(void **state)
{
    (void)state;
    put_file("plain", "");
    assert_int_equal(walk(in_folder("plain")), 0);
    assert_non_null(strstr(found, "/plain "));
    assert_int_equal(walk(in_folder("none/x")), -ENOENT);
    assert_int_equal(walk(in_folder("none")), 0);
    assert_string_equal(found, "");
}

static void no_more_folders_are_visited_than_the_cap(void **state)
{
    char name[32];
    char pattern[256];
    struct tb_names_walk walk_on = {.suffixes = suffixes, .entry = note};
    (void)state;
    for (int i = 0; i < TB_NAMES_FOLDERS + 10; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        assert_int_equal(mkdir(in_folder(name), 0700), 0);
    }
    snprintf(pattern, sizeof(pattern), "%s/d*/x", test_folder);
    assert_int_equal(tb_names_walk(pattern, &walk_on), 0);
    assert_int_equal(walk_on.n_folders, TB_NAMES_FOLDERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_test_folder, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_fits_whole_names_only),
        TEST(of_a_folder_the_files_count_that_end_so),
        TEST(wildcards_of_folders_do_not_follow_links),
        TEST(a_path_without_wildcards_is_a_file_or_a_folder),
        TEST(no_more_folders_are_visited_than_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
