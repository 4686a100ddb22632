/* outbox_hold.c - tokens: which are held, and which row goes with which.
 *
 * A token is held in two ways: paused (the service said "slower"; its rows stay queued and are
 * passed over until then) and parked (the service refuses it; its rows are set aside, one is tried
 * now and then). Rows that wait change their token when the settings do. Senders choose tokens, and
 * what log streams are called: those that nothing waits with do not stay for ever. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum {
    KINDS_MAX = 4096,
    TOKENS_KEPT = 1024,      /* with which nothing waits, of one sink */
    FORGOTTEN_AT_ONCE = 5000 /* some 20 ms of the writer's lock */
};

static int64_t wall_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

static int hold(struct tb_store *store, enum tb_statement which, const char *sink,
                const char *token, const char *reason)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    tb_store_bind(statement, 2, token); /* NULL stays NULL: every token */
    if (reason) {
        tb_store_bind(statement, 3, reason);
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
    tb_store_bind(statement, 1, sink);
    tb_store_bind(statement, 2, token);
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
    tb_store_bind(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    if ((err = tb_store_finish(store, statement)))
        goto out;
    n_rows = sqlite3_changes(store->db);
    if ((err = tb_store_statement(store, TB_SQL_PROBE_TOKENS, &statement)))
        goto out;
    tb_store_bind(statement, 1, sink);
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
    tb_store_bind(statement, 1, sink);
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

static int count_tokens(struct tb_store *store, const char *sink, int64_t *out)
{
    static const char COUNT[] = "SELECT count(*) FROM tokens WHERE sink = ?1";
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, COUNT, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(statement, 0);
    else
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_forget_tokens(struct tb_store *store, const char *sink, int64_t now_ms)
{
    /* The newest stays: an id is never used twice, as queues in memory go by it. */
    static const char FORGET[] =
        "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens t WHERE sink = ?1"
        " AND until_ms <= ?2 AND NOT parked AND token <> '' AND token NOT LIKE ' %'"
        " AND id < (SELECT max(id) FROM tokens)"
        " AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 0 AND token = t.id)"
        " AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 4 AND token = t.id) LIMIT ?3)";
    sqlite3_stmt *statement = NULL;
    int64_t n_tokens = 0;
    int err = count_tokens(store, sink, &n_tokens);
    int64_t n_over = n_tokens - TOKENS_KEPT;
    if (err < 0 || n_over <= 0)
        return err;
    err = tb_store_prepare(store, FORGET, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    (void)sqlite3_bind_int64(statement, 3, n_over < FORGOTTEN_AT_ONCE ? n_over : FORGOTTEN_AT_ONCE);
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err < 0 ? err : sqlite3_changes(store->db) == FORGOTTEN_AT_ONCE;
}

int tb_store_token_state(struct tb_store *store, const char *sink, const char *token, int *parked,
                         int64_t *until_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_TOKEN_STATE, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    tb_store_bind(statement, 2, token);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        *parked = rc == SQLITE_ROW ? sqlite3_column_int(statement, 0) : 0;
        *until_ms = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 1) : 0;
    } else {
        err = tb_store_fail(store, rc);
    }
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}

int tb_store_rest(struct tb_store *store, const char *sink, const char *name, int64_t until_ms)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_REST, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    tb_store_bind(statement, 2, name);
    (void)sqlite3_bind_int64(statement, 3, until_ms);
    return tb_store_finish(store, statement);
}

/* Rows of one token, service and environment. */
struct kind {
    int64_t token_id;
    char *service, *environment;
    char to[TB_STORE_TOKEN_MAX + 1];
};

struct choice {
    void (*choose)(void *arg, const char *token, const char *service, const char *environment,
                   char out[128]);
    void *arg;
    struct kind *kinds; /* KINDS_MAX */
    size_t n;
};

/* Notes a kind whose token is another one now. */
static int note_kind(struct choice *choice, sqlite3_stmt *statement)
{
    struct kind *kind = &choice->kinds[choice->n];
    const char *token = tb_store_text(statement, 1);
    const char *service = tb_store_text(statement, 2);
    const char *environment = tb_store_text(statement, 3);
    (void)snprintf(kind->to, sizeof(kind->to), "%s", token);
    choice->choose(choice->arg, token, service, environment, kind->to);
    if (strcmp(kind->to, token) == 0)
        return 0;
    kind->token_id = sqlite3_column_int64(statement, 0);
    kind->service = strdup(service);
    kind->environment = strdup(environment);
    choice->n++; /* also when one is missing: both are freed */
    return kind->service && kind->environment ? 0 : -ENOMEM;
}

static int find_kinds(struct tb_store *store, const char *sink, int all, struct choice *choice)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_KINDS, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    (void)sqlite3_bind_int(statement, 2, all);
    int rc = SQLITE_DONE;
    while (err == 0 && choice->n < KINDS_MAX && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        err = note_kind(choice, statement);
    if (err == 0 && rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    (void)sqlite3_clear_bindings(statement);
    return err;
}

static int move(struct tb_store *store, const char *sink, const struct kind *kind)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_TOKEN_ADD, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, sink);
    tb_store_bind(statement, 2, kind->to);
    if ((err = tb_store_finish(store, statement)) ||
        (err = tb_store_statement(store, TB_SQL_MOVE, &statement)))
        return err;
    tb_store_bind(statement, 1, sink);
    (void)sqlite3_bind_int64(statement, 2, kind->token_id);
    tb_store_bind(statement, 3, kind->to);
    tb_store_bind(statement, 4, kind->service);
    tb_store_bind(statement, 5, kind->environment);
    return tb_store_finish(store, statement);
}

/* One round; more is 1 when there may be kinds left. */
static int choose_some(struct tb_store *store, const char *sink, int all, struct choice *choice,
                       int *more)
{
    choice->n = 0;
    int err = find_kinds(store, sink, all, choice);
    *more = choice->n == KINDS_MAX;
    for (size_t i = 0; i < choice->n; i++) {
        if (err == 0)
            err = move(store, sink, &choice->kinds[i]);
        free(choice->kinds[i].service);
        free(choice->kinds[i].environment);
    }
    return err;
}

int tb_store_choose(struct tb_store *store, const char *sink, int all,
                    void (*choose)(void *arg, const char *token, const char *service,
                                   const char *environment, char out[128]),
                    void *arg)
{
    struct choice choice = {choose, arg, calloc(KINDS_MAX, sizeof(struct kind)), 0};
    int own = 0;
    int more = 1;
    if (!choice.kinds)
        return -ENOMEM;
    int err = tb_store_part(store, &own);
    if (err == 0) {
        while (err == 0 && more)
            err = choose_some(store, sink, all, &choice, &more);
        err = tb_store_part_end(store, own, err);
    }
    free(choice.kinds);
    return err;
}
