/* page.c - what the pages ask: the list of items, the last 24 hours, facets, traces.
 *
 * Every question goes through an index and looks at a bounded number of rows, so that a page takes
 * the same time in a database of a million occurrences. The one exception is a search for words
 * that few items have: it looks at every item, never at occurrences. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

enum {
    SQL_MAX_BYTES = 16 << 10,
    WORD_MAX_BYTES = 256,
    LIST_MAX_BYTES = 16 << 10,
    MS_PER_HOUR = 3600 * 1000,
    NS_PER_MS = 1000 * 1000
};

/* ---- the list ---- */

static const char *const COLUMNS[] = {[TB_FIELD_ENVIRONMENT] = "environment",
                                      [TB_FIELD_SERVICE] = "service",
                                      [TB_FIELD_LEVEL] = "level"};

/* One of the values that are asked for of that field. Values are ?10 and on. Not "= ?10 COLLATE
 * NOCASE OR = ?11 COLLATE NOCASE": SQLite 3.40 makes an IN of that and forgets the collation. */
static void add_field(const struct tb_store_filter *filter, enum tb_store_field field,
                      struct tb_buf *sql)
{
    int n = 0;
    for (size_t i = 0; i < filter->n_words; i++) {
        if (filter->words[i].field != field)
            continue;
        if (n++ == 0)
            tb_buf_addf(sql, " AND %s COLLATE NOCASE IN (?%zu", COLUMNS[field], i + 10);
        else
            tb_buf_addf(sql, ", ?%zu", i + 10);
    }
    if (n > 0)
        tb_buf_adds(sql, ")");
}

static void add_conditions(const struct tb_store_filter *filter, struct tb_buf *sql)
{
    tb_buf_adds(sql, filter->first_since_ms > 0 ? " WHERE first_ms >= ?3" : " WHERE 1");
    for (size_t i = 0; i < filter->n_words; i++)
        if (filter->words[i].field == TB_FIELD_ANY)
            tb_buf_addf(sql,
                        " AND (title LIKE ?%zu ESCAPE '\\' OR service LIKE ?%zu ESCAPE '\\'"
                        " OR environment LIKE ?%zu ESCAPE '\\')",
                        i + 10, i + 10, i + 10);
    add_field(filter, TB_FIELD_ENVIRONMENT, sql);
    add_field(filter, TB_FIELD_SERVICE, sql);
    add_field(filter, TB_FIELD_LEVEL, sql);
}

static void list_sql(const struct tb_store_filter *filter, struct tb_buf *sql)
{
    static const char *const ORDERS[] = {[TB_SORT_LAST] = "last_ms DESC, number DESC",
                                         [TB_SORT_MOST] = "total DESC, number DESC",
                                         [TB_SORT_FIRST] = "first_ms DESC, number DESC"};
    const char *order = ORDERS[filter->sort];
    tb_buf_adds(
        sql, "SELECT i.number, i.first_ms, i.last_ms, i.total, i.title, i.level,"
             " i.environment, i.service, i.framework, o.trace_id, o.xray_trace_id, o.data, o.uuid"
             " FROM (SELECT number, first_ms, last_ms, total, title, level, environment,"
             " service, framework FROM items");
    add_conditions(filter, sql);
    tb_buf_addf(sql,
                " ORDER BY %s LIMIT ?1 OFFSET ?2) i LEFT JOIN occurrences o ON o.seq ="
                " (SELECT seq FROM occurrences WHERE item = i.number ORDER BY seq DESC LIMIT 1)"
                " ORDER BY %s",
                order, order);
}

static void bind_word(sqlite3_stmt *statement, int at, enum tb_store_field field, const char *text)
{
    struct tb_buf pattern;
    if (field != TB_FIELD_ANY) {
        (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
        return;
    }
    tb_buf_init(&pattern, 2 * WORD_MAX_BYTES + 2);
    tb_buf_adds(&pattern, "%");
    for (size_t i = 0; i < WORD_MAX_BYTES && text[i] != '\0'; i++) {
        if (strchr("%_\\", text[i]))
            tb_buf_adds(&pattern, "\\");
        tb_buf_add(&pattern, &text[i], 1);
    }
    tb_buf_adds(&pattern, "%");
    (void)sqlite3_bind_text(statement, at, tb_buf_str(&pattern), -1, SQLITE_TRANSIENT);
    tb_buf_done(&pattern);
}

static int give_list(struct tb_store *store, sqlite3_stmt *statement,
                     int (*row)(void *arg, const struct tb_store_entry *entry), void *arg)
{
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_store_entry entry = {
            .number = sqlite3_column_int64(statement, 0),
            .first_ms = sqlite3_column_int64(statement, 1),
            .last_ms = sqlite3_column_int64(statement, 2),
            .total = sqlite3_column_int64(statement, 3),
            .title = tb_store_text(statement, 4),
            .level = tb_store_text(statement, 5),
            .environment = tb_store_text(statement, 6),
            .service = tb_store_text(statement, 7),
            .framework = tb_store_text(statement, 8),
            .trace_id = tb_store_text(statement, 9),
            .xray_trace_id = tb_store_text(statement, 10),
            .data = tb_store_text(statement, 11),
            .data_len = (size_t)sqlite3_column_bytes(statement, 11),
            .uuid = tb_store_text(statement, 12),
        };
        if (row(arg, &entry) != 0)
            return 0;
    }
    return rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
}

int tb_store_list(struct tb_store *store, const struct tb_store_filter *filter,
                  int (*row)(void *arg, const struct tb_store_entry *entry), void *arg)
{
    sqlite3_stmt *statement = NULL;
    struct tb_buf sql;
    tb_buf_init(&sql, SQL_MAX_BYTES);
    list_sql(filter, &sql);
    int err = sql.err != 0 ? sql.err : tb_store_prepare(store, tb_buf_str(&sql), &statement);
    if (err == 0) {
        (void)sqlite3_bind_int64(statement, 1, (int64_t)filter->max);
        (void)sqlite3_bind_int64(statement, 2, (int64_t)filter->skip);
        if (filter->first_since_ms > 0)
            (void)sqlite3_bind_int64(statement, 3, filter->first_since_ms);
        for (size_t i = 0; i < filter->n_words; i++)
            bind_word(statement, (int)i + 10, filter->words[i].field, filter->words[i].text);
        err = give_list(store, statement, row, arg);
    }
    (void)sqlite3_finalize(statement);
    tb_buf_done(&sql);
    return err;
}

/* ---- numbers beside the list ---- */

static void take_hour(sqlite3_stmt *statement, const int64_t *items, size_t n, int64_t first,
                      int64_t (*out)[TB_STORE_HOURS])
{
    int64_t at = sqlite3_column_int64(statement, 1) - first;
    for (size_t i = 0; i < n; i++)
        if (items[i] == sqlite3_column_int64(statement, 0))
            out[i][at] = sqlite3_column_int64(statement, 2);
}

int tb_store_hours(struct tb_store *store, const int64_t *items, size_t n, int64_t now_ms,
                   int64_t (*out)[TB_STORE_HOURS])
{
    sqlite3_stmt *statement = NULL;
    struct tb_buf list;
    int rc = SQLITE_DONE;
    int64_t last = now_ms / MS_PER_HOUR;
    memset(out, 0, n * sizeof(*out));
    tb_buf_init(&list, LIST_MAX_BYTES);
    for (size_t i = 0; i < n; i++)
        tb_buf_addf(&list, "%s%lld", i == 0 ? "[" : ",", (long long)items[i]);
    tb_buf_adds(&list, n == 0 ? "[]" : "]");
    int err = list.err != 0 ? list.err : tb_store_statement(store, TB_SQL_HOURS, &statement);
    if (err == 0) {
        (void)sqlite3_bind_text(statement, 1, tb_buf_str(&list), -1, SQLITE_STATIC);
        (void)sqlite3_bind_int64(statement, 2, last - (TB_STORE_HOURS - 1));
        (void)sqlite3_bind_int64(statement, 3, last);
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
            take_hour(statement, items, n, last - (TB_STORE_HOURS - 1), out);
        err = rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
        (void)sqlite3_reset(statement);
        (void)sqlite3_clear_bindings(statement);
    }
    tb_buf_done(&list);
    return err;
}

int tb_store_trace_errors(struct tb_store *store, const char *trace_id)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_TRACE_ERRORS, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_text(statement, 1, trace_id, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 2, TB_STORE_ERRORS);
    int rc = sqlite3_step(statement);
    int n = rc == SQLITE_ROW ? sqlite3_column_int(statement, 0) : tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return n;
}

static const char PULSE[] =
    "SELECT (SELECT count(*) FROM items), (SELECT count(*) FROM items WHERE first_ms >= ?1),"
    " coalesce((SELECT queued + parked FROM delivery WHERE sink = 'rollbar'), 0),"
    " coalesce((SELECT received_ns FROM occurrences ORDER BY seq DESC LIMIT 1), 0),"
    " coalesce((SELECT parked FROM delivery WHERE sink = 'rollbar'), 0),"
    " coalesce((SELECT state = 0 FROM outbox WHERE sink = 'rollbar' AND state <> 1"
    "  AND reason <> '' ORDER BY tried_ms DESC LIMIT 1), 0)";

/* From the last one back to the first that is too old. */
static int count_recent(struct tb_store *store, int64_t since_ms, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(
        store, "SELECT received_ns FROM occurrences ORDER BY seq DESC LIMIT ?1", &statement);
    if (err < 0)
        return err;
    int rc;
    *out = 0;
    (void)sqlite3_bind_int64(statement, 1, TB_STORE_RECENT);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW &&
           sqlite3_column_int64(statement, 0) / NS_PER_MS >= since_ms)
        (*out)++;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_pulse(struct tb_store *store, int64_t new_since_ms, int64_t recent_since_ms,
                   struct tb_store_pulse *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, PULSE, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, new_since_ms);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        out->items = sqlite3_column_int64(statement, 0);
        out->new_items = sqlite3_column_int64(statement, 1);
        out->queued = sqlite3_column_int64(statement, 2);
        out->last_ms = sqlite3_column_int64(statement, 3) / NS_PER_MS;
        out->parked = sqlite3_column_int64(statement, 4);
        out->is_refused = sqlite3_column_int(statement, 5);
    } else {
        err = tb_store_fail(store, rc);
    }
    (void)sqlite3_finalize(statement);
    return err < 0 ? err : count_recent(store, recent_since_ms, &out->recent);
}
