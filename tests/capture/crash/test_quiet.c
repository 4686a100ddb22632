/* Where a filter may kill for a call the crash handler makes none: the thread has no name then. */
#include "rig.h"

#include <time.h>

static int set_up(void **state)
{
    if (rig_setup(state) != 0)
        return -1;
    ((struct rig *)*state)->program = "boxed";
    return 0;
}

static struct tb_crash crash_as(struct rig *rig, const char *way, int signo)
{
    rig_run(rig, way);
    if (!WIFSIGNALED(rig->status) || WTERMSIG(rig->status) != signo)
        fail_msg("%s: status %#x; %s%s", way, rig->status, rig->out, rig->err);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, signo);
    assert_int_equal(crash.fixed.pid, rig->pid);
    assert_int_equal(crash.fixed.tid, rig->pid);
    assert_false(crash.is_cut);
    assert_int_equal(crash.n_nested, 0);
    assert_int_equal(crash.n_notes, 1);
    assert_true(crash.n_frames > 0);
    assert_true(crash.stack_len > 256);
    return crash;
}

static void assert_named(struct rig *rig, const char *way, int signo, const char *name)
{
    struct tb_crash crash = crash_as(rig, way, signo);
    assert_string_equal(crash.fixed.thread_name, name);
    tb_crash_done(&crash);
}

static void crash_in_strict_mode_is_recorded(void **state)
{
    struct rig *rig = *state;
    uint64_t now_s = (uint64_t)time(NULL);
    if (TEST_SANITIZE[0])
        skip(); /* its runtime makes calls */
    struct tb_crash crash = crash_as(rig, "strict", SIGSEGV);
    assert_string_equal(crash.fixed.thread_name, "");
    assert_true(crash.fixed.wall_ns / 1000000000 - now_s + 2 < 60);
    tb_crash_done(&crash);
}

/* ThreadSanitizer's handlers have no say in where they return to. */
static void skip_without_guard(void)
{
    if (strcmp(TEST_SANITIZE, "thread") == 0)
        skip();
}

static void promise_to_gain_no_privileges_makes_it_quiet(void **state)
{
    skip_without_guard();
    assert_named(*state, "no-privileges", SIGSEGV, "");
}

static void promise_from_before_init_counts(void **state)
{
    skip_without_guard();
    assert_named(*state, "no-privileges-before", SIGSEGV, "");
}

static void prctl_that_fails_or_asks_for_less_does_not(void **state)
{
    assert_named(*state, "refused", SIGSEGV, "boxed");
}

static void other_calls_of_prctl_are_passed_on(void **state)
{
    assert_named(*state, "other-calls", SIGSEGV, "renamed");
}

static void promise_of_a_child_by_vfork_is_not_its_parents(void **state)
{
    assert_named(*state, "by-vfork", SIGSEGV, "boxed");
}

/* A fault in reading memory would run the program's handler. */
static void with_a_later_handler_of_the_program_it_is_not_quiet(void **state)
{
    assert_named(*state, "own-handler", SIGFPE, "boxed");
}

/* A fault in reading memory would kill. */
static void with_a_fault_blocked_it_is_not_quiet(void **state)
{
    assert_named(*state, "blocked", SIGSEGV, "boxed");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(crash_in_strict_mode_is_recorded),
        CASE(promise_to_gain_no_privileges_makes_it_quiet),
        CASE(promise_from_before_init_counts),
        CASE(prctl_that_fails_or_asks_for_less_does_not),
        CASE(other_calls_of_prctl_are_passed_on),
        CASE(promise_of_a_child_by_vfork_is_not_its_parents),
        CASE(with_a_later_handler_of_the_program_it_is_not_quiet),
        CASE(with_a_fault_blocked_it_is_not_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
