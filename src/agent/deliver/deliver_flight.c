/* deliver_flight.c - rows that go out together: made into a request, halved, sent once more. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- slots and flights ---- */

struct flight *tb_flight_new(struct tb_deliver *deliver, struct tb_queue *queue)
{
    struct flight *flight = deliver->spare;
    if (flight)
        deliver->spare = flight->next;
    else if (!(flight = malloc(sizeof(*flight))))
        return NULL;
    flight->queue = queue;
    flight->n = 0;
    flight->is_creating = flight->was_created = flight->was_renewed = false;
    flight->step = 0;
    tb_buf_init(&flight->request.body, 0);
    return flight;
}

void tb_flight_free(struct tb_deliver *deliver, struct flight *flight)
{
    flight->next = deliver->spare;
    deliver->spare = flight;
}

static void drop_data(struct slot *slot)
{
    free(slot->data);
    slot->data = NULL;
    slot->len = 0;
}

void tb_slot_free(struct tb_deliver *deliver, struct slot *slot)
{
    struct slot *last = deliver->held[--deliver->n_held];
    deliver->held[slot->held_at] = last;
    last->held_at = slot->held_at;
    drop_data(slot);
    slot->queue->n_held--;
    deliver->free[deliver->n_free++] = slot;
}

/* What was refused is sent as the sink mends it, where there is something to mend. */
static void mend(const struct tb_deliver *deliver, struct slot *slot)
{
    struct tb_buf mended;
    if (!deliver->sink->repair || !tb_deliver_was_refused(slot))
        return;
    tb_buf_init(&mended, TB_DELIVER_ITEM_BYTES);
    char *data = NULL;
    if (deliver->sink->repair(slot->last_status, slot->data, slot->len, &mended) > 0)
        data = malloc(mended.len + 1);
    if (data) {
        memcpy(data, tb_buf_str(&mended), mended.len + 1);
        free(slot->data);
        slot->data = data;
        slot->len = mended.len;
    }
    tb_buf_done(&mended);
}

void tb_flight_add(struct tb_deliver *deliver, struct flight *flight,
                   const struct tb_outbox_key *key, struct tb_outbox_row *row)
{
    struct slot *slot = deliver->free[--deliver->n_free];
    slot->held_at = deliver->n_held;
    deliver->held[deliver->n_held++] = slot;
    slot->queue = flight->queue;
    slot->seq = key->seq;
    slot->due_at_ms = key->due_at_ms;
    slot->attempts = key->attempts;
    slot->last_status = key->http_status;
    slot->http_status = 0;
    memcpy(slot->uuid, row->uuid, sizeof(slot->uuid));
    slot->data = row->data;
    slot->len = row->data_len;
    row->data = NULL;
    mend(deliver, slot);
    flight->queue->n_held++;
    flight->slots[flight->n++] = slot;
}

/* ---- those that wait ---- */

void tb_flight_wait(struct tb_deliver *deliver, struct flight *flight)
{
    flight->next = deliver->waiting;
    deliver->waiting = flight;
}

/* The rows from a place on become a flight of their own, which waits. Without memory for that they
 * go back. */
static void split(struct tb_deliver *deliver, struct flight *flight, size_t from)
{
    struct flight *rest = tb_flight_new(deliver, flight->queue);
    for (size_t i = from; i < flight->n; i++) {
        if (rest)
            rest->slots[rest->n++] = flight->slots[i];
        else
            tb_slot_free(deliver, flight->slots[i]);
    }
    flight->n = from;
    if (!rest) {
        deliver->is_stale = true;
        return;
    }
    rest->was_created = flight->was_created;
    rest->was_renewed = flight->was_renewed;
    tb_flight_wait(deliver, rest);
}

void tb_flight_halve(struct tb_deliver *deliver, struct flight *flight)
{
    split(deliver, flight, flight->n / 2);
    tb_flight_wait(deliver, flight);
}

static void give_back(struct tb_deliver *deliver, struct flight *flight)
{
    for (size_t i = 0; i < flight->n; i++)
        tb_slot_free(deliver, flight->slots[i]);
    deliver->is_stale = true;
    tb_flight_free(deliver, flight);
}

void tb_flight_release(struct tb_deliver *deliver)
{
    while (deliver->waiting) {
        struct flight *flight = deliver->waiting;
        deliver->waiting = flight->next;
        give_back(deliver, flight);
    }
}

/* One queue's requests that hang hold up no other's. */
static bool may_send(const struct tb_deliver *deliver, const struct tb_queue *queue,
                     const struct tb_queue_now *now)
{
    if (queue->n_flying == 0)
        return deliver->n_flying < now->limit + now->extra;
    return deliver->n_flying < now->limit && !queue->is_doubtful;
}

void tb_flight_send_waiting(struct tb_deliver *deliver, const struct tb_queue_now *now)
{
    struct flight **at = &deliver->waiting;
    while (*at) {
        struct flight *flight = *at;
        struct tb_queue *queue = flight->queue;
        /* What a parked queue is tried with goes on when something was made or renewed for it. */
        bool is_trial = flight->was_created || flight->was_renewed;
        bool is_held = queue->until_ms > now->wall_ms || (queue->is_parked && !is_trial);
        if (!is_held && !may_send(deliver, queue, now)) {
            at = &flight->next;
            continue;
        }
        *at = flight->next;
        if (is_held)
            give_back(deliver, flight);
        else
            tb_flight_send(deliver, flight);
        at = &deliver->waiting; /* sending may have put one in front */
    }
}

/* ---- the request ---- */

static void judge_all(struct tb_deliver *deliver, struct flight *flight, enum tb_verdict verdict,
                      const char *reason)
{
    for (size_t i = 0; i < flight->n; i++)
        tb_deliver_judge(deliver, flight->slots[i], verdict, reason);
    tb_sink_request_done(&flight->request);
    tb_flight_free(deliver, flight);
}

/* No request could be made, for a reason that is not the place it goes to. */
static void refuse(struct tb_deliver *deliver, struct flight *flight, int err)
{
    if (flight->is_creating || (err != -EMSGSIZE && err != -EINVAL)) {
        judge_all(deliver, flight, TB_VERDICT_RETRY, strerrordesc_np(-err));
    } else if (flight->n > 1) {
        tb_sink_request_done(&flight->request);
        tb_flight_halve(deliver, flight);
    } else if (err == -EMSGSIZE) {
        judge_all(deliver, flight, TB_VERDICT_DROP,
                  deliver->setup->sink.has_tokens ? "the item is larger than 512 KiB"
                                                  : "the item is larger than may be sent");
    } else {
        judge_all(deliver, flight, TB_VERDICT_DROP,
                  "no request can be made of it: the item is no object, or token or endpoint hold "
                  "what they may not");
    }
}

/* What is settled by the request stays in the flight, in its order; the rest waits. Rows of which
 * no request can be made are quarantined. */
static void sort_out(struct tb_deliver *deliver, struct flight *flight,
                     const struct tb_sink_item *items, size_t n_settled)
{
    size_t n_in = 0;
    for (size_t i = 0; i < flight->n; i++)
        flight->slots[i] = items[i].tag;
    if (n_settled < flight->n)
        split(deliver, flight, n_settled);
    for (size_t i = 0; i < flight->n; i++) {
        if (items[i].why)
            tb_deliver_judge(deliver, flight->slots[i], TB_VERDICT_DROP, items[i].why);
        else
            flight->slots[n_in++] = flight->slots[i];
    }
    flight->n = n_in;
}

static int encode(struct tb_deliver *deliver, struct flight *flight,
                  const struct tb_sink_target *target)
{
    struct tb_sink_item items[TB_SINK_BATCH];
    for (size_t i = 0; i < flight->n; i++) {
        const struct slot *slot = flight->slots[i];
        items[i] = (struct tb_sink_item){
            .uuid = slot->uuid, .data = slot->data, .len = slot->len, .tag = flight->slots[i]};
    }
    int n = deliver->sink->encode(target, items, flight->n, &flight->request);
    if (n > 0)
        sort_out(deliver, flight, items, (size_t)n < flight->n ? (size_t)n : flight->n);
    return n == 0 ? -EINVAL : n;
}

/* The step that is next, or behind the last one the rows again. */
static int encode_step(struct tb_deliver *deliver, struct flight *flight,
                       const struct tb_sink_target *target)
{
    int more = deliver->sink->prepare(target, flight->step, &flight->request);
    if (more != 0)
        return more;
    tb_sink_request_done(&flight->request);
    flight->is_creating = false;
    return encode(deliver, flight, target);
}

static void take_off(struct tb_deliver *deliver, struct flight *flight)
{
    flight->flying_at = deliver->n_flying;
    deliver->flying[deliver->n_flying++] = flight;
    flight->sent_ns = tb_clock_mono_ns();
    tb_pace_moved(&deliver->pace, flight->sent_ns);
    flight->queue->n_flying++;
    flight->was_full = deliver->n_flying >= tb_pace_limit(&deliver->pace);
    for (size_t i = 0; i < flight->n && !deliver->keeps_data; i++)
        drop_data(flight->slots[i]);
}

void tb_flight_send(struct tb_deliver *deliver, struct flight *flight)
{
    const char *token = tb_deliver_token(deliver->setup, flight->queue);
    struct tb_sink_target target = tb_deliver_target(deliver, token);
    if (!token[0] && deliver->setup->sink.has_tokens) {
        judge_all(deliver, flight, TB_VERDICT_PARK, "there is no access token");
        return;
    }
    int err = flight->is_creating ? encode_step(deliver, flight, &target)
                                  : encode(deliver, flight, &target);
    if (err > 0 && flight->n == 0) { /* none of them can be sent */
        judge_all(deliver, flight, TB_VERDICT_DROP, "");
        return;
    }
    if (err > 0)
        err = tb_transport_send(deliver->setup->transport, &flight->request, flight);
    if (err < 0)
        refuse(deliver, flight, err);
    else
        take_off(deliver, flight);
}

void tb_flight_land(struct tb_deliver *deliver, struct flight *flight)
{
    struct flight *last = deliver->flying[--deliver->n_flying];
    deliver->flying[flight->flying_at] = last;
    last->flying_at = flight->flying_at;
    flight->queue->n_flying--;
    tb_sink_request_done(&flight->request);
}
