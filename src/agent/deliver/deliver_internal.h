/* deliver_internal.h - what the two files of the delivery thread share. */
#ifndef TB_AGENT_DELIVER_INTERNAL_H
#define TB_AGENT_DELIVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/deliver/deliver.h"
#include "agent/deliver/transport.h"

/* A slot is one row between being taken and its verdict being stored.
 *   FREE -> FLYING   taken and sent                         (take_due)
 *   FREE -> JUDGED   cannot even be sent: verdict without a request (take_due)
 *   FLYING -> JUDGED the reply came, or there will be none  (tb_deliver_collect)
 *   JUDGED -> FREE   the verdict is committed               (tb_deliver_settle) */
enum slot_state { SLOT_FREE, SLOT_FLYING, SLOT_JUDGED };

struct slot {
    enum slot_state state;
    char uuid[37];
    char token[128]; /* as the row has it: "" for the agent's own */
    int attempts;    /* before this one */
    int http_status;
    struct tb_sink_request request;
    struct tb_sink_judgement judgement;
};

/* What is said to the operator, at most one line of each kind every ten seconds. */
enum said { SAID_SENT, SAID_RETRY, SAID_SLOW, SAID_DROP, SAID_PARK, SAID_STORE, N_SAID };

struct tb_deliver {
    /* Set before the thread starts. */
    const struct tb_sink_type *sink;
    char *endpoint, *token;
    unsigned retry_min_ms, retry_max_ms;
    size_t n_slots;
    pthread_t thread;

    /* The thread's own. */
    struct tb_store *store;
    struct tb_transport *transport;
    struct slot *slots;
    char (*busy)[37]; /* n_slots uuids */
    struct tb_outbox_row *rows;
    int64_t looked_ms;      /* wall clock; all that was due then was taken; 0: not looked */
    unsigned streak;        /* replies without an answer since one came */
    uint64_t hold_until_ns; /* monotonic; the endpoint answers nobody: nothing is taken before */
    unsigned n_store_errors;
    uint64_t store_retry_ns; /* monotonic; the database is left alone before */
    uint64_t clamp_ns;       /* monotonic; when tb_store_clamp is due */
    uint64_t said_ns[N_SAID];
    unsigned n_unsaid[N_SAID];
    bool has_parked; /* some token is parked */
    bool in_trouble; /* a failure was said, and no success since */

    atomic_uint_fast64_t asked; /* wakes so far */
    atomic_bool is_stopping;
    bool is_halted;      /* the thread is gone; of whoever stops it */
    uint64_t stop_at_ns; /* monotonic; written before is_stopping */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct tb_deliver_status status;
    uint64_t handled; /* value of asked that the last look at the outbox had seen */
    bool is_idle;
};

/* Turns replies that came in into judgements. */
void tb_deliver_collect(struct tb_deliver *deliver);
/* Stores all judgements in one transaction, or keeps them. */
void tb_deliver_settle(struct tb_deliver *deliver);
/* Notes that the database failed, and when to use it again. */
void tb_deliver_store_failed(struct tb_deliver *deliver);
/* Notes that it works. */
void tb_deliver_store_worked(struct tb_deliver *deliver);
/* True while the database is left alone after a failure. */
bool tb_deliver_store_rests(const struct tb_deliver *deliver);
/* Is the endpoint one that answers nobody? */
bool tb_deliver_is_broken(const struct tb_deliver *deliver);
/* Between retry_min and retry_max, twice as long at most with each attempt, at random. */
int64_t tb_deliver_backoff_ms(const struct tb_deliver *deliver, unsigned n_attempts);
size_t tb_deliver_count(const struct tb_deliver *deliver, enum slot_state state);

#endif
