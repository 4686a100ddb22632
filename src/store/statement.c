/* statement.c - the statements that run often: their text, kept prepared; and SQLite's errors in
 * words that say how to go on. */
#include "store/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* State numbers are enum tb_outbox_state: 0 queued, 4 parked. */
static const char *const SQL[TB_N_STATEMENTS] = {
    [TB_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [TB_SQL_BEGIN_READ] = "BEGIN",
    [TB_SQL_COMMIT] = "COMMIT",
    [TB_SQL_ROLLBACK] = "ROLLBACK",
    [TB_SQL_SAVE] = "SAVEPOINT part",
    [TB_SQL_RELEASE] = "RELEASE part",
    [TB_SQL_BACK] = "ROLLBACK TO part",
    [TB_SQL_KNOWN] = "SELECT 1 FROM occurrences WHERE uuid = ?1"
                     " UNION ALL SELECT 1 FROM counted WHERE uuid = ?1",
    /* Not one upsert: that would use up an item number for each occurrence. */
    [TB_SQL_ITEM_SEEN] =
        "UPDATE items SET total = total + 1, first_ms = min(first_ms, ?7),"
        " last_ms = max(last_ms, ?7) WHERE environment = ?1 AND fingerprint = ?2 RETURNING number",
    [TB_SQL_ITEM_ADD] =
        "INSERT INTO items(environment, fingerprint, service, framework, title, level, first_ms,"
        " last_ms, total, group_inputs) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, 1, ?8)"
        " RETURNING number",
    [TB_SQL_OCCURRENCE_ADD] =
        "INSERT INTO occurrences(uuid, item, trace_id, xray_trace_id, span_id, service, level,"
        " title, occurred_ns, received_ns, data)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [TB_SQL_TOKEN_ADD] = "INSERT OR IGNORE INTO tokens(sink, token) VALUES(?1, ?2)",
    [TB_SQL_OUTBOX_ADD] =
        "INSERT INTO outbox(occurrence, sink, token, class, due_at_ms, state)"
        " SELECT ?3, ?1, id, ?4, ?5, CASE WHEN parked THEN 4 ELSE 0 END FROM tokens"
        " WHERE sink = ?1 AND token = ?2",
    [TB_SQL_COUNT] = "INSERT INTO counters(name, value) VALUES(?1, ?2)"
                     " ON CONFLICT(name) DO UPDATE SET value = value + ?2",
    /* The tokens that have rows waiting, and are not paused; a page of them. By id, not by sink: a
     * page of very many ends where it is full. */
    [TB_SQL_TOKENS] =
        "SELECT id, token FROM tokens t WHERE +sink = ?1 AND id > ?2 AND until_ms <= ?3 AND EXISTS"
        " (SELECT 1 FROM outbox o WHERE o.state = 0 AND o.token = t.id) ORDER BY id LIMIT ?4",
    /* From the index alone but for what is returned. */
    [TB_SQL_DUE] = "SELECT q.occurrence, q.due_at_ms, o.attempts, o.http_status FROM outbox q"
                   " CROSS JOIN outbox o ON o.occurrence = q.occurrence AND o.sink = q.sink"
                   " WHERE q.state = 0 AND q.token = ?1 AND q.class = ?2 AND q.due_at_ms <= ?3"
                   " AND (q.due_at_ms, q.occurrence) > (?5, ?6)"
                   /* What stands for others waits until they are counted: docs/storms.md. */
                   " AND NOT EXISTS (SELECT 1 FROM storms s WHERE s.occurrence = q.occurrence)"
                   " ORDER BY q.due_at_ms, q.occurrence LIMIT ?4",
    [TB_SQL_ROW] = "SELECT uuid, data FROM occurrences WHERE seq = ?1",
    [TB_SQL_NEXT_DUE] =
        "SELECT min(at) FROM (SELECT (SELECT min(o.due_at_ms) FROM outbox o WHERE o.state = 0"
        " AND o.token = t.id AND o.class = k.column1 AND o.due_at_ms > ?2) AS at"
        " FROM tokens t CROSS JOIN (VALUES(0), (1), (2), (3)) k WHERE t.sink = ?1"
        " UNION ALL SELECT until_ms FROM tokens WHERE sink = ?1 AND until_ms > ?2"
        " UNION ALL SELECT probe_ms FROM tokens WHERE sink = ?1 AND parked AND probe_ms > ?2)",
    [TB_SQL_CLAMP_ROWS] = "UPDATE outbox SET due_at_ms = ?2 WHERE state = 0 AND token IN"
                          " (SELECT id FROM tokens WHERE sink = ?1)"
                          " AND class IN (0, 1, 2, 3) AND due_at_ms > ?3",
    [TB_SQL_CLAMP_TOKENS] =
        "UPDATE tokens SET until_ms = min(until_ms, ?2), probe_ms = min(probe_ms, ?2)"
        " WHERE sink = ?1 AND (until_ms > ?3 OR probe_ms > ?3)",
    [TB_SQL_SHIFT_TOKENS] =
        "UPDATE tokens SET until_ms = max(until_ms + ?2, 0) WHERE sink = ?1 AND until_ms > 0",
    [TB_SQL_VERDICT] =
        "UPDATE outbox SET state = ?3, due_at_ms = CASE WHEN ?3 = 0 THEN ?4 ELSE due_at_ms END,"
        " tried_ms = ?5, attempts = attempts + ?8, http_status = ?6, reason = ?7"
        " WHERE occurrence = ?1 AND sink = ?2 AND state IN (0, 4)",
    /* All of a batch: the triggers run as for one, but what a statement costs is paid once. */
    [TB_SQL_SENT] = "UPDATE outbox SET state = 1, tried_ms = ?3, attempts = attempts + 1,"
                    " http_status = ?4, reason = '' WHERE sink = ?2 AND state IN (0, 4)"
                    " AND occurrence IN (SELECT value FROM json_each(?1))",
    [TB_SQL_PARK_TOKEN] = "INSERT INTO tokens(sink, token, parked) VALUES(?1, ?2, 1)"
                          " ON CONFLICT(sink, token) DO UPDATE SET parked = 1, probe_ms = 0",
    [TB_SQL_PARK_ROWS] =
        "UPDATE outbox SET state = 4, reason = ?3, tried_ms = ?4 WHERE state = 0 AND sink = ?1"
        " AND token = (SELECT id FROM tokens WHERE sink = ?1 AND token = ?2)",
    [TB_SQL_UNPARK_TOKEN] = "UPDATE tokens SET parked = 0, probe_ms = 0"
                            " WHERE sink = ?1 AND (?2 IS NULL OR token = ?2)",
    [TB_SQL_UNPARK_ROWS] =
        "UPDATE outbox SET state = 0 WHERE state = 4 AND token IN"
        " (SELECT id FROM tokens WHERE sink = ?1 AND (?2 IS NULL OR token = ?2))",
    [TB_SQL_PAUSE] =
        "UPDATE tokens SET until_ms = max(until_ms, ?3) WHERE sink = ?1 AND token = ?2",
    /* probe_ms is when a parked token is tried again; 0 until the first look at it. */
    [TB_SQL_PROBE_ROWS] =
        "UPDATE outbox SET state = 0, due_at_ms = ?2 WHERE state = 4 AND sink = ?1 AND occurrence "
        "IN"
        " (SELECT (SELECT o.occurrence FROM outbox o WHERE o.state = 4 AND o.token = t.id"
        "   ORDER BY o.class, o.occurrence LIMIT 1)"
        "  FROM tokens t WHERE t.sink = ?1 AND t.parked AND t.probe_ms BETWEEN 1 AND ?2)",
    [TB_SQL_PROBE_TOKENS] =
        "UPDATE tokens SET probe_ms = ?3 WHERE sink = ?1 AND parked AND probe_ms <= ?2",
    [TB_SQL_HOLDS] = "SELECT coalesce(sum(parked), 0), coalesce(max(until_ms), 0) FROM tokens"
                     " WHERE sink = ?1 AND token NOT LIKE ' rest %' AND (parked OR until_ms > ?2)",
    [TB_SQL_TOKEN_STATE] = "SELECT parked, until_ms FROM tokens WHERE sink = ?1 AND token = ?2",
    [TB_SQL_REST] = "INSERT INTO tokens(sink, token, until_ms) VALUES(?1, ?2, ?3)"
                    " ON CONFLICT(sink, token) DO UPDATE SET until_ms = ?3",
    /* The kinds of rows that wait, to choose their tokens anew. */
    [TB_SQL_KINDS] =
        "SELECT DISTINCT t.id, t.token, c.service, i.environment FROM tokens t CROSS JOIN"
        " (SELECT token, occurrence FROM outbox WHERE state = 0 UNION ALL"
        "  SELECT token, occurrence FROM outbox WHERE state = 4) o ON o.token = t.id"
        " CROSS JOIN occurrences c ON c.seq = o.occurrence CROSS JOIN items i ON i.number = c.item"
        " WHERE t.sink = ?1 AND (?2 OR t.token = '' OR t.token LIKE ' _%')",
    [TB_SQL_MOVE] =
        "UPDATE outbox SET token = (SELECT id FROM tokens WHERE sink = ?1 AND token = ?3)"
        " WHERE sink = ?1 AND state IN (0, 4) AND occurrence IN"
        " (SELECT occurrence FROM outbox WHERE state = 0 AND token = ?2 UNION ALL"
        "  SELECT occurrence FROM outbox WHERE state = 4 AND token = ?2)"
        " AND EXISTS (SELECT 1 FROM occurrences c JOIN items i ON i.number = c.item"
        "  WHERE c.seq = outbox.occurrence AND c.service = ?4 AND i.environment = ?5)",
    /* One look-up in the index of each kind of trace id; a storm in one trace is not counted out.
     */
    [TB_SQL_TRACE_ERRORS] =
        "SELECT count(*) FROM (SELECT seq FROM occurrences WHERE trace_id = ?1 AND trace_id <> ''"
        " AND level IN ('critical', 'error') UNION SELECT seq FROM occurrences"
        " WHERE xray_trace_id = ?1 AND xray_trace_id <> '' AND level IN ('critical', 'error')"
        " LIMIT ?2)",
    [TB_SQL_HOURS] = "SELECT item, hour, total FROM hours WHERE item IN"
                     " (SELECT value FROM json_each(?1)) AND hour BETWEEN ?2 AND ?3",
    [TB_SQL_STORM_COUNT] =
        "UPDATE storms SET repeated = repeated + 1, since_ns = min(since_ns, ?3),"
        " until_ns = max(until_ns, ?3), collapsed = collapsed + 1, last_ms = max(last_ms, ?4)"
        " WHERE item = (SELECT number FROM items WHERE environment = ?1 AND fingerprint = ?2)"
        " AND occurrence IS NOT NULL RETURNING item",
    [TB_SQL_STORM_OPEN] =
        "INSERT INTO storms(item, occurrence, opened_ms, repeated, kinds, since_ns, until_ns)"
        " VALUES(?1, ?2, ?3, 0, 0, ?4, ?4) ON CONFLICT(item) DO UPDATE SET occurrence = ?2,"
        " opened_ms = ?3, repeated = 0, kinds = 0, since_ns = ?4, until_ns = ?4",
    [TB_SQL_STORM_KIND] = "INSERT OR IGNORE INTO storm_kinds(item, kind)"
                          " SELECT ?1, ?2 FROM storms WHERE item = ?1 AND kinds < ?3",
    [TB_SQL_STORM_KINDS] = "UPDATE storms SET kinds = kinds + 1 WHERE item = ?1",
    [TB_SQL_HOUR_ADD] = "INSERT INTO hours VALUES(?1, ?2 / 3600000000000, 1)"
                        " ON CONFLICT(item, hour) DO UPDATE SET total = total + 1",
    [TB_SQL_COUNTED_ADD] = "INSERT INTO counted(uuid) VALUES(?1)",
    [TB_SQL_COUNTED_FORGET] = "DELETE FROM counted WHERE number <= ?1",
    [TB_SQL_DELIVERY_STORM] =
        "INSERT INTO delivery(sink, received, dropped, storms) VALUES(?1, 1, 1, 1)"
        " ON CONFLICT(sink) DO UPDATE SET received = received + 1, dropped = dropped + 1,"
        " storms = storms + 1",
    /* Opened in the future: the clock was set back. */
    [TB_SQL_STORM_DUE] = "SELECT item, occurrence, repeated, kinds, since_ns, until_ns FROM storms"
                         " WHERE occurrence IS NOT NULL AND (opened_ms <= ?1 OR opened_ms > ?2)"
                         " ORDER BY occurrence LIMIT 1",
    [TB_SQL_STORM_DATA] = "UPDATE occurrences SET data = ?2 WHERE seq = ?1",
    [TB_SQL_STORM_CLOSE] = "UPDATE storms SET occurrence = NULL, repeated = 0, kinds = 0"
                           " WHERE item = ?1",
    [TB_SQL_THIN_OUTBOX] = "DELETE FROM outbox WHERE occurrence = ?1",
    [TB_SQL_THIN_OCCURRENCE] = "DELETE FROM occurrences WHERE seq = ?1",
    [TB_SQL_STORM_FORGET_KINDS] = "DELETE FROM storm_kinds WHERE item = ?1",
};

/* SQLite's result as an errno. */
static int to_errno(struct tb_store *store, int rc)
{
    int system = sqlite3_system_errno(store->db);
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return -EMSGSIZE;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        /* The row's own fault: the others go on without it. A trigger that refuses is another's. */
        return sqlite3_extended_errcode(store->db) == SQLITE_CONSTRAINT_TRIGGER ? -EIO : -EINVAL;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_CANTOPEN:
        return system > 0 ? -system : -EACCES;
    case SQLITE_IOERR:
        return system > 0 ? -system : -EIO;
    default:
        return -EIO;
    }
}

static const char *way_out(int err)
{
    switch (err) {
    case -ENOSPC:
    case -EDQUOT:
        return "free some space on that disk; the spool keeps what comes meanwhile";
    case -EBUSY:
        return "another program holds it locked (is a second towbard or an sqlite3 shell using "
               "it?); end that program";
    case -EBADMSG:
        return "it is damaged: move it aside together with its -wal and -shm files, towbard makes "
               "a new one; the spool keeps what comes meanwhile";
    case -EACCES:
    case -EPERM:
    case -EROFS:
        return "give --state-dir a folder that this user may write to";
    default:
        return "the spool keeps what comes meanwhile";
    }
}

void tb_store_say(struct tb_store *store, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(store->error, sizeof(store->error), format, args);
    va_end(args);
}

int tb_store_fail(struct tb_store *store, int rc)
{
    int err = to_errno(store, rc);
    tb_store_say(store, "database %.240s: %s: %s", store->path, sqlite3_errmsg(store->db),
                 way_out(err));
    return err;
}

int tb_store_prepare(struct tb_store *store, const char *sql, sqlite3_stmt **out)
{
    int rc = sqlite3_prepare_v2(store->db, sql, -1, out, NULL);
    return rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
}

void tb_store_bind(sqlite3_stmt *statement, int at, const char *text)
{
    /* A failed bind leaves NULL, which the tables refuse: the step then fails. */
    (void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

const char *tb_store_text(sqlite3_stmt *statement, int at)
{
    const char *value = (const char *)sqlite3_column_text(statement, at);
    return value ? value : "";
}

int tb_store_statement(struct tb_store *store, enum tb_statement which, sqlite3_stmt **out)
{
    sqlite3_stmt **cached = &store->statements[which];
    if (!*cached) {
        int rc =
            sqlite3_prepare_v3(store->db, SQL[which], -1, SQLITE_PREPARE_PERSISTENT, cached, NULL);
        if (rc != SQLITE_OK)
            return tb_store_fail(store, rc);
    }
    (void)sqlite3_reset(*cached);
    (void)sqlite3_clear_bindings(*cached);
    *out = *cached;
    return 0;
}

int tb_store_finish(struct tb_store *store, sqlite3_stmt *statement)
{
    int rc;
    do {
        rc = sqlite3_step(statement);
    } while (rc == SQLITE_ROW);
    int err = rc == SQLITE_DONE ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_reset(statement);
    /* Values were bound without a copy: none may outlive the call that owns them. */
    (void)sqlite3_clear_bindings(statement);
    return err;
}

int tb_store_do(struct tb_store *store, enum tb_statement which)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_statement(store, which, &statement);
    return err < 0 ? err : tb_store_finish(store, statement);
}
