/* page_item.c - what the pages ask about one item and about traces. See page.c. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>

enum { NS_PER_MS = 1000 * 1000 };

int tb_store_neighbours(struct tb_store *store, int64_t item, const char *uuid,
                        struct tb_store_neighbours *out)
{
    static const char SQL[] =
        "SELECT coalesce((SELECT uuid FROM occurrences WHERE item = ?1 AND seq < o.seq"
        "  ORDER BY seq DESC LIMIT 1), ''),"
        " coalesce((SELECT uuid FROM occurrences WHERE item = ?1 AND seq > o.seq"
        "  ORDER BY seq LIMIT 1), '') FROM occurrences o WHERE o.uuid = ?2";
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, SQL, &statement);
    if (err < 0)
        return err;
    (void)sqlite3_bind_int64(statement, 1, item);
    (void)sqlite3_bind_text(statement, 2, uuid, -1, SQLITE_STATIC);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        (void)snprintf(out->older, sizeof(out->older), "%s", tb_store_text(statement, 0));
        (void)snprintf(out->newer, sizeof(out->newer), "%s", tb_store_text(statement, 1));
    } else {
        err = rc == SQLITE_DONE ? -ENOENT : tb_store_fail(store, rc);
    }
    (void)sqlite3_finalize(statement);
    return err;
}

/* json_extract fails a statement for what is no JSON, hence json_valid. */
static const char FACETS[] =
    "WITH latest AS MATERIALIZED (SELECT"
    "  CASE WHEN json_valid(data) THEN json_extract(data, '$.environment') END AS environment,"
    "  CASE WHEN json_valid(data) THEN coalesce(json_extract(data, '$.code_version'),"
    "   json_extract(data, '$.server.code_version')) END AS version,"
    "  CASE WHEN json_valid(data) THEN json_extract(data, '$.server.host') END AS host"
    "  FROM occurrences WHERE item = ?1 ORDER BY seq DESC LIMIT ?2)"
    " SELECT *, (SELECT count(*) FROM latest) FROM ("
    "SELECT * FROM (SELECT 'environment', environment, count(*) FROM latest"
    "  WHERE environment IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ?3)"
    " UNION ALL SELECT * FROM (SELECT 'version', version, count(*) FROM latest"
    "  WHERE version IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ?3)"
    " UNION ALL SELECT * FROM (SELECT 'host', host, count(*) FROM latest"
    "  WHERE host IS NOT NULL GROUP BY 2 ORDER BY 3 DESC, 2 LIMIT ?3))";

int tb_store_facets(struct tb_store *store, int64_t item, size_t max,
                    int (*row)(void *arg, const char *facet, const char *value, int64_t n,
                               int64_t all),
                    void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, FACETS, &statement);
    if (err < 0)
        return err;
    int rc;
    (void)sqlite3_bind_int64(statement, 1, item);
    (void)sqlite3_bind_int64(statement, 2, TB_STORE_LATEST);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)max);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (row(arg, tb_store_text(statement, 0), tb_store_text(statement, 1),
                sqlite3_column_int64(statement, 2), sqlite3_column_int64(statement, 3)) != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

/* With max(seq), the bare column title is that of the same row (SQLite's rule for min and max). */
static const char TRACES[] =
    "SELECT id, events, errors, first_ns, last_ns, services, title FROM"
    " (SELECT CASE WHEN trace_id <> '' THEN trace_id ELSE xray_trace_id END AS id,"
    "   count(*) AS events, sum(level IN ('critical', 'error')) AS errors,"
    "   min(occurred_ns) AS first_ns, max(occurred_ns) AS last_ns,"
    "   replace(group_concat(DISTINCT service), ',', ', ') AS services, title, max(seq) AS last"
    "  FROM (SELECT * FROM (SELECT seq, trace_id, xray_trace_id, level, occurred_ns, service, title"
    "    FROM occurrences ORDER BY seq DESC LIMIT ?1) WHERE trace_id <> '' OR xray_trace_id <> '')"
    "  GROUP BY 1)"
    " ORDER BY errors > 1 DESC, last DESC LIMIT ?2";

int tb_store_traces(struct tb_store *store, size_t max,
                    int (*row)(void *arg, const struct tb_store_trace *trace), void *arg)
{
    sqlite3_stmt *statement = NULL;
    int err = tb_store_prepare(store, TRACES, &statement);
    if (err < 0)
        return err;
    int rc;
    (void)sqlite3_bind_int64(statement, 1, TB_STORE_RECENT);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)max);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct tb_store_trace trace = {
            .trace_id = tb_store_text(statement, 0),
            .events = sqlite3_column_int64(statement, 1),
            .errors = sqlite3_column_int64(statement, 2),
            .first_ms = sqlite3_column_int64(statement, 3) / NS_PER_MS,
            .last_ms = sqlite3_column_int64(statement, 4) / NS_PER_MS,
            .services = tb_store_text(statement, 5),
            .title = tb_store_text(statement, 6),
        };
        if (row(arg, &trace) != 0)
            break;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        err = tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}
