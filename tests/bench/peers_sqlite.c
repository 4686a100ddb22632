/* peers_sqlite.c - a queue as one makes it with SQLite: a table in WAL mode, a transaction for each
 * record. */
#include "store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <sqlite3.h>

#include "bench.h"

enum { BUSY_MS = 60000 };

struct queue {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static void queue_close(void *store)
{
    struct queue *queue = store;
    if (!queue)
        return;
    sqlite3_finalize(queue->insert);
    sqlite3_close(queue->db);
    free(queue);
}

static int queue_open(const char *folder, const char *synchronous, void **out)
{
    static const char INSERT[] = "INSERT INTO queue(record) VALUES(?)";
    char path[BENCH_PATH];
    char setup[256];
    int n = snprintf(path, sizeof(path), "%s/queue.db", folder);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    (void)snprintf(setup, sizeof(setup),
                   "PRAGMA journal_mode = WAL; PRAGMA synchronous = %s; CREATE TABLE IF NOT EXISTS "
                   "queue(id INTEGER PRIMARY KEY, record BLOB)",
                   synchronous);
    struct queue *queue = calloc(1, sizeof(*queue));
    if (!queue)
        return -ENOMEM;
    if (sqlite3_open(path, &queue->db) != SQLITE_OK ||
        sqlite3_busy_timeout(queue->db, BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(queue->db, setup, NULL, NULL, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(queue->db, INSERT, sizeof(INSERT), &queue->insert, NULL) != SQLITE_OK) {
        queue_close(queue);
        return -EIO;
    }
    *out = queue;
    return 0;
}

static int open_normal(const char *folder, void **out)
{
    return queue_open(folder, "NORMAL", out);
}

static int open_full(const char *folder, void **out)
{
    return queue_open(folder, "FULL", out);
}

static int queue_append(void *store, const void *data, size_t len)
{
    struct queue *queue = store;
    sqlite3_bind_blob(queue->insert, 1, data, (int)len, SQLITE_STATIC);
    int rc = sqlite3_step(queue->insert);
    sqlite3_reset(queue->insert);
    return rc == SQLITE_DONE ? 0 : -EIO;
}

const struct bench_store bench_sqlite_normal = {"sqlite", open_normal, queue_append, queue_close};
const struct bench_store bench_sqlite_full = {"sqlite", open_full, queue_append, queue_close};
