/* store.h - items, occurrences and the outbox in one SQLite database, STATE_DIR/towbar.db.
 *
 * 1. An occurrence and its outbox rows are stored in one transaction; a uuid is stored once.
 * 2. A handle belongs to one thread; several handles and processes may be open (WAL).
 * 3. received = sent + dropped + quarantined + queued + in flight, for each sink (in flight counts
 *    as queued: an outbox row says "queued" until its verdict is committed). Triggers keep the sums
 *    and a CHECK of the database refuses a change that breaks them.
 * 4. What is committed is not safe while the file has lost its name: ask tb_store_check first.
 * 5. A database that is newer than the program, damaged or no towbar database is refused with a
 *    sentence that says how to go on.
 * docs/database.md describes the tables. */
#ifndef TB_STORE_STORE_H
#define TB_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

struct tb_store;

enum { TB_STORE_WHY = 512 };
enum tb_store_mode { TB_STORE_WRITE, TB_STORE_READ };

/* Opens STATE_DIR/towbar.db. TB_STORE_WRITE creates folder (mode 0700), database (0600) and tables.
 * TB_STORE_READ gives -ENOENT when there is none yet. Otherwise 0, or with why: -EPROTONOSUPPORT
 * (newer than this program), -EPROTO (not towbar's), -EBADMSG (damaged), -EBUSY (locked), -ENOSPC,
 * -EACCES and what else the file system says. A handle may move to another thread as long as only
 * one uses it at a time. */
int tb_store_open(const char *state_dir, enum tb_store_mode mode, struct tb_store **out,
                  char why[TB_STORE_WHY]);
void tb_store_close(struct tb_store *store);
/* Why the last call failed, with the way out. Borrowed until the next call. */
const char *tb_store_error(const struct tb_store *store);

/* How long a lock of another program is waited for; 5 s from the start. */
void tb_store_busy(struct tb_store *store, int ms);
/* Gives back memory that only helps while there is work: it is idle now. */
void tb_store_shrink(struct tb_store *store);
/* Is the file at its path still the one that is open, and a database? 0; 1: it was moved or
 * deleted, and what is at the path now was opened, or a new one made: nothing of before is in it,
 * which tb_store_error says; or a negative errno as from tb_store_open. Not within a transaction.
 */
int tb_store_check(struct tb_store *store);

/* ---- writing (the pipeline) ---- */

/* Everything borrowed for the call; strings may be "" where unknown, never NULL. */
struct tb_occurrence {
    const char *uuid; /* text form */
    const char *fingerprint, *environment, *service;
    const char *title, *level, *framework;
    const char *trace_id;      /* 32 hex digits or "" */
    const char *xray_trace_id; /* 32 hex digits or "" */
    const char *span_id;
    const char *group_inputs; /* JSON: why it was grouped */
    int class_;               /* enum tb_spool_class: delivery order */
    uint64_t occurred_ns, received_ns;
    const char *data; /* the envelope's data object, JSON, as it is sent */
    size_t data_len;
};

/* An outbox row to be made: the sink, and the queue that it stands in there. Borrowed for the call.
 */
struct tb_outbox_to {
    const char *sink;  /* "rollbar" */
    const char *token; /* the name of the queue; of Rollbar "" is that of the agent's own token */
};

/* Between begin and commit everything is one transaction. After a failed add the transaction may
 * go on without that occurrence, unless commit then fails too. Without begin each call is its own
 * transaction. A failed commit has been rolled back. */
int tb_store_begin(struct tb_store *store);
/* So that what is read until tb_store_rollback belongs together, and locks are taken once. Nothing
 * is written meanwhile. */
int tb_store_begin_read(struct tb_store *store);
int tb_store_commit(struct tb_store *store);
void tb_store_rollback(struct tb_store *store);
/* 0; 1 when the uuid is known already (nothing changes but a counter); or a negative errno, -EINVAL
 * for a uuid that is empty or over 36 bytes or a token over 127. to has the outbox rows to make,
 * one at most for each sink. Rows for a parked token are parked at once. */
int tb_store_add(struct tb_store *store, const struct tb_occurrence *occurrence,
                 const struct tb_outbox_to *to, size_t n_to);
/* Adds to a named counter ("dropped.rate", "duplicates"). */
int tb_store_count(struct tb_store *store, const char *name, int64_t add);
/* The same for what has a uuid and no row: 1, and nothing is counted, when it is known. The last
 * TB_STORE_COUNTED are. */
int tb_store_count_once(struct tb_store *store, const char *uuid, const char *name, int64_t add);
/* Makes all that was committed survive a power failure. */
int tb_store_sync(struct tb_store *store);

/* ---- storms (the pipeline): docs/storms.md ---- */

enum { TB_STORE_COUNTED = 65536, TB_STORE_KINDS = 1000 };

/* Counts an event that is over its limit, or stores it as the representative of those that come
 * after it where none is open. instead is what is stored then, under the event's uuid; NULL: the
 * event itself. to has its outbox rows; an event that is counted is received and dropped there. 0:
 * it was counted; 1: its uuid is known; 2: it was stored, and is not due before the representative
 * is closed; or a negative errno as from tb_store_add. */
int tb_store_collapse(struct tb_store *store, const struct tb_occurrence *event,
                      const struct tb_occurrence *instead, const struct tb_outbox_to *to,
                      size_t n_to);

/* An open representative. */
struct tb_storm {
    int64_t item, seq, repeated, kinds;
    int64_t since_ns, until_ns;
    char *data; /* owned: tb_storm_done */
    size_t data_len;
};
/* The first one that was opened at opened_to_ms or before, or after now_ms. 0; -ENOENT: there is
 * none. */
int tb_store_storm_due(struct tb_store *store, int64_t opened_to_ms, int64_t now_ms,
                       struct tb_storm *out);
/* Closes it, with other data (NULL: as they are): it is due now. */
int tb_store_storm_close(struct tb_store *store, const struct tb_storm *storm, const char *data,
                         size_t data_len);
void tb_storm_done(struct tb_storm *storm);

/* ---- the bound (the pipeline): docs/database.md, "When it is full" ---- */

enum { TB_THIN_ROWS = 512, TB_THIN_ITEMS = 64 };
enum tb_thin_level {
    TB_THIN_HOURS, /* one an hour of the last seven days, one a day before, is kept */
    TB_THIN_DAYS,
    TB_THIN_ENDS, /* the first and the last ten of an item */
    TB_THIN_LAST  /* the last one */
};

/* How far the thinning is; zeros at first. */
struct tb_thin {
    int is_on, is_done, is_helpless; /* is_helpless: what is there may not go, for a minute */
    enum tb_thin_level level;
    int64_t item, seq, slot, n_gone, now_ns, helpless_ns;
};

/* Bytes in use: pages that were freed are used again, and do not count. */
int tb_store_bytes(struct tb_store *store, uint64_t *out);
/* Removes some occurrences where more than max_bytes are in use, until a 16th of it is free; call
 * it again and again. Each call looks at TB_THIN_ROWS rows or TB_THIN_ITEMS items, at the least of
 * one item. How many went, or a negative errno. */
int tb_store_thin(struct tb_store *store, struct tb_thin *thin, uint64_t max_bytes, int64_t now_ns);

/* ---- the outbox (delivery) ---- */

enum tb_outbox_state {
    TB_OUT_QUEUED,
    TB_OUT_SENT,
    TB_OUT_DROPPED,
    TB_OUT_QUARANTINED,
    TB_OUT_PARKED
};

/* Delivery orders: a higher class_ counts as the last. */
enum { TB_STORE_N_CLASSES = 4 };

/* A queue: the rows of one token of one sink. The token's text is what the item came with, "" for
 * the agent's own, or a name that begins with a space, which no access token does: docs/database.md
 * has them. */
struct tb_outbox_token {
    int64_t id;
    char token[128];
};
/* The tokens of that sink whose id is over after and that have queued rows and no pause at now_ms,
 * by id. Returns how many (at most max), or a negative errno. */
int tb_store_tokens(struct tb_store *store, const char *sink, int64_t after, int64_t now_ms,
                    struct tb_outbox_token *out, size_t max);

struct tb_outbox_key {
    int64_t seq; /* of the occurrence */
    int64_t due_at_ms;
    int attempts, http_status; /* until now, and of the last one */
};
/* Rows of a token and class that are due at now_ms (wall clock), by due_at_ms and arrival, those
 * behind after, or with NULL from the first. A row stays due until its verdict. Returns how many
 * (at most max), or a negative errno. */
int tb_store_due(struct tb_store *store, int64_t token_id, int class_, int64_t now_ms,
                 const struct tb_outbox_key *after, struct tb_outbox_key *out, size_t max);

struct tb_outbox_row {
    char uuid[37];
    char *data; /* owned: tb_outbox_row_done; NUL-terminated */
    size_t data_len;
};
/* -ENOENT when there is none. */
int tb_store_row(struct tb_store *store, int64_t seq, struct tb_outbox_row *out);
void tb_outbox_row_done(struct tb_outbox_row *row);

/* The first time later than after_ms (wall clock) at which a row falls due, a pause ends or a
 * parked token may be tried again; -1 when there is none; another negative number is an errno. */
int64_t tb_store_next_due(struct tb_store *store, const char *sink, int64_t after_ms);
/* No row and no token waits longer than max_wait_ms from now_ms: what would, because the clock was
 * set back, is due at now_ms. */
int tb_store_clamp(struct tb_store *store, const char *sink, int64_t now_ms, int64_t max_wait_ms);
/* The wall clock was set on by step_ms, or back: pauses stay as long as they were, and with a clock
 * set back every row is due at now_ms. */
int tb_store_step(struct tb_store *store, const char *sink, int64_t now_ms, int64_t step_ms);
struct tb_outbox_verdict {
    int64_t seq; /* of the occurrence */
    enum tb_outbox_state state;
    int64_t due_at_ms; /* counts when state is QUEUED (a retry) */
    int http_status;
    const char *reason; /* kept; NULL for "" */
    int is_attempt;     /* counts as one of the row's */
};
/* -ENOENT when there is no such row or it has its last verdict already (sent, dropped,
 * quarantined). */
int tb_store_verdict(struct tb_store *store, const char *sink,
                     const struct tb_outbox_verdict *verdict);
enum { TB_STORE_SENT_MAX = 256 };
/* The verdict SENT, after an attempt that had this status, for up to TB_STORE_SENT_MAX rows at
 * once: half the cost of one call for each. Rows that are not there or settled are no error. */
int tb_store_sent(struct tb_store *store, const char *sink, const int64_t *seqs, size_t n,
                  int http_status);
/* All queued rows of that sink and token become parked, and new ones are parked as they come; or
 * (parked 0) parked ones become queued. Token NULL with parked 0 means every token. reason is kept
 * with the rows that were parked. */
int tb_store_park(struct tb_store *store, const char *sink, const char *token, int parked,
                  const char *reason);
/* The token's rows are not due before until_ms. A pause only ever gets longer. */
int tb_store_pause(struct tb_store *store, const char *sink, const char *token, int64_t until_ms);
/* For each parked token, every_ms after it was seen here first and then each every_ms: its first
 * row is queued and due at now_ms, to see whether the token is taken again; the others stay parked.
 * Call it after tb_store_park. Returns how many rows. */
int tb_store_probe(struct tb_store *store, const char *sink, int64_t now_ms, int64_t every_ms);

struct tb_store_holds {
    int64_t parked_tokens;   /* that are parked */
    int64_t paused_until_ms; /* the last pause to end, wall clock; 0 when no token is paused */
};
int tb_store_holds(struct tb_store *store, const char *sink, int64_t now_ms,
                   struct tb_store_holds *out);

/* Forgets tokens that nothing waits with, and that are neither paused nor parked: all but 1024 of a
 * sink, up to 5000 in a call. 1: there may be more. */
int tb_store_forget_tokens(struct tb_store *store, const char *sink, int64_t now_ms);

/* Of one token; of one that is not known 0, 0. */
int tb_store_token_state(struct tb_store *store, const char *sink, const char *token, int *parked,
                         int64_t *until_ms);
/* Until when an endpoint of that sink is to be left alone, 0: it is not. name stands in the table
 * of tokens and begins with " rest ": it is no token, and no row goes with it. */
int tb_store_rest(struct tb_store *store, const char *sink, const char *name, int64_t until_ms);
/* Every row that waits for its time is due at now_ms; pauses stay. */
int tb_store_release(struct tb_store *store, const char *sink, int64_t now_ms);

/* Chooses the tokens of the rows that wait anew: those of the agent's own and of its names, with
 * all also those with a token of their own. choose writes the token for a row with that one, that
 * service and environment, and may leave it as it is. In one transaction. */
int tb_store_choose(struct tb_store *store, const char *sink, int all,
                    void (*choose)(void *arg, const char *token, const char *service,
                                   const char *environment, char out[128]),
                    void *arg);

/* Looks after sinks that are not among those that are on, plain names: what has waited for one that
 * is off for longer than keep_ms is dropped, some at each call; the first call notes since when it
 * is off. How many rows were dropped, or a negative errno. */
int tb_store_off(struct tb_store *store, const char *const *on, size_t n_on, int64_t now_ms,
                 int64_t keep_ms);

/* ---- reading (CLI, page) ---- */

struct tb_store_counts {
    int64_t items, occurrences; /* lifetime */
    int64_t duplicates;
    int64_t received, sent, dropped, quarantined, queued, parked; /* of the outbox; parked rows are
                                                                     also counted in queued */
    int64_t oldest_queued_ms;                                     /* wall clock; 0 when none */
    int64_t last_received_ms;
    char last_reason[256]; /* of the newest row not sent */
};
/* The sums over all sinks, or of one: then the fields from received to parked count that sink. */
int tb_store_counts(struct tb_store *store, struct tb_store_counts *out);
int tb_store_sink_counts(struct tb_store *store, const char *sink, struct tb_store_counts *out);
struct tb_store_sink {
    char name[24];
    int64_t received, sent, dropped, quarantined, queued, parked; /* as above */
    int64_t not_routed, unsampled; /* what it did not get, by the counters of those names */
};
/* The sums of each sink that ever had a row or did not get one, by name. How many (at most max), or
 * a negative errno. */
int tb_store_sinks(struct tb_store *store, struct tb_store_sink *out, size_t max);
/* What was counted and not kept one by one. */
struct tb_store_storm_counts {
    int64_t collapsed; /* over the lifetime; `collapsed` of the counters */
    int64_t open;      /* representatives that wait for their minute */
    int64_t items;     /* of which something was collapsed since since_ms */
};
int tb_store_storm_counts(struct tb_store *store, int64_t since_ms,
                          struct tb_store_storm_counts *out);
struct tb_storm_row {
    int64_t item, collapsed, last_ms; /* collapsed: over its lifetime */
    const char *title, *service, *environment;
};
/* The items of which something was collapsed since then, the latest first. The callback returns 0
 * to go on. */
int tb_store_storms(struct tb_store *store, int64_t since_ms, size_t max,
                    int (*row)(void *arg, const struct tb_storm_row *storm), void *arg);
/* The named counters, by name. The callback returns 0 to go on. */
int tb_store_counters(struct tb_store *store,
                      int (*row)(void *arg, const char *name, int64_t value), void *arg);

struct tb_item_row {
    int64_t number; /* the N of `towbar item N` */
    const char *title, *level, *environment, *service, *status, *fingerprint, *group_inputs;
    int64_t first_ms, last_ms, total;
    const char *last_uuid;
};
/* Newest last occurrence first. The callback returns 0 to go on; the pointers are good until it
 * returns. */
int tb_store_items(struct tb_store *store, size_t max,
                   int (*row)(void *arg, const struct tb_item_row *item), void *arg);
/* -ENOENT when there is no such item. */
int tb_store_item(struct tb_store *store, int64_t number,
                  int (*row)(void *arg, const struct tb_item_row *item), void *arg);

struct tb_occurrence_row {
    const char *uuid, *trace_id, *xray_trace_id, *span_id, *service, *level, *title;
    int64_t item, occurred_ns, received_ns;
    const char *data;
    size_t data_len;
};
struct tb_occurrence_filter {
    int64_t item;         /* 0: any */
    const char *trace_id; /* 32 hex digits, matches either trace id; NULL: any */
    const char *uuid;     /* NULL: any */
    int newest_first;
    int by_arrival; /* with trace_id: those that came last, the latest first; only max are looked at
                     */
    size_t max;     /* 0: all */
};
/* In the order of arrival; those of one trace by the time they happened, however many there are. */
int tb_store_occurrences(struct tb_store *store, const struct tb_occurrence_filter *filter,
                         int (*row)(void *arg, const struct tb_occurrence_row *occurrence),
                         void *arg);

/* ---- reading (the page): every question looks at a bounded number of rows ---- */

enum tb_store_field { TB_FIELD_ANY, TB_FIELD_ENVIRONMENT, TB_FIELD_SERVICE, TB_FIELD_LEVEL };
enum tb_store_sort { TB_SORT_LAST, TB_SORT_MOST, TB_SORT_FIRST };
enum {
    TB_STORE_WORDS = 16,
    TB_STORE_HOURS = 24,
    TB_STORE_ERRORS = 100, /* of one trace are counted */
    TB_STORE_LATEST = 200, /* occurrences of an item are looked at for facets */
    TB_STORE_RECENT = 2000 /* occurrences are looked at for the list of traces */
};

struct tb_store_filter {
    /* TB_FIELD_ANY: part of title, service or environment, all of them. Others: the whole value,
     * one of those with the same field. */
    struct {
        enum tb_store_field field;
        const char *text;
    } words[TB_STORE_WORDS];
    size_t n_words;
    int64_t first_since_ms; /* seen for the first time since then; 0: whenever */
    enum tb_store_sort sort;
    size_t max, skip;
};

/* An item with its last occurrence; all of that is "" when there is none. */
struct tb_store_entry {
    int64_t number, first_ms, last_ms, total;
    const char *title, *level, *environment, *service, *framework;
    const char *uuid, *trace_id, *xray_trace_id;
    const char *data;
    size_t data_len;
};
/* The callback returns 0 to go on; the pointers are good until it returns. */
int tb_store_list(struct tb_store *store, const struct tb_store_filter *filter,
                  int (*row)(void *arg, const struct tb_store_entry *entry), void *arg);

/* How often each of the n items was seen in each of the TB_STORE_HOURS hours up to now_ms, the
 * latest last. */
int tb_store_hours(struct tb_store *store, const int64_t *items, size_t n, int64_t now_ms,
                   int64_t (*out)[TB_STORE_HOURS]);
/* How many errors and crashes are in the trace of that id, of either kind; at most
 * TB_STORE_ERRORS. Or a negative errno. */
int tb_store_trace_errors(struct tb_store *store, const char *trace_id);

struct tb_store_pulse {
    int64_t items, new_items; /* all, and those seen for the first time since then */
    int64_t recent;           /* occurrences received since then, at most TB_STORE_RECENT */
    int64_t queued, last_ms;  /* rows that wait for Rollbar; the last reception, 0 for none */
    int64_t parked;           /* of those that wait: their token is refused */
    int is_refused;           /* what had trouble last waits for another try */
};
int tb_store_pulse(struct tb_store *store, int64_t new_since_ms, int64_t recent_since_ms,
                   struct tb_store_pulse *out);

/* The occurrences of the same item that came before and after that one; "" for none. */
struct tb_store_neighbours {
    char older[37], newer[37];
};
int tb_store_neighbours(struct tb_store *store, int64_t item, const char *uuid,
                        struct tb_store_neighbours *out);

/* The values among the last TB_STORE_LATEST occurrences of an item, the most frequent first, at
 * most max for each facet: "environment", "version", "host". Of all that were looked at, which are
 * fewer than the item's total where a storm was only counted, n have the value. */
int tb_store_facets(struct tb_store *store, int64_t item, size_t max,
                    int (*row)(void *arg, const char *facet, const char *value, int64_t n,
                               int64_t all),
                    void *arg);

struct tb_store_trace {
    const char *trace_id, *services, *title; /* services by comma; title of its last event */
    int64_t events, errors, first_ms, last_ms;
};
/* The traces of the last TB_STORE_RECENT occurrences: those with several errors first, then the
 * latest. */
int tb_store_traces(struct tb_store *store, size_t max,
                    int (*row)(void *arg, const struct tb_store_trace *trace), void *arg);

/* Where one occurrence stands with one sink. */
struct tb_store_outcome {
    enum tb_outbox_state state;
    int attempts, http_status;
    char reason[256];
};
/* 0; -ENOENT when there is no outbox row, as when the agent has no token. */
int tb_store_outcome(struct tb_store *store, const char *uuid, const char *sink,
                     struct tb_store_outcome *out);

#endif
