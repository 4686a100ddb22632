/* deliver_settle.c - from judgements to committed verdicts: those of the last 20 ms together, as a
 * commit costs as much as ten rows. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/log.h"
#include "base/clock.h"

enum { SETTLE_MS = 20, SETTLE_ROWS = 64, PLAIN_STATUS = 200 };

bool tb_deliver_store_rests(const struct tb_deliver *deliver)
{
    return deliver->n_store_errors > 0 && tb_clock_mono_ns() < deliver->store_retry_ns;
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
    if (tb_deliver_may_say(deliver, SAID_STORE, &n_more))
        tb_log(TB_LOG_ERROR, "%s waits for the database: %s", deliver->called, why);
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
    tb_log(TB_LOG_INFO, "%s: the database works again", deliver->called);
}

/* When the row is to be tried again. */
static int64_t due_ms(const struct tb_deliver *deliver, const struct slot *slot, int64_t now_ms)
{
    const struct tb_sink_judgement *judgement = &slot->judgement;
    /* While nobody is answered the endpoint waits, not its rows: the first stays the first. */
    if (judgement->verdict == TB_VERDICT_SLOW || judgement->may_repair ||
        tb_deliver_is_broken(deliver))
        return slot->due_at_ms < now_ms ? slot->due_at_ms : now_ms;
    if (judgement->verdict == TB_VERDICT_RETRY)
        return now_ms + slot->backoff_ms;
    return now_ms;
}

static int store_token(struct tb_deliver *deliver, const struct slot *slot, int64_t now_ms)
{
    const struct tb_sink_judgement *judgement = &slot->judgement;
    const char *sink = deliver->sink->name;
    const char *token = slot->queue->token;
    int err = 0;
    if (judgement->wait_ms > 0)
        err = tb_store_pause(deliver->store, sink, token, now_ms + judgement->wait_ms);
    if (err == 0 && judgement->verdict == TB_VERDICT_PARK)
        err = tb_store_park(deliver->store, sink, token, 1, judgement->reason);
    else if (err == 0 && judgement->verdict == TB_VERDICT_ACK && slot->queue->is_parked)
        err = tb_store_park(deliver->store, sink, token, 0, NULL);
    return err;
}

/* What nearly all are, when all is well: taken with a plain 200, and nothing more is said. */
static bool is_plain(const struct slot *slot)
{
    return slot->judgement.verdict == TB_VERDICT_ACK && slot->http_status == PLAIN_STATUS &&
           slot->judgement.reason[0] == '\0' && slot->seq != 0;
}

/* In a transaction: the rows of all those, in as few statements as there may be. */
static int store_plain(struct tb_deliver *deliver)
{
    int64_t seqs[TB_STORE_SENT_MAX];
    size_t n = 0;
    int err = 0;
    for (size_t i = 0; i < deliver->n_judged && err == 0; i++) {
        if (is_plain(deliver->judged[i]))
            seqs[n++] = deliver->judged[i]->seq;
        if (n == TB_STORE_SENT_MAX) {
            err = tb_store_sent(deliver->store, deliver->sink->name, seqs, n, PLAIN_STATUS);
            n = 0;
        }
    }
    return err < 0 ? err
                   : tb_store_sent(deliver->store, deliver->sink->name, seqs, n, PLAIN_STATUS);
}

/* In a transaction. A row that is gone, or was settled by another, is no trouble. */
static int store_verdict(struct tb_deliver *deliver, const struct slot *slot, int64_t now_ms)
{
    static const enum tb_outbox_state STATES[] = {
        [TB_VERDICT_ACK] = TB_OUT_SENT,     [TB_VERDICT_RETRY] = TB_OUT_QUEUED,
        [TB_VERDICT_SLOW] = TB_OUT_QUEUED,  [TB_VERDICT_DROP] = TB_OUT_QUARANTINED,
        [TB_VERDICT_PARK] = TB_OUT_PARKED,  [TB_VERDICT_CREATE] = TB_OUT_QUEUED,
        [TB_VERDICT_RENEW] = TB_OUT_QUEUED,
    };
    enum tb_verdict what = slot->judgement.verdict;
    struct tb_outbox_verdict verdict = {
        .seq = slot->seq,
        .state = STATES[what],
        .due_at_ms = due_ms(deliver, slot, now_ms),
        .http_status = slot->http_status,
        .reason = slot->judgement.reason,
        .is_attempt = what != TB_VERDICT_SLOW &&
                      !(what == TB_VERDICT_RETRY && tb_deliver_is_broken(deliver))};
    if (slot->seq == 0)
        return 0;
    if (is_plain(slot))
        return store_token(deliver, slot, now_ms);
    int err = tb_store_verdict(deliver->store, deliver->sink->name, &verdict);
    if (err == 0 && verdict.state == TB_OUT_QUEUED && verdict.due_at_ms < deliver->next_ms)
        deliver->next_ms = verdict.due_at_ms;
    if (err == -ENOENT)
        err = 0;
    return err < 0 ? err : store_token(deliver, slot, now_ms);
}

static int store_rest(struct tb_deliver *deliver, int64_t now_ms)
{
    const char *sink = deliver->sink->name;
    uint64_t now_ns = tb_clock_mono_ns();
    int64_t left_ms = deliver->hold_until_ns > now_ns
                          ? (int64_t)((deliver->hold_until_ns - now_ns) / TB_NS_PER_MS)
                          : 0;
    int err = tb_store_rest(deliver->store, sink, deliver->setup->rest_name,
                            left_ms > 0 ? now_ms + left_ms : 0);
    if (err == 0 && deliver->is_over)
        err = tb_store_release(deliver->store, sink, now_ms);
    return err;
}

static int store_all(struct tb_deliver *deliver)
{
    int64_t now_ms = tb_deliver_wall_ms();
    int err = tb_store_begin(deliver->store);
    if (err < 0)
        return err;
    err = store_plain(deliver);
    for (size_t i = 0; i < deliver->n_judged && err == 0; i++)
        err = store_verdict(deliver, deliver->judged[i], now_ms);
    if (err == 0 && deliver->rest_changed)
        err = store_rest(deliver, now_ms);
    if (err == 0)
        return tb_store_commit(deliver->store);
    tb_store_rollback(deliver->store);
    return err;
}

/* Their database is gone, and their numbers are another's now. */
static void forget_rows(struct tb_deliver *deliver)
{
    tb_flight_release(deliver);
    for (size_t i = 0; i < deliver->n_held; i++)
        deliver->held[i]->seq = 0;
    for (size_t i = 0; i < deliver->queues->n; i++) {
        tb_queue_clear(&deliver->queues->queues[i]);
        deliver->queues->queues[i].id = 0; /* no token's */
    }
    deliver->page = 0;
    deliver->is_stale = true;
}

int tb_deliver_check(struct tb_deliver *deliver)
{
    int err = tb_store_check(deliver->store);
    if (err > 0)
        forget_rows(deliver);
    return err;
}

bool tb_deliver_must_settle(const struct tb_deliver *deliver)
{
    if (deliver->n_judged == 0)
        return false;
    return deliver->n_judged >= SETTLE_ROWS || deliver->n_free == 0 || deliver->n_flying == 0 ||
           deliver->rest_changed || tb_clock_mono_ns() >= tb_deliver_settle_ns(deliver);
}

uint64_t tb_deliver_settle_ns(const struct tb_deliver *deliver)
{
    return deliver->n_judged == 0
               ? 0
               : deliver->judged[0]->judged_ns + (uint64_t)SETTLE_MS * TB_NS_PER_MS;
}

/* A change of what is held makes another look worth it. */
static void after_commit(struct tb_deliver *deliver, struct slot *slot)
{
    enum tb_verdict verdict = slot->judgement.verdict;
    if (verdict == TB_VERDICT_PARK)
        deliver->has_parked = true;
    if (verdict == TB_VERDICT_PARK || (verdict == TB_VERDICT_ACK && slot->queue->is_parked)) {
        deliver->is_stale = true;
        deliver->holds_changed = true;
    }
    if (verdict == TB_VERDICT_ACK)
        slot->queue->is_parked = false;
    if (slot->judgement.wait_ms > 0) {
        deliver->holds_changed = true;
        if (slot->queue->until_ms < deliver->next_ms)
            deliver->next_ms = slot->queue->until_ms;
    }
}

void tb_deliver_settle(struct tb_deliver *deliver)
{
    if (deliver->n_judged == 0 || tb_deliver_store_rests(deliver))
        return;
    if (tb_deliver_check(deliver) < 0 || store_all(deliver) < 0) {
        tb_deliver_store_failed(deliver);
        return;
    }
    tb_deliver_store_worked(deliver);
    tb_deliver_tell(deliver);
    for (size_t i = 0; i < deliver->n_judged; i++) {
        after_commit(deliver, deliver->judged[i]);
        tb_slot_free(deliver, deliver->judged[i]);
    }
    deliver->n_judged = 0;
    deliver->is_stale = deliver->is_stale || deliver->is_over; /* what waited is due now */
    deliver->rest_changed = false;
    deliver->is_over = false;
}
