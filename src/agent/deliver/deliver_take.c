/* deliver_take.c - which rows are sent when: looks at the outbox, and hands keys to the queues. */
#include "agent/deliver/deliver_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

/* ---- filling the queues ---- */

static bool is_held(const struct tb_deliver *deliver, const struct tb_queue *queue, int64_t seq)
{
    if (queue->n_held == 0)
        return false;
    for (size_t i = 0; i < deliver->n_held; i++) {
        if (deliver->held[i]->seq == seq)
            return true;
    }
    return false;
}

/* The next keys behind after, or the first. Rows that are held are still due in the database, and
 * mostly the first ones. */
static int fill_class(struct tb_deliver *deliver, struct tb_queue *queue, int class_,
                      const struct tb_outbox_key *after, int64_t now_ms)
{
    struct tb_outbox_key keys[TB_QUEUE_KEYS + TB_DELIVER_SLOTS_MAX];
    unsigned n_keys = 0;
    bool has_more;
    do {
        size_t max = TB_QUEUE_KEYS + (after ? 0 : queue->n_held);
        int n = tb_store_due(deliver->store, queue->id, class_, now_ms, after, keys, max);
        if (n < 0)
            return n;
        int i = 0;
        for (; i < n && n_keys < TB_QUEUE_KEYS; i++) {
            if (!is_held(deliver, queue, keys[i].seq))
                queue->keys[class_][n_keys++] = keys[i];
        }
        has_more = (size_t)n == max || i < n;
        if (i > 0)
            queue->last[class_] = keys[i - 1];
        after = &queue->last[class_];
    } while (n_keys == 0 && has_more);
    queue->at[class_] = 0;
    queue->n[class_] = n_keys;
    queue->has_more[class_] = has_more;
    return 0;
}

static int fill_queue(struct tb_deliver *deliver, struct tb_queue *queue, int64_t now_ms)
{
    int err = 0;
    tb_queue_clear(queue);
    for (int i = 0; i < TB_STORE_N_CLASSES && err == 0; i++)
        err = fill_class(deliver, queue, i, NULL, now_ms);
    return err;
}

/* The queue of a token that has not been met, or was forgotten. */
static int meet(struct tb_deliver *deliver, struct tb_queue *queue)
{
    int parked = 0;
    int64_t until_ms = 0;
    int err = deliver->has_parked ? tb_store_token_state(deliver->store, deliver->sink->name,
                                                         queue->token, &parked, &until_ms)
                                  : 0;
    queue->is_parked = parked != 0;
    queue->is_doubtful = queue->is_parked;
    return err;
}

/* Fills the queues of the next page of tokens. */
static int fill_page(struct tb_deliver *deliver, int64_t now_ms)
{
    struct tb_outbox_token *tokens = deliver->tokens;
    uint64_t now_ns = tb_clock_mono_ns();
    int n = tb_store_tokens(deliver->store, deliver->sink->name, deliver->page, now_ms, tokens,
                            TB_QUEUES);
    if (n == 0 && deliver->page > 0) /* the last page was the last */
        n = tb_store_tokens(deliver->store, deliver->sink->name, 0, now_ms, tokens, TB_QUEUES);
    if (n < 0)
        return n;
    for (size_t i = 0; i < deliver->queues->n; i++)
        tb_queue_clear(&deliver->queues->queues[i]);
    deliver->has_pages = deliver->page > 0 || n == TB_QUEUES;
    deliver->page = n == TB_QUEUES ? tokens[n - 1].id : 0;
    int err = 0;
    for (int i = 0; i < n && err == 0; i++) {
        struct tb_queue *queue = tb_queue_get(deliver->queues, &tokens[i], now_ns);
        if (!queue) { /* all are in use; what is left comes with the next page */
            deliver->page = i > 0 ? tokens[i - 1].id : 0;
            deliver->has_pages = true;
            break;
        }
        if (queue->used_ns == now_ns && queue->n_held == 0 && queue->sent == 0)
            err = meet(deliver, queue);
        if (err == 0)
            err = fill_queue(deliver, queue, now_ms);
    }
    return err;
}

/* Looks at the outbox anew. */
static int refresh(struct tb_deliver *deliver)
{
    const char *sink = deliver->sink->name;
    /* What is judged must not be found due again. */
    tb_deliver_settle(deliver);
    if (tb_deliver_store_rests(deliver))
        return 0;
    int64_t now_ms = tb_deliver_wall_ms();
    uint64_t asked = atomic_load(&deliver->asked);
    int n_probed = 0;
    int err = tb_deliver_check(deliver);
    /* Parked tokens get their one try at the longest back-off. */
    if (err >= 0 && deliver->has_parked)
        n_probed = tb_store_probe(deliver->store, sink, now_ms,
                                  (int64_t)deliver->setup->config.retry_max_ms);
    if (err < 0 || n_probed < 0)
        return err < 0 ? err : n_probed;
    if ((err = fill_page(deliver, now_ms)) < 0)
        return err;
    int64_t next_ms = tb_store_next_due(deliver->store, sink, now_ms);
    if (next_ms < -1)
        return (int)next_ms;
    deliver->next_ms = next_ms < 0 ? INT64_MAX : next_ms;
    deliver->is_stale = false;
    deliver->seen = asked;
    deliver->holds_changed = true;
    return 0;
}

/* Fills again what has run empty while the database had more. It goes on where it ended: what came
 * to stand before that since then makes the outbox be looked at anew. */
static int refill_queue(struct tb_deliver *deliver, struct tb_queue *queue)
{
    int err = 0;
    for (int i = 0; i < TB_STORE_N_CLASSES && err == 0; i++) {
        if (tb_queue_wants(queue, i))
            err = fill_class(deliver, queue, i, &queue->last[i], tb_deliver_wall_ms());
    }
    return err;
}

static int refill(struct tb_deliver *deliver)
{
    int err = 0;
    size_t n_left = 0;
    for (size_t i = 0; i < deliver->queues->n && err == 0; i++) {
        err = refill_queue(deliver, &deliver->queues->queues[i]);
        n_left += tb_queue_left(&deliver->queues->queues[i]);
    }
    if (err == 0 && n_left == 0 && deliver->has_pages)
        err = fill_page(deliver, tb_deliver_wall_ms());
    return err;
}

bool tb_deliver_has_page(const struct tb_deliver *deliver)
{
    for (size_t i = 0; i < deliver->queues->n && deliver->has_pages; i++) {
        if (tb_queue_left(&deliver->queues->queues[i]) > 0)
            return false;
    }
    return deliver->has_pages;
}

bool tb_deliver_has_ready(const struct tb_deliver *deliver)
{
    int64_t now_ms = tb_deliver_wall_ms();
    if (deliver->waiting)
        return true;
    for (size_t i = 0; i < deliver->queues->n; i++) {
        const struct tb_queue *queue = &deliver->queues->queues[i];
        if (queue->until_ms > now_ms)
            continue;
        if (tb_queue_left(queue) > 0)
            return true;
        for (int k = 0; k < TB_STORE_N_CLASSES; k++) {
            if (queue->has_more[k])
                return true;
        }
    }
    return tb_deliver_has_page(deliver);
}

bool tb_deliver_is_open(const struct tb_deliver *deliver)
{
    return !tb_deliver_is_broken(deliver) ||
           (deliver->n_flying == 0 && tb_clock_mono_ns() >= deliver->hold_until_ns);
}

/* ---- sending ---- */

/* Reads the key's row into the flight, where it fits: 1; 0: the row is gone; -EMSGSIZE: it does not
 * fit any more; or the store's error. */
static int add_row(struct tb_deliver *deliver, struct flight *flight,
                   const struct tb_outbox_key *key, size_t *bytes)
{
    struct tb_outbox_row row = {.data = NULL};
    int err = tb_store_row(deliver->store, key->seq, &row);
    if (err < 0)
        return err == -ENOENT ? 0 : err;
    if (flight->n > 0 && *bytes + row.data_len > deliver->sink->max_bytes) {
        tb_outbox_row_done(&row);
        return -EMSGSIZE;
    }
    *bytes += row.data_len;
    tb_flight_add(deliver, flight, key, &row);
    return 1;
}

/* Adds what may go with the first row: the next ones of its queue. One that failed often goes
 * alone, as it may be what makes the others fail. */
static int fill_flight(struct tb_deliver *deliver, struct flight *flight, size_t bytes)
{
    struct tb_queue *queue = flight->queue;
    struct tb_outbox_key key;
    int class_ = 0;
    int err = 0;
    while (flight->n < deliver->sink->batch && deliver->n_free > 0 &&
           flight->slots[0]->attempts < TB_DELIVER_ALONE) {
        if ((err = refill_queue(deliver, queue)) < 0 || !tb_queue_more(queue, &key, &class_))
            break;
        err = key.attempts < TB_DELIVER_ALONE ? add_row(deliver, flight, &key, &bytes) : -EMSGSIZE;
        if (err < 0) {
            tb_queue_put_back(queue, class_);
            break;
        }
    }
    return err == -EMSGSIZE || err > 0 ? 0 : err;
}

/* 0 also when the row is gone. */
static int take_key(struct tb_deliver *deliver, struct tb_queue *queue,
                    const struct tb_outbox_key *key)
{
    size_t bytes = 0;
    struct flight *flight = tb_flight_new(deliver, queue);
    if (!flight)
        return -ENOMEM;
    int err = add_row(deliver, flight, key, &bytes);
    if (err > 0 && deliver->sink->batch > 1)
        err = fill_flight(deliver, flight, bytes);
    if (flight->n > 0)
        tb_flight_send(deliver, flight);
    else
        tb_flight_free(deliver, flight);
    return err < 0 ? err : 0;
}

/* One transaction for all that is read: locks are taken once, not with each row. */
static int send_ready(struct tb_deliver *deliver, struct tb_queue_now *now)
{
    bool is_broken = tb_deliver_is_broken(deliver);
    bool is_reading = false;
    int err = 0;
    while (err == 0 && deliver->n_free > 0 && !tb_deliver_store_rests(deliver)) {
        struct tb_outbox_key key;
        int class_ = 0;
        now->limit = is_broken ? 1 : tb_pace_limit(&deliver->pace);
        struct tb_queue *queue =
            tb_queue_next(deliver->queues, now, (unsigned)deliver->n_flying, &key, &class_);
        if (!queue)
            break;
        if (!is_reading)
            err = tb_store_begin_read(deliver->store);
        is_reading = true;
        if (err < 0 || (err = take_key(deliver, queue, &key)) || is_broken)
            break;
        err = tb_queue_left(queue) == 0 ? refill(deliver) : refill_queue(deliver, queue);
    }
    if (is_reading)
        tb_store_rollback(deliver->store);
    return err;
}

int tb_deliver_take(struct tb_deliver *deliver)
{
    struct tb_queue_now now = {.wall_ms = tb_deliver_wall_ms(), .mono_ns = tb_clock_mono_ns()};
    int err = 0;
    if (!tb_deliver_is_open(deliver))
        return 0;
    now.limit = tb_deliver_is_broken(deliver) ? 1 : tb_pace_limit(&deliver->pace);
    now.extra = tb_deliver_is_broken(deliver) ? 0 : TB_DELIVER_EXTRA;
    if (deliver->waiting && tb_deliver_can_send(deliver))
        tb_flight_send_waiting(deliver, &now);
    if (!tb_deliver_is_open(deliver) || deliver->n_free == 0)
        return 0;
    if (deliver->is_stale || atomic_load(&deliver->asked) != deliver->seen ||
        now.wall_ms >= deliver->next_ms)
        err = refresh(deliver);
    else
        err = refill(deliver);
    bool is_ready = tb_deliver_has_ready(deliver);
    if (is_ready && !tb_deliver_is_broken(deliver))
        tb_pace_widen(&deliver->pace, (unsigned)deliver->n_flying, now.mono_ns);
    deliver->took_ns = now.mono_ns;
    if (err == 0 && is_ready && tb_deliver_can_send(deliver))
        err = send_ready(deliver, &now);
    if (err < 0)
        deliver->is_stale = true; /* a key that was taken from its queue may have no request */
    return err;
}
