/* deploys.c - see deploys.h. Deploys are rare: no statement of them is kept prepared. */
#include "store/deploys.h"

#include <errno.h>
#include <string.h>

#include "store/internal.h"

#define COLUMNS                                                                                    \
    "SELECT id, environment, revision, status, comment, local_username, rollbar_username, token,"  \
    " start_ms, finish_ms, state, remote_id, sent_status, attempts, http_status, due_at_ms,"       \
    " reason FROM deploys "

int tb_deploy_is_status(const char *text)
{
    static const char *const known[] = {"started", "succeeded", "failed", "timed_out"};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(text, known[i]) == 0)
            return 1;
    return 0;
}

static void bind_texts(sqlite3_stmt *statement, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)sqlite3_bind_text(statement, (int)i + 1, texts[i], -1, SQLITE_STATIC);
}

/* Runs a statement to its end and gives it back. rc is what preparing it said. */
static int run(struct tb_store *store, sqlite3_stmt *statement)
{
    int rc;
    do
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW);
    int err = rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

/* The first number of the only row. */
static int number(struct tb_store *store, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_type(statement, 0) == SQLITE_NULL
                   ? -1
                   : sqlite3_column_int64(statement, 0);
    else
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

static int insert(struct tb_store *store, const struct tb_deploy *d)
{
    sqlite3_stmt *statement = NULL;
    const char *const texts[] = {d->environment,    d->revision,         d->status, d->comment,
                                 d->local_username, d->rollbar_username, d->token};
    int err = tb_store_prepare(
        store,
        "INSERT INTO deploys(environment, revision, status, comment, local_username,"
        " rollbar_username, token, start_ms, finish_ms, state, due_at_ms)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?8)",
        &statement);
    if (err < 0)
        return err;
    bind_texts(statement, texts, sizeof(texts) / sizeof(texts[0]));
    (void)sqlite3_bind_int64(statement, 8, d->start_ms);
    (void)sqlite3_bind_int64(statement, 9, d->finish_ms);
    (void)sqlite3_bind_int(statement, 10, (int)d->state);
    return run(store, statement);
}

static int forget_old(struct tb_store *store, int64_t last)
{
    sqlite3_stmt *statement = NULL;
    int err =
        tb_store_prepare(store, "DELETE FROM deploys WHERE id <= ?1 AND state <> 0", &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, last - TB_DEPLOYS_KEPT);
    return run(store, statement);
}

int tb_store_deploy_add(struct tb_store *store, const struct tb_deploy *deploy, int64_t *id_out)
{
    int own = 0;
    int64_t n_queued = 0;
    int64_t id = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    err = number(store, "SELECT count(*) FROM deploys WHERE state = 0", &n_queued);
    if (err == 0 && deploy->state == TB_DEPLOY_QUEUED && n_queued >= TB_DEPLOYS_QUEUED)
        err = -EAGAIN;
    if (err == 0)
        err = insert(store, deploy);
    if (err == 0) {
        id = sqlite3_last_insert_rowid(store->db);
        err = forget_old(store, id);
    }
    err = tb_store_part_end(store, own, err);
    if (err == 0)
        *id_out = id;
    return err;
}

int tb_store_deploy_update(struct tb_store *store, int64_t id, const char *status, int64_t now_ms)
{
    sqlite3_stmt *statement = NULL;
    /* What Rollbar refused once may be taken when it says something else. */
    int err = tb_store_prepare(
        store,
        "UPDATE deploys SET status = ?1, finish_ms = CASE WHEN ?1 = 'started' THEN 0 ELSE ?3 END,"
        " due_at_ms = CASE WHEN attempts = 0 OR state <> 0 THEN ?3 ELSE due_at_ms END,"
        " state = CASE WHEN state = 2 THEN 2 WHEN state = 1 AND sent_status = ?1 THEN 1 ELSE 0 END"
        " WHERE id = ?2",
        &statement);
    if (err < 0)
        return err;
    bind_texts(statement, &status, 1);
    (void)sqlite3_bind_int64(statement, 2, id);
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    err = run(store, statement);
    if (err < 0 || sqlite3_changes(store->db) > 0)
        return err;
    tb_store_say(store, "there is no deploy %lld", (long long)id);
    return -ENOENT;
}

static void take(sqlite3_stmt *statement, struct tb_deploy *out)
{
    const char **const texts[] = {&out->environment, &out->revision,       &out->status,
                                  &out->comment,     &out->local_username, &out->rollbar_username,
                                  &out->token};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        *texts[i] = tb_store_text(statement, (int)i + 1);
    out->id = sqlite3_column_int64(statement, 0);
    out->start_ms = sqlite3_column_int64(statement, 8);
    out->finish_ms = sqlite3_column_int64(statement, 9);
    out->state = (enum tb_deploy_state)sqlite3_column_int(statement, 10);
    out->remote_id = sqlite3_column_int64(statement, 11);
    out->sent_status = tb_store_text(statement, 12);
    out->attempts = sqlite3_column_int(statement, 13);
    out->http_status = sqlite3_column_int(statement, 14);
    out->due_at_ms = sqlite3_column_int64(statement, 15);
    out->reason = tb_store_text(statement, 16);
}

static int give(struct tb_store *store, sqlite3_stmt *statement,
                int (*row)(void *arg, const struct tb_deploy *deploy), void *arg)
{
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_deploy deploy;
        take(statement, &deploy);
        if (row(arg, &deploy) != 0)
            break;
    }
    int err = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

int tb_store_deploys(struct tb_store *store, const struct tb_deploy_filter *filter,
                     int (*row)(void *arg, const struct tb_deploy *deploy), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store,
                               COLUMNS "WHERE (?1 = 0 OR id = ?1) AND (?2 IS NULL OR environment ="
                                       " ?2) AND start_ms BETWEEN ?3 AND ?4"
                                       " ORDER BY start_ms DESC, id DESC LIMIT ?5",
                               &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, filter->id);
    (void)sqlite3_bind_text(statement, 2, filter->environment, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(statement, 3, filter->from_ms);
    (void)sqlite3_bind_int64(statement, 4, filter->to_ms > 0 ? filter->to_ms : INT64_MAX);
    (void)sqlite3_bind_int64(statement, 5, (int64_t)filter->max);
    return give(store, statement, row, arg);
}

int tb_store_deploys_due(struct tb_store *store, int64_t now_ms, size_t max,
                         int (*row)(void *arg, const struct tb_deploy *deploy), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(
        store, COLUMNS "WHERE state = 0 AND due_at_ms <= ?1 ORDER BY due_at_ms, id LIMIT ?2",
        &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, now_ms);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)max);
    return give(store, statement, row, arg);
}

int64_t tb_store_deploys_next(struct tb_store *store)
{
    int64_t at = -1;
    int err = number(store, "SELECT min(due_at_ms) FROM deploys WHERE state = 0", &at);
    return err < 0 ? err - 1 : at;
}

int tb_store_deploy_verdict(struct tb_store *store, const struct tb_deploy_verdict *verdict)
{
    sqlite3_stmt *statement = NULL;
    const char *const texts[] = {verdict->sent_status, verdict->reason};
    int err = tb_store_prepare(
        store,
        "UPDATE deploys SET sent_status = coalesce(?1, sent_status), reason = ?2,"
        " state = CASE WHEN ?4 = 1 AND status <> ?1 THEN 0 ELSE ?4 END,"
        " remote_id = CASE WHEN ?5 > 0 THEN ?5 ELSE remote_id END, due_at_ms = ?6,"
        " http_status = ?7, attempts = CASE WHEN ?4 = 1 THEN 0 ELSE attempts + 1 END"
        " WHERE id = ?3",
        &statement);
    if (err < 0)
        return err;
    bind_texts(statement, texts, 2);
    (void)sqlite3_bind_int64(statement, 3, verdict->id);
    (void)sqlite3_bind_int(statement, 4, (int)verdict->state);
    (void)sqlite3_bind_int64(statement, 5, verdict->remote_id);
    (void)sqlite3_bind_int64(statement, 6, verdict->due_at_ms);
    (void)sqlite3_bind_int(statement, 7, verdict->http_status);
    return run(store, statement);
}
