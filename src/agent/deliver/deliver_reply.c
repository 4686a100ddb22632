/* deliver_reply.c - what a reply means: for the row, its token, the pace and the endpoint.
 *
 * All but the row's own state counts at once; that is stored by deliver_settle.c. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/deliver/backoff.h"
#include "base/clock.h"
#include "base/id.h"

enum {
    RECENT_S = 60,
    TRIES_MAX = 30,       /* with an answer, while others go through: it is the row */
    JITTER_MAX_MS = 5000, /* added to a pause: not all agents come back in one instant */
    JITTER_PART = 8       /* and at most that part of it */
};

int64_t tb_deliver_backoff_ms(const struct tb_deliver *deliver, unsigned n_attempts)
{
    const struct tb_config *config = &deliver->setup->config;
    return tb_backoff_ms(config->retry_min_ms, config->retry_max_ms, n_attempts);
}

bool tb_deliver_was_refused(const struct slot *slot)
{
    return slot->last_status == 400 || slot->last_status == 413 || slot->last_status == 422;
}

bool tb_deliver_is_broken(const struct tb_deliver *deliver)
{
    return deliver->streak >= TB_DELIVER_BROKEN;
}

/* ---- the endpoint ---- */

static void hold(struct tb_deliver *deliver, uint64_t now_ns)
{
    int64_t wait_ms = tb_deliver_backoff_ms(deliver, deliver->n_rounds++);
    deliver->hold_until_ns = now_ns + (uint64_t)wait_ms * TB_NS_PER_MS;
    deliver->held_ns = now_ns;
    deliver->rest_changed = true;
    deliver->is_stale = true; /* what is best may be another row then */
}

/* No answer, or none that Rollbar gives. A row that fails again and again says nothing new. */
static void no_answer(struct tb_deliver *deliver, const struct slot *slot, bool is_lasting)
{
    uint64_t now_ns = tb_clock_mono_ns();
    bool was_broken = tb_deliver_is_broken(deliver);
    tb_pace_ill(&deliver->pace, slot->sent_ns, now_ns);
    if (was_broken) {
        if (slot->sent_ns >= deliver->held_ns)
            hold(deliver, now_ns);
        return;
    }
    bool is_known = false;
    for (unsigned i = 0; i < deliver->streak; i++)
        is_known = is_known || deliver->failed[i] == slot->seq;
    if (!is_known)
        deliver->failed[deliver->streak++] = slot->seq;
    if (is_lasting)
        deliver->streak = TB_DELIVER_BROKEN;
    if (!tb_deliver_is_broken(deliver))
        return;
    tb_pace_halt(&deliver->pace, now_ns);
    deliver->n_rounds = 0;
    hold(deliver, now_ns);
}

static void an_answer(struct tb_deliver *deliver)
{
    if (tb_deliver_is_broken(deliver)) {
        deliver->is_over = true;
        deliver->rest_changed = true;
        deliver->is_stale = true;
    }
    deliver->streak = 0;
    deliver->hold_until_ns = 0;
}

/* ---- one reply ---- */

/* The longer one of what the service says and a back-off of ours: it may say 0 for ever. */
static void slow_down(struct tb_deliver *deliver, struct slot *slot)
{
    struct tb_queue *queue = slot->queue;
    int64_t own_ms = tb_deliver_backoff_ms(deliver, queue->n_slow++);
    int64_t wait_ms = slot->judgement.wait_ms > own_ms ? slot->judgement.wait_ms : own_ms;
    slot->judgement.wait_ms = wait_ms < TB_DELIVER_PAUSE_MAX_MS ? wait_ms : TB_DELIVER_PAUSE_MAX_MS;
    queue->is_doubtful = true;
    tb_pace_ill(&deliver->pace, slot->sent_ns, tb_clock_mono_ns());
}

static void pause_token(struct slot *slot)
{
    uint64_t random = 0;
    int64_t jitter_ms = slot->judgement.wait_ms / JITTER_PART;
    tb_id_random(&random, sizeof(random));
    if (jitter_ms > JITTER_MAX_MS)
        jitter_ms = JITTER_MAX_MS;
    slot->judgement.wait_ms += (int64_t)(random % ((uint64_t)jitter_ms + 1));
    int64_t until_ms = tb_deliver_wall_ms() + slot->judgement.wait_ms;
    if (until_ms > slot->queue->until_ms)
        slot->queue->until_ms = until_ms;
    tb_queue_clear(slot->queue); /* it makes way for others until then */
}

static void park_token(struct tb_queue *queue)
{
    queue->is_doubtful = true;
    queue->is_parked = true;
    tb_queue_clear(queue);
}

/* A row that is refused again and again while others are taken is what is wrong. */
static void give_up(struct tb_deliver *deliver, struct slot *slot)
{
    struct tb_sink_judgement *judgement = &slot->judgement;
    uint64_t recent_ns = 2 * (uint64_t)deliver->setup->config.retry_max_ms * TB_NS_PER_MS +
                         (uint64_t)RECENT_S * TB_NS_PER_S;
    char said[TB_SINK_REASON];
    if (judgement->verdict != TB_VERDICT_RETRY || slot->http_status == 0 ||
        slot->attempts + 1 < TRIES_MAX || deliver->last_ack_ns == 0 ||
        tb_clock_mono_ns() - deliver->last_ack_ns > recent_ns)
        return;
    memcpy(said, judgement->reason, sizeof(said));
    judgement->verdict = TB_VERDICT_DROP;
    (void)snprintf(judgement->reason, sizeof(judgement->reason), "given up after %d tries: %.200s",
                   slot->attempts + 1, said);
}

/* Refused as it is, but perhaps not as it can be made: once more, at once. */
static void try_repair(struct tb_deliver *deliver, struct slot *slot)
{
    struct tb_sink_judgement *judgement = &slot->judgement;
    struct tb_outbox_row row = {.data = NULL};
    struct tb_buf mended;
    bool may_repair = judgement->may_repair && !tb_deliver_was_refused(slot) && slot->seq > 0;
    judgement->may_repair = 0;
    if (!may_repair || tb_store_row(deliver->store, slot->seq, &row) < 0)
        return;
    tb_buf_init(&mended, TB_DELIVER_ITEM_BYTES);
    if (deliver->sink->repair(slot->http_status, row.data, row.data_len, &mended) > 0) {
        judgement->verdict = TB_VERDICT_RETRY;
        judgement->may_repair = 1;
    }
    tb_buf_done(&mended);
    tb_outbox_row_done(&row);
}

/* What it means for all that is not the row. */
static void heed(struct tb_deliver *deliver, struct slot *slot, bool is_lasting)
{
    struct tb_queue *queue = slot->queue;
    switch (slot->judgement.verdict) {
    case TB_VERDICT_ACK:
        tb_pace_well(&deliver->pace, slot->was_full);
        deliver->last_ack_ns = tb_clock_mono_ns();
        queue->is_doubtful = false;
        queue->n_slow = 0;
        queue->sent++;
        break;
    case TB_VERDICT_SLOW:
        slow_down(deliver, slot);
        break;
    case TB_VERDICT_PARK:
        park_token(queue);
        break;
    case TB_VERDICT_DROP:
        queue->refused++;
        break;
    case TB_VERDICT_RETRY:
    case TB_VERDICT_CREATE:
    case TB_VERDICT_RENEW:
    default:
        if (!slot->judgement.may_repair)
            no_answer(deliver, slot, is_lasting);
        break;
    }
    if (slot->judgement.verdict != TB_VERDICT_RETRY || slot->judgement.may_repair)
        an_answer(deliver);
    if (slot->judgement.wait_ms > 0)
        pause_token(slot);
}

static void add_judged(struct tb_deliver *deliver, struct slot *slot)
{
    slot->judged_ns = tb_clock_mono_ns();
    deliver->judged[deliver->n_judged++] = slot;
}

void tb_deliver_judge(struct tb_deliver *deliver, struct slot *slot, enum tb_verdict verdict,
                      const char *reason)
{
    memset(&slot->judgement, 0, sizeof(slot->judgement));
    slot->judgement.verdict = verdict;
    (void)snprintf(slot->judgement.reason, sizeof(slot->judgement.reason), "%s", reason);
    slot->http_status = 0;
    tb_sink_request_done(&slot->request);
    if (verdict == TB_VERDICT_PARK)
        park_token(slot->queue);
    add_judged(deliver, slot);
}

static void land(struct tb_deliver *deliver, struct slot *slot)
{
    struct slot *last = deliver->flying[--deliver->n_flying];
    deliver->flying[slot->flying_at] = last;
    last->flying_at = slot->flying_at;
    slot->queue->n_flying--;
    tb_sink_request_done(&slot->request);
}

void tb_deliver_collect(struct tb_deliver *deliver)
{
    struct tb_sink_reply reply;
    void *tag = NULL;
    while (tb_transport_next(deliver->setup->transport, &tag, &reply)) {
        struct slot *slot = tag;
        struct tb_sink_target target =
            tb_deliver_target(deliver, tb_deliver_token(deliver->setup, slot->queue));
        const struct tb_sink_item item = {.uuid = slot->uuid, .data = ""};
        deliver->sink->judge(&target, &reply, &item, 1, &slot->judgement);
        slot->http_status = reply.status;
        tb_pace_moved(&deliver->pace, tb_clock_mono_ns());
        land(deliver, slot);
        try_repair(deliver, slot);
        heed(deliver, slot, reply.is_lasting != 0);
        give_up(deliver, slot);
        add_judged(deliver, slot);
    }
}
