/* Who may write where: the drop box of all users, jails, and programs that stop being root. */
#include "rig.h"

#include <dirent.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "capture/lib.h"

enum { AGENT = 1234, DAEMON = 65534, STRANGER = 4321, CANNOT = 99 };

static int become(unsigned id)
{
    if (geteuid() != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
        return CANNOT;
    return 0;
}

static void need(int result)
{
    if (result == CANNOT) {
        print_message("needs root, to become another user: skipped\n");
        skip();
    }
    assert_int_equal(result, 0);
}

/* A spool of the agent, open to all users. */
static int make_drop_box(struct rig *rig)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool;
    umask(077); /* whatever it is */
    if (become(AGENT))
        return CANNOT;
    if (tb_spool_open(rig->spool, TB_SPOOL_CREATE | TB_SPOOL_SHARED, &spool, why) != 0)
        return 1;
    tb_spool_close(spool);
    return 0;
}

static int set_up_box(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    struct rig *rig = *state;
    if (chmod(rig->folder, 0755) != 0 || mkdir(rig->spool, 0755) != 0)
        return -1;
    if (geteuid() == 0 &&
        (chown(rig->spool, AGENT, AGENT) != 0 || rig_in_child(make_drop_box, rig) != 0))
        return -1;
    return 0;
}

/* ---- the drop box ---- */

static int report_and_die(struct rig *rig)
{
    umask(077);
    if (become(DAEMON))
        return CANNOT;
    signal(SIGSEGV, SIG_DFL);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("of nobody") != 0;
    if (bad == 0)
        raise(SIGSEGV);
    return bad;
}

/* The only file in the box that ends so. */
static int find_in_box(const struct rig *rig, const char *suffix, char out[400])
{
    char in[96];
    int n = 0;
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    DIR *dir = opendir(in);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strstr(entry->d_name, suffix))
            continue;
        snprintf(out, 400, "%s/%.255s", in, entry->d_name);
        n++;
    }
    if (dir)
        closedir(dir);
    return n;
}

/* Reads all as the agent's user, and removes it. */
static int drain_as_agent(struct rig *rig)
{
    char why[TB_SPOOL_WHY] = "";
    char path[400];
    struct tb_spool *spool;
    struct tb_spool_record record;
    int n = 0;
    int bad = 0;
    if (become(AGENT))
        return CANNOT;
    if (tb_spool_open(rig->spool, TB_SPOOL_SHARED, &spool, why) != 0)
        return 50;
    while (tb_spool_next(spool, &record) == 0) {
        bad += record.uid != DAEMON;
        bad += record.kind != TB_KIND_NATIVE && record.kind != TB_KIND_CRASH;
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        n++;
    }
    bad += n != 2;
    bad += tb_spool_flush(spool) != 0;
    bad += tb_spool_collect(spool) != 2;
    bad += find_in_box(rig, ".seg", path) + find_in_box(rig, ".slot", path);
    tb_spool_close(spool);
    return bad;
}

static char segment[400];

static int pry_as_stranger(struct rig *rig)
{
    char in[96];
    if (become(STRANGER))
        return CANNOT;
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    int bad = open(in, O_RDONLY | O_DIRECTORY) >= 0;
    bad += open(segment, O_RDONLY) >= 0;
    bad += unlink(segment) == 0;
    return bad;
}

static void daemon_of_nobody_with_umask_077_is_read_by_the_agents_user(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    struct stat st;
    pid_t pid = fork();
    if (pid == 0)
        _exit(report_and_die(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        need(WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(find_in_box(rig, ".seg", segment), 1);
    assert_int_equal(stat(segment, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_uid, DAEMON);
    assert_int_equal(st.st_gid, AGENT); /* by the box's setgid bit */
    need(rig_in_child(pry_as_stranger, rig));
    need(rig_in_child(drain_as_agent, rig));
}

/* ---- jails ---- */

static int enter_jail(const struct rig *rig)
{
    char jail[96];
    snprintf(jail, sizeof(jail), "%s/jail", rig->folder);
    if (mkdir(jail, 0755) != 0 && errno != EEXIST)
        return CANNOT;
    return chroot(jail) != 0 || chdir("/") != 0 ? CANNOT : 0;
}

static int jail_before_the_first_report(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    if (enter_jail(rig))
        return CANNOT;
    bad += towbar_error("the first one, from the jail") != 0;
    bad += towbar_warning("of another class") != 0;
    return bad;
}

static int jail_after_the_first_report(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("from outside") != 0;
    if (enter_jail(rig))
        return CANNOT;
    bad += towbar_error("from the jail") != 0;
    return bad;
}

/* What is kept then is written at the end, if the folder can be found: here it cannot. */
static int jail_without_the_folder(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("from outside") != 0;
    if (enter_jail(rig))
        return CANNOT;
    (void)syscall(SYS_close_range, 3, ~0U, 0);
    bad += towbar_error("from the jail") != -ENOENT;
    bad += rig_check_status("; its folder in cannot be opened: No such file or directory");
    bad += rig_check_status("1 reports wait in memory");
    return bad;
}

static void jail_entered_after_init_still_reports(void **state)
{
    struct rig *rig = *state;
    need(rig_in_child(jail_before_the_first_report, rig));
    need(rig_in_child(jail_after_the_first_report, rig));
    assert_int_equal(rig_read(rig), 4);
    assert_int_equal(rig->stats.n_lost, 0);
}

static void jail_without_the_folder_says_so_and_harms_nobody(void **state)
{
    struct rig *rig = *state;
    need(rig_in_child(jail_without_the_folder, rig));
    assert_int_equal(rig_read(rig), 1);
}

static int crash_in_a_jail(struct rig *rig)
{
    signal(SIGSEGV, SIG_DFL);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    if (enter_jail(rig) || become(DAEMON))
        return CANNOT;
    if (bad == 0)
        raise(SIGSEGV);
    return bad;
}

static void crash_in_a_jail_as_another_user_is_recorded(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(crash_in_a_jail(rig));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        need(WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, SIGSEGV);
    tb_crash_done(&crash);
}

/* ---- from root to another user ---- */

static int drop_before_the_first_report(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    if (become(DAEMON))
        return CANNOT;
    bad += towbar_error("the first one") != 0;
    bad += towbar_warning("of another class") != 0;
    towbar_shutdown();
    return bad;
}

static void first_report_after_the_change_of_user_goes_into_the_drop_box(void **state)
{
    struct rig *rig = *state;
    need(rig_in_child(drop_before_the_first_report, rig));
    assert_int_equal(rig_read(rig), 2);
    assert_int_equal(rig->stats.n_vanished, 0); /* root's slot was closed by nobody */
}

/* A spool that root's program made itself, before any agent: 0700. The agent opens it later. */
static int drop_and_wait(struct rig *rig)
{
    char why[TB_SPOOL_WHY] = "";
    struct tb_spool *spool;
    int status = 0;
    int gate[2];
    int told[2];
    char byte = 0;
    snprintf(rig->spool, sizeof(rig->spool), "%s/private", rig->folder);
    if (pipe(gate) != 0 || pipe(told) != 0)
        return 90;
    pid_t daemon = fork();
    if (daemon == 0) {
        int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
        bad += towbar_error("by root") != 0;
        if (become(DAEMON))
            _exit(CANNOT);
        bad += towbar_error("by nobody, in the file of root") != 0;
        bad += towbar_report(TOWBAR_CRITICAL, "before the agent") != -EACCES;
        bad += rig_check_status("1 reports wait in memory");
        bad += write(told[1], "", 1) != 1 || read(gate[0], &byte, 1) != 1;
        bad += towbar_report(TOWBAR_CRITICAL, "with the agent") != 0;
        _exit(bad);
    }
    close(told[1]);
    int bad = read(told[0], &byte, 1) != 1;
    if (bad == 0)
        bad = tb_spool_open(rig->spool, TB_SPOOL_CREATE | TB_SPOOL_SHARED, &spool, why) != 0;
    if (bad == 0)
        tb_spool_close(spool);
    (void)!write(gate[1], "", 1);
    (void)waitpid(daemon, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : bad;
}

static void files_of_root_are_used_on_and_the_rest_waits_for_the_agent(void **state)
{
    struct rig *rig = *state;
    need(rig_in_child(drop_and_wait, rig));
    snprintf(rig->spool, sizeof(rig->spool), "%s/private", rig->folder);
    assert_int_equal(rig_read(rig), 4);
    rig_assert_has(rig->records[0].data, "before the agent");
    rig_assert_has(rig->records[1].data, "with the agent");
    rig_assert_has(rig->records[2].data, "by root");
    rig_assert_has(rig->records[3].data, "in the file of root");
}

/* ---- a spool that is made anew under a running program ---- */

static int remove_and_make_anew(struct rig *rig)
{
    char in[96];
    char command[256];
    snprintf(in, sizeof(in), "%s/in", rig->spool);
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    snprintf(command, sizeof(command), "rm -r %s", in);
    bad += system(command) != 0;
    bad += towbar_error("while it is gone") != -ENOENT;
    bad += mkdir(in, 0700) != 0;
    bad += towbar_error("when it is there again") != 0;
    return bad;
}

static void folder_removed_and_made_anew_is_found(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(remove_and_make_anew, rig), 0);
    assert_int_equal(rig_read(rig), 2);
    rig_assert_has(rig->records[0].data, "while it is gone");
}

/* A handler left it by siglongjmp while it opened the folder. */
static int open_after_a_jump(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    close(tb_lib.dirfd);
    atomic_store(&tb_lib.opener, gettid());
    atomic_store(&tb_lib.opener_since_ns, tb_clock_mono_ns());
    bad += towbar_error("too early") != -ESTALE;
    atomic_store(&tb_lib.opener_since_ns, tb_clock_mono_ns() - TB_NS_PER_S);
    bad += towbar_error("a second later") != 0;
    return bad + (atomic_load(&tb_lib.opener) != 0);
}

static void opening_of_the_folder_that_was_left_is_taken_over(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(open_after_a_jump, rig), 0);
    assert_int_equal(rig_read(rig), 2);
}

int main(void)
{
#define CASE(name, up) cmocka_unit_test_setup_teardown(name, up, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(daemon_of_nobody_with_umask_077_is_read_by_the_agents_user, set_up_box),
        CASE(jail_entered_after_init_still_reports, rig_setup),
        CASE(jail_without_the_folder_says_so_and_harms_nobody, rig_setup),
        CASE(crash_in_a_jail_as_another_user_is_recorded, set_up_box),
        CASE(first_report_after_the_change_of_user_goes_into_the_drop_box, set_up_box),
        CASE(files_of_root_are_used_on_and_the_rest_waits_for_the_agent, rig_setup),
        CASE(folder_removed_and_made_anew_is_found, rig_setup),
        CASE(opening_of_the_folder_that_was_left_is_taken_over, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
