/* outbox.c - what is still to be delivered: due rows, verdicts, held tokens.
 *
 * A row is queued until its last verdict is committed, so a process that dies in between sends the
 * same uuid again; Rollbar drops the repeat. A token is held in two ways: paused (the service said
 * "slower"; its rows stay queued and are passed over until then) and parked (the service refuses
 * it; its rows are set aside, one is tried now and then). */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

void tb_outbox_row_done(struct tb_outbox_row *row)
{
    if (!row)
        return;
    free(row->data);
    row->data = NULL;
    row->data_len = 0;
}

static int is_busy(const char *uuid, const char (*busy)[37], size_t n_busy)
{
    for (size_t i = 0; i < n_busy; i++) {
        if (strcmp(busy[i], uuid) == 0)
            return 1;
    }
    return 0;
}

static const char *column_text(sqlite3_stmt *statement, int at)
{
    const char *text = (const char *)sqlite3_column_text(statement, at);
    return text ? text : "";
}

static int take_row(sqlite3_stmt *statement, struct tb_outbox_row *row)
{
    (void)snprintf(row->uuid, sizeof(row->uuid), "%s", column_text(statement, 0));
    (void)snprintf(row->token, sizeof(row->token), "%s", column_text(statement, 1));
    row->class_ = sqlite3_column_int(statement, 2);
    row->attempts = sqlite3_column_int(statement, 3);
    const char *data = column_text(statement, 4);
    size_t len = (size_t)sqlite3_column_bytes(statement, 4);
    row->data = malloc(len + 1);
    if (!row->data)
        return -ENOMEM;
    memcpy(row->data, data, len);
    row->data[len] = '\0';
    row->data_len = len;
    return 0;
}

struct due {
    const char *sink;
    int64_t now_ms;
    const char (*busy)[37];
    size_t n_busy;
    struct tb_outbox_row *rows;
    size_t n, max;
};

static int due_of_class(struct tb_store *store, struct due *due, int class_)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_DUE, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, due->sink);
    (void)sqlite3_bind_int(statement, 2, class_);
    (void)sqlite3_bind_int64(statement, 3, due->now_ms);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)(due->max - due->n + due->n_busy));
    int rc = SQLITE_DONE;
    while (due->n < due->max && err == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (is_busy(column_text(statement, 0), due->busy, due->n_busy))
            continue;
        err = take_row(statement, &due->rows[due->n]);
        if (err == 0)
            due->n++;
    }
    if (err == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}

int tb_store_due(struct tb_store *store, const char *sink, int64_t now_ms, const char (*busy)[37],
                 size_t n_busy, struct tb_outbox_row *rows, size_t max)
{
    struct due due = {sink, now_ms, busy, n_busy, rows, 0, max};
    int err = 0;
    for (int class_ = 0; class_ < TB_STORE_N_CLASSES && due.n < max && err == 0; class_++)
        err = due_of_class(store, &due, class_);
    if (err == 0)
        return (int)due.n;
    for (size_t i = 0; i < due.n; i++)
        tb_outbox_row_done(&rows[i]);
    return err;
}

int64_t tb_store_next_due(struct tb_store *store, const char *sink, int64_t after_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_NEXT_DUE, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, after_ms);
    int rc = sqlite3_step(statement);
    int64_t at = -1;
    if (rc != SQLITE_ROW)
        at = tb_store_fail(store, rc);
    else if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
        at = sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return at;
}

static int clamp(struct tb_store *store, enum tb_statement which, const char *sink, int64_t now_ms,
                 int64_t max_wait_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    (void)sqlite3_bind_int64(statement, 3, now_ms + max_wait_ms);
    return tb_store_finish(store, statement);
}

int tb_store_clamp(struct tb_store *store, const char *sink, int64_t now_ms, int64_t max_wait_ms)
{
    int own = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    err = clamp(store, TB_SQL_CLAMP_ROWS, sink, now_ms, max_wait_ms);
    if (err == 0)
        err = clamp(store, TB_SQL_CLAMP_TOKENS, sink, now_ms, max_wait_ms);
    return tb_store_part_end(store, own, err);
}

int tb_store_verdict(struct tb_store *store, const char *uuid, const char *sink,
                     enum tb_outbox_state state, int64_t due_at_ms, int http_status,
                     const char *reason)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_VERDICT, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, uuid);
    bind_text(statement, 2, sink);
    (void)sqlite3_bind_int(statement, 3, (int)state);
    (void)sqlite3_bind_int64(statement, 4, due_at_ms);
    (void)sqlite3_bind_int64(statement, 5, wall_ms());
    (void)sqlite3_bind_int(statement, 6, http_status);
    bind_text(statement, 7, reason ? reason : "");
    err = tb_store_finish(store, statement);
    if (err < 0 || sqlite3_changes(store->db) > 0)
        return err;
    tb_store_say(store, "no undelivered row of %.36s for %s", uuid, sink);
    return -ENOENT;
}

static int hold(struct tb_store *store, enum tb_statement which, const char *sink,
                const char *token, const char *reason)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, sink);
    bind_text(statement, 2, token); /* NULL stays NULL: every token */
    if (reason) {
        bind_text(statement, 3, reason);
        (void)sqlite3_bind_int64(statement, 4, wall_ms());
    }
    return tb_store_finish(store, statement);
}

int tb_store_park(struct tb_store *store, const char *sink, const char *token, int parked,
                  const char *reason)
{
    int own = 0;
    if (parked && !token)
        return -EINVAL;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    err = hold(store, parked ? TB_SQL_PARK_TOKEN : TB_SQL_UNPARK_TOKEN, sink, token, NULL);
    if (err == 0 && parked)
        err = hold(store, TB_SQL_PARK_ROWS, sink, token, reason ? reason : "");
    else if (err == 0)
        err = hold(store, TB_SQL_UNPARK_ROWS, sink, token, NULL);
    return tb_store_part_end(store, own, err);
}

int tb_store_pause(struct tb_store *store, const char *sink, const char *token, int64_t until_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_PAUSE, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, sink);
    bind_text(statement, 2, token);
    (void)sqlite3_bind_int64(statement, 3, until_ms);
    return tb_store_finish(store, statement);
}

int tb_store_probe(struct tb_store *store, const char *sink, int64_t now_ms, int64_t every_ms)
{
    sqlite3_stmt *statement = NULL;
    int own = 0;
    int n_rows = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    if ((err = tb_store_statement(store, TB_SQL_PROBE_ROWS, &statement)))
        goto out;
    bind_text(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    if ((err = tb_store_finish(store, statement)))
        goto out;
    n_rows = sqlite3_changes(store->db);
    if ((err = tb_store_statement(store, TB_SQL_PROBE_TOKENS, &statement)))
        goto out;
    bind_text(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    (void)sqlite3_bind_int64(statement, 3, now_ms + every_ms);
    err = tb_store_finish(store, statement);
out:
    err = tb_store_part_end(store, own, err);
    return err < 0 ? err : n_rows;
}

int tb_store_holds(struct tb_store *store, const char *sink, int64_t now_ms,
                   struct tb_store_holds *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_HOLDS, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        int64_t until = sqlite3_column_int64(statement, 1);
        out->parked_tokens = sqlite3_column_int64(statement, 0);
        out->paused_until_ms = until > now_ms ? until : 0;
    } else {
        err = tb_store_fail(store, rc);
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}
