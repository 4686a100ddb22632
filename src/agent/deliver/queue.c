/* queue.c - see queue.h. */
#include "agent/deliver/queue.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { FLOOR_EVERY = 16, S_PER_MINUTE = 60 };

/* ---- which queues there are ---- */

/* One that nothing would be lost with: the longest unused of those without keys and rows. */
static struct tb_queue *spare(struct tb_queues *queues)
{
    struct tb_queue *best = NULL;
    if (queues->n < TB_QUEUES)
        return &queues->queues[queues->n++];
    for (size_t i = 0; i < queues->n; i++) {
        struct tb_queue *queue = &queues->queues[i];
        if (queue->n_held > 0 || tb_queue_left(queue) > 0)
            continue;
        if (!best || queue->used_ns < best->used_ns)
            best = queue;
    }
    return best;
}

struct tb_queue *tb_queue_get(struct tb_queues *queues, const struct tb_outbox_token *token,
                              uint64_t now_ns)
{
    for (size_t i = 0; i < queues->n; i++) {
        if (queues->queues[i].id == token->id)
            return &queues->queues[i];
    }
    struct tb_queue *queue = spare(queues);
    if (!queue)
        return NULL;
    memset(queue, 0, sizeof(*queue));
    queue->id = token->id;
    (void)snprintf(queue->token, sizeof(queue->token), "%s", token->token);
    queue->bucket = 1;
    queue->bucket_ns = now_ns;
    queue->used_ns = now_ns;
    return queue;
}

void tb_queue_clear(struct tb_queue *queue)
{
    memset(queue->at, 0, sizeof(queue->at));
    memset(queue->n, 0, sizeof(queue->n));
    memset(queue->has_more, 0, sizeof(queue->has_more));
}

size_t tb_queue_left(const struct tb_queue *queue)
{
    size_t n_left = 0;
    for (int i = 0; i < TB_STORE_N_CLASSES; i++)
        n_left += queue->n[i] - queue->at[i];
    return n_left;
}

bool tb_queue_wants(const struct tb_queue *queue, int class_)
{
    return queue->has_more[class_] && queue->at[class_] == queue->n[class_];
}

/* ---- what may be sent ---- */

/* A second's worth may come at once. */
static double bucket_room(unsigned per_minute)
{
    double room = (double)per_minute / S_PER_MINUTE;
    return room > 1 ? room : 1;
}

static bool has_budget(struct tb_queue *queue, unsigned per_minute, uint64_t now_ns)
{
    if (per_minute == 0)
        return true;
    double passed_s = (double)(now_ns - queue->bucket_ns) / TB_NS_PER_S;
    double room = bucket_room(per_minute);
    queue->bucket += passed_s * per_minute / S_PER_MINUTE;
    if (queue->bucket > room)
        queue->bucket = room;
    queue->bucket_ns = now_ns;
    return queue->bucket >= 1;
}

uint64_t tb_queue_bucket_ns(const struct tb_queues *queues, uint64_t after_ns)
{
    uint64_t first_ns = 0;
    for (size_t i = 0; i < queues->n && queues->per_minute > 0; i++) {
        const struct tb_queue *queue = &queues->queues[i];
        if (tb_queue_left(queue) == 0)
            continue;
        double missing_s = (1 - queue->bucket) * S_PER_MINUTE / queues->per_minute;
        uint64_t at_ns =
            queue->bucket_ns + (missing_s > 0 ? (uint64_t)(missing_s * TB_NS_PER_S) + 1 : 0);
        if (at_ns > after_ns && (first_ns == 0 || at_ns < first_ns))
            first_ns = at_ns;
    }
    return first_ns;
}

/* Tokens that have, or would have, something under way. */
static unsigned count_active(const struct tb_queues *queues, int64_t now_ms)
{
    unsigned n_active = 0;
    for (size_t i = 0; i < queues->n; i++) {
        const struct tb_queue *queue = &queues->queues[i];
        n_active += queue->n_flying > 0 ||
                    (tb_queue_left(queue) > 0 && queue->until_ms <= now_ms && !queue->is_doubtful);
    }
    return n_active > 0 ? n_active : 1;
}

/* What this queue may have under way of n_flying in all. */
static bool has_share(const struct tb_queue *queue, const struct tb_queue_now *now,
                      unsigned n_flying, unsigned n_active)
{
    if (queue->n_flying == 0)
        return n_flying < now->limit + now->extra;
    unsigned share = (now->limit + n_active - 1) / n_active;
    return n_flying < now->limit && !queue->is_doubtful && queue->n_flying < share;
}

/* The class whose turn it is. */
static int pick_class(struct tb_queue *queue)
{
    int first = 0;
    while (queue->at[first] == queue->n[first])
        first++;
    if (first == 0)
        return 0;
    int oldest = -1;
    for (int i = first + 1; i < TB_STORE_N_CLASSES; i++) {
        if (queue->at[i] == queue->n[i])
            continue;
        if (oldest < 0 || queue->keys[i][queue->at[i]].due_at_ms <
                              queue->keys[oldest][queue->at[oldest]].due_at_ms)
            oldest = i;
    }
    if (oldest < 0 || ++queue->since_floor < FLOOR_EVERY)
        return first;
    queue->since_floor = 0;
    return oldest;
}

struct tb_queue *tb_queue_next(struct tb_queues *queues, const struct tb_queue_now *now,
                               unsigned n_flying, struct tb_outbox_key *key, int *class_)
{
    unsigned n_active = count_active(queues, now->wall_ms);
    for (size_t i = 0; i < queues->n; i++) {
        size_t at = (queues->turn + i) % queues->n;
        struct tb_queue *queue = &queues->queues[at];
        if (tb_queue_left(queue) == 0 || queue->until_ms > now->wall_ms ||
            !has_share(queue, now, n_flying, n_active) ||
            !has_budget(queue, queues->per_minute, now->mono_ns))
            continue;
        *class_ = pick_class(queue);
        *key = queue->keys[*class_][queue->at[*class_]++];
        if (queues->per_minute > 0)
            queue->bucket -= 1;
        queue->used_ns = now->mono_ns;
        queues->turn = at + 1;
        return queue;
    }
    return NULL;
}

bool tb_queue_more(struct tb_queue *queue, struct tb_outbox_key *key, int *class_)
{
    if (tb_queue_left(queue) == 0)
        return false;
    *class_ = pick_class(queue);
    *key = queue->keys[*class_][queue->at[*class_]++];
    return true;
}

void tb_queue_put_back(struct tb_queue *queue, int class_)
{
    queue->at[class_]--;
}
