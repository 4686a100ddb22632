/* Threads that a program creates, with the shared library in front of pthread_create. */
#include "rig.h"

static int is_sanitized(void)
{
    return TEST_SANITIZE[0] != '\0';
}

static void run(struct rig *rig, const char *way)
{
    rig->program = "interposed";
    rig_run(rig, way);
    if (rig->status != 0)
        fail_msg("%s: %#x %s%s", way, rig->status, rig->out, rig->err);
}

static void assert_stack(const struct rig *rig, const char *name, int is_there)
{
    char word[32];
    snprintf(word, sizeof(word), "%s-stack", name);
    uint64_t bytes = rig_said(rig, word, 10);
    if (is_there)
        assert_in_range(bytes, 256 << 10, 512 << 10);
    else
        assert_int_equal(bytes, 0);
    snprintf(word, sizeof(word), "%s-ours", name);
    assert_int_equal(rig_said(rig, word, 10), 0);
    snprintf(word, sizeof(word), "%s-others", name);
    assert_true(rig_said(rig, word, 10) >= 3); /* the function, and the C library's two */
}

static void thread_has_an_alternate_stack_and_no_frame_of_ours(void **state)
{
    struct rig *rig = *state;
    run(rig, "stacks");
    assert_stack(rig, "posix", !is_sanitized()); /* sanitizers are left alone */
    assert_stack(rig, "small", !is_sanitized());
}

static void thread_of_c11_has_one_too(void **state)
{
    struct rig *rig = *state;
    if (is_sanitized())
        skip(); /* which knows no such threads */
    run(rig, "c11");
    assert_stack(rig, "c11", 1);
}

static void nothing_changes_before_init_and_after_shutdown(void **state)
{
    struct rig *rig = *state;
    run(rig, "off-stacks");
    assert_stack(rig, "posix", 0);
    run(rig, "shut-down");
    assert_stack(rig, "posix", 0);
    rig->program = "interposed_static";
    rig_run(rig, "stacks");
    assert_int_equal(rig->status, 0);
    assert_stack(rig, "posix", 0);
}

static void without_the_crash_handler_no_thread_has_one(void **state)
{
    struct rig *rig = *state;
    if (is_sanitized())
        skip(); /* its runtime makes some */
    run(rig, "unhandled-stacks");
    assert_stack(rig, "posix", 0);
    assert_int_equal(rig_said(rig, "first-stack", 10), 0);
}

static void threads_of_a_fork_child_have_one(void **state)
{
    struct rig *rig = *state;
    if (is_sanitized())
        skip();
    run(rig, "child");
    assert_stack(rig, "posix", 1);
}

static void threads_start_and_end_as_without_us(void **state)
{
    run(*state, "off-ends");
    run(*state, "ends");
}

static void threads_leave_no_mappings(void **state)
{
    if (is_sanitized())
        skip(); /* it has mappings of its own */
    run(*state, "many");
}

static void stack_is_used_again_after_a_thread_ended_on_it(void **state)
{
    if (is_sanitized())
        skip();
    run(*state, "handlers");
}

static void dlclose_waits_for_nobody_in_dl_iterate_phdr(void **state)
{
#if defined(__SANITIZE_THREAD__)
    skip(); /* its dlclose asks the loader itself */
#endif
    run(*state, "off-dlclose-beside");
    run(*state, "dlclose-beside");
}

static void handler_of_the_host_has_200_kib_of_stack(void **state)
{
    if (is_sanitized())
        skip();
    run(*state, "off-much-stack");
    run(*state, "much-stack");
}

static void handler_that_needs_more_dies_and_writes_to_nothing_below(void **state)
{
    struct rig *rig = *state;
    if (is_sanitized())
        skip();
    rig->program = "interposed";
    rig_run(rig, "too-much-stack");
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
}

static void stack_in_a_program_that_locks_its_memory_takes_none(void **state)
{
    struct rig *rig = *state;
    if (is_sanitized())
        skip();
    rig->program = "interposed";
    rig_run(rig, "locked");
    if (WIFEXITED(rig->status) && WEXITSTATUS(rig->status) == 77) {
        print_message("memory may not be locked here: skipped\n");
        skip();
    }
    if (rig->status != 0)
        fail_msg("%#x %s", rig->status, rig->err);
}

static void thread_for_which_there_is_no_room_goes_without(void **state)
{
    if (is_sanitized())
        skip(); /* which has terabytes of addresses */
    run(*state, "off-no-room");
    run(*state, "no-room");
    run(*state, "off-no-room-c11");
    run(*state, "no-room-c11");
}

static void assert_overflow(struct rig *rig, const char *way)
{
    rig->program = "interposed";
    rig_run(rig, way);
    assert_true(WIFSIGNALED(rig->status));
    assert_int_equal(WTERMSIG(rig->status), SIGSEGV);
    struct tb_crash crash = rig_crash(rig);
    assert_int_equal(crash.fixed.signo, SIGSEGV);
    assert_int_not_equal(crash.fixed.tid, crash.fixed.pid);
    assert_false(crash.is_cut);
    assert_true(crash.n_frames > 100);
    tb_crash_done(&crash);
}

static void stack_overflow_of_a_thread_is_reported(void **state)
{
    if (is_sanitized())
        skip();
    assert_overflow(*state, "overflow");
}

static void stack_overflow_of_a_c11_thread_is_reported(void **state)
{
    if (is_sanitized())
        skip();
    assert_overflow(*state, "overflow-c11");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(thread_has_an_alternate_stack_and_no_frame_of_ours),
        CASE(thread_of_c11_has_one_too),
        CASE(nothing_changes_before_init_and_after_shutdown),
        CASE(without_the_crash_handler_no_thread_has_one),
        CASE(threads_of_a_fork_child_have_one),
        CASE(threads_start_and_end_as_without_us),
        CASE(threads_leave_no_mappings),
        CASE(stack_is_used_again_after_a_thread_ended_on_it),
        CASE(dlclose_waits_for_nobody_in_dl_iterate_phdr),
        CASE(handler_of_the_host_has_200_kib_of_stack),
        CASE(handler_that_needs_more_dies_and_writes_to_nothing_below),
        CASE(stack_in_a_program_that_locks_its_memory_takes_none),
        CASE(thread_for_which_there_is_no_room_goes_without),
        CASE(stack_overflow_of_a_thread_is_reported),
        CASE(stack_overflow_of_a_c11_thread_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
