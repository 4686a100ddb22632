/* write.c - transactions, and storing an occurrence with its item and its outbox rows.
 *
 * An occurrence is known by its uuid and stored once: the spool may hand the same record over again
 * after a crash, and a sender may repeat a request whose answer was lost. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

int tb_store_begin(struct tb_store *store)
{
    return tb_store_do(store, TB_SQL_BEGIN);
}

int tb_store_begin_read(struct tb_store *store)
{
    return tb_store_do(store, TB_SQL_BEGIN_READ);
}

int tb_store_commit(struct tb_store *store)
{
    if (sqlite3_get_autocommit(store->db)) {
        /* SQLite has taken the transaction back by itself, after a full disk for example. What it
         * said then is still in error. */
        return -EIO;
    }
    int err = tb_store_do(store, TB_SQL_COMMIT);
    if (err < 0) {
        char kept[TB_STORE_WHY];
        memcpy(kept, store->error, sizeof(kept));
        tb_store_rollback(store);
        memcpy(store->error, kept, sizeof(kept));
    }
    return err;
}

void tb_store_rollback(struct tb_store *store)
{
    if (!sqlite3_get_autocommit(store->db))
        (void)tb_store_do(store, TB_SQL_ROLLBACK);
}

int tb_store_part(struct tb_store *store, int *own)
{
    *own = sqlite3_get_autocommit(store->db);
    return *own ? tb_store_begin(store) : tb_store_do(store, TB_SQL_SAVE);
}

int tb_store_part_end(struct tb_store *store, int own, int err)
{
    if (err == 0)
        return own ? tb_store_commit(store) : tb_store_do(store, TB_SQL_RELEASE);
    char kept[TB_STORE_WHY];
    memcpy(kept, store->error, sizeof(kept));
    if (own) {
        tb_store_rollback(store);
    } else if (!sqlite3_get_autocommit(store->db)) {
        (void)tb_store_do(store, TB_SQL_BACK);
        (void)tb_store_do(store, TB_SQL_RELEASE);
    }
    memcpy(store->error, kept, sizeof(kept));
    return err;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    /* A failed bind leaves NULL, which the tables refuse: the step then fails. */
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

static int64_t signed_ns(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

int tb_store_check_occurrence(struct tb_store *store, const struct tb_occurrence *occurrence,
                              const struct tb_outbox_to *to, size_t n_to)
{
    size_t uuid_len = strlen(occurrence->uuid);
    const char *what = NULL;
    if (uuid_len == 0 || uuid_len > TB_STORE_UUID_MAX)
        what = "its uuid has not 1 to 36 bytes";
    else if (occurrence->data_len > INT_MAX)
        what = "it is too large";
    for (size_t i = 0; i < n_to && !what; i++) {
        if (strlen(to[i].token) > TB_STORE_TOKEN_MAX)
            what = "the token of a queue has more than 127 bytes";
    }
    if (!what)
        return 0;
    tb_store_say(store, "occurrence %.36s cannot be stored: %s", occurrence->uuid, what);
    return -EINVAL;
}

int tb_store_is_known(struct tb_store *store, const char *uuid)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_KNOWN, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, uuid);
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    return 1;
}

/* A sender's clock may run ahead; nothing has happened after it came in. */
int64_t tb_store_seen_ns(const struct tb_occurrence *occurrence)
{
    return signed_ns(occurrence->occurred_ns < occurrence->received_ns ? occurrence->occurred_ns
                                                                       : occurrence->received_ns);
}

/* Runs one of the two statements for the item. 0, -ENOENT when it gave no number. */
static int run_item(struct tb_store *store, enum tb_statement which,
                    const struct tb_occurrence *occurrence, int64_t *number)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, occurrence->environment);
    bind_text(statement, 2, occurrence->fingerprint);
    (void)sqlite3_bind_int64(statement, 7, tb_store_seen_ns(occurrence) / TB_NS_PER_MS);
    if (which == TB_SQL_ITEM_ADD) {
        bind_text(statement, 3, occurrence->service);
        bind_text(statement, 4, occurrence->framework);
        bind_text(statement, 5, occurrence->title);
        bind_text(statement, 6, occurrence->level);
        bind_text(statement, 8, occurrence->group_inputs);
    }
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        return tb_store_finish(store, statement);
    }
    err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    return err;
}

int tb_store_item_seen(struct tb_store *store, const struct tb_occurrence *occurrence,
                       int64_t *number)
{
    return run_item(store, TB_SQL_ITEM_SEEN, occurrence, number);
}

/* The number of the occurrence's item, which is made when it is its first. */
static int add_item(struct tb_store *store, const struct tb_occurrence *occurrence, int64_t *number)
{
    int err = tb_store_item_seen(store, occurrence, number);
    return err == -ENOENT ? run_item(store, TB_SQL_ITEM_ADD, occurrence, number) : err;
}

static int add_occurrence(struct tb_store *store, const struct tb_occurrence *occurrence,
                          int64_t item)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_OCCURRENCE_ADD, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, occurrence->uuid);
    (void)sqlite3_bind_int64(statement, 2, item);
    bind_text(statement, 3, occurrence->trace_id);
    bind_text(statement, 4, occurrence->xray_trace_id);
    bind_text(statement, 5, occurrence->span_id);
    bind_text(statement, 6, occurrence->service);
    bind_text(statement, 7, occurrence->level);
    bind_text(statement, 8, occurrence->title);
    (void)sqlite3_bind_int64(statement, 9, signed_ns(occurrence->occurred_ns));
    (void)sqlite3_bind_int64(statement, 10, signed_ns(occurrence->received_ns));
    (void)sqlite3_bind_text(statement, 11, occurrence->data, (int)occurrence->data_len,
                            SQLITE_STATIC);
    return tb_store_finish(store, statement);
}

static int add_outbox(struct tb_store *store, const struct tb_occurrence *occurrence, int64_t seq,
                      const struct tb_outbox_to *to)
{
    sqlite3_stmt *statement = NULL;
    int err;
    if ((err = tb_store_statement(store, TB_SQL_TOKEN_ADD, &statement)))
        return err;
    bind_text(statement, 1, to->sink);
    bind_text(statement, 2, to->token);
    if ((err = tb_store_finish(store, statement)) ||
        (err = tb_store_statement(store, TB_SQL_OUTBOX_ADD, &statement)))
        return err;
    int last = TB_STORE_N_CLASSES - 1;
    int class_ = occurrence->class_ < 0 ? 0 : occurrence->class_;
    uint64_t now_ns = tb_clock_wall_ns();
    uint64_t due_ns = occurrence->received_ns < now_ns ? occurrence->received_ns : now_ns;
    bind_text(statement, 1, to->sink);
    bind_text(statement, 2, to->token);
    (void)sqlite3_bind_int64(statement, 3, seq);
    (void)sqlite3_bind_int(statement, 4, class_ > last ? last : class_);
    (void)sqlite3_bind_int64(statement, 5, signed_ns(due_ns) / TB_NS_PER_MS);
    return tb_store_finish(store, statement);
}

int tb_store_add_all(struct tb_store *store, const struct tb_occurrence *occurrence,
                     const struct tb_outbox_to *to, size_t n_to, int64_t *item, int64_t *seq)
{
    int err;
    if ((err = add_item(store, occurrence, item)) ||
        (err = add_occurrence(store, occurrence, *item)))
        return err;
    *seq = sqlite3_last_insert_rowid(store->db);
    for (size_t i = 0; i < n_to; i++) {
        err = add_outbox(store, occurrence, *seq, &to[i]);
        if (err < 0)
            return err;
    }
    return tb_store_count(store, "occurrences", 1);
}

int tb_store_add(struct tb_store *store, const struct tb_occurrence *occurrence,
                 const struct tb_outbox_to *to, size_t n_to)
{
    int64_t item = 0;
    int64_t seq = 0;
    int own = 0;
    int err;
    if ((err = tb_store_check_occurrence(store, occurrence, to, n_to)) ||
        (err = tb_store_part(store, &own)))
        return err;
    int known = tb_store_is_known(store, occurrence->uuid);
    if (known < 0)
        err = known;
    else if (known)
        err = tb_store_count(store, "duplicates", 1);
    else
        err = tb_store_add_all(store, occurrence, to, n_to, &item, &seq);
    err = tb_store_part_end(store, own, err);
    return err < 0 ? err : known;
}

int tb_store_count(struct tb_store *store, const char *name, int64_t add)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_COUNT, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, name);
    (void)sqlite3_bind_int64(statement, 2, add);
    return tb_store_finish(store, statement);
}

int tb_store_remember_counted(struct tb_store *store, const char *uuid)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, TB_SQL_COUNTED_ADD, &statement);
    if (err < 0)
        return err;
    bind_text(statement, 1, uuid);
    if ((err = tb_store_finish(store, statement)) ||
        (err = tb_store_statement(store, TB_SQL_COUNTED_FORGET, &statement)))
        return err;
    (void)sqlite3_bind_int64(statement, 1, sqlite3_last_insert_rowid(store->db) - TB_STORE_COUNTED);
    return tb_store_finish(store, statement);
}

int tb_store_count_once(struct tb_store *store, const char *uuid, const char *name, int64_t add)
{
    int own = 0;
    int err = tb_store_part(store, &own);
    if (err < 0)
        return err;
    int known = tb_store_is_known(store, uuid);
    err = known < 0 ? known : 0;
    if (!known && !(err = tb_store_remember_counted(store, uuid)))
        err = tb_store_count(store, name, add);
    err = tb_store_part_end(store, own, err);
    return err < 0 ? err : known;
}
