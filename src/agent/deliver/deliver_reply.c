/* deliver_reply.c - what a reply means: for the rows, their token, the pace and the endpoint.
 *
 * All but the rows' own state counts at once; that is stored by deliver_settle.c. */
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
    tb_flight_release(deliver);
    deliver->is_stale = true; /* what is best may be another row then */
}

/* No answer, or none that the sink gives. A row that fails again and again says nothing new. */
static void no_answer(struct tb_deliver *deliver, const struct flight *flight, bool is_lasting)
{
    const struct slot *slot = flight->slots[0];
    uint64_t now_ns = tb_clock_mono_ns();
    bool was_broken = tb_deliver_is_broken(deliver);
    tb_pace_ill(&deliver->pace, flight->sent_ns, now_ns);
    if (was_broken) {
        if (flight->sent_ns >= deliver->held_ns)
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

void tb_deliver_halt(struct tb_deliver *deliver)
{
    uint64_t now_ns = tb_clock_mono_ns();
    bool must_store = deliver->rest_changed;
    if (!tb_deliver_is_broken(deliver))
        deliver->n_rounds = 0;
    deliver->streak = TB_DELIVER_BROKEN;
    tb_pace_halt(&deliver->pace, now_ns);
    hold(deliver, now_ns);
    deliver->rest_changed = must_store; /* it was not asked: a restart may ask it at once */
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
static int64_t slow_down(struct tb_deliver *deliver, const struct flight *flight, int64_t said_ms)
{
    struct tb_queue *queue = flight->queue;
    int64_t own_ms = tb_deliver_backoff_ms(deliver, queue->n_slow++);
    int64_t wait_ms = said_ms > own_ms ? said_ms : own_ms;
    queue->is_doubtful = true;
    tb_pace_ill(&deliver->pace, flight->sent_ns, tb_clock_mono_ns());
    return wait_ms < TB_DELIVER_PAUSE_MAX_MS ? wait_ms : TB_DELIVER_PAUSE_MAX_MS;
}

/* Returns for how long it is. */
static int64_t pause_token(struct tb_queue *queue, int64_t wait_ms)
{
    uint64_t random = 0;
    int64_t jitter_ms = wait_ms / JITTER_PART;
    tb_id_random(&random, sizeof(random));
    if (jitter_ms > JITTER_MAX_MS)
        jitter_ms = JITTER_MAX_MS;
    wait_ms += (int64_t)(random % ((uint64_t)jitter_ms + 1));
    int64_t until_ms = tb_deliver_wall_ms() + wait_ms;
    if (until_ms > queue->until_ms)
        queue->until_ms = until_ms;
    tb_queue_clear(queue); /* it makes way for others until then */
    return wait_ms;
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
    bool may_repair = judgement->may_repair && deliver->sink->repair &&
                      !tb_deliver_was_refused(slot) && slot->seq > 0;
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

/* ---- what it means for all that is not the rows ---- */

/* How many rows have which verdict; those that are sent again mended are in none. */
struct tally {
    unsigned n[TB_VERDICT_RENEW + 1], n_mended;
    int64_t wait_ms; /* the longest */
};

static void count(const struct flight *flight, struct tally *out)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < flight->n; i++) {
        const struct tb_sink_judgement *judgement = &flight->slots[i]->judgement;
        if (judgement->may_repair)
            out->n_mended++;
        else
            out->n[judgement->verdict]++;
        if (judgement->wait_ms > out->wait_ms)
            out->wait_ms = judgement->wait_ms;
    }
}

/* One pause for all of it: the first row that asks for one has it. */
static void pause_for(struct flight *flight, int64_t wait_ms)
{
    for (size_t i = 0; i < flight->n; i++)
        flight->slots[i]->judgement.wait_ms = 0;
    flight->slots[0]->judgement.wait_ms = pause_token(flight->queue, wait_ms);
}

static void heed(struct tb_deliver *deliver, struct flight *flight, bool is_lasting,
                 uint64_t now_ns)
{
    struct tb_queue *queue = flight->queue;
    struct tally tally;
    count(flight, &tally);
    if (tally.n[TB_VERDICT_ACK] > 0) {
        tb_pace_well(&deliver->pace, flight->was_full);
        deliver->last_ack_ns = now_ns;
        queue->is_doubtful = false;
        queue->n_slow = 0;
        queue->sent += tally.n[TB_VERDICT_ACK];
    }
    queue->refused += tally.n[TB_VERDICT_DROP];
    if (tally.n[TB_VERDICT_SLOW] > 0)
        tally.wait_ms = slow_down(deliver, flight, tally.wait_ms);
    if (tally.n[TB_VERDICT_PARK] > 0)
        park_token(queue);
    if (tally.n[TB_VERDICT_RETRY] == flight->n)
        no_answer(deliver, flight, is_lasting);
    else
        an_answer(deliver);
    if (tally.wait_ms > 0)
        pause_for(flight, tally.wait_ms);
}

static void add_judged(struct tb_deliver *deliver, struct slot *slot, uint64_t now_ns)
{
    slot->judged_ns = now_ns;
    deliver->judged[deliver->n_judged++] = slot;
}

void tb_deliver_judge(struct tb_deliver *deliver, struct slot *slot, enum tb_verdict verdict,
                      const char *reason)
{
    memset(&slot->judgement, 0, sizeof(slot->judgement));
    slot->judgement.verdict = verdict;
    (void)snprintf(slot->judgement.reason, sizeof(slot->judgement.reason), "%s", reason);
    slot->http_status = 0;
    if (verdict == TB_VERDICT_RETRY)
        slot->backoff_ms = tb_deliver_backoff_ms(deliver, (unsigned)slot->attempts);
    if (verdict == TB_VERDICT_PARK)
        park_token(slot->queue);
    add_judged(deliver, slot, tb_clock_mono_ns());
}

/* ---- once more, at once ---- */

/* Is there something to be made first? */
static bool create(struct tb_deliver *deliver, struct flight *flight)
{
    if (flight->was_created || !deliver->sink->prepare)
        return false;
    flight->was_created = true;
    flight->is_creating = true;
    flight->step = 0;
    return true;
}

/* Other credentials, or another clock. */
static bool renew(struct tb_deliver *deliver, struct flight *flight,
                  struct tb_sink_judgement *judgement)
{
    char why[TB_AWS_WHY] = "";
    if (flight->was_renewed)
        return false;
    flight->was_renewed = true;
    if (judgement->clock_ms != 0) {
        deliver->clock_ms = judgement->clock_ms;
        return true;
    }
    if (!deliver->setup->aws)
        return false;
    if (tb_deliver_credentials(deliver, true, why) == 0)
        return true;
    (void)snprintf(judgement->reason, sizeof(judgement->reason), "%s", why);
    return false;
}

/* Refused as a whole, not row by row: one of them may be what is wrong. A 5xx that is for good says
 * nothing of that, and the same rows may be there already. */
static bool is_refused(const struct flight *flight, int status)
{
    for (size_t i = 0; i < flight->n; i++) {
        if (flight->slots[i]->judgement.verdict != TB_VERDICT_DROP)
            return false;
    }
    return flight->n > 1 && (status < 200 || status >= 300) && status < 500;
}

/* Does it go out once more? What cannot be helped by that is tried later. */
static bool goes_again(struct tb_deliver *deliver, struct flight *flight, int status)
{
    bool is_again = false;
    if (is_refused(flight, status)) {
        an_answer(deliver);
        tb_flight_halve(deliver, flight);
        return true;
    }
    for (size_t i = 0; i < flight->n && !is_again; i++) {
        struct tb_sink_judgement *judgement = &flight->slots[i]->judgement;
        if (judgement->verdict == TB_VERDICT_CREATE)
            is_again = create(deliver, flight);
        else if (judgement->verdict == TB_VERDICT_RENEW)
            is_again = renew(deliver, flight, judgement);
        if (!is_again &&
            (judgement->verdict == TB_VERDICT_CREATE || judgement->verdict == TB_VERDICT_RENEW))
            judgement->verdict = TB_VERDICT_RETRY;
    }
    if (is_again)
        tb_flight_wait(deliver, flight);
    return is_again;
}

/* ---- one reply ---- */

/* A step of CREATE. True when the next one follows; else its verdict is that of all rows. */
static bool judge_step(struct tb_deliver *deliver, struct flight *flight,
                       const struct tb_sink_target *target, const struct tb_sink_reply *reply)
{
    struct tb_sink_judgement judgement = {.verdict = TB_VERDICT_RETRY};
    deliver->sink->judge_step(target, flight->step, reply, &judgement);
    if (judgement.verdict == TB_VERDICT_ACK) {
        flight->step++;
        tb_flight_wait(deliver, flight);
        return true;
    }
    flight->is_creating = false;
    for (size_t i = 0; i < flight->n; i++)
        flight->slots[i]->judgement = judgement;
    return false;
}

static void judge_rows(struct tb_deliver *deliver, struct flight *flight,
                       const struct tb_sink_target *target, const struct tb_sink_reply *reply)
{
    struct tb_sink_item items[TB_SINK_BATCH];
    for (size_t i = 0; i < flight->n; i++) {
        struct slot *slot = flight->slots[i];
        items[i] = (struct tb_sink_item){.uuid = slot->uuid,
                                         .data = slot->data ? slot->data : "",
                                         .len = slot->len,
                                         .tag = slot};
        deliver->judgements[i] = (struct tb_sink_judgement){.verdict = TB_VERDICT_RETRY};
    }
    deliver->sink->judge(target, reply, items, flight->n, deliver->judgements);
    for (size_t i = 0; i < flight->n; i++)
        flight->slots[i]->judgement = deliver->judgements[i];
}

/* Those of one request that are tried later are tried together again. What is taken draws no random
 * number: that is a system call. */
static void finish(struct tb_deliver *deliver, struct flight *flight, uint64_t now_ns)
{
    int64_t backoff_ms = 0;
    for (size_t i = 0; i < flight->n; i++) {
        struct slot *slot = flight->slots[i];
        if (slot->judgement.verdict == TB_VERDICT_RETRY && backoff_ms == 0)
            backoff_ms = tb_deliver_backoff_ms(deliver, (unsigned)flight->slots[0]->attempts);
        slot->backoff_ms = backoff_ms;
        give_up(deliver, slot);
        add_judged(deliver, slot, now_ns);
    }
    tb_flight_free(deliver, flight);
}

static void collect_one(struct tb_deliver *deliver, struct flight *flight,
                        const struct tb_sink_reply *reply)
{
    struct tb_sink_target target =
        tb_deliver_target(deliver, tb_deliver_token(deliver->setup, flight->queue));
    uint64_t now_ns = tb_clock_mono_ns();
    tb_pace_moved(&deliver->pace, now_ns);
    tb_flight_land(deliver, flight);
    for (size_t i = 0; i < flight->n; i++)
        flight->slots[i]->http_status = reply->status;
    if (!flight->is_creating)
        judge_rows(deliver, flight, &target, reply);
    else if (judge_step(deliver, flight, &target, reply))
        return;
    if (goes_again(deliver, flight, reply->status))
        return;
    for (size_t i = 0; i < flight->n; i++)
        try_repair(deliver, flight->slots[i]);
    heed(deliver, flight, reply->is_lasting != 0, now_ns);
    finish(deliver, flight, now_ns);
}

void tb_deliver_collect(struct tb_deliver *deliver)
{
    struct tb_sink_reply reply;
    void *tag = NULL;
    while (tb_transport_next(deliver->setup->transport, &tag, &reply))
        collect_one(deliver, tag, &reply);
}
