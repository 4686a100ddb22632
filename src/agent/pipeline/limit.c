/* limit.c - see limit.h. Items stand in sets of few places, so that looking for one and forgetting
 * the one unused longest take the same time whatever comes. */
#include "agent/pipeline/limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"

enum { WAYS = 8, SETS = TB_LIMIT_ITEMS / WAYS, MINUTE_S = 60 };

struct bucket {
    uint64_t key[2];
    int64_t window;
    uint64_t used; /* when: a number that counts up; 0: never */
    uint64_t kept;
    int is_over; /* something was only counted in this window */
};

struct tb_limit {
    uint64_t seed[4];
    uint64_t now; /* counts up */
    struct bucket items[SETS][WAYS];
    struct bucket services[TB_LIMIT_SERVICES];
    struct bucket others; /* of the services that find no place */
};

int tb_limit_new(struct tb_limit **out)
{
    struct tb_limit *limit = calloc(1, sizeof(*limit));
    if (limit == NULL)
        return -ENOMEM;
    tb_id_random(limit->seed, sizeof(limit->seed));
    *out = limit;
    return 0;
}

void tb_limit_free(struct tb_limit *limit)
{
    free(limit);
}

/* ---- keys ---- */

__extension__ typedef unsigned __int128 wide;

/* Mixes all bits of both: their product, folded. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;
    return (uint64_t)(product >> 64) ^ (uint64_t)product;
}

static uint64_t hash(uint64_t seed, uint64_t turn, const char *const texts[3])
{
    uint64_t value = seed;
    for (int i = 0; i < 3; i++) {
        size_t len = strlen(texts[i]);
        for (size_t at = 0; at < len; at += 8) {
            uint64_t word = 0;
            memcpy(&word, texts[i] + at, len - at < 8 ? len - at : 8);
            value = mix(value ^ word, turn | 1);
        }
        value = mix(value ^ len, seed | 1);
    }
    return value;
}

static void key_of(const struct tb_limit *limit, const char *a, const char *b, const char *c,
                   uint64_t out[2])
{
    const char *const texts[3] = {a, b, c};
    out[0] = hash(limit->seed[0], limit->seed[1], texts);
    out[1] = hash(limit->seed[2], limit->seed[3], texts);
}

/* ---- buckets ---- */

static int is_of(const struct bucket *bucket, const uint64_t key[2], int64_t window)
{
    return bucket->used != 0 && bucket->key[0] == key[0] && bucket->key[1] == key[1] &&
           bucket->window == window;
}

static struct bucket *find(struct bucket *buckets, size_t n, const uint64_t key[2], int64_t window)
{
    for (size_t i = 0; i < n; i++)
        if (is_of(&buckets[i], key, window))
            return &buckets[i];
    return NULL;
}

static struct bucket *begin(struct bucket *bucket, const uint64_t key[2], int64_t window)
{
    *bucket = (struct bucket){.key = {key[0], key[1]}, .window = window};
    return bucket;
}

/* The windows of one item stand in different sets: a backlog has many. */
static struct bucket *set_of(struct tb_limit *limit, const uint64_t key[2], int64_t window)
{
    return limit->items[(key[0] + (uint64_t)window) % SETS];
}

static struct bucket *item_bucket(struct tb_limit *limit, const uint64_t key[2], int64_t window)
{
    struct bucket *set = set_of(limit, key, window);
    struct bucket *oldest = set;
    struct bucket *found = find(set, WAYS, key, window);
    for (size_t i = 1; found == NULL && i < WAYS; i++)
        oldest = set[i].used < oldest->used ? &set[i] : oldest;
    return found != NULL ? found : begin(oldest, key, window);
}

/* A service keeps its place while its window is the one that is asked for. */
static struct bucket *service_bucket(struct tb_limit *limit, const uint64_t key[2], int64_t window)
{
    static const uint64_t others[2];
    struct bucket *oldest = NULL;
    struct bucket *found = find(limit->services, TB_LIMIT_SERVICES, key, window);
    if (found != NULL)
        return found;
    for (size_t i = 0; i < TB_LIMIT_SERVICES; i++) {
        struct bucket *b = &limit->services[i];
        if ((b->used == 0 || b->window != window) && (oldest == NULL || b->used < oldest->used))
            oldest = b;
    }
    if (oldest != NULL)
        return begin(oldest, key, window);
    return is_of(&limit->others, others, window) ? &limit->others
                                                 : begin(&limit->others, others, window);
}

static int is_full(struct bucket *bucket, unsigned per_minute, unsigned minutes, int *is_first)
{
    if (per_minute == 0 || bucket->kept < (uint64_t)per_minute * minutes)
        return 0;
    *is_first = !bucket->is_over;
    bucket->is_over = 1;
    return 1;
}

enum tb_limit_verdict tb_limit_take(struct tb_limit *limit, const struct tb_limit_rates *rates,
                                    const struct tb_limit_event *event, struct tb_limit_taken *out)
{
    uint64_t window_ns = (uint64_t)rates->burst_minutes * MINUTE_S * TB_NS_PER_S;
    memset(out, 0, sizeof(*out));
    out->window = window_ns > 0 ? (int64_t)(event->time_ns / window_ns) : 0;
    key_of(limit, event->environment, event->fingerprint, "", out->item);
    key_of(limit, event->environment, event->service, event->is_crash ? "crash" : "", out->service);
    struct bucket *item = item_bucket(limit, out->item, out->window);
    struct bucket *service = service_bucket(limit, out->service, out->window);
    item->used = ++limit->now;
    service->used = limit->now;
    out->is_shared = service == &limit->others;
    if (is_full(item, rates->item_per_minute, rates->burst_minutes, &out->is_first)) {
        out->verdict = TB_LIMIT_ITEM;
    } else if (is_full(service, rates->service_per_minute, rates->burst_minutes, &out->is_first)) {
        out->verdict = TB_LIMIT_SERVICE;
    } else {
        item->kept++;
        service->kept++;
    }
    return out->verdict;
}

void tb_limit_give_back(struct tb_limit *limit, const struct tb_limit_taken *taken)
{
    if (taken->verdict != TB_LIMIT_KEEP)
        return;
    struct bucket *item =
        find(set_of(limit, taken->item, taken->window), WAYS, taken->item, taken->window);
    struct bucket *service =
        taken->is_shared ? &limit->others
                         : find(limit->services, TB_LIMIT_SERVICES, taken->service, taken->window);
    if (item != NULL && item->kept > 0)
        item->kept--;
    if (service != NULL && service->window == taken->window && service->kept > 0)
        service->kept--;
}
