/* deliver_internal.h - what the files of the delivery thread share: deliver.c has its life,
 * deliver_take.c which rows are sent when, deliver_flight.c how they are sent, deliver_reply.c what
 * the replies mean, deliver_settle.c stores that, deliver_status.c has what others are told,
 * deliver_setup.c the settings. */
#ifndef TB_AGENT_DELIVER_INTERNAL_H
#define TB_AGENT_DELIVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/aws/aws.h"
#include "agent/deliver/deliver.h"
#include "agent/deliver/pace.h"
#include "agent/deliver/queue.h"
#include "agent/deliver/transport.h"

enum {
    TB_DELIVER_CONNECTIONS = 64,
    TB_DELIVER_EXTRA = 3,      /* more, for tokens that have nothing under way */
    TB_DELIVER_UNSETTLED = 96, /* verdicts that wait for their commit */
    TB_DELIVER_SLOTS = TB_DELIVER_CONNECTIONS + TB_DELIVER_EXTRA + TB_DELIVER_UNSETTLED,
    TB_DELIVER_BATCHES = 8, /* full ones that rows are held for */
    TB_DELIVER_SLOTS_MAX = TB_DELIVER_BATCHES * TB_SINK_BATCH + TB_DELIVER_UNSETTLED,
    TB_DELIVER_BROKEN = 8, /* requests in a row without an answer: the endpoint answers nobody */
    TB_DELIVER_ALONE = 8,  /* so often a row fails in company */
    TB_DELIVER_PAUSE_MAX_MS = 3600 * 1000,
    TB_DELIVER_ITEM_BYTES = 512 << 10
};
_Static_assert((int)TB_DELIVER_SLOTS <= (int)TB_DELIVER_SLOTS_MAX, "of batches there are more");

/* A row between being taken and its verdict being stored.
 *   free -> held     taken, in a flight
 *   held -> judged   the reply came, or there will be none; or it cannot even be sent
 *   judged -> free   the verdict is committed
 *   held -> free     its flight was given up: it is still queued */
struct slot {
    struct tb_queue *queue;
    int64_t seq; /* of the row; 0: its database is gone, there is nothing to be stored */
    int64_t due_at_ms;
    char uuid[37];
    char *data; /* owned; NULL: it is not kept */
    size_t len;
    int attempts, last_status; /* before this one */
    int http_status;
    size_t held_at;     /* its place in held[] */
    int64_t backoff_ms; /* of a RETRY */
    uint64_t judged_ns;
    struct tb_sink_judgement judgement;
};

/* Rows of one queue that go out in one request.
 *   waiting -> flying    its turn has come: encoded and sent; what did not fit waits as another
 *   flying  -> waiting   once more, at once: its halves; after the steps of CREATE, after RENEW
 *   flying  -> free      its rows are judged */
struct flight {
    struct tb_queue *queue;
    struct slot *slots[TB_SINK_BATCH];
    size_t n;
    size_t flying_at; /* its place in flying[] */
    bool was_full;    /* the limit was used up when it was sent */
    bool is_creating; /* its request is that of step, of what CREATE asked for */
    unsigned step;
    bool was_created, was_renewed; /* that is done once */
    uint64_t sent_ns;
    struct tb_sink_request request;
    struct flight *next; /* in waiting or spare */
};

/* What is said to the operator, at most one line of each kind every ten seconds. */
enum said {
    SAID_SENT,
    SAID_RETRY,
    SAID_SLOW,
    SAID_DROP,
    SAID_PARK,
    SAID_STORE,
    SAID_NOTED,
    N_SAID
};

/* Settings and what is made of them. */
struct setup {
    struct tb_config config;     /* its delivery fields alone, owned */
    struct tb_deliver_sink sink; /* no text in it is NULL but region and service */
    char **texts;                /* those of sink, owned */
    size_t n_texts;
    const char **headers; /* those of sink.settings */
    struct tb_aws *aws;   /* NULL: nothing is asked of it */
    struct tb_transport *transport;
    char rest_name[32]; /* of this endpoint in the table of tokens */
};

struct tb_deliver {
    /* Set before the thread starts. */
    const struct tb_sink_type *sink;
    char called[64]; /* "delivery", "delivery to otlp": for the log */
    pthread_t thread;

    /* The thread's own. */
    struct tb_store *store;
    struct setup *setup;
    struct slot *slots; /* n_slots, of which: */
    size_t n_slots;
    struct slot *free[TB_DELIVER_SLOTS_MAX];
    struct slot *held[TB_DELIVER_SLOTS_MAX];   /* all others, of which */
    struct slot *judged[TB_DELIVER_SLOTS_MAX]; /* wait for their commit */
    size_t n_free, n_held, n_judged;
    struct flight *flying[TB_DELIVER_CONNECTIONS + TB_DELIVER_EXTRA];
    size_t n_flying;
    struct flight *waiting; /* the first one goes first */
    struct flight *spare;   /* for the next ones */
    bool keeps_data;        /* rows may be sent again without being read again */
    struct tb_sink_judgement judgements[TB_SINK_BATCH]; /* for a look */
    struct tb_sink_credentials credentials;             /* borrowed from setup->aws; or "" */
    int64_t clock_ms; /* the service's clock less ours, where it minds */
    struct tb_queues *queues;
    struct tb_outbox_token *tokens; /* TB_QUEUES, for a look */
    struct tb_pace pace;
    int64_t page;      /* id of the last token that was looked at */
    bool has_pages;    /* there are more tokens than queues were filled of */
    bool is_stale;     /* the outbox must be looked at: something has changed there */
    uint64_t took_ns;  /* monotonic; what could be sent then was */
    int64_t next_ms;   /* wall clock; when something more falls due; INT64_MAX: nothing */
    int64_t offset_ms; /* of the wall clock to the monotonic one, to see it step */
    bool is_changing;  /* other settings wait until nothing is under way */
    bool must_route;   /* tokens must be chosen anew */

    int64_t failed[TB_DELIVER_BROKEN]; /* rows that had no answer since there was one */
    unsigned streak;                   /* how many */
    unsigned n_rounds;                 /* tries of the endpoint since it answers nobody */
    uint64_t hold_until_ns, held_ns;   /* monotonic; nothing is taken before; since */
    bool rest_changed;                 /* that is to be stored */
    bool is_over;                      /* it has answered again: what waits is to be released */
    uint64_t last_ack_ns;

    unsigned n_store_errors;
    uint64_t store_retry_ns; /* monotonic; the database is left alone before */
    uint64_t clamp_ns;       /* monotonic; when tb_store_clamp is due */
    bool holds_changed;
    struct tb_store_holds holds;
    uint64_t told_ns; /* monotonic; when the tokens were told last */
    uint64_t said_ns[N_SAID];
    unsigned n_unsaid[N_SAID];
    bool has_parked; /* some token is parked */
    bool in_trouble; /* a failure was said, and no success since */

    atomic_uint_fast64_t asked; /* wakes so far */
    uint64_t seen; /* value of asked at the last look at the outbox; the thread's own */
    atomic_uint_fast64_t turned_ns;
    atomic_bool is_stopping;
    uint64_t stop_at_ns; /* monotonic; written before is_stopping */
    int wake_fd;         /* that the transport waits for too */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct setup *next_setup; /* to be taken over, or NULL */
    struct tb_deliver_status status;
    uint64_t handled; /* value of asked that the last look at the outbox had seen */
    bool is_idle;
};

/* ---- deliver_clock.c ---- */

/* Of the wall clock to the one that never steps. */
int64_t tb_deliver_offset_ms(void);
/* Was the wall clock set? Then what waits goes on waiting as long as it was to. Once a minute also
 * what waits too long is looked for. 0 or the store's error. */
int tb_deliver_follow_clock(struct tb_deliver *deliver);

/* ---- deliver_setup.c ---- */

int tb_deliver_setup_new(const struct tb_config *config, const struct tb_deliver_sink *sink,
                         int wake_fd, struct setup **out, char why[TB_STORE_WHY]);
void tb_deliver_setup_free(struct setup *setup);
/* What that queue is sent with; "" where tokens are needed: there is none. */
const char *tb_deliver_token(const struct setup *setup, const struct tb_queue *queue);
/* For people, without a secret. */
void tb_deliver_name_queue(const struct tb_deliver *deliver, const struct tb_queue *queue,
                           char out[TB_DELIVER_NAME]);
/* Whom a request with that token goes to. */
struct tb_sink_target tb_deliver_target(const struct tb_deliver *deliver, const char *token);
/* Chooses the tokens of what waits by the settings that hold now, and gives parked ones a new
 * chance. 0 or the store's error. */
int tb_deliver_route_all(struct tb_deliver *deliver);

/* Is all known that a request needs: region and credentials? Else the endpoint rests, and that is
 * told. May take some seconds. */
bool tb_deliver_can_send(struct tb_deliver *deliver);

/* Asks for credentials: 0, or a negative errno with why. */
int tb_deliver_credentials(struct tb_deliver *deliver, bool is_refused, char why[TB_AWS_WHY]);

/* ---- deliver_take.c ---- */

/* Sends what may be sent. 0, or the store's error. */
int tb_deliver_take(struct tb_deliver *deliver);
/* Keys that wait in memory for a connection or their bucket. */
bool tb_deliver_has_ready(const struct tb_deliver *deliver);
/* Is it the turn of further tokens? */
bool tb_deliver_has_page(const struct tb_deliver *deliver);
/* May anything be taken, as far as the endpoint goes? */
bool tb_deliver_is_open(const struct tb_deliver *deliver);

/* ---- deliver_flight.c ---- */

/* An empty one; NULL: no memory. */
struct flight *tb_flight_new(struct tb_deliver *deliver, struct tb_queue *queue);
/* Puts a row into it; there is a free slot. Consumes row. */
void tb_flight_add(struct tb_deliver *deliver, struct flight *flight,
                   const struct tb_outbox_key *key, struct tb_outbox_row *row);
/* Encodes and sends it; what no request can be made of is judged. Consumes flight. */
void tb_flight_send(struct tb_deliver *deliver, struct flight *flight);
/* Its request is over. */
void tb_flight_land(struct tb_deliver *deliver, struct flight *flight);
/* To be sent before anything new; in front of the others. */
void tb_flight_wait(struct tb_deliver *deliver, struct flight *flight);
/* Makes two of it, which wait. */
void tb_flight_halve(struct tb_deliver *deliver, struct flight *flight);
/* Sends those that wait, as far as the limit allows. */
void tb_flight_send_waiting(struct tb_deliver *deliver, const struct tb_queue_now *now);
/* Gives up those that wait: their rows are queued. */
void tb_flight_release(struct tb_deliver *deliver);
/* For the next one; its rows are others' by now. */
void tb_flight_free(struct tb_deliver *deliver, struct flight *flight);
/* A slot whose verdict is stored, or whose row goes back. */
void tb_slot_free(struct tb_deliver *deliver, struct slot *slot);

/* ---- deliver_reply.c ---- */

/* Turns replies that came in into judgements. */
void tb_deliver_collect(struct tb_deliver *deliver);
/* A judgement without a reply. */
void tb_deliver_judge(struct tb_deliver *deliver, struct slot *slot, enum tb_verdict verdict,
                      const char *reason);
/* Was its row refused as it is? Then it is sent mended. */
bool tb_deliver_was_refused(const struct slot *slot);
/* Is the endpoint one that answers nobody? */
bool tb_deliver_is_broken(const struct tb_deliver *deliver);
/* Makes it one, for a back-off: no request can be made. */
void tb_deliver_halt(struct tb_deliver *deliver);
/* Between retry_min and retry_max, twice as long at most with each attempt, at random. */
int64_t tb_deliver_backoff_ms(const struct tb_deliver *deliver, unsigned n_attempts);

/* ---- deliver_settle.c ---- */

/* Stores all judgements in one transaction, or keeps them. */
void tb_deliver_settle(struct tb_deliver *deliver);
/* Is it time to? */
bool tb_deliver_must_settle(const struct tb_deliver *deliver);
/* When, monotonic; 0: there is nothing to be settled. */
uint64_t tb_deliver_settle_ns(const struct tb_deliver *deliver);
/* Asks whether the database is still the one at its path; forgets all rows when it is not. */
int tb_deliver_check(struct tb_deliver *deliver);
/* Notes that the database failed, and when to use it again. */
void tb_deliver_store_failed(struct tb_deliver *deliver);
/* Notes that it works. */
void tb_deliver_store_worked(struct tb_deliver *deliver);
/* True while the database is left alone after a failure. */
bool tb_deliver_store_rests(const struct tb_deliver *deliver);

/* ---- deliver_status.c ---- */

/* Tells the other threads how things are after a look that began when they had asked so often. */
void tb_deliver_publish(struct tb_deliver *deliver, uint64_t asked);
/* The verdicts in judged[], which are stored, for the log and the counts. */
void tb_deliver_tell(struct tb_deliver *deliver);
/* Trouble that is no verdict of a row. */
void tb_deliver_tell_trouble(struct tb_deliver *deliver, const char *why);
/* May a line of this kind be said now? *n_more is how many were not said since the last. */
bool tb_deliver_may_say(struct tb_deliver *deliver, enum said kind, unsigned *n_more);

int64_t tb_deliver_wall_ms(void);

#endif
