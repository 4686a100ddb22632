/* Children: by fork, daemon style, raw clone, vfork. */
#include "rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "capture/lib.h"
#include "capture/modules/modules.h"
#include "capture/report/site.h"
#include "capture/threads/stack.h"
#include "capture/modules/unload.h"
#include "towbar/towbar.h"

static const struct rig_record *find(struct rig *rig, int kind, pid_t pid)
{
    for (size_t i = 0; i < rig->n_records; i++) {
        if (rig->records[i].kind == kind && (rig->records[i].pid == pid || pid == 0))
            return &rig->records[i];
    }
    return NULL;
}

static void assert_crash_of(struct rig *rig, pid_t pid, int signo)
{
    struct tb_crash crash;
    const struct rig_record *record = find(rig, TB_KIND_CRASH, pid);
    if (!record)
        fail_msg("no crash of %d among %zu records; %s%s", (int)pid, rig->n_records, rig->out,
                 rig->err);
    assert_int_equal(tb_crash_unpack((const uint8_t *)record->data, record->len, &crash), 0);
    assert_int_equal(crash.fixed.signo, signo);
    assert_int_equal(crash.fixed.pid, pid);
    assert_int_equal(crash.fixed.tid, pid);
    assert_false(crash.is_cut);
    assert_int_equal(record->process.pid, pid);
    assert_true(record->process.n_modules >= 3);
    tb_crash_done(&crash);
}

static pid_t child_of(const struct rig *rig, int signo)
{
    char text[64];
    pid_t pid = (pid_t)rig_said(rig, "child", 10);
    snprintf(text, sizeof(text), "child %d status", (int)pid);
    if (WTERMSIG((int)rig_said(rig, text, 10)) != signo)
        fail_msg("child died otherwise: %s", rig->out);
    return pid;
}

static size_t count_kind(const struct rig *rig, int kind)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->n_records; i++)
        n += rig->records[i].kind == kind;
    return n;
}

static void child_that_crashes_is_reported_with_its_pid(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "child-crashes");
    assert_int_equal(rig->status, 0);
    assert_int_equal(rig_read(rig), 1);
    assert_crash_of(rig, child_of(rig, SIGSEGV), SIGSEGV);
    assert_int_equal(rig->stats.n_vanished, 0);
}

static void daemon_that_closed_everything_is_reported(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "daemon-crashes");
    assert_int_equal(rig_read(rig), 1);
    assert_crash_of(rig, (pid_t)rig_said(rig, "child", 10), SIGSEGV);
}

static void child_and_parent_report_into_files_of_their_own(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "child-reports");
    pid_t child = child_of(rig, SIGSEGV);
    assert_int_equal(rig_read(rig), 4);
    assert_int_equal(rig->stats.n_lost, 0);
    assert_crash_of(rig, child, SIGSEGV);
    const struct rig_record *of_child = find(rig, TB_KIND_NATIVE, child);
    assert_non_null(of_child);
    rig_assert_has(of_child->data, "\"of the child\"");
    assert_int_equal(of_child->process.pid, child);
    const struct rig_record *of_parent = find(rig, TB_KIND_NATIVE, rig->pid);
    assert_non_null(of_parent);
    assert_int_equal(of_parent->process.pid, rig->pid);
}

static void child_by_raw_clone_is_reported_and_the_parent_goes_on(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "child-by-clone");
    assert_int_equal(rig->status, 0);
    assert_int_equal(rig_read(rig), 2);
    assert_crash_of(rig, child_of(rig, SIGSEGV), SIGSEGV);
    rig_assert_has(find(rig, TB_KIND_NATIVE, rig->pid)->data, "of the parent again");
}

static void child_by_vfork_is_reported_and_the_parent_goes_on(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "child-by-vfork");
    assert_int_equal(rig_read(rig), 3);
    assert_crash_of(rig, child_of(rig, SIGSEGV), SIGSEGV);
    assert_crash_of(rig, rig->pid, SIGABRT);
    assert_int_equal(WTERMSIG(rig->status), SIGABRT);
    assert_non_null(find(rig, TB_KIND_NATIVE, rig->pid));
}

/* A child that leaves by exit must not mark the parent's slot as done. */
static void child_that_exits_leaves_the_parents_slot_alone(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "child-exits");
    rig_read(rig);
    assert_int_equal(count_kind(rig, TB_KIND_CRASH), 1);
    assert_crash_of(rig, rig->pid, SIGSEGV);
    assert_int_equal(rig->stats.n_vanished, 0);
}

static atomic_int stop;

__attribute__((noinline)) static size_t walk_once(struct tb_stack *walker)
{
    struct tb_unwind_frame frames[32];
    struct tb_unwind_regs regs = tb_stack_caller();
    struct tb_modules *modules = tb_modules_take();
    tb_stack_begin(walker, modules, regs.sp);
    size_t n = tb_stack_walk(walker, regs, 0, frames, 32, NULL);
    tb_modules_give(modules);
    return n;
}

/* Every round makes all rows anew, so that this thread is inside libunwind most of the time. */
static void *walk_cold(void *walker)
{
    const struct towbar_site site = {"cold.c", 1, "walk_cold"};
    size_t n = 0;
    while (!atomic_load(&stop)) {
        (void)tb_modules_extend(&tb_lib.about, NULL, NULL, 0, tb_unload_mark());
        n += walk_once(walker);
        atomic_store(&tb_site_find(&site, NULL)->empty_ns, 0); /* no limit for this one */
        (void)towbar_report_at(&site, TOWBAR_INFO, 0, "cold");
    }
    return n > 0 ? walker : NULL;
}

static int fork_in_a_storm(struct rig *rig)
{
    enum { N_CHILDREN = 150 };
    static struct tb_stack walkers[2];
    pthread_t threads[2];
    int bad = 0;
    alarm(100);               /* a child that hangs for ever is what this looks for */
    signal(SIGSEGV, SIG_DFL); /* cmocka's would take it for the test's own end */
    if (towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0)
        return 90;
    for (int i = 0; i < 2; i++)
        (void)pthread_create(&threads[i], NULL, walk_cold, &walkers[i]);
    for (int i = 0; i < N_CHILDREN; i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            struct towbar_site site = {"child.c", i, "child"};
            int err = towbar_report_at(&site, TOWBAR_ERROR, 0, "from child %d", i);
            if (err != 0)
                print_error("child %d: %s\n", i, strerror(-err));
            _exit(err == 0 ? 0 : 1);
        }
        waitpid(pid, &status, 0);
        if (status != 0)
            print_error("child %d: status %#x\n", i, status);
        bad += status != 0;
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return bad < 90 ? bad : 89;
}

static void child_forked_beside_busy_threads_reports(void **state)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fork_in_a_storm(*state));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(child_that_crashes_is_reported_with_its_pid),
        CASE(daemon_that_closed_everything_is_reported),
        CASE(child_and_parent_report_into_files_of_their_own),
        CASE(child_by_raw_clone_is_reported_and_the_parent_goes_on),
        CASE(child_by_vfork_is_reported_and_the_parent_goes_on),
        CASE(child_that_exits_leaves_the_parents_slot_alone),
        CASE(child_forked_beside_busy_threads_reports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
