/* What becomes of the signal after the report: the same as without the library. */
#include "rig.h"

#include <sched.h>

static int run_bare(struct rig *rig, const char *way)
{
    rig->env[0] = "VICTIM_BARE=1";
    rig_run(rig, way);
    rig->env[0] = NULL;
    return rig->status;
}

static void remove_core(const struct rig *rig)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/core", rig->folder);
    (void)unlink(path);
}

static void death_is_the_same_as_without_the_library(void **state)
{
    static const char *const ways[] = {"null",
                                       "call-null",
                                       "fpe",
                                       "int3",
                                       "ud2",
                                       "bus",
                                       "non-canonical",
                                       "abort",
                                       "abort-blocked",
                                       "assert",
                                       "raise",
                                       "sys",
                                       "many-threads",
                                       "at-exit",
                                       "thread",
                                       "earlier-exits",
                                       "earlier-resets",
                                       "earlier-aborts",
                                       "earlier-returns",
                                       "earlier-mask",
                                       "recovers",
                                       "recovers-then-dies",
                                       "ignores",
                                       "ignores-but-faults",
                                       "earlier-faults",
                                       "recovers-from-large",
                                       "recovers-beside-small",
                                       "recovers-on-small",
                                       "dies-on-small",
                                       "mends",
                                       "mends-beside-small",
                                       "mends-on-small",
                                       "earlier-cannot-run",
                                       "calls-trapped",
                                       "cut-null",
                                       "cut-abort"};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        int bare = run_bare(rig, ways[i]);
        remove_core(rig);
        rig_run(rig, ways[i]);
        remove_core(rig);
        if (rig->status != bare)
            fail_msg("%s: status %#x, without the library %#x; %s%s", ways[i], rig->status, bare,
                     rig->out, rig->err);
    }
}

static void kill_from_outside_ends_as_without_the_library(void **state)
{
    struct rig *rig = *state;
    char path[96];
    int statuses[2];
    snprintf(path, sizeof(path), "%s/out", rig->folder);
    for (int i = 0; i < 2; i++) {
        rig->env[0] = i == 0 ? "VICTIM_BARE=1" : NULL;
        (void)unlink(path);
        rig_start(rig, "killed");
        do {
            rig_read_file(path, rig->out);
        } while (!strstr(rig->out, "ready") && waitpid(rig->pid, &rig->status, WNOHANG) == 0);
        kill(rig->pid, SIGSEGV);
        rig_finish(rig);
        statuses[i] = rig->status;
        remove_core(rig);
    }
    assert_int_equal(statuses[0], statuses[1]);
    assert_true(WIFSIGNALED(statuses[1]));
    assert_int_equal(WTERMSIG(statuses[1]), SIGSEGV);
}

static void assert_handed_on(struct rig *rig, int signo)
{
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, signo);
    assert_false(crash.is_cut);
    tb_crash_done(&crash);
}

static void earlier_handler_runs_with_its_arguments(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-exits");
    rig_assert_has(rig->out, "earlier handler\n");
    assert_true(WIFEXITED(rig->status));
    assert_int_equal(WEXITSTATUS(rig->status), 9);
    assert_handed_on(rig, SIGSEGV);
}

static void earlier_handler_runs_with_its_mask(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-mask");
    rig_assert_has(rig->out, "mask right\n");
    assert_handed_on(rig, SIGSEGV);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static void earlier_handler_with_resethand_runs_once(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-resets");
    assert_int_equal(count(rig->out, "earlier handler\n"), 1);
    assert_true(WIFSIGNALED(rig->status));
    assert_handed_on(rig, SIGSEGV);
}

static void handler_that_returns_from_abort_ends_in_abort(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-returns");
    assert_int_equal(count(rig->out, "earlier handler\n"), 1);
    assert_int_equal(WTERMSIG(rig->status), SIGABRT);
    assert_handed_on(rig, SIGABRT);
}

static void fault_inside_the_earlier_handler_keeps_the_first_crash(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-faults");
    rig_assert_has(rig->out, "earlier handler\n");
    assert_int_equal(WTERMSIG(rig->status), SIGFPE);
    assert_handed_on(rig, SIGSEGV);
}

static void recovery_by_siglongjmp_leaves_no_report(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "recovers");
    rig_assert_has(rig->out, "recovered\n");
    assert_true(WIFEXITED(rig->status));
    assert_int_equal(WEXITSTATUS(rig->status), 0);
    assert_int_equal(rig_read(rig), 0);
    assert_int_equal(rig->stats.n_vanished, 0);
}

static void crash_after_a_recovery_is_the_one_reported(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "recovers-then-dies");
    rig_assert_has(rig->out, "recovered\n");
    assert_handed_on(rig, SIGABRT);
}

static void ignored_signals_stay_ignored(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "ignores");
    rig_assert_has(rig->out, "survived\n");
    assert_true(WIFEXITED(rig->status));
    assert_int_equal(rig_read(rig), 0);
}

/* The kernel kills all the same; to see it, ours would have to undo what the program set. */
static void fault_of_an_ignored_signal_goes_unreported(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "ignores-but-faults");
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(rig_read(rig), 0);
}

static void ignored_signals_stay_ignored_over_exec(void **state)
{
    struct rig *rig = *state;
    char bare[RIG_TEXT];
    (void)run_bare(rig, "ignores-then-exec");
    snprintf(bare, sizeof(bare), "%s", rig->out);
    rig_run(rig, "ignores-then-exec");
    rig_assert_has(bare, "SigIgn:");
    assert_string_equal(rig->out, bare);
}

static void handler_that_leads_to_ours_runs_once_after_a_second_init(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "chain");
    assert_int_equal(count(rig->out, "outer handler\n"), 1);
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
    assert_handed_on(rig, SIGSEGV);
}

static void handlers_of_the_program_run_on_their_own_stack(void **state)
{
    static const struct {
        const char *way, *said;
    } rows[] = {{"recovers-from-large", "recovered\n"}, {"recovers-beside-small", "recovered\n"},
                {"recovers-on-small", "recovered\n"},   {"mends", "mended\n"},
                {"mends-beside-small", "mended\n"},     {"mends-on-small", "mended\n"}};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%zu", rig->folder, i);
        rig_run(rig, rows[i].way);
        rig_assert_has(rig->out, rows[i].said);
        rig_assert_has(rig->out, "memory intact\n");
        assert_handed_on(rig, SIGABRT);
    }
}

static void crash_on_a_small_alternate_stack_is_recorded(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "dies-on-small");
    assert_true(WIFSIGNALED(rig->status));
    assert_handed_on(rig, SIGSEGV);
}

/* The kernel kills when the stack has no room for the frame; so do we, with a report. */
static void handler_without_room_on_its_stack_is_not_run(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-cannot-run");
    assert_null(strstr(rig->out, "earlier handler"));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
    assert_handed_on(rig, SIGSEGV);
}

/* A program's handler that calls abort, as many do: the crash that it was given is the one. */
static void abort_inside_the_earlier_handler_keeps_the_first_crash(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "earlier-aborts");
    assert_int_equal(WTERMSIG(rig->status), SIGABRT);
    assert_handed_on(rig, SIGSEGV);
}

/* Where less than 16 KiB are left (frame.c), the handler moves. */
static void handler_uses_little_stack(void **state)
{
    enum { MOST_BYTES = 10 << 10 };
    struct rig *rig = *state;
    if (TEST_SANITIZE[0])
        skip(); /* its frames are larger */
    rig_run(rig, "measures-stack");
    uint64_t used = rig_said(rig, "used", 10);
    assert_true(used > 1000);
    assert_true(used < MOST_BYTES);
}

static void crash_is_recorded_though_calls_of_the_handler_are_trapped(void **state)
{
    struct rig *rig = *state;
    rig_run(rig, "calls-trapped");
    assert_null(strstr(rig->out, "no filter"));
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
    assert_handed_on(rig, SIGSEGV);
}

/* gdb reads siginfo and the innermost frame from the core, where both can be had. */
static void core_shows_the_place_of_the_signal(void **state)
{
    static const struct {
        const char *way, *code, *frame;
    } rows[] = {{"null", "si_code = 1,", "write_null"},
                {"abort", "si_code = -6,", "abort"},
                {"int3", "si_code = 128,", "breakpoint"},
                {"cut-null", "si_code = 1,", "write_null"},
                {"cut-abort", "si_code = -6,", "abort"}};
    struct rig *rig = *state;
    char program[512];
    const char *const gdb[] = {"gdb", "-nx", "-batch", "-ex",  "p $_siginfo",
                               "-ex", "bt",  program,  "core", NULL};
    snprintf(program, sizeof(program), "%s/tests/programs/victim", TEST_BIN);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(TEST_SANITIZE, "thread") == 0 && strncmp(rows[i].way, "cut", 3) == 0)
            continue; /* its handlers have no say in where they return to */
        rig_read_file("/proc/sys/kernel/core_pattern", rig->out);
        if (strcmp(rig->out, "core\n") != 0) {
            print_message("core_pattern is not \"core\": skipped\n");
            skip();
        }
        rig_run(rig, rows[i].way);
        assert_true(WCOREDUMP(rig->status));
        if (rig_tool(rig, gdb) < 0) {
            print_message("gdb is not here: skipped\n");
            skip();
        }
        rig_assert_has(rig->out, rows[i].code);
        rig_assert_has(rig->out, rows[i].frame);
        assert_null(strstr(rig->out, "tb_crash"));
        assert_null(strstr(rig->out, "tb_handoff"));
    }
}

/* Runs way as the first process of a namespace: its exit status, 100 + signal, or -1. */
static int run_as_init(struct rig *rig, const char *way)
{
    int status = 0;
    rig->pid = fork();
    if (rig->pid == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            _exit(99);
        rig_start(rig, way);
        waitpid(rig->pid, &status, 0);
        _exit(WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    waitpid(rig->pid, &status, 0);
    return WEXITSTATUS(status) == 99 ? -1 : WEXITSTATUS(status);
}

/* The kernel lets no signal that is sent kill the first process of a namespace, but faults do. */
static void first_process_of_a_namespace_fares_as_without_the_library(void **state)
{
    static const struct {
        const char *way;
        int signo; /* of the record; 0: it lives on */
    } rows[] = {{"null", SIGSEGV}, {"assert", SIGSEGV}, {"abort", SIGSEGV}, {"raise", 0}};
    struct rig *rig = *state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(rig->spool, sizeof(rig->spool), "%s/spool-%zu", rig->folder, i);
        rig->env[0] = "VICTIM_BARE=1";
        int bare = run_as_init(rig, rows[i].way);
        rig->env[0] = NULL;
        int status = run_as_init(rig, rows[i].way);
        if (status < 0) {
            print_message("no namespace to be had: skipped\n");
            skip();
        }
        if (status != bare)
            fail_msg("%s: status %d, without the library %d", rows[i].way, status, bare);
        if (rows[i].signo == 0) {
            assert_int_equal(rig_read(rig), 0);
            continue;
        }
        struct tb_crash crash = rig_crash(rig);
        assert_int_equal(crash.fixed.signo, rows[i].signo);
        assert_int_equal(crash.fixed.pid, 1);
        assert_int_equal(crash.abort_len > 0, strcmp(rows[i].way, "assert") == 0);
        tb_crash_done(&crash);
    }
}

static void trap_ends_the_first_process_of_a_namespace(void **state)
{
    struct rig *rig = *state;
    int status = run_as_init(rig, "int3");
    if (status < 0) {
        print_message("no namespace to be had: skipped\n");
        skip();
    }
    assert_int_equal(status, 128 + SIGTRAP);
    assert_handed_on(rig, SIGTRAP);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(death_is_the_same_as_without_the_library),
        CASE(kill_from_outside_ends_as_without_the_library),
        CASE(earlier_handler_runs_with_its_arguments),
        CASE(earlier_handler_runs_with_its_mask),
        CASE(earlier_handler_with_resethand_runs_once),
        CASE(handler_that_returns_from_abort_ends_in_abort),
        CASE(fault_inside_the_earlier_handler_keeps_the_first_crash),
        CASE(recovery_by_siglongjmp_leaves_no_report),
        CASE(crash_after_a_recovery_is_the_one_reported),
        CASE(ignored_signals_stay_ignored),
        CASE(fault_of_an_ignored_signal_goes_unreported),
        CASE(ignored_signals_stay_ignored_over_exec),
        CASE(handler_that_leads_to_ours_runs_once_after_a_second_init),
        CASE(handlers_of_the_program_run_on_their_own_stack),
        CASE(crash_on_a_small_alternate_stack_is_recorded),
        CASE(handler_without_room_on_its_stack_is_not_run),
        CASE(abort_inside_the_earlier_handler_keeps_the_first_crash),
        CASE(handler_uses_little_stack),
        CASE(crash_is_recorded_though_calls_of_the_handler_are_trapped),
        CASE(core_shows_the_place_of_the_signal),
        CASE(first_process_of_a_namespace_fares_as_without_the_library),
        CASE(trap_ends_the_first_process_of_a_namespace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
