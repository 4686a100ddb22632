/* store.h - items, occurrences and the outbox in one SQLite database, STATE_DIR/towbar.db.
 *
 * 1. An occurrence and its outbox rows are stored in one transaction; a uuid is stored once.
 * 2. A handle belongs to one thread; several handles and processes may be open (WAL).
 * 3. received = sent + dropped + quarantined + queued + in flight (in flight counts as queued: an
 *    outbox row says "queued" until its verdict is committed).
 * 4. A database that is newer than the program, damaged or no towbar database is refused with a
 *    sentence that says how to go on. */
#ifndef TB_STORE_STORE_H
#define TB_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

struct tb_store;

enum { TB_STORE_WHY = 512 };
enum tb_store_mode { TB_STORE_WRITE, TB_STORE_READ };

/* Opens STATE_DIR/towbar.db. TB_STORE_WRITE creates folder (mode 0700), database and tables.
 * TB_STORE_READ gives -ENOENT when there is none yet. */
int tb_store_open(const char *state_dir, enum tb_store_mode mode, struct tb_store **out,
                  char why[TB_STORE_WHY]);
void tb_store_close(struct tb_store *store);
/* Why the last call failed. Borrowed. */
const char *tb_store_error(const struct tb_store *store);

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
    const char *token; /* to send it with; "" for the agent's own */
};

int tb_store_begin(struct tb_store *store);
int tb_store_commit(struct tb_store *store);
void tb_store_rollback(struct tb_store *store);
/* 0; 1 when the uuid is known already (nothing changes but a counter); or a negative errno. sinks
 * names the outbox rows to make ("rollbar"). */
int tb_store_add(struct tb_store *store, const struct tb_occurrence *occurrence,
                 const char *const *sinks, size_t n_sinks);
/* Adds to a named counter ("dropped.rate", "duplicates"). */
int tb_store_count(struct tb_store *store, const char *name, int64_t add);
/* Makes all that was committed survive a power failure. */
int tb_store_sync(struct tb_store *store);

/* ---- the outbox (delivery) ---- */

enum tb_outbox_state {
    TB_OUT_QUEUED,
    TB_OUT_SENT,
    TB_OUT_DROPPED,
    TB_OUT_QUARANTINED,
    TB_OUT_PARKED
};

struct tb_outbox_row {
    char uuid[37];
    char token[128];
    int class_;
    int attempts;
    char *data; /* owned: tb_outbox_row_done */
    size_t data_len;
};
void tb_outbox_row_done(struct tb_outbox_row *row);

/* Rows of that sink that are due at now_ms (wall clock), crash class first, then by age; skips the
 * n_busy uuids. Returns how many (at most max), or a negative errno. */
int tb_store_due(struct tb_store *store, const char *sink, int64_t now_ms, const char (*busy)[37],
                 size_t n_busy, struct tb_outbox_row *rows, size_t max);
/* When the next row is due, wall clock in ms; -1 when none waits. */
int64_t tb_store_next_due(struct tb_store *store, const char *sink);
/* The verdict on one row. due_at_ms counts when state is QUEUED (a retry). reason is kept. */
int tb_store_verdict(struct tb_store *store, const char *uuid, const char *sink,
                     enum tb_outbox_state state, int64_t due_at_ms, int http_status,
                     const char *reason);
/* All queued rows of that sink and token become parked, or parked ones queued. */
int tb_store_park(struct tb_store *store, const char *sink, const char *token, int parked,
                  const char *reason);

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
int tb_store_counts(struct tb_store *store, struct tb_store_counts *out);

struct tb_item_row {
    int64_t number; /* the N of `towbar item N` */
    const char *title, *level, *environment, *service, *status, *fingerprint, *group_inputs;
    int64_t first_ms, last_ms, total;
    const char *last_uuid;
};
/* Newest last occurrence first. The callback returns 0 to go on. */
int tb_store_items(struct tb_store *store, size_t max,
                   int (*row)(void *arg, const struct tb_item_row *item), void *arg);
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
    size_t max;
};
int tb_store_occurrences(struct tb_store *store, const struct tb_occurrence_filter *filter,
                         int (*row)(void *arg, const struct tb_occurrence_row *occurrence),
                         void *arg);

#endif
