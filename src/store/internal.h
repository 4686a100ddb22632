/* internal.h - what the files of src/store share: the handle, its statements, its errors. */
#ifndef TB_STORE_INTERNAL_H
#define TB_STORE_INTERNAL_H

#include <limits.h>
#include <sqlite3.h>

#include "store/store.h"

enum {
    TB_STORE_UUID_MAX = 36,
    TB_STORE_TOKEN_MAX = 127,
};

/* Statements that are prepared once for each handle; their text is in statement.c. */
enum tb_statement {
    TB_SQL_BEGIN,
    TB_SQL_BEGIN_READ,
    TB_SQL_COMMIT,
    TB_SQL_ROLLBACK,
    TB_SQL_SAVE,
    TB_SQL_RELEASE,
    TB_SQL_BACK,
    TB_SQL_KNOWN,
    TB_SQL_ITEM_SEEN,
    TB_SQL_ITEM_ADD,
    TB_SQL_OCCURRENCE_ADD,
    TB_SQL_TOKEN_ADD,
    TB_SQL_OUTBOX_ADD,
    TB_SQL_COUNT,
    TB_SQL_TOKENS,
    TB_SQL_DUE,
    TB_SQL_ROW,
    TB_SQL_NEXT_DUE,
    TB_SQL_CLAMP_ROWS,
    TB_SQL_CLAMP_TOKENS,
    TB_SQL_SHIFT_TOKENS,
    TB_SQL_VERDICT,
    TB_SQL_SENT,
    TB_SQL_PARK_TOKEN,
    TB_SQL_PARK_ROWS,
    TB_SQL_UNPARK_TOKEN,
    TB_SQL_UNPARK_ROWS,
    TB_SQL_PAUSE,
    TB_SQL_PROBE_ROWS,
    TB_SQL_PROBE_TOKENS,
    TB_SQL_HOLDS,
    TB_SQL_TOKEN_STATE,
    TB_SQL_REST,
    TB_SQL_KINDS,
    TB_SQL_MOVE,
    TB_SQL_TRACE_ERRORS,
    TB_SQL_HOURS,
    TB_SQL_STORM_COUNT,
    TB_SQL_STORM_OPEN,
    TB_SQL_STORM_KIND,
    TB_SQL_STORM_KINDS,
    TB_SQL_HOUR_ADD,
    TB_SQL_COUNTED_ADD,
    TB_SQL_COUNTED_FORGET,
    TB_SQL_DELIVERY_STORM,
    TB_SQL_STORM_DUE,
    TB_SQL_STORM_DATA,
    TB_SQL_STORM_CLOSE,
    TB_SQL_STORM_FORGET_KINDS,
    TB_SQL_THIN_OUTBOX,
    TB_SQL_THIN_OCCURRENCE,
    TB_N_STATEMENTS
};

struct tb_store {
    sqlite3 *db;
    enum tb_store_mode mode;
    sqlite3_stmt *statements[TB_N_STATEMENTS];
    char path[PATH_MAX]; /* of the database */
    int busy_ms;         /* how long a lock is waited for */
    uint64_t wal_inode;  /* of its -wal file when that was first seen; 0: none yet */
    int is_lost;         /* db is an empty one in memory: see check.c */
    char error[TB_STORE_WHY];
};

/* Sets what tb_store_error returns. */
void tb_store_say(struct tb_store *store, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Remembers what SQLite says went wrong, with the way out, and returns it as a negative errno. */
int tb_store_fail(struct tb_store *store, int rc);
/* A statement that is not cached; for the caller to finalize. 0 or a negative errno. */
int tb_store_prepare(struct tb_store *store, const char *sql, sqlite3_stmt **out);
/* Binds a text that outlives the statement's use; NULL stays NULL. */
void tb_store_bind(sqlite3_stmt *statement, int at, const char *text);
/* A column's text, "" for none. Good until the next step. */
const char *tb_store_text(sqlite3_stmt *statement, int at);
/* The cached statement, reset and without values. 0 or a negative errno. */
int tb_store_statement(struct tb_store *store, enum tb_statement which, sqlite3_stmt **out);
/* Runs a statement to its end and resets it; rows are thrown away. */
int tb_store_finish(struct tb_store *store, sqlite3_stmt *statement);
/* A statement that takes no values. */
int tb_store_do(struct tb_store *store, enum tb_statement which);

/* Opens a part that is taken back alone when err is not 0 at its end: a transaction, or within one
 * a savepoint. end returns err, or why the part could not be kept. */
int tb_store_part(struct tb_store *store, int *own);
int tb_store_part_end(struct tb_store *store, int own, int err);

/* The parts of storing one: the row of its item seen once more (-ENOENT when there is none), and
 * all of it. 1 when the uuid is known. */
int tb_store_item_seen(struct tb_store *store, const struct tb_occurrence *occurrence,
                       int64_t *number);
int tb_store_add_all(struct tb_store *store, const struct tb_occurrence *occurrence,
                     const struct tb_outbox_to *to, size_t n_to, int64_t *item, int64_t *seq);
int tb_store_is_known(struct tb_store *store, const char *uuid);
int tb_store_check_occurrence(struct tb_store *store, const struct tb_occurrence *occurrence,
                              const struct tb_outbox_to *to, size_t n_to);
/* When it happened, at the latest when it came in. */
int64_t tb_store_seen_ns(const struct tb_occurrence *occurrence);
/* Remembers the uuid of what is counted and has no row; forgets the oldest. */
int tb_store_remember_counted(struct tb_store *store, const char *uuid);

/* Opens the database in folder, all of it; and the reverse. */
int tb_store_open_database(struct tb_store *store, const char *folder);
void tb_store_close_database(struct tb_store *store);
/* Notes which -wal file is the database's. */
void tb_store_remember(struct tb_store *store);

/* Refuses what is not ours or newer; reads only. */
int tb_store_identify(struct tb_store *store);
/* Brings a new or older database up to this program. */
int tb_store_migrate(struct tb_store *store);

#endif
