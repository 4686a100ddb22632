/* peers_lmdb.c - a queue as one makes it with LMDB: a transaction for each record, not synced. */
#include "store.h"

#include <errno.h>
#include <stdlib.h>

#include <lmdb.h>

enum { MAP_BYTES = 1 << 30 };

struct queue {
    MDB_env *env;
    MDB_dbi dbi;
};

static void queue_close(void *store)
{
    struct queue *queue = store;
    if (!queue)
        return;
    mdb_env_close(queue->env);
    free(queue);
}

/* LMDB's own errors are negative and below those of the system. */
static int as_errno(int rc)
{
    return rc < 0 ? -EIO : -rc;
}

static int begin(struct queue *queue)
{
    MDB_txn *txn;
    int rc = mdb_env_set_mapsize(queue->env, MAP_BYTES);
    if (rc == 0)
        rc = mdb_txn_begin(queue->env, NULL, 0, &txn);
    if (rc != 0)
        return as_errno(rc);
    rc = mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &queue->dbi);
    if (rc != 0)
        mdb_txn_abort(txn);
    else
        rc = mdb_txn_commit(txn);
    return as_errno(rc);
}

static int queue_open(const char *folder, void **out)
{
    struct queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return -ENOMEM;
    int rc = mdb_env_create(&queue->env);
    if (rc != 0) {
        free(queue);
        return as_errno(rc);
    }
    rc = mdb_env_open(queue->env, folder, MDB_NOSYNC, 0600);
    int err = rc != 0 ? as_errno(rc) : begin(queue);
    if (err < 0) {
        queue_close(queue);
        return err;
    }
    *out = queue;
    return 0;
}

/* Behind the last record, whichever process wrote it. */
static int put(struct queue *queue, MDB_txn *txn, const void *data, size_t len)
{
    MDB_cursor *cursor;
    MDB_val last = {0, NULL};
    MDB_val unused;
    int rc = mdb_cursor_open(txn, queue->dbi, &cursor);
    if (rc != 0)
        return rc;
    size_t number = 0;
    if (mdb_cursor_get(cursor, &last, &unused, MDB_LAST) == 0)
        number = *(const size_t *)last.mv_data + 1;
    MDB_val key = {sizeof(number), &number};
    MDB_val value = {len, (void *)(size_t)data}; /* only ever read from */
    rc = mdb_cursor_put(cursor, &key, &value, MDB_APPEND);
    mdb_cursor_close(cursor);
    return rc;
}

static int queue_append(void *store, const void *data, size_t len)
{
    struct queue *queue = store;
    MDB_txn *txn;
    int rc = mdb_txn_begin(queue->env, NULL, 0, &txn);
    if (rc != 0)
        return as_errno(rc);
    rc = put(queue, txn, data, len);
    if (rc == 0)
        rc = mdb_txn_commit(txn);
    else
        mdb_txn_abort(txn);
    return as_errno(rc);
}

static const struct bench_store store = {"lmdb", queue_open, queue_append, queue_close};
const struct bench_store *const bench_lmdb = &store;
