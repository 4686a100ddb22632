/* Which spool a program reports to, and what it is told of that. */
#include "rig.h"

#include "capture/lib.h"
#include "towbar/towbar.h"

/* Another user than the folder's owner. Needs root to become one. */
static int unwritable_spool(struct rig *rig)
{
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        return 99;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != -EACCES;
    bad += rig_check_status(rig->spool);
    bad += rig_check_status("Permission denied");
    return bad;
}

static void unwritable_spool_is_named(void **state)
{
    struct rig *rig = *state;
    char in[128];
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    assert_int_equal(mkdir(rig->spool, 0755), 0);
    assert_int_equal(mkdir(in, geteuid() == 0 ? 0755 : 0555), 0);
    chmod(rig->folder, 0755);
    assert_int_equal(rig_in_child(unwritable_spool, rig), 0);
}

static int from_environment(struct rig *rig)
{
    setenv("TOWBAR_SPOOL", rig->spool, 1);
    int bad = towbar_init(NULL) != 0;
    bad += rig_check_status(rig->spool);
    towbar_shutdown();
    setenv("TOWBAR_SPOOL", "/proc/no/such", 1);
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    return bad;
}

static void spool_comes_from_the_options_then_the_environment(void **state)
{
    assert_int_equal(rig_in_child(from_environment, *state), 0);
}

static int as_ordinary_user(struct rig *rig)
{
    char state_folder[96];
    struct stat st;
    snprintf(state_folder, sizeof(state_folder), "%s/home", rig->folder);
    mkdir(state_folder, 0700);
    if (geteuid() == 0 && (chown(state_folder, 65534, 65534) || setresgid(65534, 65534, 65534) ||
                           setresuid(65534, 65534, 65534)))
        return 99;
    unsetenv("TOWBAR_SPOOL");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", state_folder, 1);
    int bad = towbar_init(NULL) != 0;
    bad += rig_check_status("/home/.local/state/towbar/spool");
    towbar_shutdown();
    setenv("XDG_STATE_HOME", state_folder, 1);
    bad += towbar_init(NULL) != 0;
    bad += rig_check_status("/home/towbar/spool");
    towbar_shutdown();
    snprintf(state_folder, sizeof(state_folder), "%s/home/towbar/spool", rig->folder);
    bad += stat(state_folder, &st) != 0 || (st.st_mode & 0777) != 0700;
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    bad += towbar_init(NULL) != -ENOENT;
    bad += rig_check_status("set TOWBAR_SPOOL");
    return bad;
}

static void ordinary_user_has_a_spool_in_the_state_folder(void **state)
{
    struct rig *rig = *state;
    struct stat st;
    if (stat("/var/spool/towbar/in", &st) == 0) {
        print_message("there is a system spool here: skipped\n");
        skip();
    }
    chmod(rig->folder, 0755);
    assert_int_equal(rig_in_child(as_ordinary_user, rig), 0);
}

/* In a jail with a /var/spool/towbar/in of these modes, as a user who is not its owner; with a HOME
 * when has_home is set. 99 where this may not be done. */
static int beside_a_system_spool(struct rig *rig, mode_t above, mode_t in, int has_home)
{
    static const char *const folders[] = {"/var", "/var/spool", "/var/spool/towbar",
                                          "/var/spool/towbar/in", "/home"};
    umask(022);
    if (geteuid() != 0 || chmod(rig->folder, 0755) || chroot(rig->folder) || chdir("/"))
        return 99;
    for (size_t i = 0; i < 5; i++)
        mkdir(folders[i], 0755);
    if (chmod(folders[3], in) || chmod(folders[2], above) || chown(folders[4], 65534, 65534) ||
        setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
        return 99;
    unsetenv("TOWBAR_SPOOL");
    unsetenv("XDG_STATE_HOME");
    if (has_home)
        setenv("HOME", "/home", 1);
    else
        unsetenv("HOME");
    return 0;
}

static int closed_with_home(struct rig *rig, mode_t above)
{
    if (beside_a_system_spool(rig, above, 0700, 1))
        return 99;
    int bad = towbar_init(NULL) != 0;
    bad += rig_check_status("reporting to /home/.local/state/towbar/spool (");
    bad += rig_check_status("; /var/spool/towbar/in cannot be written to by this user: Permission "
                            "denied; start towbard as root, which opens it");
    return bad + (towbar_error("kept") != 0);
}

static int closed_above(struct rig *rig)
{
    return closed_with_home(rig, 0700);
}

static int closed_itself(struct rig *rig)
{
    return closed_with_home(rig, 0755);
}

static int closed_without_home(struct rig *rig)
{
    if (beside_a_system_spool(rig, 0700, 0700, 0))
        return 99;
    int bad = towbar_init(NULL) != -EACCES;
    bad += rig_check_status("reporting to /var/spool/towbar (");
    bad += rig_check_status("; its folder in cannot be opened: Permission denied; start towbard "
                            "as root");
    bad += rig_check_status("goes on by itself");
    bad += towbar_error("held") != -EACCES;
    bad +=
        rig_check_status("1 reports wait in memory until they can be written: Permission denied");
    return bad + rig_check_status("set TOWBAR_SPOOL");
}

/* A home that cannot be made, as that of many a daemon. The agent of root opens the folder later.
 */
static int opened_later(struct rig *rig)
{
    struct stat st;
    int status = 0;
    int go[2];
    char byte = 0;
    if (geteuid() != 0 || pipe(go))
        return 99;
    pid_t agent = fork();
    if (agent == 0) { /* stays root */
        int bad = chroot(rig->folder) || chdir("/") || read(go[0], &byte, 1) != 1;
        bad = bad || chmod("/var/spool/towbar", 0755) || chmod("/var/spool/towbar/in", 03733);
        _exit(bad);
    }
    int bad = beside_a_system_spool(rig, 0700, 0700, 0);
    if (bad)
        kill(agent, SIGKILL);
    if (bad)
        return bad;
    setenv("HOME", "/nonexistent", 1);
    bad += towbar_init(NULL) != -EACCES;
    bad += rig_check_status("reporting to /var/spool/towbar (");
    bad += towbar_error("held") != -EACCES;
    bad += towbar_init(NULL) != -EALREADY;
    bad += write(go[1], &byte, 1) != 1 || waitpid(agent, &status, 0) != agent || status != 0;
    atomic_store(&tb_lib.slot_ns, 0); /* as if a second had gone by */
    bad += towbar_error("written") != 0;
    bad += strstr(towbar_status(), "cannot") != NULL || strstr(towbar_status(), "wait") != NULL;
    bad += !tb_lib.slot.map || fstat(tb_lib.slot.fd, &st) != 0 || st.st_nlink != 1;
    towbar_shutdown();
    return bad;
}

static int open_to_all(struct rig *rig)
{
    if (beside_a_system_spool(rig, 0755, 03733, 1))
        return 99;
    int bad = towbar_init(NULL) != 0;
    bad += rig_check_status("reporting to /var/spool/towbar (");
    bad += strstr(towbar_status(), "cannot") != NULL;
    return bad + (towbar_error("kept") != 0);
}

static void system_spool_is_used_where_it_is_open_and_told_of_where_it_is_not(void **state)
{
    static int (*const ways[])(struct rig *) = {closed_above, closed_itself, closed_without_home,
                                                opened_later, open_to_all};
    for (size_t i = 0; i < 5; i++) {
        int bad = rig_in_child(ways[i], *state);
        if (bad == 99) {
            print_message("needs root, to become another user in a jail: skipped\n");
            skip();
        }
        assert_int_equal(bad, 0);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(unwritable_spool_is_named),
        CASE(spool_comes_from_the_options_then_the_environment),
        CASE(ordinary_user_has_a_spool_in_the_state_folder),
        CASE(system_spool_is_used_where_it_is_open_and_told_of_where_it_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
