/* What tells deaths of one signal in one function apart. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "death.h"

#define ABORT .signo = SIGABRT, .code = SI_TKILL, .sender = TEST_PID
#define FAULT .signo = SIGSEGV, .code = SEGV_MAPERR, .trap = PAGE

static const struct {
    const char *cause;
    struct death death;
} deaths[] = {
    {"", {FAULT, .address = 8, .err = READ}},
    {"", {FAULT, .address = 8, .err = READ, .text = "free(): invalid pointer"}},
    {"", {ABORT, .functions = "raise abort queue_push"}},
    {"", {ABORT, .functions = "raise queue_push"}},
    /* class and assertion tell these */
    {"", {ABORT, .text = "p: f.c:1: g: Assertion `x' failed."}},
    {"", {ABORT, .type = "i", .demangled = "int", .functions = "raise abort std::terminate f"}},
    /* glibc's texts for one bug */
    {"double free", {ABORT, .text = "free(): double free detected in tcache 2"}},
    {"double free", {ABORT, .text = "double free or corruption (fasttop)"}},
    {"double free",
     {ABORT, .text = "*** Error in `p': double free or corruption (!prev): 0x1 ***"}},
    {"invalid free", {ABORT, .text = "free(): invalid pointer"}},
    {"invalid free", {ABORT, .text = "munmap_chunk(): invalid pointer"}},
    {"heap corruption", {ABORT, .text = "malloc(): corrupted top size"}},
    {"heap corruption", {ABORT, .text = "corrupted size vs. prev_size"}},
    {"heap corruption", {ABORT, .text = "free(): invalid next size (fast)"}},
    {"stack smashing", {ABORT, .text = "*** stack smashing detected ***: terminated"}},
    {"buffer overflow", {ABORT, .text = "*** buffer overflow detected ***: terminated"}},
    {"format string", {ABORT, .text = "*** %n in writable segment detected ***"}},
    {"longjmp", {ABORT, .text = "*** longjmp causes uninitialized stack frame ***"}},
    {"descriptor too large", {ABORT, .text = "*** bit out of range 0 - FD_SETSIZE on fd_set ***"}},
    {"C library", {ABORT, .text = "The futex facility returned an unexpected error code."}},
    /* who sent it */
    {"sent", {.signo = SIGSEGV, .code = SI_USER, .sender = 99}},
    {"sent", {.signo = SIGABRT, .code = SI_USER, .sender = 99, .text = "free(): invalid size"}},
    {"watchdog", {.signo = SIGABRT, .code = SI_USER, .sender = 1}},
    {"raised",
     {.signo = SIGSEGV, .code = SI_TKILL, .sender = TEST_PID, .functions = "raise queue_push"}},
    {"sent by a thread",
     {.signo = SIGSEGV,
      .code = SI_TKILL,
      .sender = TEST_PID,
      .functions = "pause wait",
      .code_bytes = {0x0f, 0x05, 0x90}}},
    {"sent by a thread", /* kill() of the process goes to the first thread */
     {.signo = SIGSEGV,
      .code = SI_USER,
      .sender = TEST_PID,
      .functions = "pause wait",
      .code_bytes = {0x0f, 0x05, 0x90}}},
    {"raised", /* without a name */
     {.signo = SIGSEGV,
      .code = SI_USER,
      .sender = TEST_PID,
      .functions = "die main",
      .regs = {[TB_RDI] = TEST_PID, [TB_RSI] = SIGSEGV},
      .code_bytes = {0x0f, 0x05, 0x90}}},
    {"raised", /* nothing tells */
     {.signo = SIGSEGV, .code = SI_USER, .sender = TEST_PID, .functions = "pause wait"}},
    {"raised", /* it was blocked */
     {.signo = SIGSEGV,
      .code = SI_TKILL,
      .sender = TEST_PID,
      .functions = "pthread_sigmask wait",
      .regs = {[TB_RDI] = 2, [TB_R10] = 8},
      .code_bytes = {0x0f, 0x05, 0x90}}},
    {"timer", {.signo = SIGSEGV, .code = SI_TIMER}},
    /* who called abort() */
    {"std::terminate", {ABORT, .functions = "raise abort !std::terminate f"}},
    {"pure virtual call", {ABORT, .functions = "raise abort !std::terminate __cxa_pure_virtual f"}},
    {"Rust panic", {ABORT, .functions = "raise abort rust_panic f"}},
    /* the code */
    {"unloaded libplug",
     {FAULT, .address = 0x7000, .err = FETCH, .regs = {[TB_RIP] = 0x7000},
      .unloaded = {0x6000, 0x8000, 0, "/opt/libplug.so.1.2"}}},
    {"privileged instruction",
     {.signo = SIGSEGV, .code = SI_KERNEL, .trap = GENERAL, .code_bytes = {0, 0, 0xf4}}},
    {"",
     {.signo = SIGSEGV,
      .code = SI_KERNEL,
      .trap = GENERAL,
      .code_bytes = {0, 0, 0xf4},
      .functions = "abort queue_push"}},
};

static void a_cause_is_the_same_however_a_bug_shows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(deaths) / sizeof(deaths[0]); i++) {
        struct scene scene;
        char cause[TB_CAUSE_BYTES];
        make_scene(&deaths[i].death, &scene);
        tb_why_cause(&scene.why, cause);
        if (strcmp(cause, deaths[i].cause) != 0)
            fail_msg("death %zu is \"%s\", not \"%s\"", i, cause, deaths[i].cause);
    }
}

static void a_long_name_of_a_library_is_cut(void **state)
{
    char path[200] = "/opt/";
    struct scene scene;
    char cause[TB_CAUSE_BYTES];
    (void)state;
    memset(path + 5, 'x', sizeof(path) - 6);
    struct death death = {FAULT, .address = 0x7000, .err = FETCH, .regs = {[TB_RIP] = 0x7000},
                          .unloaded = {0x6000, 0x8000, 0, path}};
    make_scene(&death, &scene);
    tb_why_cause(&scene.why, cause);
    assert_int_equal(strlen(cause), strlen("unloaded ") + 48);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cause_is_the_same_however_a_bug_shows),
        cmocka_unit_test(a_long_name_of_a_library_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
