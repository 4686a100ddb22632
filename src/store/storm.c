/* storm.c - events over their limit: counted, with one occurrence that stands for them.
 *
 * 1. An event is counted once: its uuid is remembered with the count, in one transaction.
 * 2. A representative has its outbox rows from the first; those are passed over while it is open,
 *    so no count comes after it was sent.
 * docs/storms.md says what people see. */
#include "store/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static const char COLLAPSED[] = "collapsed";

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- counting ---- */

/* Adds one to the open representative of that item: its number, or -ENOENT when none is open. */
static int count_storm(struct tb_store *store, const struct tb_occurrence *of,
                       const struct tb_occurrence *event, int64_t *item)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_STORM_COUNT, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, of->environment);
    bind_text(statement, 2, of->fingerprint);
    (void)sqlite3_bind_int64(statement, 3, tb_store_seen_ns(event));
    (void)sqlite3_bind_int64(statement, 4, wall_ms());
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *item = sqlite3_column_int64(statement, 0);
        return tb_store_finish(store, statement);
    }
    err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    return err;
}

static int add_hour(struct tb_store *store, int64_t item, const struct tb_occurrence *event)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_HOUR_ADD, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, item);
    (void)sqlite3_bind_int64(statement, 2, tb_store_seen_ns(event));
    return tb_store_finish(store, statement);
}

/* The bugs that a service's representative stands for, as far as they are told apart. */
static int count_kind(struct tb_store *store, int64_t item, const char *fingerprint)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_STORM_KIND, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, item);
    bind_text(statement, 2, fingerprint);
    (void)sqlite3_bind_int64(statement, 3, TB_STORE_KINDS);
    if ((err = tb_store_finish(store, statement)) || sqlite3_changes(store->db) == 0)
        return err;
    if ((err = tb_store_statement(store, TB_SQL_STORM_KINDS, &statement)))
        return err;
    (void)sqlite3_bind_int64(statement, 1, item);
    return tb_store_finish(store, statement);
}

static int count_for_sinks(struct tb_store *store, const struct tb_outbox_to *to, size_t n_to)
{
    for (size_t i = 0; i < n_to; i++) {
        sqlite3_stmt *statement = NULL;
        int err = tb_store_statement(store, TB_SQL_DELIVERY_STORM, &statement);
        if (err < 0)
            return err;
        bind_text(statement, 1, to[i].sink);
        if ((err = tb_store_finish(store, statement)))
            return err;
    }
    return 0;
}

/* Of an item that there is the event is one more, whoever stands for it. */
static int count_item(struct tb_store *store, const struct tb_occurrence *event,
                      const struct tb_occurrence *instead)
{
    int64_t item = 0;
    int err = tb_store_item_seen(store, event, &item);
    if (err == -ENOENT && instead != NULL)
        err = tb_store_item_seen(store, instead, &item);
    return err ? err : add_hour(store, item, event);
}

static int count_event(struct tb_store *store, const struct tb_occurrence *event,
                       const struct tb_occurrence *instead, const struct tb_outbox_to *to,
                       size_t n_to)
{
    int err;
    if ((err = count_item(store, event, instead)) ||
        (err = tb_store_remember_counted(store, event->uuid)) ||
        (err = count_for_sinks(store, to, n_to)) || (err = tb_store_count(store, COLLAPSED, 1)))
        return err;
    return tb_store_count(store, "occurrences", 1);
}

/* ---- the representative ---- */

static int open_storm(struct tb_store *store, const struct tb_occurrence *event,
                      const struct tb_occurrence *instead, const struct tb_outbox_to *to,
                      size_t n_to, int64_t *item)
{
    sqlite3_stmt *statement = NULL;
    int64_t own = 0;
    int64_t seq = 0;
    int err = tb_store_add_all(store, instead != NULL ? instead : event, to, n_to, item, &seq);
    if (err || (err = tb_store_statement(store, TB_SQL_STORM_OPEN, &statement)))
        return err;
    (void)sqlite3_bind_int64(statement, 1, *item);
    (void)sqlite3_bind_int64(statement, 2, seq);
    (void)sqlite3_bind_int64(statement, 3, wall_ms());
    (void)sqlite3_bind_int64(statement, 4, tb_store_seen_ns(event));
    if ((err = tb_store_finish(store, statement)) || instead == NULL)
        return err;
    /* Its own item has one more too, where there is one. */
    err = tb_store_item_seen(store, event, &own);
    return err == -ENOENT ? 0 : (err ? err : add_hour(store, own, event));
}

static int collapse(struct tb_store *store, const struct tb_occurrence *event,
                    const struct tb_occurrence *instead, const struct tb_outbox_to *to, size_t n_to)
{
    int64_t item = 0;
    int is_open = 1;
    int err = count_storm(store, instead != NULL ? instead : event, event, &item);
    if (err == -ENOENT) {
        is_open = 0;
        err = open_storm(store, event, instead, to, n_to, &item);
    }
    if (!err && instead != NULL)
        err = count_kind(store, item, event->fingerprint);
    if (!err && is_open)
        err = count_event(store, event, instead, to, n_to);
    return err ? err : (is_open ? 0 : 2);
}

int tb_store_collapse(struct tb_store *store, const struct tb_occurrence *event,
                      const struct tb_occurrence *instead, const struct tb_outbox_to *to,
                      size_t n_to)
{
    int own = 0;
    int err;
    if ((err = tb_store_check_occurrence(store, event, to, n_to)) ||
        (err = tb_store_part(store, &own)))
        return err;
    int result = tb_store_is_known(store, event->uuid);
    if (result == 1)
        err = tb_store_count(store, "duplicates", 1);
    else if (result == 0)
        result = collapse(store, event, instead, to, n_to);
    err = tb_store_part_end(store, own, result < 0 ? result : err);
    return err < 0 ? err : result;
}

static int take_data(struct tb_store *store, struct tb_storm *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, "SELECT data FROM occurrences WHERE seq = ?1", &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, out->seq);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        out->data_len = (size_t)sqlite3_column_bytes(statement, 0);
        out->data = malloc(out->data_len + 1);
        if (out->data != NULL)
            memcpy(out->data, tb_store_text(statement, 0), out->data_len + 1);
        else
            err = -ENOMEM;
    } else {
        err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_storm_due(struct tb_store *store, int64_t opened_to_ms, int64_t now_ms,
                       struct tb_storm *out)
{
    sqlite3_stmt *statement = NULL;
    memset(out, 0, sizeof(*out));
    int err = tb_store_statement(store, TB_SQL_STORM_DUE, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, opened_to_ms);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        out->item = sqlite3_column_int64(statement, 0);
        out->seq = sqlite3_column_int64(statement, 1);
        out->repeated = sqlite3_column_int64(statement, 2);
        out->kinds = sqlite3_column_int64(statement, 3);
        out->since_ns = sqlite3_column_int64(statement, 4);
        out->until_ns = sqlite3_column_int64(statement, 5);
    } else {
        err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    }
    (void)sqlite3_reset(statement);
    return err ? err : take_data(store, out);
}

void tb_storm_done(struct tb_storm *storm)
{
    free(storm->data);
    storm->data = NULL;
}

static int run_of(struct tb_store *store, enum tb_statement which, int64_t number)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, number);
    return tb_store_finish(store, statement);
}

static int put_data(struct tb_store *store, int64_t seq, const char *data, size_t data_len)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_STORM_DATA, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, seq);
    (void)sqlite3_bind_text(statement, 2, data, (int)data_len, SQLITE_STATIC);
    return tb_store_finish(store, statement);
}

int tb_store_storm_close(struct tb_store *store, const struct tb_storm *storm, const char *data,
                         size_t data_len)
{
    int own = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    if (data != NULL)
        err = put_data(store, storm->seq, data, data_len);
    if (!err)
        err = run_of(store, TB_SQL_STORM_CLOSE, storm->item);
    if (!err)
        err = run_of(store, TB_SQL_STORM_FORGET_KINDS, storm->item);
    return tb_store_part_end(store, own, err);
}

/* ---- for people ---- */

int tb_store_storm_counts(struct tb_store *store, int64_t since_ms,
                          struct tb_store_storm_counts *out)
{
    static const char sql[] =
        "SELECT coalesce((SELECT value FROM counters WHERE name = 'collapsed'), 0),"
        " (SELECT count(*) FROM storms WHERE occurrence IS NOT NULL),"
        " (SELECT count(*) FROM storms WHERE last_ms >= ?1)";
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, since_ms);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        out->collapsed = sqlite3_column_int64(statement, 0);
        out->open = sqlite3_column_int64(statement, 1);
        out->items = sqlite3_column_int64(statement, 2);
    } else {
        err = tb_store_fail(store, rc);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_storms(struct tb_store *store, int64_t since_ms, size_t max,
                    int (*row)(void *arg, const struct tb_storm_row *storm), void *arg)
{
    static const char sql[] = "SELECT s.item, s.collapsed, s.last_ms, i.title, i.service,"
                              " i.environment FROM storms s JOIN items i ON i.number = s.item"
                              " WHERE s.last_ms >= ?1 AND s.collapsed > 0"
                              " ORDER BY s.last_ms DESC, s.item DESC LIMIT ?2";
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, since_ms);
    (void)sqlite3_bind_int64(statement, 2, max > INT64_MAX ? -1 : (int64_t)max);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_storm_row storm = {.item = sqlite3_column_int64(statement, 0),
                                     .collapsed = sqlite3_column_int64(statement, 1),
                                     .last_ms = sqlite3_column_int64(statement, 2),
                                     .title = tb_store_text(statement, 3),
                                     .service = tb_store_text(statement, 4),
                                     .environment = tb_store_text(statement, 5)};
        if (row(arg, &storm) != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}
