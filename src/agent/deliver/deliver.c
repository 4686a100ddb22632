/* deliver.c - see deliver.h: the thread and its life. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/wait.h"
#include "base/clock.h"
#include "base/fd.h"

enum {
    SHORT_OF_MEMORY_MS = 100,  /* the only thing that makes waiting itself fail */
    LOOK_EVERY_MS = 60 * 1000, /* so that a clock set back costs no more */
};

static void wake(const struct tb_deliver *deliver)
{
    uint64_t one = 1;
    /* It can only fail when it is awake a great many times already. */
    (void)!write(deliver->wake_fd, &one, sizeof(one));
}

/* ---- the thread ---- */

static int until_ms(uint64_t at_ns)
{
    uint64_t now_ns = tb_clock_mono_ns();
    uint64_t left_ms = at_ns > now_ns ? (at_ns - now_ns) / TB_NS_PER_MS + 1 : 0;
    return (int)(left_ms < LOOK_EVERY_MS ? left_ms : LOOK_EVERY_MS);
}

static int least(int one, int other)
{
    return one < other ? one : other;
}

/* How long the thread may sleep when nothing comes in. */
static int sleep_ms(const struct tb_deliver *deliver)
{
    if (tb_deliver_store_rests(deliver))
        return until_ms(deliver->store_retry_ns);
    int wait_ms = LOOK_EVERY_MS;
    if (deliver->n_judged > 0)
        wait_ms = until_ms(tb_deliver_settle_ns(deliver));
    if (deliver->is_changing)
        return deliver->n_flying > 0 ? wait_ms : 0;
    if (tb_deliver_is_broken(deliver) && deliver->n_flying == 0)
        return least(wait_ms, until_ms(deliver->hold_until_ns));
    uint64_t bucket_ns = tb_queue_bucket_ns(deliver->queues, deliver->took_ns);
    if (bucket_ns > 0 && deliver->n_flying < tb_pace_limit(&deliver->pace))
        wait_ms = least(wait_ms, until_ms(bucket_ns));
    if (deliver->waiting && deliver->n_flying == 0)
        return 0;
    uint64_t widen_ns = tb_pace_widen_ns(&deliver->pace, (unsigned)deliver->n_flying);
    if (widen_ns > 0 && tb_deliver_has_ready(deliver))
        wait_ms = least(wait_ms, until_ms(widen_ns));
    if ((deliver->is_stale || tb_deliver_has_page(deliver)) && tb_deliver_is_open(deliver) &&
        deliver->n_free > 0)
        return 0;
    int64_t left_ms = deliver->next_ms - tb_deliver_wall_ms();
    if (left_ms < wait_ms && tb_deliver_is_open(deliver))
        wait_ms = left_ms > 0 ? (int)left_ms : 0;
    return wait_ms;
}

/* Takes over new settings once nothing is under way. False while that waits. */
static bool adopt(struct tb_deliver *deliver)
{
    pthread_mutex_lock(&deliver->lock);
    bool is_asked = deliver->next_setup != NULL;
    pthread_mutex_unlock(&deliver->lock);
    if (is_asked)
        tb_flight_release(deliver);
    if (is_asked && deliver->n_flying == 0)
        tb_deliver_settle(deliver);
    pthread_mutex_lock(&deliver->lock);
    struct setup *next = deliver->next_setup;
    bool is_ready = next && deliver->n_flying == 0 && deliver->n_judged == 0;
    struct setup *old = is_ready ? deliver->setup : NULL;
    if (is_ready) {
        deliver->setup = next;
        deliver->next_setup = NULL;
    }
    pthread_mutex_unlock(&deliver->lock);
    if (!is_ready)
        return !next;
    tb_deliver_setup_free(old);
    deliver->credentials = (struct tb_sink_credentials){"", "", ""}; /* they were the old one's */
    tb_pace_init(&deliver->pace, deliver->setup->sink.connections);
    deliver->queues->per_minute =
        deliver->setup->sink.has_tokens ? deliver->setup->config.token_per_minute : 0;
    for (size_t i = 0; i < deliver->queues->n; i++) {
        tb_queue_clear(&deliver->queues->queues[i]);
        deliver->queues->queues[i].is_parked = false;
    }
    if (tb_deliver_is_broken(deliver)) /* what failed before it rested need not wait either */
        deliver->is_over = deliver->rest_changed = true;
    deliver->streak = 0;
    deliver->hold_until_ns = 0;
    deliver->must_route = true;
    deliver->is_stale = true;
    return true;
}

static void look(struct tb_deliver *deliver)
{
    uint64_t asked = atomic_load(&deliver->asked);
    atomic_store(&deliver->turned_ns, tb_clock_mono_ns());
    tb_deliver_collect(deliver);
    deliver->is_changing = !adopt(deliver);
    if (!tb_deliver_store_rests(deliver)) {
        int err = tb_deliver_follow_clock(deliver);
        if (err == 0 && deliver->must_route)
            err = tb_deliver_route_all(deliver);
        if (err == 0 && !deliver->is_changing)
            err = tb_deliver_take(deliver);
        if (err < 0)
            tb_deliver_store_failed(deliver);
        else if (deliver->n_judged == 0)
            tb_deliver_store_worked(deliver);
    }
    if (tb_deliver_must_settle(deliver))
        tb_deliver_settle(deliver);
    tb_deliver_publish(deliver, asked);
}

/* Waits for what is under way until the deadline; what is not back then stays queued. */
static void drain(struct tb_deliver *deliver)
{
    for (;;) {
        tb_deliver_collect(deliver);
        if (deliver->n_flying == 0 || tb_deliver_must_settle(deliver))
            tb_deliver_settle(deliver);
        uint64_t now_ns = tb_clock_mono_ns();
        if (deliver->n_flying == 0 || now_ns >= deliver->stop_at_ns)
            break;
        int left_ms = until_ms(deliver->stop_at_ns);
        if (deliver->n_judged > 0)
            left_ms = least(left_ms, until_ms(tb_deliver_settle_ns(deliver)));
        if (tb_transport_run(deliver->setup->transport, left_ms) < 0)
            break;
    }
    tb_deliver_settle(deliver);
}

static void *run(void *arg)
{
    struct tb_deliver *deliver = arg;
    while (!atomic_load(&deliver->is_stopping)) {
        look(deliver);
        if (tb_transport_run(deliver->setup->transport, sleep_ms(deliver)) < 0)
            (void)poll(NULL, 0, SHORT_OF_MEMORY_MS);
    }
    drain(deliver);
    tb_deliver_publish(deliver, atomic_load(&deliver->asked));
    return NULL;
}

/* ---- start and stop ---- */

/* With the rows that they held, which stay queued. */
static void free_flights(struct tb_deliver *deliver)
{
    tb_flight_release(deliver);
    while (deliver->n_flying > 0) {
        struct flight *flight = deliver->flying[deliver->n_flying - 1];
        tb_flight_land(deliver, flight);
        tb_flight_free(deliver, flight);
    }
    while (deliver->spare) {
        struct flight *next = deliver->spare->next;
        free(deliver->spare);
        deliver->spare = next;
    }
    for (size_t i = 0; i < deliver->n_held; i++)
        free(deliver->held[i]->data);
}

static void deliver_free(struct tb_deliver *deliver)
{
    tb_deliver_setup_free(deliver->setup); /* what is under way is given up */
    tb_deliver_setup_free(deliver->next_setup);
    tb_store_close(deliver->store);
    free_flights(deliver);
    tb_fd_close(&deliver->wake_fd);
    free(deliver->slots);
    free(deliver->queues);
    free(deliver->tokens);
    pthread_cond_destroy(&deliver->changed);
    pthread_mutex_destroy(&deliver->lock);
    free(deliver);
}

static int init_memory(struct tb_deliver *deliver, const struct tb_deliver_sink *sink)
{
    deliver->sink = sink->type;
    (void)snprintf(deliver->called, sizeof(deliver->called), "delivery%s%.40s",
                   sink->has_tokens ? "" : " to ", sink->has_tokens ? "" : sink->type->name);
    deliver->keeps_data = sink->type->batch > 1 || sink->type->prepare || sink->type->is_signed;
    deliver->credentials = (struct tb_sink_credentials){"", "", ""};
    deliver->n_slots = sink->type->batch > 1
                           ? TB_DELIVER_BATCHES * sink->type->batch + TB_DELIVER_UNSETTLED
                           : TB_DELIVER_SLOTS;
    deliver->slots = calloc(deliver->n_slots, sizeof(*deliver->slots));
    deliver->queues = calloc(1, sizeof(*deliver->queues));
    deliver->tokens = calloc(TB_QUEUES, sizeof(*deliver->tokens));
    deliver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (deliver->wake_fd < 0)
        return -errno;
    if (!deliver->slots || !deliver->queues || !deliver->tokens)
        return -ENOMEM;
    /* Those in front are taken first: the memory of the others stays untouched. */
    for (size_t i = deliver->n_slots; i > 0; i--)
        deliver->free[deliver->n_free++] = &deliver->slots[i - 1];
    deliver->is_stale = true;
    deliver->holds_changed = true;
    deliver->next_ms = INT64_MAX;
    deliver->offset_ms = tb_deliver_offset_ms();
    return 0;
}

/* An endpoint that answered nobody is not asked sooner because of a restart. */
static int recall_rest(struct tb_deliver *deliver)
{
    int parked = 0;
    int64_t until = 0;
    int err = tb_store_token_state(deliver->store, deliver->sink->name, deliver->setup->rest_name,
                                   &parked, &until);
    int64_t left_ms = until - tb_deliver_wall_ms();
    if (left_ms > (int64_t)deliver->setup->config.retry_max_ms)
        left_ms = (int64_t)deliver->setup->config.retry_max_ms;
    if (err < 0 || left_ms <= 0)
        return err;
    deliver->streak = TB_DELIVER_BROKEN;
    deliver->held_ns = tb_clock_mono_ns();
    deliver->hold_until_ns = deliver->held_ns + (uint64_t)left_ms * TB_NS_PER_MS;
    return 0;
}

static int open_store(struct tb_deliver *deliver, const struct tb_config *config,
                      char why[TB_STORE_WHY])
{
    int err = tb_store_open(config->state_dir, TB_STORE_WRITE, &deliver->store, why);
    if (err < 0)
        return err;
    /* Tokens and projects may be others now. */
    if ((err = tb_deliver_route_all(deliver)) || (err = recall_rest(deliver)))
        (void)snprintf(why, TB_STORE_WHY, "%s", tb_store_error(deliver->store));
    return err;
}

/* Signals are the main thread's business. */
static int start_thread(struct tb_deliver *deliver)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    int err = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (err)
        return -err;
    err = pthread_create(&deliver->thread, NULL, run, deliver);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -err;
}

int tb_deliver_start(const struct tb_config *config, const struct tb_deliver_sink *sink,
                     struct tb_deliver **out, char why[TB_STORE_WHY])
{
    struct tb_deliver *deliver = calloc(1, sizeof(*deliver));
    if (!deliver) {
        (void)snprintf(why, TB_STORE_WHY, "out of memory");
        return -ENOMEM;
    }
    why[0] = '\0';
    deliver->wake_fd = -1;
    (void)pthread_mutex_init(&deliver->lock, NULL);
    (void)pthread_cond_init(&deliver->changed, NULL);
    int err;
    if ((err = init_memory(deliver, sink)) ||
        (err = tb_deliver_setup_new(config, sink, deliver->wake_fd, &deliver->setup, why)))
        goto out;
    atomic_init(&deliver->turned_ns, tb_clock_mono_ns());
    tb_pace_init(&deliver->pace, deliver->setup->sink.connections);
    deliver->queues->per_minute =
        deliver->setup->sink.has_tokens ? deliver->setup->config.token_per_minute : 0;
    if ((err = open_store(deliver, config, why)) || (err = start_thread(deliver)))
        goto out;
    *out = deliver;
    return 0;
out:
    if (!why[0])
        (void)snprintf(why, TB_STORE_WHY, "the delivery cannot start: %s", strerrordesc_np(-err));
    deliver_free(deliver);
    return err;
}

void tb_deliver_stop(struct tb_deliver *deliver, unsigned deadline_ms)
{
    if (!deliver)
        return;
    deliver->stop_at_ns = tb_clock_mono_ns() + (uint64_t)deadline_ms * TB_NS_PER_MS;
    atomic_store(&deliver->is_stopping, true);
    wake(deliver);
    pthread_join(deliver->thread, NULL);
    deliver_free(deliver);
}

/* ---- the other threads ---- */

int tb_deliver_reload(struct tb_deliver *deliver, const struct tb_config *config,
                      const struct tb_deliver_sink *sink, char why[TB_STORE_WHY])
{
    struct setup *next = NULL;
    int err = tb_deliver_setup_new(config, sink, deliver->wake_fd, &next, why);
    if (err < 0)
        return err;
    pthread_mutex_lock(&deliver->lock);
    struct setup *before = deliver->next_setup; /* not taken over yet, and never will be */
    deliver->next_setup = next;
    pthread_mutex_unlock(&deliver->lock);
    tb_deliver_setup_free(before);
    tb_deliver_wake(deliver);
    return 0;
}

void tb_deliver_wake(struct tb_deliver *deliver)
{
    atomic_fetch_add(&deliver->asked, 1);
    wake(deliver);
}

/* The lock is held. */
static bool is_idle(struct tb_deliver *deliver)
{
    return deliver->is_idle && deliver->handled == atomic_load(&deliver->asked);
}

bool tb_deliver_idle(struct tb_deliver *deliver)
{
    pthread_mutex_lock(&deliver->lock);
    bool result = is_idle(deliver);
    pthread_mutex_unlock(&deliver->lock);
    return result;
}

bool tb_deliver_wait_idle(struct tb_deliver *deliver, unsigned timeout_ms)
{
    uint64_t until_ns = tb_clock_mono_ns() + (uint64_t)timeout_ms * TB_NS_PER_MS;
    int err = 0;
    pthread_mutex_lock(&deliver->lock);
    while (!is_idle(deliver) && err == 0)
        err = tb_wait_until(&deliver->changed, &deliver->lock, until_ns);
    bool result = is_idle(deliver);
    pthread_mutex_unlock(&deliver->lock);
    return result;
}

void tb_deliver_status(struct tb_deliver *deliver, struct tb_deliver_status *out)
{
    pthread_mutex_lock(&deliver->lock);
    *out = deliver->status;
    pthread_mutex_unlock(&deliver->lock);
}

uint64_t tb_deliver_turned_ns(const struct tb_deliver *deliver)
{
    return atomic_load(&deliver->turned_ns);
}
