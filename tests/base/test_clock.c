/* The clocks, and those of a crash handler, which must not read the processor's counter. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static void clocks_of_a_handler_tell_the_same_time(void **state)
{
    (void)state;
    uint64_t mono = tb_clock_mono_ns();
    uint64_t wall = tb_clock_wall_ns();
    tb_clock_enter_handler();
    uint64_t mono_inside = tb_clock_mono_ns();
    uint64_t wall_inside = tb_clock_wall_ns();
    tb_clock_leave_handler();
    assert_true(mono_inside >= mono && mono_inside <= tb_clock_mono_ns());
    assert_true(wall_inside - wall < (uint64_t)3600 * TB_NS_PER_S);
}

/* 0 when both clocks could be read. */
static int read_without_counter(void)
{
#if defined(__x86_64__)
    if (prctl(PR_SET_TSC, PR_TSC_SIGSEGV) != 0)
        return 1;
#endif
    return tb_clock_mono_ns() == 0 || tb_clock_wall_ns() == 0 || tb_clock_tick_ns() == 0;
}

static int status_of_child(int n_enters, int n_leaves)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* cmocka's would print */
        for (int i = 0; i < n_enters; i++)
            tb_clock_enter_handler();
        for (int i = 0; i < n_leaves; i++)
            tb_clock_leave_handler();
        _exit(read_without_counter());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void handlers_read_no_counter(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(1, 0), 0);
    assert_int_equal(status_of_child(2, 1), 0);
    assert_int_equal(status_of_child(0, 3), status_of_child(0, 0));
}

static void handlers_of_the_parent_are_none_of_the_child(void **state)
{
    (void)state;
    int ordinary = status_of_child(0, 0);
    tb_clock_enter_handler();
    tb_clock_forked(0);
    assert_int_equal(status_of_child(0, 0), ordinary);
    tb_clock_forked(1);
    assert_int_equal(status_of_child(0, 0), 0);
    tb_clock_leave_handler();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clocks_of_a_handler_tell_the_same_time),
        cmocka_unit_test(handlers_read_no_counter),
        cmocka_unit_test(handlers_of_the_parent_are_none_of_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
