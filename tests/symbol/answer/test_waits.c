/* test_waits.c - what a thread waits in, by the names of its innermost frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "symbol/answer/waits.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { FRAMES = 8 };

static const struct tb_module infos[] = {{.path = "/lib/x86_64-linux-gnu/libc.so.6"},
                                         {.path = "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"},
                                         {.path = "/opt/feedd", .flags = TB_MODULE_MAIN},
                                         {.path = "/usr/lib/libevent-2.1.so.7"}};
static const struct tb_symbol_module modules[] = {
    {.info = &infos[0]}, {.info = &infos[1]}, {.info = &infos[2]}, {.info = &infos[3]}};

/* Frames are "c:name" (C library), "+:name" (C++), "e:name" (libevent), "a:name" (the program), and
 * "s:name" (the program, without source); an empty name is not known. */
static size_t make(const char *const *names, struct tb_symbol_frame frames[FRAMES])
{
    size_t n = 0;
    for (; n < FRAMES && names[n]; n++) {
        char kind = names[n][0];
        int m = kind == 'c' ? 0 : kind == '+' ? 1 : kind == 'e' ? 3 : 2;
        frames[n] = (struct tb_symbol_frame){.module = &modules[m]};
        if (names[n][2] != '\0')
            frames[n].method = strdup(names[n] + 2);
        if (kind == 'a')
            frames[n].file = strdup("feedd.c");
    }
    return n;
}

static const struct {
    const char *names[FRAMES];
    const char *waits; /* NULL: in nothing known */
} cases[] = {
    {{"c:__futex_abstimed_wait_common64", "c:__futex_abstimed_wait_common",
      "c:__GI___futex_abstimed_wait_cancelable64", "c:___pthread_cond_wait", "a:worker_loop"},
     "futex (pthread_cond_wait)"},
    {{"c:", "c:pthread_cond_wait", "a:worker_loop"}, "futex (pthread_cond_wait)"},
    {{"c:", "c:", "a:worker_loop"}, NULL},
    {{"c:futex_wait", "c:pthread_cond_wait", "+:std::condition_variable::wait", "a:pop"},
     "futex (pthread_cond_wait)"},
    {{"c:__GI___lll_lock_wait", "c:___pthread_mutex_lock", "a:f"}, "futex (pthread_mutex_lock)"},
    {{"c:__lll_lock_wait_private", "c:malloc", "a:f"}, "futex (malloc)"},
    {{"c:__futex_abstimed_wait_common64", "c:__pthread_clockjoin_ex", "a:main"},
     "futex (pthread_join)"},
    {{"c:__new_sem_wait_slow64", "a:f"}, "futex (sem_wait)"},
    {{"c:__GI___poll", "e:poll_dispatch", "a:main"}, "poll"},
    {{"c:__poll", "c:getaddrinfo", "a:main"}, "poll (getaddrinfo)"},
    {{"c:epoll_wait", "e:epoll_dispatch"}, "epoll_wait"},
    {{"c:__GI___libc_read", "c:_IO_new_file_underflow", "c:__GI__IO_default_uflow", "c:fgets",
      "a:f"},
     "read (fgets)"},
    {{"c:__internal_syscall_cancel", "c:__syscall_cancel", "c:__GI___libc_read", "a:f"}, "read"},
    {{"c:__GI___clock_nanosleep", "c:__GI___nanosleep", "c:__sleep", "a:f"}, "nanosleep (sleep)"},
    {{"c:clock_nanosleep", "c:__nanosleep", "a:f"}, "nanosleep"},
    {{"c:__libc_accept", "a:main"}, "accept"},
    {{"c:__GI___select64"}, "select"},
    {{"c:__libc_pread64", "a:f"}, "pread"},
    {{"c:__GI___wait4", "c:__waitpid", "a:f"}, "wait4 (waitpid)"},
    {{"c:sigtimedwait", "c:sigwaitinfo", "a:f"}, "sigtimedwait (sigwaitinfo)"},
    {{"c:read", "c:start_thread", "c:clone3"}, "read"},
    {{"s:__poll", "a:main"}, "poll"},
    {{"a:poll", "a:main"}, NULL},
    {{"e:read", "c:read"}, NULL},
    {{"c:__memmove_avx_unaligned", "c:read", "a:main"}, NULL},
    {{"c:malloc", "a:f"}, NULL},
    {{"a:spin", "a:main"}, NULL},
    {{NULL}, NULL},
};

static void what_a_thread_waits_in_is_read_from_its_innermost_frames(void **state)
{
    (void)state;
    for (size_t c = 0; c < N(cases); c++) {
        struct tb_symbol_frame frames[FRAMES];
        char waits[TB_SYMBOL_WAIT_BYTES] = "-";
        size_t n = make(cases[c].names, frames);
        bool is_known = tb_symbol_waits_in(frames, n, waits);
        assert_string_equal(waits, cases[c].waits ? cases[c].waits : "-");
        assert_int_equal(is_known, cases[c].waits != NULL);
        for (size_t i = 0; i < n; i++) {
            free(frames[i].method);
            free(frames[i].file);
        }
    }
}

static void an_endless_name_is_cut(void **state)
{
    char name[1000];
    char waits[TB_SYMBOL_WAIT_BYTES];
    struct tb_symbol_frame frames[] = {{.module = &modules[0], .method = strdup("read")},
                                       {.module = &modules[0], .method = name}};
    (void)state;
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_true(tb_symbol_waits_in(frames, N(frames), waits));
    assert_true(strlen(waits) < sizeof(waits));
    free(frames[0].method);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_thread_waits_in_is_read_from_its_innermost_frames),
        cmocka_unit_test(an_endless_name_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
