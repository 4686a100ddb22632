/* outbox.c - what is still to be delivered: due rows and verdicts. outbox_hold.c has the tokens.
 *
 * A row is queued until its last verdict is committed, so a process that dies in between sends the
 * same uuid again; Rollbar drops the repeat. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { NUMBER_ROOM = 21 }; /* of a number in a list, with its comma */

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

int tb_store_tokens(struct tb_store *store, const char *sink, int64_t after, int64_t now_ms,
                    struct tb_outbox_token *out, size_t max)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_TOKENS, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, after);
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)max);
    int rc = SQLITE_DONE;
    size_t n = 0;
    for (; n < max && (rc = sqlite3_step(statement)) == SQLITE_ROW; n++) {
        out[n].id = sqlite3_column_int64(statement, 0);
        (void)snprintf(out[n].token, sizeof(out[n].token), "%s", tb_store_text(statement, 1));
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err < 0 ? err : (int)n;
}

int tb_store_due(struct tb_store *store, int64_t token_id, int class_, int64_t now_ms,
                 const struct tb_outbox_key *after, struct tb_outbox_key *out, size_t max)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_DUE, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, token_id);
    (void)sqlite3_bind_int(statement, 2, class_);
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    (void)sqlite3_bind_int64(statement, 4, (int64_t)max);
    (void)sqlite3_bind_int64(statement, 5, after ? after->due_at_ms : INT64_MIN);
    (void)sqlite3_bind_int64(statement, 6, after ? after->seq : INT64_MIN);
    int rc = SQLITE_DONE;
    size_t n = 0;
    for (; n < max && (rc = sqlite3_step(statement)) == SQLITE_ROW; n++) {
        out[n].seq = sqlite3_column_int64(statement, 0);
        out[n].due_at_ms = sqlite3_column_int64(statement, 1);
        out[n].attempts = sqlite3_column_int(statement, 2);
        out[n].http_status = sqlite3_column_int(statement, 3);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    return err < 0 ? err : (int)n;
}

static int take_row(sqlite3_stmt *statement, struct tb_outbox_row *row)
{
    (void)snprintf(row->uuid, sizeof(row->uuid), "%s", tb_store_text(statement, 0));
    const char *data = tb_store_text(statement, 1);
    size_t len = (size_t)sqlite3_column_bytes(statement, 1);
    row->data = malloc(len + 1);
    if (!row->data)
        return -ENOMEM;
    memcpy(row->data, data, len);
    row->data[len] = '\0';
    row->data_len = len;
    return 0;
}

int tb_store_row(struct tb_store *store, int64_t seq, struct tb_outbox_row *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_ROW, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, seq);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        err = take_row(statement, out);
    } else if (rc == SQLITE_DONE) {
        tb_store_say(store, "there is no occurrence %lld", (long long)seq);
        err = -ENOENT;
    } else {
        err = tb_store_fail(store, rc);
    }
    (void)sqlite3_reset(statement);
    return err;
}

int64_t tb_store_next_due(struct tb_store *store, const char *sink, int64_t after_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_NEXT_DUE, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
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
    tb_store_bind(statement, 1, sink);
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

int tb_store_step(struct tb_store *store, const char *sink, int64_t now_ms, int64_t step_ms)
{
    sqlite3_stmt *statement = NULL;
    int own = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    err = step_ms < 0 ? clamp(store, TB_SQL_CLAMP_ROWS, sink, now_ms, 0) : 0;
    if (err == 0)
        err = tb_store_statement(store, TB_SQL_SHIFT_TOKENS, &statement);
    if (err == 0) {
        tb_store_bind(statement, 1, sink);
        (void)sqlite3_bind_int64(statement, 2, step_ms);
        err = tb_store_finish(store, statement);
    }
    return tb_store_part_end(store, own, err);
}

int tb_store_release(struct tb_store *store, const char *sink, int64_t now_ms)
{
    return clamp(store, TB_SQL_CLAMP_ROWS, sink, now_ms, 0);
}

int tb_store_verdict(struct tb_store *store, const char *sink,
                     const struct tb_outbox_verdict *verdict)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_VERDICT, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, verdict->seq);
    tb_store_bind(statement, 2, sink);
    (void)sqlite3_bind_int(statement, 3, (int)verdict->state);
    (void)sqlite3_bind_int64(statement, 4, verdict->due_at_ms);
    (void)sqlite3_bind_int64(statement, 5, wall_ms());
    (void)sqlite3_bind_int(statement, 6, verdict->http_status);
    tb_store_bind(statement, 7, verdict->reason ? verdict->reason : "");
    (void)sqlite3_bind_int(statement, 8, verdict->is_attempt != 0);
    err = tb_store_finish(store, statement);
    if (err < 0 || sqlite3_changes(store->db) > 0)
        return err;
    tb_store_say(store, "no undelivered row of occurrence %lld for %s", (long long)verdict->seq,
                 sink);
    return -ENOENT;
}

int tb_store_sent(struct tb_store *store, const char *sink, const int64_t *seqs, size_t n,
                  int http_status)
{
    char list[TB_STORE_SENT_MAX * NUMBER_ROOM + 2];
    size_t len = 0;
    sqlite3_stmt *statement = NULL;
    if (n > TB_STORE_SENT_MAX)
        return -EINVAL;
    for (size_t i = 0; i < n; i++)
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%c%lld", i == 0 ? '[' : ',',
                                (long long)seqs[i]);
    int err = n > 0 ? tb_store_statement(store, TB_SQL_SENT, &statement) : 0;
    if (n == 0 || err < 0)
        return err;
    memcpy(list + len, "]", 2);
    tb_store_bind(statement, 1, list);
    tb_store_bind(statement, 2, sink);
    (void)sqlite3_bind_int64(statement, 3, wall_ms());
    (void)sqlite3_bind_int(statement, 4, http_status);
    return tb_store_finish(store, statement);
}
