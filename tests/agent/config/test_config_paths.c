/* Where things are when nobody says, and what counts as a path. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "agent/config/config.h"
#include "agent/config/config_paths.h"
#include "../support/folder.h"

enum { NOBODY = 65534 };

static char before[PATH_MAX];

static int begin(void **state)
{
    static const char *const variables[] = {"TOWBAR_SPOOL",   "TOWBAR_SOCKET",   "HOME",
                                            "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"};
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        unsetenv(variables[i]);
    return getcwd(before, sizeof(before)) != NULL ? make_test_folder(state) : -1;
}

static int end(void **state)
{
    if (geteuid() != getuid() && seteuid(getuid()) != 0)
        return -1;
    return chdir(before) == 0 ? remove_test_folder(state) : -1;
}

static void an_ordinary_user(void)
{
    if (geteuid() == 0)
        assert_int_equal(seteuid(NOBODY), 0);
}

static void a_path_counts_from_the_current_folder(void **state)
{
    static const struct {
        const char *path, *result; /* "@" in front: below the current folder */
    } cases[] = {
        {"/a/b", "/a/b"},         {"/a/b//", "/a/b"}, {"/", "/"}, {"x", "@/x"}, {"x/y/", "@/x/y"},
        {"./x", "@/x"},           {".//./x", "@/x"},  {".", "@"}, {"./", "@"},  {"../x", "@/../x"},
        {".hidden", "@/.hidden"}, {"~x", "@/~x"},
    };
    char here[PATH_MAX];
    (void)state;
    assert_int_equal(chdir(in_folder("")), 0);
    assert_non_null(getcwd(here, sizeof(here)));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[TB_CONFIG_PATH];
        char wanted[2 * PATH_MAX];
        int is_below = cases[i].result[0] == '@';
        snprintf(wanted, sizeof(wanted), "%s%s", is_below ? here : "", cases[i].result + is_below);
        assert_int_equal(tb_config_absolute(cases[i].path, out), 0);
        assert_string_equal(out, wanted);
    }
    assert_int_equal(chdir("/"), 0);
    char out[TB_CONFIG_PATH];
    assert_int_equal(tb_config_absolute("x", out), 0);
    assert_string_equal(out, "/x");
}

static void what_is_no_path_is_refused(void **state)
{
    char out[TB_CONFIG_PATH];
    char longest[TB_CONFIG_PATH + 2];
    (void)state;
    assert_int_equal(tb_config_absolute("~/x", out), -EINVAL);
    assert_int_equal(tb_config_absolute("~", out), -EINVAL);
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[TB_CONFIG_PATH] = '\0';
    assert_int_equal(tb_config_absolute(longest, out), -ENAMETOOLONG);
    assert_null(tb_config_path_fault("/x"));
    assert_non_null(strstr(tb_config_path_fault("~/x"), "~ is not expanded"));
    assert_non_null(strstr(tb_config_path_fault("x"), "absolute"));
}

static void flags_and_environment_become_absolute(void **state)
{
    char why[TB_CONFIG_WHY];
    char wanted[PATH_MAX + 16];
    char here[PATH_MAX];
    struct tb_config c;
    (void)state;
    const struct tb_config_flags flags = {
        .file = put_file("f.yaml", ""), .state_dir = "./state", .socket = "s.sock"};
    setenv("TOWBAR_SPOOL", "spool", 1);
    assert_int_equal(chdir(in_folder("")), 0);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(tb_config_load(&flags, &c, why), 0);
    snprintf(wanted, sizeof(wanted), "%s/spool", here);
    assert_string_equal(c.spool, wanted);
    snprintf(wanted, sizeof(wanted), "%s/state", here);
    assert_string_equal(c.state_dir, wanted);
    snprintf(wanted, sizeof(wanted), "%s/s.sock", here);
    assert_string_equal(c.socket, wanted);
    tb_config_done(&c);
    const struct tb_config_flags tilde = {.file = flags.file, .state_dir = "~/state"};
    assert_int_equal(tb_config_load(&tilde, &c, why), -EINVAL);
    assert_non_null(strstr(why, "--state-dir"));
    assert_non_null(strstr(why, "~ is not expanded"));
}

static void the_systems_spool_is_known_with_a_slash_at_its_end(void **state)
{
    char why[TB_CONFIG_WHY];
    struct tb_config c;
    (void)state;
    const struct tb_config_flags flags = {
        .file = put_file("f.yaml", ""), .spool = TB_CONFIG_SYSTEM_SPOOL "/", .state_dir = "/x"};
    assert_int_equal(tb_config_load(&flags, &c, why), 0);
    assert_string_equal(c.spool, TB_CONFIG_SYSTEM_SPOOL);
    assert_int_equal(c.shared_spool, 1);
    tb_config_done(&c);
}

static void without_a_home_the_folders_must_be_named(void **state)
{
    static const struct {
        struct tb_config_flags flags;
        const char *says, *says_not;
    } cases[] = {
        {{.listen = "off"}, "--spool", ""},
        {{.listen = "off"}, "--state-dir", ""},
        {{.spool = "/s"}, "--state-dir", "--spool"},
        {{.state_dir = "/st"}, "--spool", "--state-dir"},
    };
    struct tb_config c;
    (void)state;
    an_ordinary_user();
    for (int is_empty = 0; is_empty < 2; is_empty++) {
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            char why[TB_CONFIG_WHY] = "";
            assert_int_equal(tb_config_load(&cases[i].flags, &c, why), -ENOENT);
            assert_non_null(strstr(why, "neither XDG_STATE_HOME nor HOME is set"));
            assert_non_null(strstr(why, cases[i].says));
            if (cases[i].says_not[0] != '\0')
                assert_null(strstr(why, cases[i].says_not));
        }
        setenv("HOME", "", 1);
    }
    char why[TB_CONFIG_WHY];
    const struct tb_config_flags both = {.spool = "/s", .state_dir = "/st"};
    assert_int_equal(tb_config_load(&both, &c, why), 0);
    assert_string_equal(c.socket, "/st/towbard.sock");
    tb_config_done(&c);
}

static void with_a_home_they_are_below_it(void **state)
{
    char why[TB_CONFIG_WHY];
    struct tb_config c;
    const struct tb_config_flags none = {.file = NULL};
    (void)state;
    an_ordinary_user();
    setenv("HOME", "/nonexistent", 1);
    assert_int_equal(tb_config_load(&none, &c, why), 0);
    assert_string_equal(c.spool, "/nonexistent/.local/state/towbar/spool");
    assert_string_equal(c.state_dir, "/nonexistent/.local/state/towbar");
    assert_string_equal(c.socket, "/nonexistent/.local/state/towbar/towbard.sock");
    tb_config_done(&c);
    setenv("XDG_STATE_HOME", "/x", 1);
    setenv("XDG_RUNTIME_DIR", "/tmp", 1);
    assert_int_equal(tb_config_load(&none, &c, why), 0);
    assert_string_equal(c.spool, "/x/towbar/spool");
    assert_string_equal(c.socket, "/tmp/towbar/towbard.sock");
    assert_int_equal(c.makes_socket_folder, 1);
    tb_config_done(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_path_counts_from_the_current_folder),
        TEST(what_is_no_path_is_refused),
        TEST(flags_and_environment_become_absolute),
        TEST(the_systems_spool_is_known_with_a_slash_at_its_end),
        TEST(without_a_home_the_folders_must_be_named),
        TEST(with_a_home_they_are_below_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
