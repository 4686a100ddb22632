/* queue.h - the queues of the tokens in memory: which row goes next. Pure but for the clock that it
 * is told.
 *
 * A queue holds the keys of rows that are due, a few of each class; the rows stay in the database.
 * 1. Tokens take turns. Within a token crashes come first, then errors, warnings, chatter; but each
 *    sixteenth that is no crash is the oldest of the lower classes, so none waits for ever.
 * 2. A queue sends nothing while it is paused, while its bucket is empty, or while its share of
 * what may be under way is used up. A doubtful token, told to slow down or refused before, has one
 *    request under way until one goes through.
 * 3. There are at most TB_QUEUES; further tokens wait until one of these is empty. */
#ifndef TB_AGENT_QUEUE_H
#define TB_AGENT_QUEUE_H

#include <stdbool.h>

#include "store/store.h"

enum { TB_QUEUES = 64, TB_QUEUE_KEYS = 32 };

struct tb_queue {
    int64_t id; /* of the token; 0: not used */
    char token[128];
    struct tb_outbox_key keys[TB_STORE_N_CLASSES][TB_QUEUE_KEYS];
    unsigned at[TB_STORE_N_CLASSES], n[TB_STORE_N_CLASSES]; /* keys from at to n are left */
    bool has_more[TB_STORE_N_CLASSES]; /* the database had more than there was room for, */
    struct tb_outbox_key last[TB_STORE_N_CLASSES]; /* behind this one */
    bool is_doubtful;                              /* one request at a time */
    unsigned n_held;   /* rows between being taken and their verdict; of which */
    unsigned n_flying; /* so many are under way */
    unsigned n_slow;   /* times that it was told to slow down, in a row */
    unsigned since_floor;
    double bucket;         /* requests that may be sent at once */
    uint64_t bucket_ns;    /* monotonic; when that was so */
    int64_t until_ms;      /* wall clock; paused until then */
    bool is_parked;        /* refused, and no probe of it is known to have gone through */
    int64_t sent, refused; /* since the start */
    uint64_t used_ns;      /* monotonic; when it last had a row */
};

/* What holds for all of them. */
struct tb_queues {
    struct tb_queue queues[TB_QUEUES];
    size_t n;            /* those behind were never used */
    size_t turn;         /* whose turn it is */
    unsigned per_minute; /* requests of one token; 0: no limit */
};

struct tb_queue_now {
    uint64_t mono_ns;
    int64_t wall_ms;
    unsigned limit; /* requests under way that there may be */
    unsigned extra; /* beyond it, for tokens that have none */
};

/* The queue of that token: the one there is, or an unused one; NULL when all are in use. */
struct tb_queue *tb_queue_get(struct tb_queues *queues, const struct tb_outbox_token *token,
                              uint64_t now_ns);
/* Forgets all keys. */
void tb_queue_clear(struct tb_queue *queue);
size_t tb_queue_left(const struct tb_queue *queue);
/* Must that class be filled before the next key is taken, to keep the order? */
bool tb_queue_wants(const struct tb_queue *queue, int class_);
/* Takes the next key of all queues that may send now, with n_flying under way in all; NULL: none
 * may. *class_ and *key are written. The caller counts n_held and n_flying up, and down again. */
struct tb_queue *tb_queue_next(struct tb_queues *queues, const struct tb_queue_now *now,
                               unsigned n_flying, struct tb_outbox_key *key, int *class_);
/* The next key of that queue alone, to go with the one that was taken; false: there is none in
 * memory. */
bool tb_queue_more(struct tb_queue *queue, struct tb_outbox_key *key, int *class_);
/* Takes the key back that was given last, of that class, before anything else is done. */
void tb_queue_put_back(struct tb_queue *queue, int class_);
/* When the first bucket with keys that was empty at after_ns has something again, monotonic; 0:
 * none was. */
uint64_t tb_queue_bucket_ns(const struct tb_queues *queues, uint64_t after_ns);

#endif
