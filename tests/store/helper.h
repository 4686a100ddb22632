/* helper.h - what the tests of the store share: a folder of their own, occurrences to add. */
#ifndef TB_TESTS_STORE_HELPER_H
#define TB_TESTS_STORE_HELPER_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/internal.h"
#include "store/store.h"

struct place {
    char folder[80];
    char database[96];
};

/* None of these tests cuts the power: SQLite and the store need not wait for the disk. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    assert_non_null(place);
    (void)snprintf(place->folder, sizeof(place->folder), "/tmp/towbar-store-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    (void)snprintf(place->database, sizeof(place->database), "%s/towbar.db", place->folder);
    *state = place;
    return 0;
}

static inline int drop_place(void **state)
{
    struct place *place = *state;
    (void)nftw(place->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(place);
    return 0;
}

/* Which row of occurrences has that uuid; 0 for none. */
static inline int64_t seq_of(struct tb_store *store, const char *uuid)
{
    sqlite3_stmt *statement = NULL;
    int64_t seq = 0;
    assert_int_equal(sqlite3_prepare_v2(store->db, "SELECT seq FROM occurrences WHERE uuid = ?1",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    (void)sqlite3_bind_text(statement, 1, uuid, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) == SQLITE_ROW)
        seq = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return seq;
}

static inline struct tb_store *open_store(const struct place *place, enum tb_store_mode mode)
{
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY] = "";
    int err = tb_store_open(place->folder, mode, &store, why);
    if (err < 0)
        fail_msg("open: %d %s", err, why);
    return store;
}

static inline struct tb_occurrence occurrence(const char *uuid, const char *fingerprint)
{
    static const char DATA[] = "{\"uuid\":\"x\"}";
    struct tb_occurrence result = {
        .uuid = uuid,
        .fingerprint = fingerprint,
        .environment = "test",
        .service = "feedd",
        .title = "SIGSEGV in parse",
        .level = "critical",
        .framework = "",
        .trace_id = "",
        .xray_trace_id = "",
        .span_id = "",
        .group_inputs = "{}",
        .class_ = 1,
        .occurred_ns = 1700000000000000000U,
        .received_ns = 1700000001000000000U,
        .data = DATA,
        .data_len = sizeof(DATA) - 1,
    };
    return result;
}

static const struct tb_outbox_to ROLLBAR[] = {{"rollbar", ""}};

/* Adds one with an outbox row for Rollbar, or fails the test. */
static inline void add_one(struct tb_store *store, const char *uuid, int class_, const char *token)
{
    struct tb_occurrence one = occurrence(uuid, "f");
    one.class_ = class_;
    const struct tb_outbox_to to = {"rollbar", token};
    assert_int_equal(tb_store_add(store, &one, &to, 1), 0);
}

/* The first number a query gives, through a handle of its own. */
static inline int64_t ask_sql(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open_v2(place->database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(statement, 0);
    assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

static inline void run_sql(const struct place *place, const char *sql)
{
    sqlite3 *db = NULL;
    char *message = NULL;
    assert_int_equal(sqlite3_open(place->database, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", sql, message);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

#endif
