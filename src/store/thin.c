/* thin.c - what leaves when the database is over its bound: bodies, never counts.
 *
 * 1. Only an occurrence that no sink waits for, that stands for no storm, and that came more than
 *    ten minutes ago: what the spool may hand over again is still known.
 * 2. Where nothing can leave, what other sinks than Rollbar did not take for 14 days is dropped and
 *    counted: one that never answers must not fill the disk.
 * 3. Items are gone through one after the other. A pass that helped nothing is followed by one that
 *    keeps less; the newest occurrence of an item always stays.
 * docs/database.md says what each pass keeps. */
#include "store/internal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"

enum {
    KEPT_AT_ENDS = 10, /* of each item the first and the last so many */
    HOURLY_HOURS = 7 * 24,
    SLACK = 16, /* that part of the bound is freed, once it was met */
    DROPPED_AT_ONCE = 1000
};

static const int64_t HOUR_NS = INT64_C(3600) * TB_NS_PER_S;
static const int64_t AGE_NS = INT64_C(600) * TB_NS_PER_S;
static const int64_t WAITED_NS = INT64_C(14) * 24 * 3600 * TB_NS_PER_S;

/* Those of an item between its ends, from a place on, with what tells whether they may go. */
static const char ROWS[] =
    "SELECT seq, min(occurred_ns, received_ns), received_ns,"
    " EXISTS (SELECT 1 FROM outbox WHERE occurrence = seq AND state IN (0, 3, 4))"
    " OR EXISTS (SELECT 1 FROM storms s WHERE s.occurrence = seq),"
    /* Of a trace with very many events the first tell. */
    " trace_id <> '' AND EXISTS (SELECT 1 FROM (SELECT t.service AS other FROM occurrences t"
    "  WHERE t.trace_id = o.trace_id AND t.trace_id <> '' LIMIT 200) WHERE other <> o.service)"
    " FROM occurrences o WHERE item = ?1 AND seq > ?2 AND seq <= ?3 ORDER BY seq LIMIT ?4";
static const char FIRST_END[] =
    "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM occurrences WHERE item = ?1"
    " ORDER BY seq LIMIT ?2)";
static const char LAST_END[] =
    "SELECT coalesce((SELECT seq FROM occurrences WHERE item = ?1 ORDER BY seq DESC"
    " LIMIT 1 OFFSET ?2), 0)";
static const char NEXT_ITEM[] =
    "SELECT coalesce((SELECT min(item) FROM occurrences WHERE item > ?1), 0) + 0 * ?2";

static int ask(struct tb_store *store, const char *sql, int64_t a, int64_t b, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, a);
    (void)sqlite3_bind_int64(statement, 2, b);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_bytes(struct tb_store *store, uint64_t *out)
{
    int64_t bytes = 0;
    int err = ask(store,
                  "SELECT (p.page_count - f.freelist_count) * s.page_size + 0 * ?1 + 0 * ?2"
                  " FROM pragma_page_count p, pragma_freelist_count f, pragma_page_size s",
                  0, 0, &bytes);
    if (!err)
        *out = (uint64_t)bytes;
    return err;
}

/* ---- one item ---- */

/* Of what stands in one slot of time the first is kept. */
static int64_t slot_of(const struct tb_thin *thin, int64_t at_ns)
{
    int64_t hour = at_ns / HOUR_NS;
    int64_t now_hour = thin->now_ns / HOUR_NS;
    int is_old = now_hour - hour >= HOURLY_HOURS;
    return thin->level == TB_THIN_HOURS && !is_old ? hour : -1 - hour / 24;
}

static int may_go(struct tb_thin *thin, sqlite3_stmt *row)
{
    int64_t slot = slot_of(thin, sqlite3_column_int64(row, 1));
    int is_first = thin->level < TB_THIN_ENDS && slot != thin->slot;
    int is_young = sqlite3_column_int64(row, 2) > thin->now_ns - AGE_NS;
    int is_needed = sqlite3_column_int(row, 3);
    int is_of_trace = thin->level < TB_THIN_ENDS && sqlite3_column_int(row, 4);
    thin->slot = slot;
    return !is_first && !is_young && !is_needed && !is_of_trace;
}

static int remove_row(struct tb_store *store, int64_t seq)
{
    static const enum tb_statement steps[] = {TB_SQL_THIN_OUTBOX, TB_SQL_THIN_OCCURRENCE};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        sqlite3_stmt *statement = NULL;
        int err = tb_store_statement(store, steps[i], &statement);
        if (err < 0)
            return err;
        (void)sqlite3_bind_int64(statement, 1, seq);
        if ((err = tb_store_finish(store, statement)))
            return err;
    }
    return 0;
}

/* Looks at some rows of the item behind thin->seq: how many of them went, or an errno. Without
 * more, the item is done with. */
static int thin_rows(struct tb_store *store, struct tb_thin *thin, int64_t last)
{
    int64_t gone[TB_THIN_ROWS];
    int n_gone = 0;
    int n_rows = 0;
    sqlite3_stmt *rows = NULL;
    int err = tb_store_prepare(store, ROWS, &rows);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(rows, 1, thin->item);
    (void)sqlite3_bind_int64(rows, 2, thin->seq);
    (void)sqlite3_bind_int64(rows, 3, last);
    (void)sqlite3_bind_int64(rows, 4, TB_THIN_ROWS);
    int rc;
    while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
        n_rows++;
        thin->seq = sqlite3_column_int64(rows, 0);
        if (may_go(thin, rows))
            gone[n_gone++] = thin->seq;
    }
    if (rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(rows);
    for (int i = 0; i < n_gone && !err; i++)
        err = remove_row(store, gone[i]);
    if (n_rows < TB_THIN_ROWS)
        thin->is_done = 1;
    return err ? err : n_gone;
}

static int thin_item(struct tb_store *store, struct tb_thin *thin)
{
    int64_t first = 0;
    int64_t last = 0;
    int kept = thin->level == TB_THIN_LAST ? 1 : KEPT_AT_ENDS;
    int err = ask(store, LAST_END, thin->item, kept, &last);
    if (!err && thin->seq == 0 && thin->level < TB_THIN_LAST)
        err = ask(store, FIRST_END, thin->item, kept, &first);
    if (err)
        return err;
    thin->seq = first > thin->seq ? first : thin->seq;
    if (last <= thin->seq) {
        thin->is_done = 1;
        return 0;
    }
    return thin_rows(store, thin, last);
}

/* The item after the one that is done with; after the last one a pass is over. 1 when there is one.
 */
static int next_item(struct tb_store *store, struct tb_thin *thin)
{
    int64_t item = 0;
    int err = ask(store, NEXT_ITEM, thin->item, 0, &item);
    if (err)
        return err;
    thin->item = item;
    thin->seq = 0;
    thin->slot = INT64_MIN;
    thin->is_done = 0;
    if (item != 0)
        return 1;
    if (thin->n_gone == 0 && thin->level < TB_THIN_LAST)
        thin->level++;
    else if (thin->n_gone == 0)
        thin->is_helpless = 1;
    thin->n_gone = 0;
    return 0;
}

/* ---- what waits too long ---- */

#define WAITING_ELSEWHERE                                                                          \
    " FROM outbox o CROSS JOIN occurrences c ON c.seq = o.occurrence"                              \
    " WHERE o.state IN (0, 4) AND o.sink <> 'rollbar'"

/* How many were dropped, some at a time, or an errno. */
static int drop_waiting(struct tb_store *store, int64_t now_ns)
{
    /* The first tells of all: where it is young nothing else is looked at. */
    static const char FIRST[] = "SELECT coalesce((SELECT c.received_ns" WAITING_ELSEWHERE
                                " ORDER BY o.occurrence LIMIT 1), ?1) + 0 * ?2";
    static const char DROP[] = "UPDATE outbox SET state = 2, reason = 'it waited for 14 days, and "
                               "the database is over store.max_bytes'"
                               " WHERE state IN (0, 4) AND (occurrence, sink) IN"
                               " (SELECT o.occurrence, o.sink" WAITING_ELSEWHERE
                               " AND c.received_ns < ?1 ORDER BY o.occurrence LIMIT ?2)";
    sqlite3_stmt *statement = NULL;
    int64_t first_ns = now_ns;
    int err = ask(store, FIRST, now_ns, 0, &first_ns);
    if (err < 0 || first_ns >= now_ns - WAITED_NS)
        return err;
    if ((err = tb_store_prepare(store, DROP, &statement)) < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, now_ns - WAITED_NS);
    (void)sqlite3_bind_int64(statement, 2, DROPPED_AT_ONCE);
    int rc = sqlite3_step(statement);
    err = rc == SQLITE_DONE ? sqlite3_changes(store->db) : tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

/* ---- the bound ---- */

static int is_over(struct tb_store *store, struct tb_thin *thin, uint64_t max_bytes)
{
    uint64_t bytes = 0;
    int err = tb_store_bytes(store, &bytes);
    if (err)
        return err;
    uint64_t bound = thin->is_on ? max_bytes - max_bytes / SLACK : max_bytes;
    int over = bytes > bound;
    if (over && !thin->is_on)
        *thin = (struct tb_thin){.is_on = 1, .is_done = 1};
    thin->is_on = over;
    return over;
}

static int thin_some(struct tb_store *store, struct tb_thin *thin)
{
    int n = 0;
    for (int i = 0; i < TB_THIN_ITEMS && n < TB_THIN_ROWS && !thin->is_helpless; i++) {
        int err = thin->is_done ? next_item(store, thin) : 1;
        if (err < 0)
            return err;
        int n_gone = err > 0 ? thin_item(store, thin) : 0;
        if (n_gone < 0)
            return n_gone;
        thin->is_done |= err == 0;
        thin->n_gone += n_gone;
        n += n_gone;
    }
    return n;
}

int tb_store_thin(struct tb_store *store, struct tb_thin *thin, uint64_t max_bytes, int64_t now_ns)
{
    int own = 0;
    int n = 0;
    int err = max_bytes == 0 ? 0 : is_over(store, thin, max_bytes);
    if (err <= 0)
        return err;
    thin->now_ns = now_ns;
    if (thin->is_helpless && now_ns - thin->helpless_ns < HOUR_NS / 60)
        return 0;
    if (thin->is_helpless)
        *thin = (struct tb_thin){.is_on = 1, .is_done = 1, .now_ns = now_ns};
    if ((err = tb_store_part(store, &own)) < 0)
        return err;
    n = thin_some(store, thin);
    if (n > 0)
        err = tb_store_count(store, "thinned", n);
    int n_dropped = thin->is_helpless && n >= 0 && !err ? drop_waiting(store, now_ns) : 0;
    if (n_dropped > 0)
        *thin = (struct tb_thin){.is_on = 1, .is_done = 1, .now_ns = now_ns};
    err = n_dropped < 0 ? n_dropped : err;
    err = tb_store_part_end(store, own, n < 0 ? n : err);
    if (thin->is_helpless)
        thin->helpless_ns = now_ns;
    return err < 0 ? err : n;
}
