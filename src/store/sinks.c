/* sinks.c - what became of what for which sink, and what waits for one that is off.
 *
 * A row of a sink that is off is kept as if it was on. When that has lasted for a given time all
 * that waits for it is dropped, some at a time and counted, so that nothing holds the database for
 * ever. Since when it is off stands in the table of tokens as " rest off", which is no token. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LIST_BYTES = 512, DROPPED_AT_ONCE = 1000 };

int tb_store_sinks(struct tb_store *store, struct tb_store_sink *out, size_t max)
{
    /* Both forms of OTLP have one group, and one counter. */
    static const char sql[] =
        "SELECT n.sink, ifnull(received, 0), ifnull(sent, 0), ifnull(dropped, 0),"
        " ifnull(quarantined, 0), ifnull(queued + parked, 0), ifnull(parked, 0),"
        " ifnull((SELECT value FROM counters WHERE name ="
        "   'not_routed.' || iif(n.sink = 'otlp-spans', 'otlp', n.sink)), 0),"
        " ifnull((SELECT value FROM counters WHERE name = 'unsampled.' || n.sink), 0)"
        " FROM (SELECT sink FROM delivery"
        "  UNION SELECT substr(name, 12) FROM counters WHERE name GLOB 'not_routed.*'"
        "  UNION SELECT substr(name, 11) FROM counters WHERE name GLOB 'unsampled.*') n"
        " LEFT JOIN delivery d ON d.sink = n.sink ORDER BY n.sink";
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    size_t n = 0;
    int rc = SQLITE_DONE;
    for (; n < max && (rc = sqlite3_step(statement)) == SQLITE_ROW; n++) {
        struct tb_store_sink *sink = &out[n];
        (void)snprintf(sink->name, sizeof(sink->name), "%s", tb_store_text(statement, 0));
        sink->received = sqlite3_column_int64(statement, 1);
        sink->sent = sqlite3_column_int64(statement, 2);
        sink->dropped = sqlite3_column_int64(statement, 3);
        sink->quarantined = sqlite3_column_int64(statement, 4);
        sink->queued = sqlite3_column_int64(statement, 5);
        sink->parked = sqlite3_column_int64(statement, 6);
        sink->not_routed = sqlite3_column_int64(statement, 7);
        sink->unsampled = sqlite3_column_int64(statement, 8);
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err < 0 ? err : (int)n;
}

/* ---- off ---- */

/* Binds the list of those that are on, the time and the limit to what has such places. */
static int run(struct tb_store *store, const char *sql, const char *on, int64_t a, int64_t b,
               int *n_changed)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, sql, &statement);
    if (err < 0)
        return err;
    tb_store_bind(statement, 1, on);
    (void)sqlite3_bind_int64(statement, 2, a);
    (void)sqlite3_bind_int64(statement, 3, b);
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    else if (n_changed)
        *n_changed = sqlite3_changes(store->db);
    (void)sqlite3_finalize(statement);
    return err;
}

static int list_names(const char *const *on, size_t n_on, char out[LIST_BYTES])
{
    size_t len = 0;
    for (size_t i = 0; i < n_on && len < LIST_BYTES; i++)
        len += (size_t)snprintf(out + len, LIST_BYTES - len, "%s\"%s\"", i == 0 ? "[" : ",", on[i]);
    if (len + 3 > LIST_BYTES)
        return -E2BIG;
    memcpy(out + len, n_on == 0 ? "[]" : "]", n_on == 0 ? 3 : 2);
    return 0;
}

int tb_store_off(struct tb_store *store, const char *const *on, size_t n_on, int64_t now_ms,
                 int64_t keep_ms)
{
    /* Those that are on again, or of which the clock says nothing that can be. */
    static const char FORGET[] =
        "DELETE FROM tokens WHERE token = ' rest off' AND"
        " (sink IN (SELECT value FROM json_each(?1)) OR until_ms > ?2 + 0 * ?3)";
    static const char NOTE[] =
        "INSERT OR IGNORE INTO tokens(sink, token, until_ms)"
        " SELECT sink, ' rest off', ?2 + 0 * ?3 FROM delivery"
        " WHERE queued + parked > 0 AND sink NOT IN (SELECT value FROM json_each(?1))";
    static const char DROP[] =
        "UPDATE outbox SET state = 2, reason = 'its sink is off for too long'"
        " WHERE state IN (0, 4) AND (occurrence, sink) IN"
        " (SELECT occurrence, sink FROM"
        "  (SELECT o.occurrence, o.sink FROM tokens r CROSS JOIN tokens t ON t.sink = r.sink"
        "    CROSS JOIN outbox o ON o.token = t.id AND o.state = 0"
        "    WHERE r.token = ' rest off' AND r.until_ms < ?2 AND ?1 <> ''"
        "   UNION ALL SELECT o.occurrence, o.sink FROM tokens r CROSS JOIN tokens t ON t.sink = "
        "r.sink CROSS JOIN outbox o ON o.token = t.id AND o.state = 4"
        "    WHERE r.token = ' rest off' AND r.until_ms < ?2) LIMIT ?3)";
    char list[LIST_BYTES];
    int own = 0;
    int n_dropped = 0;
    int err = list_names(on, n_on, list);
    if (err < 0 || (err = tb_store_part(store, &own)))
        return err;
    if ((err = run(store, FORGET, list, now_ms, 0, NULL)) == 0 &&
        (err = run(store, NOTE, list, now_ms, 0, NULL)) == 0)
        err = run(store, DROP, list, now_ms - keep_ms, DROPPED_AT_ONCE, &n_dropped);
    err = tb_store_part_end(store, own, err);
    return err < 0 ? err : n_dropped;
}
