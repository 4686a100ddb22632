/* locks.c - crashes where the loader, malloc or stdio hold a lock, here or in another thread. */
#include "torture.h"

#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE = 5000, TRY_STEPS = 200 };

static atomic_int is_held;
static atomic_int n_tries;

static void wait_until_held(void)
{
    while (!is_held)
        usleep(100);
}

/* ---- malloc ---- */

static void one_arena(void)
{
    mallopt(M_ARENA_MAX, 1);
}

/* A free block that leads to a wild one: malloc faults with the lock of its arena. */
KEEP static void crash_in_malloc(void)
{
    char *volatile blocks[16];
    for (int i = 0; i < 16; i++)
        blocks[i] = malloc(LARGE);
    free(blocks[13]);
    ((volatile uintptr_t *)(uintptr_t)blocks[13])[1] = 0x41414140;
    for (int i = 0; i < 16; i++)
        blocks[i] = malloc(LARGE - 1000);
    sink++;
}

static void *take_and_give(void *arg)
{
    (void)arg;
    for (;;) {
        void *volatile block = malloc(LARGE);
        free(block);
    }
    return NULL;
}

static void stay(int signo)
{
    (void)signo;
    is_held = 1;
    while (is_held)
        usleep(100);
}

static void *try_malloc(void *arg)
{
    (void)arg;
    for (;;) {
        void *volatile block = malloc(LARGE * 2);
        free(block);
        n_tries++;
        usleep(100);
    }
    return NULL;
}

static int is_malloc_stuck(void)
{
    int before = n_tries;
    for (int i = 0; i < TRY_STEPS && n_tries - before < 2; i++)
        usleep(100);
    return n_tries - before < 2;
}

/* Another thread is stopped at random until it stops with the lock. */
KEEP static void crash_while_malloc_is_held(void)
{
    pthread_t thread;
    catch_with(SIGUSR1, stay, 0);
    spawn(try_malloc, NULL);
    pthread_create(&thread, NULL, take_and_give, NULL);
    for (int i = 0; i < 10000; i++) {
        usleep((useconds_t)(50 + i % 37));
        pthread_kill(thread, SIGUSR1);
        wait_until_held();
        if (is_malloc_stuck())
            break;
        is_held = 0;
    }
    null_write();
}

KEEP static void crash_among_mallocs(void)
{
    for (int i = 0; i < 4; i++)
        spawn(take_and_give, NULL);
    usleep(2000);
    null_write();
}

/* ---- stdio ---- */

static ssize_t crash_in_write(void *cookie, const char *bytes, size_t len)
{
    (void)cookie;
    (void)bytes;
    chain(null_write);
    return (ssize_t)len;
}

KEEP static void crash_in_stdio(void)
{
    const cookie_io_functions_t functions = {.write = crash_in_write};
    FILE *file = fopencookie(NULL, "w", functions);
    fprintf(file, "text\n");
    fflush(file);
    sink++;
}

static void *hold_stdio(void *arg)
{
    (void)arg;
    flockfile(stdout);
    flockfile(stderr);
    is_held = 1;
    wait_forever();
    return NULL;
}

KEEP static void crash_while_stdio_is_held(void)
{
    spawn(hold_stdio, NULL);
    wait_until_held();
    null_write();
}

/* ---- the loader ---- */

static int crash_in_list(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    (void)arg;
    chain(null_write);
    return 0;
}

KEEP static void crash_holding_loader(void)
{
    dl_iterate_phdr(crash_in_list, NULL);
    sink++;
}

static int stay_in_list(struct dl_phdr_info *info, size_t bytes, void *arg)
{
    (void)info;
    (void)bytes;
    (void)arg;
    is_held = 1;
    wait_forever();
    return 0;
}

static void *hold_loader(void *arg)
{
    (void)arg;
    dl_iterate_phdr(stay_in_list, NULL);
    return NULL;
}

KEEP static void crash_while_loader_is_held(void)
{
    spawn(hold_loader, NULL);
    wait_until_held();
    null_write();
}

#define IN_CHAIN "null_write chain_here chain_middle"

static const struct mode modes[] = {
    MODE("in-malloc", "inside malloc, its lock held here",
         SAYS("read of unmapped memory at 0x", "SIGSEGV in crash_in_malloc"), .before = one_arena,
         UNDER(crash_in_malloc), .signal = SIGSEGV, .flags = SHORT | NO_SANITIZER),
    MODE("malloc-held", "another thread stopped inside malloc", NULL_WRITE, .before = one_arena,
         .run = crash_while_malloc_is_held, .frames = "null_write crash_while_malloc_is_held" CHAIN,
         .signal = SIGSEGV, .flags = NO_SANITIZER),
    MODE("malloc-storm", "other threads hammer malloc", NULL_WRITE, .before = one_arena,
         .run = crash_among_mallocs, .frames = "null_write crash_among_mallocs" CHAIN,
         .signal = SIGSEGV),
    MODE("in-stdio", "inside fflush, its lock held here", NULL_WRITE, .run = crash_in_stdio,
         .frames = IN_CHAIN " chain_outer chain crash_in_write * crash_in_stdio",
         .signal = SIGSEGV),
    MODE("stdio-held", "another thread holds stdout and stderr", NULL_WRITE,
         .run = crash_while_stdio_is_held, .frames = "null_write crash_while_stdio_is_held" CHAIN,
         .signal = SIGSEGV, .flags = SHORT),
    MODE("in-loader", "in a callback of dl_iterate_phdr, its lock held here", NULL_WRITE,
         .run = crash_holding_loader,
         .frames = IN_CHAIN " chain_outer chain crash_in_list * crash_holding_loader",
         .signal = SIGSEGV),
    MODE("loader-held", "another thread holds the loader's lock", NULL_WRITE,
         .run = crash_while_loader_is_held, .frames = "null_write crash_while_loader_is_held" CHAIN,
         .signal = SIGSEGV, .flags = SHORT),
};

const struct family locks = {"locks", modes, sizeof(modes) / sizeof(modes[0])};
