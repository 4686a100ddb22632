/* timer.c - timers, in a list; their functions may be missing. */
#include "relayd.h"

#include <stdlib.h>

struct timer {
    struct link link;
    void (*fire)(void *arg);
    void *arg;
};

static struct link timers = {&timers, &timers};

static struct timer *timer_add(void (*fire)(void *), void *arg)
{
    struct timer *timer = malloc(sizeof(*timer));
    if (timer == NULL)
        die("no memory");
    timer->fire = fire;
    timer->arg = arg;
    list_add(&timers, &timer->link);
    return timer;
}

static void timer_cancel(struct timer *timer)
{
    list_remove(&timer->link);
    timer->fire = NULL;
}

static void timer_run(void)
{
    for (struct link *l = timers.next; l != &timers; l = l->next) {
        struct timer *timer = (struct timer *)l;
        timer->fire(timer->arg);
    }
}

/* ---- faults ---- */

static inline void touch(struct session *session, long now)
{
    session->last_seen = now;
}

static void serve_ping(void)
{
    touch(session_find(setting_number("ping.session")), 17);
}

static void cancel_twice(void)
{
    struct timer *timer = timer_add(NULL, NULL);
    timer_cancel(timer);
    timer_cancel(timer);
    served++;
}

static void run_without_function(void)
{
    (void)timer_add(NULL, NULL);
    timer_run();
    served++;
}

static void on_idle(void *arg)
{
    struct session *session = arg;
    session->peer->last_seen = session->last_seen;
}

static void idle_without_peer(void)
{
    (void)timer_add(on_idle, session_open(9));
    timer_run();
    served++;
}

static void on_flush(void *arg)
{
    struct session *session = arg;
    session->bytes /= session->n_streams;
}

static void flush_nothing(void)
{
    (void)timer_add(on_flush, session_open(9));
    timer_run();
    served++;
}

/* The function's place holds what was never an address. */
static void run_overwritten(void)
{
    struct timer *timer = timer_add(on_idle, NULL);
    timer->fire =
        (void (*)(void *))(uintptr_t)(0x4141414100000000 + 0x1000u * (unsigned)run_number);
    timer_run();
    served++;
}

const struct fault timer_faults[] = {{"ping-gone", NULL, serve_ping},
                                     {"timer-cancel-twice", NULL, cancel_twice},
                                     {"timer-null", NULL, run_without_function},
                                     {"timer-idle", NULL, idle_without_peer},
                                     {"timer-flush", NULL, flush_nothing},
                                     {"timer-overwritten", NULL, run_overwritten},
                                     {NULL, NULL, NULL}};
