/* schema.c - the tables, and how an older database becomes a current one.
 *
 * 1. user_version is the number of migrations that were done; each is done once, and all that are
 *    missing are done in one transaction: another program sees the old tables or the new.
 * 2. application_id says the database is towbar's. One with another id, or with tables and none, is
 *    never written to.
 * 3. A migration that was ever released is never changed: the next one mends it.
 * docs/database.md describes the tables for people. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>

/* "tbar" */
enum { APPLICATION_ID = 0x74626172 };

static const char TABLES[] =
    "CREATE TABLE items("
    "  number INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  environment TEXT NOT NULL, fingerprint TEXT NOT NULL,"
    "  service TEXT NOT NULL, framework TEXT NOT NULL, title TEXT NOT NULL, level TEXT NOT NULL,"
    "  status TEXT NOT NULL DEFAULT 'active',"
    "  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, total INTEGER NOT NULL,"
    "  group_inputs TEXT NOT NULL,"
    "  UNIQUE(environment, fingerprint)) STRICT;"
    "CREATE INDEX items_last ON items(last_ms);"

    "CREATE TABLE occurrences("
    "  seq INTEGER PRIMARY KEY,"
    "  uuid TEXT NOT NULL UNIQUE,"
    "  item INTEGER NOT NULL REFERENCES items(number),"
    "  trace_id TEXT NOT NULL, xray_trace_id TEXT NOT NULL, span_id TEXT NOT NULL,"
    "  service TEXT NOT NULL, level TEXT NOT NULL, title TEXT NOT NULL,"
    "  occurred_ns INTEGER NOT NULL, received_ns INTEGER NOT NULL,"
    "  data TEXT NOT NULL) STRICT;"
    "CREATE INDEX occurrences_item ON occurrences(item);"
    "CREATE INDEX occurrences_trace ON occurrences(trace_id) WHERE trace_id <> '';"
    "CREATE INDEX occurrences_xray ON occurrences(xray_trace_id) WHERE xray_trace_id <> '';"

    "CREATE TABLE tokens("
    "  id INTEGER PRIMARY KEY,"
    "  sink TEXT NOT NULL, token TEXT NOT NULL,"
    "  until_ms INTEGER NOT NULL DEFAULT 0,"
    "  parked INTEGER NOT NULL DEFAULT 0, probe_ms INTEGER NOT NULL DEFAULT 0,"
    "  UNIQUE(sink, token)) STRICT;"

    "CREATE TABLE outbox("
    "  occurrence INTEGER NOT NULL REFERENCES occurrences(seq), sink TEXT NOT NULL,"
    "  token INTEGER NOT NULL REFERENCES tokens(id),"
    "  class INTEGER NOT NULL, due_at_ms INTEGER NOT NULL, tried_ms INTEGER NOT NULL DEFAULT 0,"
    "  attempts INTEGER NOT NULL DEFAULT 0, state INTEGER NOT NULL,"
    "  http_status INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '',"
    "  PRIMARY KEY(occurrence, sink)) STRICT, WITHOUT ROWID;"
    /* state is in them so that a walk need not look at the rows. */
    "CREATE INDEX outbox_queue ON outbox(sink, class, due_at_ms, occurrence, token, state)"
    "  WHERE state = 0;"
    "CREATE INDEX outbox_parked ON outbox(token, class, occurrence, sink, state) WHERE state = 4;"
    "CREATE INDEX outbox_trouble ON outbox(tried_ms) WHERE state <> 1 AND reason <> '';"

    /* The sums of the outbox. The CHECK is the promise: nothing is lost uncounted. */
    "CREATE TABLE delivery("
    "  sink TEXT PRIMARY KEY,"
    "  received INTEGER NOT NULL DEFAULT 0, queued INTEGER NOT NULL DEFAULT 0,"
    "  sent INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,"
    "  quarantined INTEGER NOT NULL DEFAULT 0, parked INTEGER NOT NULL DEFAULT 0,"
    "  CHECK(received = queued + sent + dropped + quarantined + parked)) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER outbox_insert AFTER INSERT ON outbox BEGIN"
    "  INSERT OR IGNORE INTO delivery(sink) VALUES(new.sink);"
    "  UPDATE delivery SET received = received + 1, queued = queued + (new.state = 0),"
    "    sent = sent + (new.state = 1), dropped = dropped + (new.state = 2),"
    "    quarantined = quarantined + (new.state = 3), parked = parked + (new.state = 4)"
    "    WHERE sink = new.sink;"
    "END;"
    "CREATE TRIGGER outbox_update AFTER UPDATE OF state ON outbox WHEN old.state <> new.state BEGIN"
    "  UPDATE delivery SET queued = queued + (new.state = 0) - (old.state = 0),"
    "    sent = sent + (new.state = 1) - (old.state = 1),"
    "    dropped = dropped + (new.state = 2) - (old.state = 2),"
    "    quarantined = quarantined + (new.state = 3) - (old.state = 3),"
    "    parked = parked + (new.state = 4) - (old.state = 4)"
    "    WHERE sink = new.sink;"
    "END;"
    /* Deleted after its verdict, a row stays counted; deleted before, it was dropped. */
    "CREATE TRIGGER outbox_delete AFTER DELETE ON outbox WHEN old.state IN (0, 4) BEGIN"
    "  UPDATE delivery SET queued = queued - (old.state = 0), parked = parked - (old.state = 4),"
    "    dropped = dropped + 1 WHERE sink = old.sink;"
    "END;"

    "CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/* How often each item was seen in each hour since 1970, so that a chart need not count rows, and
 * the orders in which the list of items is shown. Nothing has happened after it came in. */
static const char HOURS[] =
    "CREATE TABLE hours("
    "  item INTEGER NOT NULL REFERENCES items(number), hour INTEGER NOT NULL,"
    "  total INTEGER NOT NULL, PRIMARY KEY(item, hour)) STRICT, WITHOUT ROWID;"
    "INSERT INTO hours SELECT item, min(occurred_ns, received_ns) / 3600000000000, count(*)"
    "  FROM occurrences GROUP BY 1, 2;"
    "CREATE TRIGGER occurrences_hour AFTER INSERT ON occurrences BEGIN"
    "  INSERT INTO hours VALUES(new.item, min(new.occurred_ns, new.received_ns) / 3600000000000, 1)"
    "    ON CONFLICT(item, hour) DO UPDATE SET total = total + 1;"
    "END;"
    "CREATE INDEX items_total ON items(total);"
    "CREATE INDEX items_first ON items(first_ms);";

/* Events that were counted and not kept (docs/storms.md): what was counted of each item, and which
 * occurrence stands for them; the uuids of what was counted without a row. */
static const char STORMS[] =
    "CREATE TABLE storms("
    "  item INTEGER PRIMARY KEY REFERENCES items(number),"
    "  occurrence INTEGER REFERENCES occurrences(seq)," /* NULL: nothing waits */
    "  opened_ms INTEGER NOT NULL, repeated INTEGER NOT NULL, kinds INTEGER NOT NULL,"
    "  since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL,"
    "  collapsed INTEGER NOT NULL DEFAULT 0, last_ms INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE UNIQUE INDEX storms_open ON storms(occurrence) WHERE occurrence IS NOT NULL;"
    "CREATE INDEX storms_last ON storms(last_ms);"
    "CREATE TABLE storm_kinds("
    "  item INTEGER NOT NULL, kind TEXT NOT NULL, PRIMARY KEY(item, kind)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE counted(number INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE) STRICT;"
    "ALTER TABLE delivery ADD COLUMN storms INTEGER NOT NULL DEFAULT 0"
    "  CHECK(storms >= 0 AND storms <= dropped);";

/* Each token has its own queue. */
static const char QUEUES[] =
    "DROP INDEX outbox_queue;"
    "CREATE INDEX outbox_queue ON outbox(token, class, due_at_ms, occurrence, sink, state)"
    "  WHERE state = 0;";

/* Each sink has its own last trouble. */
static const char SINKS[] =
    "DROP INDEX outbox_trouble;"
    "CREATE INDEX outbox_trouble ON outbox(sink, tried_ms) WHERE state <> 1 AND reason <> '';";

/* Which version went where and when; state is enum tb_deploy_state. */
static const char DEPLOYS[] =
    "CREATE TABLE deploys("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  environment TEXT NOT NULL, revision TEXT NOT NULL, status TEXT NOT NULL,"
    "  comment TEXT NOT NULL, local_username TEXT NOT NULL, rollbar_username TEXT NOT NULL,"
    "  token TEXT NOT NULL, start_ms INTEGER NOT NULL, finish_ms INTEGER NOT NULL,"
    "  state INTEGER NOT NULL, remote_id INTEGER NOT NULL DEFAULT 0,"
    "  sent_status TEXT NOT NULL DEFAULT '', attempts INTEGER NOT NULL DEFAULT 0,"
    "  http_status INTEGER NOT NULL DEFAULT 0, due_at_ms INTEGER NOT NULL,"
    "  reason TEXT NOT NULL DEFAULT '') STRICT;"
    "CREATE INDEX deploys_start ON deploys(start_ms);"
    "CREATE INDEX deploys_queue ON deploys(due_at_ms, id) WHERE state = 0;";

static const char *const MIGRATIONS[] = {TABLES, HOURS, STORMS, QUEUES, DEPLOYS, SINKS};
enum { N_MIGRATIONS = sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]) };

/* The first number of a query's first row. */
static int ask(struct tb_store *store, const char *sql, int64_t *out)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(statement, 0);
            rc = SQLITE_OK;
        }
    }
    int err = rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
    (void)sqlite3_finalize(statement);
    return err;
}

static int run(struct tb_store *store, const char *sql)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : tb_store_fail(store, rc);
}

/* 0 with the database's version, or why it is not for this program. */
static int identify(struct tb_store *store, int64_t *version)
{
    int64_t id = 0;
    int64_t n_tables = 0;
    int err;
    if ((err = ask(store, "PRAGMA application_id", &id)) ||
        (err = ask(store, "PRAGMA user_version", version)) ||
        (err = ask(store, "SELECT count(*) FROM sqlite_schema", &n_tables)))
        return err;
    if (id != APPLICATION_ID && (id != 0 || n_tables > 0 || *version != 0)) {
        tb_store_say(
            store,
            "database %.240s belongs to another program: give --state-dir another folder, or "
            "move that file aside",
            store->path);
        return -EPROTO;
    }
    if (*version > N_MIGRATIONS) {
        tb_store_say(store,
                     "database %.240s was made by a newer towbar (format %lld, this one knows %d): "
                     "install that version again, or give --state-dir another folder; the spool "
                     "keeps what comes meanwhile",
                     store->path, (long long)*version, N_MIGRATIONS);
        return -EPROTONOSUPPORT;
    }
    return 0;
}

/* In a transaction. */
static int migrate_from(struct tb_store *store, int64_t version)
{
    char stamp[96];
    int err;
    for (int64_t i = version; i < N_MIGRATIONS; i++) {
        err = run(store, MIGRATIONS[i]);
        if (err < 0)
            return err;
    }
    (void)snprintf(stamp, sizeof(stamp), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, N_MIGRATIONS);
    return run(store, stamp);
}

static int refuse_older(struct tb_store *store, int64_t version)
{
    if (version == 0) {
        tb_store_say(store, "database %.240s is still empty: towbard fills it", store->path);
        return -ENOENT;
    }
    tb_store_say(
        store,
        "database %.240s was made by an older towbar: start towbard once, it brings it up to "
        "date",
        store->path);
    return -EPROTONOSUPPORT;
}

/* Its answers belong together: another program may be making the tables just now. */
static int identify_at_once(struct tb_store *store, int64_t *version)
{
    int err = run(store, "BEGIN");
    if (err < 0)
        return err;
    err = identify(store, version);
    tb_store_rollback(store);
    return err;
}

int tb_store_identify(struct tb_store *store)
{
    int64_t version = 0;
    return identify_at_once(store, &version);
}

int tb_store_migrate(struct tb_store *store)
{
    int64_t version = 0;
    int err = identify_at_once(store, &version);
    if (err < 0 || version == N_MIGRATIONS)
        return err;
    if (store->mode == TB_STORE_READ)
        return refuse_older(store, version);
    err = tb_store_begin(store);
    if (err < 0)
        return err;
    /* Another program may have done it while this one waited for the lock. */
    if ((err = identify(store, &version)) || (err = migrate_from(store, version))) {
        tb_store_rollback(store);
        return err;
    }
    return tb_store_commit(store);
}
