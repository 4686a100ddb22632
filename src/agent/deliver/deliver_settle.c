/* deliver_settle.c - from a reply to a committed verdict. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/log.h"
#include "base/clock.h"
#include "base/id.h"

enum { SAY_EVERY_S = 10, DOUBLINGS_MAX = 20 };

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

int64_t tb_deliver_backoff_ms(const struct tb_deliver *deliver, unsigned n_attempts)
{
    unsigned n_doublings = n_attempts < DOUBLINGS_MAX ? n_attempts + 1 : DOUBLINGS_MAX;
    uint64_t longest = (uint64_t)deliver->retry_min_ms << n_doublings;
    if (longest > deliver->retry_max_ms)
        longest = deliver->retry_max_ms;
    uint64_t spread = longest - deliver->retry_min_ms + 1;
    uint64_t random = 0;
    tb_id_random(&random, sizeof(random));
    return (int64_t)(deliver->retry_min_ms + random % spread);
}

size_t tb_deliver_count(const struct tb_deliver *deliver, enum slot_state state)
{
    size_t n_slots = 0;
    for (size_t i = 0; i < deliver->n_slots; i++)
        n_slots += deliver->slots[i].state == state;
    return n_slots;
}

bool tb_deliver_is_broken(const struct tb_deliver *deliver)
{
    return deliver->streak >= 2 * deliver->n_slots;
}

bool tb_deliver_store_rests(const struct tb_deliver *deliver)
{
    return deliver->n_store_errors > 0 && tb_clock_mono_ns() < deliver->store_retry_ns;
}

/* May a line of this kind be said now? *n_more is how many were not said since the last. */
static bool may_say(struct tb_deliver *deliver, enum said kind, unsigned *n_more)
{
    uint64_t now = tb_clock_mono_ns();
    uint64_t *last = &deliver->said_ns[kind];
    if (*last > 0 && now - *last < (uint64_t)SAY_EVERY_S * TB_NS_PER_S) {
        deliver->n_unsaid[kind]++;
        return false;
    }
    *last = now;
    *n_more = deliver->n_unsaid[kind];
    deliver->n_unsaid[kind] = 0;
    return true;
}

void tb_deliver_store_failed(struct tb_deliver *deliver)
{
    unsigned n_more = 0;
    const char *why = tb_store_error(deliver->store);
    int64_t wait_ms = tb_deliver_backoff_ms(deliver, deliver->n_store_errors++);
    deliver->store_retry_ns = tb_clock_mono_ns() + (uint64_t)wait_ms * TB_NS_PER_MS;
    pthread_mutex_lock(&deliver->lock);
    (void)snprintf(deliver->status.store_error, sizeof(deliver->status.store_error), "%s", why);
    pthread_mutex_unlock(&deliver->lock);
    if (may_say(deliver, SAID_STORE, &n_more))
        tb_log(TB_LOG_ERROR, "delivery waits for the database: %s", why);
}

void tb_deliver_store_worked(struct tb_deliver *deliver)
{
    if (deliver->n_store_errors == 0)
        return;
    deliver->n_store_errors = 0;
    deliver->said_ns[SAID_STORE] = 0;
    pthread_mutex_lock(&deliver->lock);
    deliver->status.store_error[0] = '\0';
    pthread_mutex_unlock(&deliver->lock);
    tb_log(TB_LOG_INFO, "delivery: the database works again");
}

/* The endpoint that answers nobody is left alone for a while. */
static void count_streak(struct tb_deliver *deliver, const struct slot *slot)
{
    if (slot->http_status > 0 && slot->http_status < 500) {
        deliver->streak = 0;
        deliver->hold_until_ns = 0;
        return;
    }
    deliver->streak++;
    if (!tb_deliver_is_broken(deliver))
        return;
    unsigned n_rounds = deliver->streak - 2 * (unsigned)deliver->n_slots;
    int64_t wait_ms = tb_deliver_backoff_ms(deliver, n_rounds);
    deliver->hold_until_ns = tb_clock_mono_ns() + (uint64_t)wait_ms * TB_NS_PER_MS;
}

void tb_deliver_collect(struct tb_deliver *deliver)
{
    struct tb_sink_reply reply;
    void *tag = NULL;
    while (tb_transport_next(deliver->transport, &tag, &reply)) {
        struct slot *slot = tag;
        struct tb_sink_target target = {deliver->endpoint,
                                        slot->token[0] ? slot->token : deliver->token};
        deliver->sink->judge(&target, &reply, &slot->judgement);
        slot->http_status = reply.status;
        slot->state = SLOT_JUDGED;
        tb_sink_request_done(&slot->request);
        count_streak(deliver, slot);
    }
}

/* In a transaction. A row that is gone, or was settled by another, is no trouble. */
static int store_verdict(struct tb_deliver *deliver, const struct slot *slot)
{
    static const enum tb_outbox_state STATES[] = {
        [TB_VERDICT_ACK] = TB_OUT_SENT,    [TB_VERDICT_RETRY] = TB_OUT_QUEUED,
        [TB_VERDICT_SLOW] = TB_OUT_QUEUED, [TB_VERDICT_DROP] = TB_OUT_QUARANTINED,
        [TB_VERDICT_PARK] = TB_OUT_PARKED,
    };
    const struct tb_sink_judgement *judgement = &slot->judgement;
    const char *sink = deliver->sink->name;
    int64_t now_ms = wall_ms();
    int64_t due_ms = now_ms;
    if (judgement->verdict == TB_VERDICT_RETRY)
        due_ms += tb_deliver_backoff_ms(deliver, (unsigned)slot->attempts);
    int err = tb_store_verdict(deliver->store, slot->uuid, sink, STATES[judgement->verdict], due_ms,
                               slot->http_status, judgement->reason);
    if (err == -ENOENT)
        err = 0;
    if (err == 0 && judgement->wait_ms > 0)
        err = tb_store_pause(deliver->store, sink, slot->token, now_ms + judgement->wait_ms);
    if (err == 0 && judgement->verdict == TB_VERDICT_PARK) {
        err = tb_store_park(deliver->store, sink, slot->token, 1, judgement->reason);
        deliver->has_parked = true;
    }
    if (err == 0 && judgement->verdict == TB_VERDICT_ACK && deliver->has_parked)
        err = tb_store_park(deliver->store, sink, slot->token, 0, NULL);
    return err;
}

static void log_verdict(struct tb_deliver *deliver, const struct slot *slot)
{
    static const struct {
        enum said kind;
        enum tb_log_level level;
        const char *what;
    } LINES[] = {
        [TB_VERDICT_ACK] = {SAID_SENT, TB_LOG_INFO, "items go through again"},
        [TB_VERDICT_RETRY] = {SAID_RETRY, TB_LOG_WARNING, "not taken, will be tried again"},
        [TB_VERDICT_SLOW] = {SAID_SLOW, TB_LOG_WARNING, "told to slow down"},
        [TB_VERDICT_DROP] = {SAID_DROP, TB_LOG_WARNING, "refused for good, quarantined"},
        [TB_VERDICT_PARK] = {SAID_PARK, TB_LOG_ERROR,
                             "access token refused, its items wait for a right one (set "
                             "ROLLBAR_ACCESS_TOKEN or rollbar.access_token and restart)"},
    };
    const struct tb_sink_judgement *judgement = &slot->judgement;
    bool is_ack = judgement->verdict == TB_VERDICT_ACK;
    /* Parked without an answer: nothing was asked, because there is no token. */
    const char *what = judgement->verdict == TB_VERDICT_PARK && slot->http_status == 0
                           ? "waits for an access token (set ROLLBAR_ACCESS_TOKEN or "
                             "rollbar.token_file and restart)"
                           : LINES[judgement->verdict].what;
    unsigned n_more = 0;
    if (is_ack && !deliver->in_trouble)
        return;
    deliver->in_trouble = !is_ack;
    if (!may_say(deliver, LINES[judgement->verdict].kind, &n_more))
        return;
    if (is_ack)
        tb_log(TB_LOG_INFO, "delivery to %s: items go through again", deliver->sink->name);
    else if (n_more > 0)
        tb_log(LINES[judgement->verdict].level, "delivery to %s: item %s and %u more: %s: %s",
               deliver->sink->name, slot->uuid, n_more, what, judgement->reason);
    else
        tb_log(LINES[judgement->verdict].level, "delivery to %s: item %s: %s: %s",
               deliver->sink->name, slot->uuid, what, judgement->reason);
}

/* The lock is held. */
static void count_verdict(struct tb_deliver_status *status, const struct slot *slot)
{
    const struct tb_sink_judgement *judgement = &slot->judgement;
    if (judgement->verdict == TB_VERDICT_ACK) {
        status->sent++;
        status->last_sent_ms = wall_ms();
        return;
    }
    if (judgement->verdict == TB_VERDICT_DROP)
        status->quarantined++;
    else
        status->retried++;
    status->last_error_ms = wall_ms();
    status->last_http_status = slot->http_status;
    memcpy(status->last_error, judgement->reason, sizeof(status->last_error));
}

static int store_all(struct tb_deliver *deliver)
{
    int err = tb_store_begin(deliver->store);
    if (err < 0)
        return err;
    for (size_t i = 0; i < deliver->n_slots && err == 0; i++) {
        if (deliver->slots[i].state == SLOT_JUDGED)
            err = store_verdict(deliver, &deliver->slots[i]);
    }
    if (err == 0)
        return tb_store_commit(deliver->store);
    tb_store_rollback(deliver->store);
    return err;
}

void tb_deliver_settle(struct tb_deliver *deliver)
{
    if (tb_deliver_count(deliver, SLOT_JUDGED) == 0 || tb_deliver_store_rests(deliver))
        return;
    if (store_all(deliver) < 0) {
        tb_deliver_store_failed(deliver);
        return;
    }
    tb_deliver_store_worked(deliver);
    for (size_t i = 0; i < deliver->n_slots; i++) {
        struct slot *slot = &deliver->slots[i];
        if (slot->state != SLOT_JUDGED)
            continue;
        log_verdict(deliver, slot);
        pthread_mutex_lock(&deliver->lock);
        count_verdict(&deliver->status, slot);
        pthread_mutex_unlock(&deliver->lock);
        slot->state = SLOT_FREE;
    }
}
