/* threads.c - many threads, and what they do while one crashes. */
#include "torture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { N_STORM = 16 };

static pthread_barrier_t barrier;
static atomic_int is_ready;

static void in_thread(void)
{
    chain_in_thread(null_write, 0, 0);
}

static void in_entered_thread(void)
{
    chain_in_thread(null_write, 1, 0);
}

static void abort_in_thread(void)
{
    chain_in_thread(abort, 0, 0);
}

static void on_small_stack(void)
{
    chain_in_thread(null_write, 0, 16384);
}

static void *crash_at_barrier(void *arg)
{
    push_trace();
    pthread_barrier_wait(&barrier);
    chain((void (*)(void))arg);
    return NULL;
}

static void at_once(void (*deed)(void), unsigned n)
{
    pthread_barrier_init(&barrier, NULL, n);
    for (unsigned i = 0; i < n; i++)
        spawn(crash_at_barrier, (void *)deed);
    wait_forever();
}

static void two_at_once(void)
{
    at_once(null_write, 2);
}

static void many_at_once(void)
{
    at_once(null_write, N_STORM);
}

static void many_abort_at_once(void)
{
    at_once(abort, N_STORM);
}

static void *crash_in_detached(void *arg)
{
    (void)arg;
    push_trace();
    chain(null_write);
    return NULL;
}

static void after_main_thread(void)
{
    spawn(crash_in_detached, NULL);
    pthread_exit(NULL);
}

static void *start_and_end(void *arg)
{
    (void)arg;
    return NULL;
}

static void *make_threads(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, start_and_end, NULL) == 0)
            pthread_join(thread, NULL);
        is_ready = 1;
    }
    return NULL;
}

static void wait_ready(void)
{
    while (!is_ready)
        usleep(100);
}

KEEP static void crash_among_starts(void)
{
    spawn(make_threads, NULL);
    wait_ready();
    null_write();
}

static void *report_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        if (!is_bare)
            towbar_note(TOWBAR_INFO, "note");
        is_ready = 1;
    }
    return NULL;
}

KEEP static void crash_among_notes(void)
{
    spawn(report_for_ever, NULL);
    spawn(report_for_ever, NULL);
    wait_ready();
    null_write();
}

static void *spin(void *arg)
{
    (void)arg;
    is_ready = 1;
    for (;;)
        sink++;
    return NULL;
}

KEEP static void crash_among_spinners(void)
{
    for (int i = 0; i < 4; i++)
        spawn(spin, NULL);
    wait_ready();
    null_write();
}

static void clean_up(void *arg)
{
    (void)arg;
    chain(null_write);
}

static void *be_cancelled(void *arg)
{
    (void)arg;
    push_trace();
    pthread_cleanup_push(clean_up, NULL);
    is_ready = 1;
    wait_forever();
    pthread_cleanup_pop(0);
    return NULL;
}

static void in_cleanup(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, be_cancelled, NULL);
    wait_ready();
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

static void *exit_well(void *arg)
{
    (void)arg;
    pthread_barrier_wait(&barrier);
    usleep(300);
    _exit(0);
}

/* Ends well or dies, as it comes; what must not happen is that it hangs. */
static void ends_well(void)
{
    pthread_barrier_init(&barrier, NULL, 2);
    spawn(exit_well, NULL);
    pthread_barrier_wait(&barrier);
    wait_forever();
}

#define IN_CHAIN "null_write chain_here chain_middle"
#define CRASH .frames = IN_CHAIN, .signal = SIGSEGV

static const struct mode modes[] = {
    MODE("thread", "in a thread", NULL_WRITE, .run = in_thread, CRASH, .flags = ALONE | SHORT),
    MODE("thread-entered", "in a thread, after towbar_thread_enter", NULL_WRITE,
         .run = in_entered_thread, CRASH, .flags = ALONE),
    MODE("thread-abort", "abort() in a thread",
         SAYS("^abort.. was called$", "SIGABRT in chain_here"), .run = abort_in_thread,
         .frames = "* chain_here chain_middle chain_outer", .signal = SIGABRT, .flags = ALONE),
    MODE("thread-small", "in a thread with a stack of 16 KiB", NULL_WRITE, .run = on_small_stack,
         CRASH, .flags = ALONE | SHORT | NO_SANITIZER),
    MODE("two-at-once", "two threads at once", NULL_WRITE, .run = two_at_once, CRASH,
         .flags = ALONE | SHORT),
    MODE("many-at-once", "sixteen threads at once", NULL_WRITE, .run = many_at_once, CRASH,
         .flags = ALONE | SHORT),
    MODE("many-abort", "abort() in sixteen threads at once",
         SAYS("^abort.. was called$", "SIGABRT in chain_here"), .run = many_abort_at_once,
         .frames = "* chain_here chain_middle chain_outer", .signal = SIGABRT, .flags = ALONE),
    MODE("main-ended", "after the first thread called pthread_exit", NULL_WRITE,
         .run = after_main_thread, CRASH, .flags = ALONE),
    MODE("thread-storm", "while another thread starts threads", NULL_WRITE,
         .run = crash_among_starts, .frames = "null_write crash_among_starts" CHAIN,
         .signal = SIGSEGV),
    MODE("notes-storm", "while other threads write notes", NULL_WRITE, .run = crash_among_notes,
         .frames = "null_write crash_among_notes" CHAIN, .signal = SIGSEGV, .flags = OWN_NOTES),
    MODE("spinning", "while other threads spin", NULL_WRITE, .run = crash_among_spinners,
         .frames = "null_write crash_among_spinners" CHAIN, .signal = SIGSEGV),
    MODE("cleanup", "in a cleanup handler of a cancelled thread", NULL_WRITE, .run = in_cleanup,
         CRASH, .flags = ALONE),
    MODE("ok", "another thread ends it well: nothing to report", .run = ends_well,
         .flags = ALONE | NO_REPORT | SHORT),
};

const struct family threads = {"threads", modes, sizeof(modes) / sizeof(modes[0])};
