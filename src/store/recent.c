/* recent.c - see recent.h. */
#include "store/recent.h"

#include "store/internal.h"

enum { NS_PER_MS = 1000 * 1000 };

int tb_store_recent(struct tb_store *store, int64_t since_ms, size_t max,
                    int (*row)(void *arg, int64_t item, int64_t received_ms), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(
        store, "SELECT item, received_ns FROM occurrences ORDER BY seq DESC LIMIT ?1", &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, (int64_t)max);
    int rc;
    /* In the order of arrival: from the last one back to the first that is too old. */
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int64_t received_ms = sqlite3_column_int64(statement, 1) / NS_PER_MS;
        if (received_ms < since_ms || row(arg, sqlite3_column_int64(statement, 0), received_ms))
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}
