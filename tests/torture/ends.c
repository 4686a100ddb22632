/* ends.c - at the end of the program or of a thread; in and around our own calls. */
#include "torture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <towbar/towbar.h>

static atomic_int is_held;

static void wait_until_held(void)
{
    while (!is_held)
        usleep(100);
}

/* ---- at the end of the program ---- */

static void crash_at_exit(void)
{
    chain(null_write);
}

static void exit_with_handler(void)
{
    atexit(crash_at_exit);
    exit(0);
}

static void exit_with_earlier_handler(void)
{
    exit(0);
}

static void register_early(void)
{
    atexit(crash_at_exit);
}

static void *exit_slowly(void *arg)
{
    (void)arg;
    exit(5);
}

static void stay_at_exit(void)
{
    is_held = 1;
    wait_forever();
}

KEEP static void crash_during_exit(void)
{
    atexit(stay_at_exit);
    spawn(exit_slowly, NULL);
    wait_until_held();
    null_write();
}

static volatile int crashes_last;

__attribute__((destructor)) static void crash_last(void)
{
    if (crashes_last)
        chain(null_write);
}

static void exit_to_destructor(void)
{
    crashes_last = 1;
    exit(0);
}

static void crash_in_key(void *value)
{
    (void)value;
    chain(null_write);
}

static void *leave_with_key(void *arg)
{
    pthread_key_t key;
    (void)arg;
    push_trace();
    pthread_key_create(&key, crash_in_key);
    pthread_setspecific(key, &is_held);
    return NULL;
}

static void crash_at_end_of_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, leave_with_key, NULL);
    pthread_join(thread, NULL);
}

KEEP static void crash_in_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, null_write);
    sink++;
}

/* ---- in our own calls, and around them ---- */

KEEP static void crash_in_report(void)
{
    const char *volatile text = (const char *)(uintptr_t)16;
    if (is_bare)
        sink = snprintf(NULL, 0, "%s", text);
    else
        towbar_error("%s", text);
    sink++;
}

KEEP static void crash_in_note(void)
{
    const char *volatile text = (const char *)(uintptr_t)16;
    if (is_bare)
        sink = snprintf(NULL, 0, "%s", text);
    else
        towbar_note(TOWBAR_INFO, "%s", text);
    sink++;
}

KEEP static void crash_after_shutdown(void)
{
    if (!is_bare)
        towbar_shutdown();
    null_write();
}

KEEP static void crash_after_second_init(void)
{
    if (!is_bare) {
        towbar_shutdown();
        (void)towbar_init(NULL);
    }
    null_write();
}

static void crash_before_init(void)
{
    chain(null_write);
}

static void nothing(void)
{
}

static void become_another(void)
{
    execl("/bin/true", "true", (char *)NULL);
}

#define IN_CHAIN "null_write chain_here chain_middle"

static const struct mode modes[] = {
    MODE("at-exit", "in an atexit handler", NULL_WRITE, .run = exit_with_handler,
         .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE | SHORT),
    MODE("at-exit-early", "in one set before towbar_init", NULL_WRITE, .before = register_early,
         .run = exit_with_earlier_handler, .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE),
    MODE("during-exit", "while another thread is in exit()", NULL_WRITE, .run = crash_during_exit,
         .frames = "null_write crash_during_exit" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("destructor", "in a destructor of the program", NULL_WRITE, .run = exit_to_destructor,
         .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE),
    MODE("thread-key", "in a destructor of a thread's key", NULL_WRITE,
         .run = crash_at_end_of_thread, .frames = IN_CHAIN, .signal = SIGSEGV, .flags = ALONE),
    MODE("once", "inside pthread_once", NULL_WRITE, .run = crash_in_once,
         .frames = "null_write * crash_in_once" CHAIN, .signal = SIGSEGV),
    MODE("in-report", "a wild pointer given to towbar_error",
         SAYS("near-NULL read at 0x", "SIGSEGV in crash_in_report"), UNDER(crash_in_report),
         .signal = SIGSEGV, .flags = SHORT),
    MODE("in-note", "a wild pointer given to towbar_note",
         SAYS("near-NULL read at 0x", "SIGSEGV in crash_in_note"), UNDER(crash_in_note),
         .signal = SIGSEGV),
    MODE("before-init", "before towbar_init", .before = crash_before_init, .run = nothing,
         .flags = NO_REPORT),
    MODE("exec", "exec of another program, which ends well", .run = become_another,
         .flags = NO_REPORT | UNKNOWN_LATER),
    MODE("after-shutdown", "after towbar_shutdown", .run = crash_after_shutdown,
         .flags = NO_REPORT),
    MODE("second-init", "after towbar_shutdown and towbar_init", NULL_WRITE,
         .run = crash_after_second_init, .frames = "null_write crash_after_second_init" CHAIN,
         .signal = SIGSEGV),
};

const struct family ends = {"ends", modes, sizeof(modes) / sizeof(modes[0])};
