/* deliver.c - see deliver.h: the thread, its life, and which rows it takes. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum {
    CONNECTIONS_MAX = 64,
    SHORT_OF_MEMORY_MS = 100,   /* the only thing that makes waiting itself fail */
    LOOK_EVERY_MS = 60 * 1000,  /* so that a clock set back costs no more */
    PAUSE_MAX_MS = 3600 * 1000, /* the longest pause a sink asks for */
};

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- taking rows ---- */

static void judge_unsent(struct slot *slot, enum tb_verdict verdict, const char *reason)
{
    memset(&slot->judgement, 0, sizeof(slot->judgement));
    slot->judgement.verdict = verdict;
    (void)snprintf(slot->judgement.reason, sizeof(slot->judgement.reason), "%s", reason);
    slot->http_status = 0;
    slot->state = SLOT_JUDGED;
    tb_sink_request_done(&slot->request);
}

static void send_row(struct tb_deliver *deliver, struct slot *slot, const struct tb_outbox_row *row)
{
    memcpy(slot->uuid, row->uuid, sizeof(slot->uuid));
    memcpy(slot->token, row->token, sizeof(slot->token));
    slot->attempts = row->attempts;
    memset(&slot->request, 0, sizeof(slot->request));
    struct tb_sink_target target = {deliver->endpoint, row->token[0] ? row->token : deliver->token};
    if (!target.token[0]) {
        judge_unsent(slot, TB_VERDICT_PARK, "there is no access token");
        return;
    }
    int err = deliver->sink->encode(&target, row->data, row->data_len, &slot->request);
    if (err == 0)
        err = tb_transport_send(deliver->transport, &slot->request, slot);
    if (err == 0)
        slot->state = SLOT_FLYING;
    else if (err == -EMSGSIZE)
        judge_unsent(slot, TB_VERDICT_DROP, "the item is larger than 512 KiB");
    else if (err == -EINVAL)
        judge_unsent(slot, TB_VERDICT_DROP,
                     "no request can be made of it: the item is no object, or token or endpoint "
                     "hold what they may not");
    else
        judge_unsent(slot, TB_VERDICT_RETRY, strerrordesc_np(-err));
}

/* How many rows may be taken now. */
static size_t room(const struct tb_deliver *deliver)
{
    size_t n_free = tb_deliver_count(deliver, SLOT_FREE);
    if (!tb_deliver_is_broken(deliver))
        return n_free;
    bool is_alone = n_free == deliver->n_slots;
    return is_alone && tb_clock_mono_ns() >= deliver->hold_until_ns ? 1 : 0;
}

/* Moves what is due into free slots. 0, or the store's error. */
static int take_due(struct tb_deliver *deliver)
{
    const char *sink = deliver->sink->name;
    int64_t now_ms = wall_ms();
    size_t n_busy = 0;
    size_t max = room(deliver);
    deliver->looked_ms = max > 0 ? now_ms : 0;
    if (max == 0)
        return 0;
    /* Parked tokens get their one try at the longest back-off. */
    int n_rows = deliver->has_parked
                     ? tb_store_probe(deliver->store, sink, now_ms, deliver->retry_max_ms)
                     : 0;
    if (n_rows < 0)
        return n_rows;
    for (size_t i = 0; i < deliver->n_slots; i++) {
        if (deliver->slots[i].state != SLOT_FREE)
            memcpy(deliver->busy[n_busy++], deliver->slots[i].uuid, sizeof(deliver->busy[0]));
    }
    n_rows = tb_store_due(deliver->store, sink, now_ms, (const char(*)[37])deliver->busy, n_busy,
                          deliver->rows, max);
    struct slot *slot = deliver->slots;
    for (int i = 0; i < n_rows; i++) {
        while (slot->state != SLOT_FREE)
            slot++; /* there are as many free ones as rows were asked for */
        send_row(deliver, slot, &deliver->rows[i]);
        tb_outbox_row_done(&deliver->rows[i]);
    }
    return n_rows < 0 ? n_rows : 0;
}

/* A clock that was set back makes the past look like the future: no wait is believed that is longer
 * than the longest this program gives. */
static int clamp(struct tb_deliver *deliver)
{
    uint64_t now_ns = tb_clock_mono_ns();
    if (now_ns < deliver->clamp_ns)
        return 0;
    deliver->clamp_ns = now_ns + (uint64_t)LOOK_EVERY_MS * TB_NS_PER_MS;
    int64_t longest =
        deliver->retry_max_ms > PAUSE_MAX_MS ? (int64_t)deliver->retry_max_ms : PAUSE_MAX_MS;
    return tb_store_clamp(deliver->store, deliver->sink->name, wall_ms(), longest);
}

/* ---- the thread ---- */

static int until_ms(uint64_t at_ns)
{
    uint64_t now_ns = tb_clock_mono_ns();
    uint64_t left_ms = at_ns > now_ns ? (at_ns - now_ns) / TB_NS_PER_MS + 1 : 0;
    return (int)(left_ms < LOOK_EVERY_MS ? left_ms : LOOK_EVERY_MS);
}

/* How long the thread may sleep when nothing comes in. */
static int sleep_ms(struct tb_deliver *deliver)
{
    if (tb_deliver_store_rests(deliver))
        return until_ms(deliver->store_retry_ns);
    if (tb_deliver_count(deliver, SLOT_JUDGED) > 0)
        return 0;
    if (tb_deliver_is_broken(deliver) && tb_clock_mono_ns() < deliver->hold_until_ns)
        return until_ms(deliver->hold_until_ns);
    if (room(deliver) == 0)
        return LOOK_EVERY_MS; /* a reply will come before that */
    /* From the last look on, not from now: what fell due in between has not been seen. */
    int64_t next_ms = tb_store_next_due(deliver->store, deliver->sink->name, deliver->looked_ms);
    int64_t left_ms = next_ms - wall_ms();
    if (next_ms < 0 || left_ms > LOOK_EVERY_MS)
        return LOOK_EVERY_MS;
    return left_ms > 0 ? (int)left_ms : 0;
}

/* Tells the other threads how things are after a look at the outbox. */
static void publish(struct tb_deliver *deliver, uint64_t asked)
{
    struct tb_store_holds holds = {0, 0};
    int64_t now_ms = wall_ms();
    bool rests = tb_deliver_store_rests(deliver);
    bool has_holds =
        !rests && tb_store_holds(deliver->store, deliver->sink->name, now_ms, &holds) == 0;
    size_t n_flying = tb_deliver_count(deliver, SLOT_FLYING);
    uint64_t now_ns = tb_clock_mono_ns();
    pthread_mutex_lock(&deliver->lock);
    if (has_holds) {
        deliver->has_parked = holds.parked_tokens > 0;
        deliver->status.parked_tokens = holds.parked_tokens;
        deliver->status.paused_until_ms = holds.paused_until_ms;
    }
    deliver->status.in_flight = (int64_t)n_flying;
    deliver->status.retry_at_ms =
        tb_deliver_is_broken(deliver) && deliver->hold_until_ns > now_ns
            ? now_ms + (int64_t)((deliver->hold_until_ns - now_ns) / TB_NS_PER_MS)
            : 0;
    deliver->handled = asked;
    deliver->is_idle = n_flying == 0 && (rests || tb_deliver_count(deliver, SLOT_JUDGED) == 0);
    pthread_cond_broadcast(&deliver->changed);
    pthread_mutex_unlock(&deliver->lock);
}

static void look(struct tb_deliver *deliver)
{
    uint64_t asked = atomic_load(&deliver->asked);
    tb_deliver_collect(deliver);
    tb_deliver_settle(deliver);
    if (!tb_deliver_store_rests(deliver)) {
        if (tb_store_check(deliver->store) < 0 || clamp(deliver) < 0 || take_due(deliver) < 0)
            tb_deliver_store_failed(deliver);
        else if (tb_deliver_count(deliver, SLOT_JUDGED) == 0)
            tb_deliver_store_worked(deliver);
    }
    publish(deliver, asked);
}

/* Waits for what is under way until the deadline; what is not back then stays queued. */
static void drain(struct tb_deliver *deliver)
{
    for (;;) {
        tb_deliver_collect(deliver);
        tb_deliver_settle(deliver);
        uint64_t now_ns = tb_clock_mono_ns();
        if (tb_deliver_count(deliver, SLOT_FLYING) == 0 || now_ns >= deliver->stop_at_ns)
            return;
        uint64_t left_ms = (deliver->stop_at_ns - now_ns) / TB_NS_PER_MS + 1;
        if (tb_transport_run(deliver->transport, (int)left_ms) < 0)
            return;
    }
}

static void *run(void *arg)
{
    struct tb_deliver *deliver = arg;
    while (!atomic_load(&deliver->is_stopping)) {
        look(deliver);
        if (tb_transport_run(deliver->transport, sleep_ms(deliver)) < 0)
            (void)poll(NULL, 0, SHORT_OF_MEMORY_MS);
    }
    drain(deliver);
    publish(deliver, atomic_load(&deliver->asked));
    return NULL;
}

/* ---- the other threads ---- */

static void deliver_free(struct tb_deliver *deliver)
{
    tb_transport_free(deliver->transport);
    tb_store_close(deliver->store);
    for (size_t i = 0; deliver->slots && i < deliver->n_slots; i++)
        tb_sink_request_done(&deliver->slots[i].request);
    free(deliver->slots);
    free(deliver->busy);
    free(deliver->rows);
    free(deliver->endpoint);
    free(deliver->token);
    pthread_cond_destroy(&deliver->changed);
    pthread_mutex_destroy(&deliver->lock);
    free(deliver);
}

static int init_locks(struct tb_deliver *deliver)
{
    pthread_condattr_t mono;
    int err = pthread_condattr_init(&mono);
    if (err == 0) {
        (void)pthread_condattr_setclock(&mono, CLOCK_MONOTONIC);
        err = pthread_cond_init(&deliver->changed, &mono);
        (void)pthread_condattr_destroy(&mono);
    }
    return err ? -err : -pthread_mutex_init(&deliver->lock, NULL);
}

static int copy_settings(struct tb_deliver *deliver, const struct tb_config *config)
{
    deliver->sink = &tb_sink_rollbar;
    deliver->retry_min_ms = config->retry_min_ms > 0 ? config->retry_min_ms : 1;
    deliver->retry_max_ms =
        config->retry_max_ms > deliver->retry_min_ms ? config->retry_max_ms : deliver->retry_min_ms;
    deliver->n_slots = config->connections > 0 ? config->connections : 1;
    if (deliver->n_slots > CONNECTIONS_MAX)
        deliver->n_slots = CONNECTIONS_MAX;
    deliver->endpoint = strdup(config->endpoint);
    deliver->token = strdup(config->token);
    deliver->slots = calloc(deliver->n_slots, sizeof(*deliver->slots));
    deliver->busy = calloc(deliver->n_slots, sizeof(*deliver->busy));
    deliver->rows = calloc(deliver->n_slots, sizeof(*deliver->rows));
    return deliver->endpoint && deliver->token && deliver->slots && deliver->busy && deliver->rows
               ? 0
               : -ENOMEM;
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

int tb_deliver_start(const struct tb_config *config, struct tb_deliver **out,
                     char why[TB_STORE_WHY])
{
    struct tb_deliver *deliver = calloc(1, sizeof(*deliver));
    if (!deliver) {
        (void)snprintf(why, TB_STORE_WHY, "out of memory");
        return -ENOMEM;
    }
    why[0] = '\0';
    int err;
    if ((err = init_locks(deliver)) || (err = copy_settings(deliver, config)))
        goto out;
    struct tb_transport_limits limits = {config->timeout_ms, (unsigned)deliver->n_slots};
    if ((err = tb_transport_new(&limits, &deliver->transport)) ||
        (err = tb_store_open(config->state_dir, TB_STORE_WRITE, &deliver->store, why)))
        goto out;
    /* The token may be another one now. */
    err = tb_store_park(deliver->store, deliver->sink->name, NULL, 0, NULL);
    if (err < 0)
        (void)snprintf(why, TB_STORE_WHY, "%s", tb_store_error(deliver->store));
    if (err == 0)
        err = start_thread(deliver);
    if (err < 0)
        goto out;
    *out = deliver;
    return 0;
out:
    if (!why[0])
        (void)snprintf(why, TB_STORE_WHY, "the delivery cannot start: %s", strerrordesc_np(-err));
    deliver_free(deliver);
    return err;
}

void tb_deliver_wake(struct tb_deliver *deliver)
{
    atomic_fetch_add(&deliver->asked, 1);
    tb_transport_wake(deliver->transport);
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
    struct timespec until = {(time_t)(until_ns / TB_NS_PER_S), (long)(until_ns % TB_NS_PER_S)};
    int err = 0;
    pthread_mutex_lock(&deliver->lock);
    while (!is_idle(deliver) && err == 0)
        err = pthread_cond_timedwait(&deliver->changed, &deliver->lock, &until);
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

void tb_deliver_halt(struct tb_deliver *deliver, unsigned deadline_ms)
{
    deliver->stop_at_ns = tb_clock_mono_ns() + (uint64_t)deadline_ms * TB_NS_PER_MS;
    atomic_store(&deliver->is_stopping, true);
    tb_transport_wake(deliver->transport);
    pthread_join(deliver->thread, NULL);
    deliver->is_halted = true;
}

void tb_deliver_stop(struct tb_deliver *deliver, unsigned deadline_ms)
{
    if (!deliver)
        return;
    if (!deliver->is_halted)
        tb_deliver_halt(deliver, deadline_ms);
    deliver_free(deliver);
}
