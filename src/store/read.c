/* read.c - counts, items and occurrences for people: CLI, page, /status. Nothing here writes. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum { SQL_MAX_BYTES = 4096, NS_PER_MS = 1000 * 1000 };

/* One row that there always is. Without a sink the sums are of all of them. */
static const char COUNTS[] =
    "SELECT (SELECT count(*) FROM items),"
    " coalesce((SELECT value FROM counters WHERE name = 'occurrences'), 0),"
    " coalesce((SELECT value FROM counters WHERE name = 'duplicates'), 0),"
    " coalesce(sum(received), 0), coalesce(sum(sent), 0), coalesce(sum(dropped), 0),"
    " coalesce(sum(quarantined), 0), coalesce(sum(queued + parked), 0), coalesce(sum(parked), 0),"
    " coalesce((SELECT received_ns FROM occurrences WHERE seq = (SELECT min(occurrence) FROM"
    /* Of those of other sinks, which may be very many, none is looked at. */
    "   (SELECT (SELECT min(occurrence) FROM outbox INDEXED BY outbox_queue"
    "      WHERE state = 0 AND token = t.id) AS occurrence FROM tokens t"
    "      WHERE ?1 IS NULL OR t.sink = ?1 UNION ALL"
    "    SELECT (SELECT min(occurrence) FROM outbox INDEXED BY outbox_parked"
    "      WHERE state = 4 AND token = t.id) FROM tokens t WHERE ?1 IS NULL OR t.sink = ?1))), 0),"
    " coalesce((SELECT received_ns FROM occurrences ORDER BY seq DESC LIMIT 1), 0),"
    " coalesce((SELECT (SELECT reason FROM outbox WHERE sink = d.sink AND state <> 1"
    "     AND reason <> '' ORDER BY tried_ms DESC LIMIT 1) FROM delivery d"
    "   WHERE ?1 IS NULL OR d.sink = ?1 ORDER BY (SELECT max(tried_ms) FROM outbox"
    "     WHERE sink = d.sink AND state <> 1 AND reason <> '') DESC LIMIT 1), '')"
    " FROM delivery WHERE ?1 IS NULL OR sink = ?1";

static void take_counts(sqlite3_stmt *statement, struct tb_store_counts *out)
{
    out->items = sqlite3_column_int64(statement, 0);
    out->occurrences = sqlite3_column_int64(statement, 1);
    out->duplicates = sqlite3_column_int64(statement, 2);
    out->received = sqlite3_column_int64(statement, 3);
    out->sent = sqlite3_column_int64(statement, 4);
    out->dropped = sqlite3_column_int64(statement, 5);
    out->quarantined = sqlite3_column_int64(statement, 6);
    out->queued = sqlite3_column_int64(statement, 7);
    out->parked = sqlite3_column_int64(statement, 8);
    out->oldest_queued_ms = sqlite3_column_int64(statement, 9) / NS_PER_MS;
    out->last_received_ms = sqlite3_column_int64(statement, 10) / NS_PER_MS;
    (void)snprintf(out->last_reason, sizeof(out->last_reason), "%s", tb_store_text(statement, 11));
}

int tb_store_sink_counts(struct tb_store *store, const char *sink, struct tb_store_counts *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, COUNTS, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_text(statement, 1, sink, -1, SQLITE_STATIC); /* NULL: every sink */
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        take_counts(statement, out);
    else
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_counts(struct tb_store *store, struct tb_store_counts *out)
{
    return tb_store_sink_counts(store, NULL, out);
}

int tb_store_counters(struct tb_store *store,
                      int (*row)(void *arg, const char *name, int64_t value), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, "SELECT name, value FROM counters ORDER BY name", &statement);
    if (err < 0)
        return err;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (row(arg, tb_store_text(statement, 0), sqlite3_column_int64(statement, 1)) != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

/* ---- items ---- */

#define ITEM_COLUMNS                                                                               \
    "SELECT number, title, level, environment, service, status, fingerprint, group_inputs,"        \
    " first_ms, last_ms, total, (SELECT uuid FROM occurrences WHERE item = number"                 \
    " ORDER BY seq DESC LIMIT 1) FROM items "

/* Takes statement over. Returns how many rows there were, or a negative errno. */
static int give_items(struct tb_store *store, sqlite3_stmt *statement,
                      int (*row)(void *arg, const struct tb_item_row *item), void *arg)
{
    int n_rows = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_item_row item = {
            .number = sqlite3_column_int64(statement, 0),
            .title = tb_store_text(statement, 1),
            .level = tb_store_text(statement, 2),
            .environment = tb_store_text(statement, 3),
            .service = tb_store_text(statement, 4),
            .status = tb_store_text(statement, 5),
            .fingerprint = tb_store_text(statement, 6),
            .group_inputs = tb_store_text(statement, 7),
            .first_ms = sqlite3_column_int64(statement, 8),
            .last_ms = sqlite3_column_int64(statement, 9),
            .total = sqlite3_column_int64(statement, 10),
            .last_uuid = tb_store_text(statement, 11),
        };
        n_rows++;
        if (row(arg, &item) != 0)
            break;
    }
    int err = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err < 0 ? err : n_rows;
}

int tb_store_items(struct tb_store *store, size_t max,
                   int (*row)(void *arg, const struct tb_item_row *item), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, ITEM_COLUMNS "ORDER BY last_ms DESC, number DESC LIMIT ?1",
                               &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, max == 0 || max > INT64_MAX ? -1 : (int64_t)max);
    int n_rows = give_items(store, statement, row, arg);
    return n_rows < 0 ? n_rows : 0;
}

int tb_store_item(struct tb_store *store, int64_t number,
                  int (*row)(void *arg, const struct tb_item_row *item), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, ITEM_COLUMNS "WHERE number = ?1", &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, number);
    int n_rows = give_items(store, statement, row, arg);
    if (n_rows != 0)
        return n_rows < 0 ? n_rows : 0;
    tb_store_say(store, "there is no item %lld", (long long)number);
    return -ENOENT;
}

/* ---- occurrences ---- */

static void occurrence_sql(const struct tb_occurrence_filter *filter, struct tb_buf *sql)
{
    tb_buf_adds(sql, "SELECT uuid, trace_id, xray_trace_id, span_id, service, level, title, item,"
                     " occurred_ns, received_ns, data FROM occurrences WHERE 1");
    if (filter->item)
        tb_buf_adds(sql, " AND item = ?1");
    /* Two look-ups, one in the index of each kind of trace id. By arrival no more than max of each
     * are looked at, however many a trace has; by time all of them are. */
    if (filter->trace_id && filter->by_arrival)
        tb_buf_adds(sql,
                    " AND seq IN (SELECT seq FROM (SELECT seq FROM occurrences"
                    " WHERE trace_id = ?2 AND trace_id <> '' ORDER BY seq DESC LIMIT ?4)"
                    " UNION ALL SELECT seq FROM (SELECT seq FROM occurrences WHERE"
                    " xray_trace_id = ?2 AND xray_trace_id <> '' ORDER BY seq DESC LIMIT ?4))");
    else if (filter->trace_id)
        tb_buf_adds(sql, " AND seq IN (SELECT seq FROM occurrences WHERE trace_id = ?2"
                         " AND trace_id <> '' UNION ALL SELECT seq FROM occurrences"
                         " WHERE xray_trace_id = ?2 AND xray_trace_id <> '')");
    if (filter->uuid)
        tb_buf_adds(sql, " AND uuid = ?3");
    const char *way = filter->newest_first || filter->by_arrival ? "DESC" : "ASC";
    tb_buf_adds(sql, " ORDER BY ");
    if (filter->trace_id && !filter->by_arrival)
        tb_buf_addf(sql, "occurred_ns %s, ", way);
    tb_buf_addf(sql, "seq %s LIMIT ?4", way);
}

static int give_occurrences(struct tb_store *store, sqlite3_stmt *statement,
                            int (*row)(void *arg, const struct tb_occurrence_row *occurrence),
                            void *arg)
{
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_occurrence_row occurrence = {
            .uuid = tb_store_text(statement, 0),
            .trace_id = tb_store_text(statement, 1),
            .xray_trace_id = tb_store_text(statement, 2),
            .span_id = tb_store_text(statement, 3),
            .service = tb_store_text(statement, 4),
            .level = tb_store_text(statement, 5),
            .title = tb_store_text(statement, 6),
            .item = sqlite3_column_int64(statement, 7),
            .occurred_ns = sqlite3_column_int64(statement, 8),
            .received_ns = sqlite3_column_int64(statement, 9),
            .data = tb_store_text(statement, 10),
            .data_len = (size_t)sqlite3_column_bytes(statement, 10),
        };
        if (row(arg, &occurrence) != 0)
            return 0;
    }
    return rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
}

int tb_store_occurrences(struct tb_store *store, const struct tb_occurrence_filter *filter,
                         int (*row)(void *arg, const struct tb_occurrence_row *occurrence),
                         void *arg)
{
    sqlite3_stmt *statement = NULL;
    struct tb_buf sql;
    tb_buf_init(&sql, SQL_MAX_BYTES);
    occurrence_sql(filter, &sql);
    int err = sql.err;
    if (err == 0)
        err = tb_store_prepare(store, tb_buf_str(&sql), &statement);
    if (err == 0) {
        int64_t max = filter->max == 0 || filter->max > INT64_MAX ? -1 : (int64_t)filter->max;
        (void)sqlite3_bind_int64(statement, 1, filter->item);
        (void)sqlite3_bind_text(statement, 2, filter->trace_id, -1, SQLITE_STATIC);
        (void)sqlite3_bind_text(statement, 3, filter->uuid, -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 4, max);
        err = give_occurrences(store, statement, row, arg);
    }
    (void)sqlite3_finalize(statement);
    tb_buf_done(&sql);
    return err;
}

int tb_store_outcome(struct tb_store *store, const char *uuid, const char *sink,
                     struct tb_store_outcome *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store,
                               "SELECT o.state, o.attempts, o.http_status, o.reason FROM outbox o"
                               " WHERE o.occurrence = (SELECT seq FROM occurrences WHERE uuid = ?1)"
                               " AND o.sink = ?2",
                               &statement);
    if (err < 0)
        return err;
    sqlite3_bind_text(statement, 1, uuid, -1, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, sink, -1, SQLITE_STATIC);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        out->state = (enum tb_outbox_state)sqlite3_column_int(statement, 0);
        out->attempts = sqlite3_column_int(statement, 1);
        out->http_status = sqlite3_column_int(statement, 2);
        (void)snprintf(out->reason, sizeof(out->reason), "%s", tb_store_text(statement, 3));
    } else {
        err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    }
    sqlite3_finalize(statement);
    return err;
}
