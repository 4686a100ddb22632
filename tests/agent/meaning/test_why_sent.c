/* Signals that somebody sends, and forbidden system calls. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "death.h"

#define SENT(its_signo, its_code, its_sender)                                                      \
    .signo = (its_signo), .code = (its_code), .sender = (its_sender)
#define SYSCALL(its_number)                                                                        \
    .signo = SIGSYS, .code = 1, .address = CODE_AT, .regs = {[TB_RAX] = (its_number)}

static const struct death deaths[] = {
    {"SIGSEGV from another process in queue_push",
     "SIGSEGV sent by another process: pid 123 uid 7 (kill)", SENT(SIGSEGV, SI_USER, 123)},
    {NULL, "SIGSEGV sent by another process: pid 123 uid 7 (tgkill)", SENT(SIGSEGV, SI_TKILL, 123)},
    {NULL, "SIGBUS sent by another process: pid 123 uid 7 (sigqueue)", SENT(SIGBUS, SI_QUEUE, 123)},
    {NULL, "SIGSEGV sent by another process: pid 1 uid 7, the init system (kill)",
     SENT(SIGSEGV, SI_USER, 1)},
    {"watchdog abort in queue_push",
     "SIGABRT sent by another process: pid 1 uid 7, the init system (kill): looks like the "
     "watchdog "
     "of its unit (WatchdogSec), or a stop that took too long",
     SENT(SIGABRT, SI_USER, 1)},
    {"SIGABRT from another process in queue_push",
     "SIGABRT sent by pid 0: from outside of its pid namespace, or the kernel could not keep who "
     "sent it",
     SENT(SIGABRT, SI_USER, 0)},
    /* no room for pending signals */
    {"SIGABRT in queue_push", "abort() was called", SENT(SIGABRT, SI_USER, 0),
     .functions = "__GI_raise __GI_abort queue_push"},
    {"SIGABRT in queue_push", "abort() was called", SENT(SIGABRT, SI_TKILL, TEST_PID),
     .functions = "raise abort queue_push"},
    {"SIGABRT in queue_push", "SIGABRT raised by the process itself, with raise()",
     SENT(SIGABRT, SI_TKILL, TEST_PID), .functions = "raise queue_push"},
    {"SIGSEGV raised in queue_push", "SIGSEGV raised by the process itself, with kill()",
     SENT(SIGSEGV, SI_USER, TEST_PID), .functions = "__kill queue_push"},
    {NULL, "SIGSEGV sent by the process itself (kill)", SENT(SIGSEGV, SI_USER, TEST_PID)},
    {NULL,
     "SIGSEGV sent from within the process (tgkill): by another thread of it, or by this one while "
     "it was blocked",
     SENT(SIGSEGV, SI_TKILL, TEST_PID), .functions = "pause wait"},
    {NULL, "SIGSEGV raised by the thread itself (tgkill)", SENT(SIGSEGV, SI_TKILL, TEST_PID),
     .regs = {[TB_RDI] = TEST_PID, [TB_RSI] = TEST_TID, [TB_RDX] = SIGSEGV},
     .code_bytes = {0x0f, 0x05, 0x90}},
    {"SIGSEGV from a timer in queue_push", "SIGSEGV sent by a timer of the process (timer_create)",
     SENT(SIGSEGV, SI_TIMER, 3)},
    {NULL, "SIGSEGV sent by the process itself or the kernel (code -7)", SENT(SIGSEGV, -7, 0)},
    {"pure virtual call in queue_push", "a pure virtual function was called",
     SENT(SIGABRT, SI_TKILL, TEST_PID), .functions = "raise abort __cxa_pure_virtual queue_push"},
    {"uncaught exception in queue_push", "an exception was thrown that nothing caught",
     SENT(SIGABRT, SI_TKILL, TEST_PID),
     .functions = "raise abort std::terminate __cxa_throw queue_push"},
    {"std::terminate in queue_push", "std::terminate was called, no exception is known",
     SENT(SIGABRT, SI_TKILL, TEST_PID), .functions = "raise abort std::terminate queue_push"},
    {"GLib assertion failed in queue_push",
     "an assertion of GLib failed; its text went to standard error",
     SENT(SIGABRT, SI_TKILL, TEST_PID),
     .functions = "raise abort g_assertion_message_expr queue_push"},
    /* ---- system calls ---- */
    {"forbidden system call ptrace in queue_push",
     "forbidden system call ptrace (101) at 0x401000: its seccomp filter says SIGSYS", SYSCALL(101),
     .code_bytes = {0x0f, 0x05, 0x90}},
    {"forbidden system call mkdir in queue_push",
     "forbidden system call mkdir (39 of i386) at 0x401000: its seccomp filter says SIGSYS",
     SYSCALL(39), .code_bytes = {0xcd, 0x80, 0x90}},
    {NULL,
     "forbidden system call read (1073741824 of x32) at 0x401000: its seccomp filter says "
     "SIGSYS",
     SYSCALL(0x40000000)},
    {"forbidden system call 9999 in queue_push",
     "forbidden system call without a name (9999) at 0x401000: its seccomp filter says SIGSYS",
     SYSCALL(9999)},
    {"SIGSYS raised in queue_push", "SIGSYS raised by the process itself, with raise()",
     SENT(SIGSYS, SI_TKILL, TEST_PID), .functions = "raise queue_push"},
};

static void senders_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct scene scene;
        char meaning[TB_MEANING_BYTES];
        char title[TB_TITLE_BYTES];
        make_scene(&deaths[i], &scene);
        tb_why_meaning(&scene.why, meaning);
        tb_why_title(&scene.why, title);
        assert_string_equal(meaning, deaths[i].says);
        if (deaths[i].title != NULL)
            assert_string_equal(title, deaths[i].title);
    }
}

static void a_system_call_is_told_for_programs_too(void **state)
{
    const struct death death = {SYSCALL(101), .code_bytes = {0x0f, 0x05, 0x90}};
    struct scene scene;
    struct tb_why_syscall call;
    (void)state;
    make_scene(&death, &scene);
    assert_true(tb_why_syscall(&scene.crash, &call));
    assert_int_equal(call.number, 101);
    assert_string_equal(call.name, "ptrace");
    assert_string_equal(call.arch, "x86_64");
    scene.crash.fixed.code = SI_USER;
    assert_false(tb_why_syscall(&scene.crash, &call));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_are_told),
        cmocka_unit_test(a_system_call_is_told_for_programs_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
