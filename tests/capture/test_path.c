/* The names of modules, whole: from the root on, as others can open them. */
#include "rig.h"

#include <limits.h>

#include "capture/path.h"
#include "capture/crash/quiet.h"

static void assert_whole(const char *name, const char *expected)
{
    char out[256];
    assert_int_equal(tb_path_make_whole(name, out, sizeof(out)), strlen(expected));
    assert_string_equal(out, expected);
}

static void relative_name_counts_from_the_working_directory(void **state)
{
    char before[PATH_MAX];
    char expected[256];
    const struct rig *rig = *state;
    static const char *const names[] = {"./x.so", "lib/x.so", "../x.so", ".//lib/.././x.so"};
    static const char *const parts[] = {"/x.so", "/lib/x.so", NULL, "/x.so"};
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(rig->folder), 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(expected, sizeof(expected), "%s%s", parts[i] ? rig->folder : "",
                 parts[i] ? parts[i] : "/tmp/x.so");
        assert_whole(names[i], expected);
    }
    assert_int_equal(chdir("/"), 0);
    assert_whole("./x.so", "/x.so");
    assert_whole("../../tmp/x.so", "/tmp/x.so");
    assert_int_equal(chdir(before), 0);
}

static void name_from_the_root_loses_only_its_dots(void **state)
{
    (void)state;
    assert_whole("/lib/x.so", "/lib/x.so");
    assert_whole("/opt/app/bin/../lib/x.so", "/opt/app/lib/x.so");
    assert_whole("/opt//./app/x.so", "/opt/app/x.so");
    assert_whole("/../x.so", "/x.so");
    assert_whole("/opt/.hidden/..x.so", "/opt/.hidden/..x.so");
}

static void name_that_is_none_of_a_file_stays(void **state)
{
    (void)state;
    assert_whole("linux-vdso.so.1", "linux-vdso.so.1");
    assert_whole("[vdso]", "[vdso]");
    assert_whole("", "");
}

static void name_that_does_not_fit_stays_and_is_cut(void **state)
{
    char out[12];
    (void)state;
    for (size_t cap = 1; cap <= sizeof(out); cap++) {
        size_t len = tb_path_make_whole("/a/../twelve/longer.so", out, cap);
        assert_int_equal(len, cap - 1);
        assert_memory_equal(out, "/a/../twelve", len);
        assert_int_equal(out[len], '\0');
    }
    /* Ten bytes: more than there is room for, less than there is. */
    assert_int_equal(tb_path_make_whole("/a/../b/twelve", out, 10), 9);
    assert_string_equal(out, "/b/twelve");
    assert_int_equal(tb_path_make_whole("/a/../b/twelve", out, 9), 8);
    assert_string_equal(out, "/a/../b/");
    assert_int_equal(tb_path_make_whole("./x.so", out, 2), 1); /* nor does the folder */
    assert_string_equal(out, ".");
}

/* Its own working directory is gone. */
static int look_in_a_folder_that_is_gone(struct rig *rig)
{
    char out[256];
    char folder[128];
    snprintf(folder, sizeof(folder), "%s/gone", rig->folder);
    if (mkdir(folder, 0700) != 0 || chdir(folder) != 0 || rmdir(folder) != 0)
        return 1;
    (void)tb_path_make_whole("./x.so", out, sizeof(out));
    return strcmp(out, "./x.so") != 0 ? 2 : 0;
}

static void name_stays_where_the_working_directory_is_gone(void **state)
{
    assert_int_equal(rig_in_child(look_in_a_folder_that_is_gone, *state), 0);
}

static int look_where_a_filter_is_expected(struct rig *rig)
{
    char out[256];
    (void)rig;
    tb_quiet_expect();
    (void)tb_path_make_whole("./x.so", out, sizeof(out));
    int bad = strcmp(out, "./x.so") != 0;
    (void)tb_path_make_whole("/a/../x.so", out, sizeof(out));
    return bad + (strcmp(out, "/x.so") != 0);
}

static void no_call_is_made_where_a_filter_is_expected(void **state)
{
    assert_int_equal(rig_in_child(look_where_a_filter_is_expected, *state), 0);
}

static void whole_name_is_known_by_the_name_it_was_made_of(void **state)
{
    (void)state;
    assert_true(tb_path_is_of("/lib/x.so", "/lib/x.so"));
    assert_true(tb_path_is_of("/home/u/x.so", "./x.so"));
    assert_true(tb_path_is_of("/home/x.so", "../x.so"));
    assert_true(tb_path_is_of("/opt/lib/x.so", "/opt/bin/../lib/x.so"));
    assert_true(tb_path_is_of("./x.so", "./x.so")); /* of a quiet handler */
    assert_false(tb_path_is_of("/home/u/x.so", "./y.so"));
    assert_false(tb_path_is_of("/home/u/ax.so", "./x.so"));
    assert_false(tb_path_is_of("/lib/x.so", "/usr/lib/x.so"));
    assert_false(tb_path_is_of("/lib/linux-vdso.so.1", "linux-vdso.so.1"));
    assert_false(tb_path_is_of("[vdso]", "./x.so"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(relative_name_counts_from_the_working_directory),
        cmocka_unit_test(name_from_the_root_loses_only_its_dots),
        cmocka_unit_test(name_that_is_none_of_a_file_stays),
        cmocka_unit_test(name_that_does_not_fit_stays_and_is_cut),
        CASE(name_stays_where_the_working_directory_is_gone),
        CASE(no_call_is_made_where_a_filter_is_expected),
        cmocka_unit_test(whole_name_is_known_by_the_name_it_was_made_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
