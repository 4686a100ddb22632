/* Names of signals, codes and registers, and what the kernel tells of an access. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/meaning/signals.h"

enum { WRITE = 6, FETCH = 0x14 };

static void access_is_known_for_page_faults_only(void **state)
{
    struct tb_crash_fixed fixed = {.signo = SIGSEGV, .code = SEGV_MAPERR, .trap = TB_TRAP_PAGE};
    (void)state;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "read");
    fixed.trap_err = WRITE;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "write");
    fixed.trap_err = FETCH;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "exec");
    fixed.trap = TB_TRAP_GENERAL;
    assert_null(tb_access_name(tb_crash_access(&fixed)));
    fixed.trap = TB_TRAP_PAGE;
    fixed.code = SI_USER;
    assert_null(tb_access_name(tb_crash_access(&fixed)));
}

static void codes_and_registers_have_names(void **state)
{
    char buf[16];
    (void)state;
    assert_string_equal(tb_signal_code_name(SIGSEGV, SEGV_MAPERR, buf), "SEGV_MAPERR");
    assert_string_equal(tb_signal_code_name(SIGBUS, BUS_ADRERR, buf), "BUS_ADRERR");
    assert_string_equal(tb_signal_code_name(SIGABRT, SI_TKILL, buf), "SI_TKILL");
    assert_string_equal(tb_signal_code_name(SIGSEGV, 77, buf), "code 77");
    assert_string_equal(tb_register_name(TB_RIP), "rip");
    assert_string_equal(tb_register_name(TB_R8), "r8");
    assert_null(tb_register_name(TB_N_NAMED_REGS));
}

static void signals_that_end_a_process_have_names_and_reasons(void **state)
{
    char buf[16];
    (void)state;
    assert_string_equal(tb_signal_name(SIGKILL, buf), "SIGKILL");
    assert_string_equal(tb_signal_name(SIGXFSZ, buf), "SIGXFSZ");
    assert_string_equal(tb_signal_name(42, buf), "signal 42");
    assert_true(tb_signal_is_crash(SIGSYS));
    assert_false(tb_signal_is_crash(SIGKILL));
    assert_false(tb_signal_is_crash(0));
    assert_non_null(strstr(tb_signal_end_meaning(SIGPIPE), "nobody reads"));
    assert_non_null(strstr(tb_signal_end_meaning(SIGSYS), "seccomp"));
    assert_string_equal(tb_signal_end_meaning(SIGBUS), tb_signal_end_meaning(SIGSEGV));
    assert_non_null(strstr(tb_signal_end_meaning(SIGABRT), "abort()"));
    assert_non_null(strstr(tb_signal_end_meaning(SIGUSR1), "no handler"));
    assert_null(tb_signal_end_meaning(SIGKILL));
    assert_null(tb_signal_end_meaning(99));
}

static void timers_are_no_senders(void **state)
{
    struct tb_crash_fixed fixed = {.signo = SIGSEGV, .code = SI_TIMER};
    (void)state;
    assert_true(tb_crash_is_sent(&fixed));
    assert_false(tb_crash_has_sender(&fixed));
    fixed.code = SI_QUEUE;
    assert_true(tb_crash_has_sender(&fixed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(access_is_known_for_page_faults_only),
        cmocka_unit_test(codes_and_registers_have_names),
        cmocka_unit_test(signals_that_end_a_process_have_names_and_reasons),
        cmocka_unit_test(timers_are_no_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
