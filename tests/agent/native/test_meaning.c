/* One sentence for each way to die. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/meaning.h"

enum { TRAP_GENERAL = 13, TRAP_PAGE = 14, READ = 4, WRITE = 6, FETCH = 0x14, WRITE_PRESENT = 7 };

struct death {
    int signo, code;
    uint64_t address, trap, err, sp, rip, rax;
    const char *abort_text;
    uint32_t sender;
    const char *says;
};

static const struct death deaths[] = {
    {SIGSEGV, SEGV_MAPERR, 0x18, TRAP_PAGE, READ, 0, 1, 0, NULL, 0, "near-NULL read at 0x18"},
    {SIGSEGV, SEGV_MAPERR, 0, TRAP_PAGE, WRITE, 0, 1, 0, NULL, 0,
     "near-NULL write at 0x0 (NULL pointer)"},
    {SIGSEGV, SEGV_MAPERR, 0x7f0000001000, TRAP_PAGE, READ, 0, 1, 0, NULL, 0,
     "read of unmapped memory at 0x7f0000001000"},
    {SIGSEGV, SEGV_ACCERR, 0x402000, TRAP_PAGE, WRITE_PRESENT, 0, 1, 0, NULL, 0,
     "write to read-only memory at 0x402000"},
    {SIGSEGV, SEGV_MAPERR, 0, TRAP_PAGE, FETCH, 0, 0, 0, NULL, 0,
     "jump to unmapped address 0x0 (call of a NULL function pointer)"},
    {SIGSEGV, SEGV_MAPERR, 0xdead0, TRAP_PAGE, FETCH, 0, 0xdead0, 0, NULL, 0,
     "jump to unmapped address 0xdead0"},
    {SIGSEGV, SEGV_ACCERR, 0x602000, TRAP_PAGE, FETCH, 0, 0x602000, 0, NULL, 0,
     "jump to memory that is not executable at 0x602000"},
    {SIGSEGV, SEGV_MAPERR, 0x7ffc00000ff8, TRAP_PAGE, WRITE, 0x7ffc00001000, 1, 0, NULL, 0,
     "stack overflow: write at 0x7ffc00000ff8, next to the stack pointer 0x7ffc00001000"},
    {SIGSEGV, SEGV_ACCERR, 0x7f1000000ff0, TRAP_PAGE, WRITE, 0x7f1000000ff8, 1, 0, NULL, 0,
     "stack overflow: write at 0x7f1000000ff0, next to the stack pointer 0x7f1000000ff8"},
    {SIGSEGV, SI_KERNEL, 0, TRAP_GENERAL, 0, 0, 1, 0x4141414141414141, NULL, 0,
     "access to a non-canonical address (registers hold rax = 0x4141414141414141)"},
    {SIGSEGV, SI_KERNEL, 0, TRAP_GENERAL, 0, 0, 1, 0, NULL, 0, "access to a non-canonical address"},
    {SIGSEGV, SI_USER, 0, TRAP_PAGE, READ, 0, 1, 0, NULL, 123, "sent by pid 123 uid 7 (kill)"},
    {SIGSEGV, SI_TKILL, 0, 0, 0, 0, 1, 0, NULL, 55, "raised by the process itself"},
    {SIGBUS, BUS_ADRERR, 0x7f0000002000, TRAP_PAGE, READ, 0, 1, 0, NULL, 0,
     "access beyond the end of a mapped file, or a disk error, at 0x7f0000002000"},
    {SIGFPE, FPE_INTDIV, 0x401000, 0, 0, 0, 1, 0, NULL, 0, "integer division by zero"},
    {SIGILL, ILL_ILLOPN, 0x401000, 6, 0, 0, 1, 0, NULL, 0, "illegal instruction (operand)"},
    {SIGTRAP, SI_KERNEL, 0, 3, 0, 0, 1, 0, NULL, 0, "breakpoint instruction"},
    {SIGSYS, 1, 0, 0, 0, 0, 1, 0, NULL, 0, "system call forbidden by seccomp"},
    {SIGABRT, SI_TKILL, 0, 0, 0, 0, 1, 0, NULL, 55, "aborted"},
    {SIGABRT, SI_TKILL, 0, 0, 0, 0, 1, 0,
     "feedd: queue.c:41: ring_write: Assertion `n <= cap' failed.\n", 55,
     "assertion failed: n <= cap in ring_write (queue.c:41)"},
    {SIGABRT, SI_TKILL, 0, 0, 0, 0, 1, 0,
     "p: src/a.cc:7: void ns::f(int): Assertion `s != \"' failed\"' failed.", 55,
     "assertion failed: s != \"' failed\" in void ns::f(int) (a.cc:7)"},
    {SIGABRT, SI_TKILL, 0, 0, 0, 0, 1, 0, "free(): double free detected in tcache 2\n", 55,
     "free(): double free detected in tcache 2"},
    {SIGABRT, SI_TKILL, 0, 0, 0, 0, 1, 0, "*** stack smashing detected ***: terminated\n", 55,
     "stack smashing detected"},
    {SIGABRT, SI_USER, 0, 0, 0, 0, 1, 0, NULL, 9, "sent by pid 9 uid 7 (kill)"},
    {42, 3, 0, 0, 0, 0, 1, 0, NULL, 0, "signal 42"},
};

static void make(const struct death *death, struct tb_crash *crash)
{
    memset(crash, 0, sizeof(*crash));
    crash->fixed.signo = death->signo;
    crash->fixed.code = death->code;
    crash->fixed.fault_address = death->address;
    crash->fixed.trap = death->trap;
    crash->fixed.trap_err = death->err;
    crash->fixed.regs[TB_RSP] = death->sp;
    crash->fixed.regs[TB_RIP] = death->rip;
    crash->fixed.regs[TB_RAX] = death->rax;
    crash->fixed.pid = 55;
    crash->fixed.sender_pid = death->sender;
    crash->fixed.sender_uid = 7;
    crash->abort_text = death->abort_text;
    crash->abort_len = death->abort_text != NULL ? strlen(death->abort_text) : 0;
}

static void every_death_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct tb_crash crash;
        char meaning[TB_MEANING_BYTES];
        make(&deaths[i], &crash);
        tb_crash_meaning(&crash, meaning);
        assert_string_equal(meaning, deaths[i].says);
    }
}

static void a_write_far_from_the_stack_pointer_is_no_overflow(void **state)
{
    struct tb_crash crash;
    char meaning[TB_MEANING_BYTES];
    const struct death death = {.signo = SIGSEGV,
                                .code = SEGV_MAPERR,
                                .address = 0x7ffc00000000,
                                .trap = TRAP_PAGE,
                                .err = WRITE,
                                .sp = 0x7ffc00020000,
                                .rip = 1};
    (void)state;
    make(&death, &crash);
    tb_crash_meaning(&crash, meaning);
    assert_string_equal(meaning, "write of unmapped memory at 0x7ffc00000000");
}

static void a_stack_overflow_says_how_deep_it_was(void **state)
{
    struct tb_crash crash;
    char meaning[TB_MEANING_BYTES];
    const struct death death = {.signo = SIGSEGV,
                                .code = SEGV_MAPERR,
                                .address = 0x7ffc00000ff8,
                                .trap = TRAP_PAGE,
                                .err = WRITE,
                                .sp = 0x7ffc00001000,
                                .rip = 1};
    (void)state;
    make(&death, &crash);
    crash.depth = 20156;
    tb_crash_meaning(&crash, meaning);
    assert_string_equal(meaning, "stack overflow: write at 0x7ffc00000ff8, next to the stack "
                                 "pointer 0x7ffc00001000, 20156 frames deep");
}

static void abort_texts_of_any_length_fit(void **state)
{
    static char text[2048];
    static char whole[4096];
    char meaning[TB_MEANING_BYTES];
    struct tb_crash crash;
    const struct death death = {.signo = SIGABRT, .code = SI_TKILL};
    (void)state;
    static const char *const heads[] = {"", "p: f.c:1: g: Assertion `", "*** ", ": Assertion `"};
    for (size_t h = 0; h < 4; h++) {
        for (size_t len = 0; len < 1200; len += 7) {
            make(&death, &crash);
            memset(text, 'x', sizeof(text));
            text[len] = '\0';
            snprintf(whole, sizeof(whole), "%s%s' failed.", heads[h], text);
            crash.abort_text = whole;
            crash.abort_len = strlen(whole);
            tb_crash_meaning(&crash, meaning);
            assert_true(strlen(meaning) < TB_MEANING_BYTES);
            assert_true(meaning[0] != '\0');
        }
    }
}

static void classes_tell_asserts_from_other_aborts(void **state)
{
    struct tb_crash crash;
    char name[16];
    const struct death failed = {.signo = SIGABRT,
                                 .abort_text = "p: f.c:1: g: Assertion `x' failed."};
    const struct death freed = {.signo = SIGABRT, .abort_text = "free(): invalid pointer"};
    (void)state;
    make(&failed, &crash);
    assert_string_equal(tb_crash_class(&crash, name), "assert");
    make(&freed, &crash);
    assert_string_equal(tb_crash_class(&crash, name), "SIGABRT");
}

static void titles_hold_neither_place_nor_address(void **state)
{
    static const struct {
        struct death death;
        const char *title;
    } cases[] = {
        {{.signo = SIGSEGV, .code = SEGV_MAPERR, .address = 0x18}, "SIGSEGV in queue_push"},
        {{.signo = SIGABRT, .abort_text = "p: /a/f.c:1: g: Assertion `x' failed."},
         "assertion failed: x in g"},
        {{.signo = SIGABRT, .abort_text = "free(): invalid pointer"}, "free(): invalid pointer"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_crash crash;
        char title[TB_MEANING_BYTES];
        make(&cases[i].death, &crash);
        tb_crash_title(&crash, "queue_push", title);
        assert_string_equal(title, cases[i].title);
    }
}

static void access_is_known_for_page_faults_only(void **state)
{
    struct tb_crash_fixed fixed = {.signo = SIGSEGV, .code = SEGV_MAPERR, .trap = TRAP_PAGE};
    (void)state;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "read");
    fixed.trap_err = WRITE;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "write");
    fixed.trap_err = FETCH;
    assert_string_equal(tb_access_name(tb_crash_access(&fixed)), "exec");
    fixed.trap = TRAP_GENERAL;
    assert_null(tb_access_name(tb_crash_access(&fixed)));
    fixed.trap = TRAP_PAGE;
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
    assert_null(tb_signal_end_meaning(SIGKILL));
    assert_null(tb_signal_end_meaning(99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_death_has_its_sentence),
        cmocka_unit_test(a_write_far_from_the_stack_pointer_is_no_overflow),
        cmocka_unit_test(a_stack_overflow_says_how_deep_it_was),
        cmocka_unit_test(abort_texts_of_any_length_fit),
        cmocka_unit_test(classes_tell_asserts_from_other_aborts),
        cmocka_unit_test(titles_hold_neither_place_nor_address),
        cmocka_unit_test(access_is_known_for_page_faults_only),
        cmocka_unit_test(codes_and_registers_have_names),
        cmocka_unit_test(signals_that_end_a_process_have_names_and_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
