/* test_check.c - the database is noticed to be gone before anything relies on it. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>

static void store_one(struct tb_store *store, const char *uuid)
{
    struct tb_occurrence one = occurrence(uuid, "f");
    assert_int_equal(tb_store_begin(store), 0);
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    assert_int_equal(tb_store_commit(store), 0);
}

static int64_t n_stored(struct tb_store *store)
{
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(store, &counts), 0);
    return counts.occurrences;
}

static void move(const struct place *place, const char *from, const char *to)
{
    char a[128];
    char b[128];
    (void)snprintf(a, sizeof(a), "%s/%s", place->folder, from);
    (void)snprintf(b, sizeof(b), "%s/%s", place->folder, to);
    assert_int_equal(rename(a, b), 0);
}

static void a_database_in_its_place_is_whole_from_the_first_moment(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    for (int i = 0; i < 3; i++) {
        char uuid[8];
        assert_int_equal(tb_store_check(store), 0);
        (void)snprintf(uuid, sizeof(uuid), "u-%d", i);
        store_one(store, uuid);
        assert_int_equal(tb_store_sync(store), 0);
    }
    struct tb_store *second = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_check(second), 0);
    tb_store_close(second);
    assert_int_equal(tb_store_check(store), 0);
    tb_store_close(store);
    store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_check(store), 0);
    assert_int_equal(n_stored(store), 3);
    tb_store_close(store);
}

static void one_that_was_moved_is_followed_by_a_new_one_and_keeps_what_it_has(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    store_one(store, "u-1");
    move(place, "towbar.db", "old.db");
    move(place, "towbar.db-wal", "old.db-wal");
    move(place, "towbar.db-shm", "old.db-shm");
    assert_int_equal(tb_store_check(store), 1);
    assert_non_null(strstr(tb_store_error(store), "moved or deleted"));
    assert_int_equal(tb_store_check(store), 0);
    assert_int_equal(n_stored(store), 0);
    store_one(store, "u-2");
    assert_int_equal(n_stored(store), 1);
    tb_store_close(store);
    move(place, "towbar.db", "new.db");
    move(place, "old.db", "towbar.db");
    move(place, "old.db-wal", "towbar.db-wal");
    store = open_store(place, TB_STORE_WRITE);
    assert_int_equal(n_stored(store), 1);
    tb_store_close(store);
}

static void one_that_was_deleted_is_noticed(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    store_one(store, "u-1");
    assert_int_equal(unlink(place->database), 0);
    assert_int_equal(tb_store_check(store), 1);
    assert_int_equal(tb_store_check(store), 0);
    assert_int_equal(n_stored(store), 0);
    store_one(store, "u-3");
    tb_store_close(store);
}

static void a_wal_file_that_is_gone_is_noticed_and_nothing_of_it_is_lost(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    struct tb_store *other = open_store(place, TB_STORE_WRITE);
    char path[128];
    store_one(store, "u-1");
    (void)snprintf(path, sizeof(path), "%s/towbar.db-wal", place->folder);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tb_store_check(store), -ESTALE);
        assert_non_null(strstr(tb_store_error(store), "restart towbard"));
    }
    tb_store_close(other);
    tb_store_close(store);
    store = open_store(place, TB_STORE_WRITE);
    assert_int_equal(n_stored(store), 1);
    tb_store_close(store);
}

static void one_that_comes_back_is_used_again(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    store_one(store, "u-1");
    move(place, "towbar.db", "old.db");
    move(place, "old.db", "towbar.db");
    assert_int_equal(tb_store_check(store), 0);
    assert_int_equal(n_stored(store), 1);
    tb_store_close(store);
}

/* Nothing can be opened at the path: every use fails, until something can. */
static void nothing_is_stored_while_what_is_there_cannot_be_opened(void **state)
{
    const struct place *place = *state;
    struct tb_occurrence one = occurrence("u-2", "f");
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    store_one(store, "u-1");
    move(place, "towbar.db", "old.db");
    sqlite3 *newer = NULL;
    assert_int_equal(sqlite3_open(place->database, &newer), SQLITE_OK);
    assert_int_equal(sqlite3_exec(newer,
                                  "PRAGMA application_id = 1952604530; PRAGMA user_version = 999;"
                                  "CREATE TABLE t(x)",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(newer), SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tb_store_check(store), -EPROTONOSUPPORT);
        assert_non_null(strstr(tb_store_error(store), "newer"));
        assert_true(tb_store_begin(store) < 0 || tb_store_add(store, &one, NULL, 0) < 0);
        tb_store_rollback(store);
    }
    assert_int_equal(unlink(place->database), 0);
    assert_int_equal(tb_store_check(store), 1);
    store_one(store, "u-2");
    tb_store_close(store);
}

static void garbage_over_its_first_pages_is_noticed_and_mended(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    store_one(store, "u-1");
    /* By another process's hand: a descriptor closed in this one would drop SQLite's locks. */
    char command[256];
    (void)snprintf(command, sizeof(command),
                   "cd %s && cp towbar.db good && head -c 8192 /dev/urandom |"
                   " dd of=towbar.db conv=notrunc status=none",
                   place->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(tb_store_check(store), -EBADMSG);
    assert_non_null(strstr(tb_store_error(store), "wrote over"));
    (void)snprintf(command, sizeof(command),
                   "cd %s && dd if=good of=towbar.db conv=notrunc status=none", place->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(tb_store_check(store), 0);
    assert_int_equal(n_stored(store), 1);
    tb_store_close(store);
}

static void a_lock_is_waited_for_as_long_as_was_said(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(place->database, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    tb_store_busy(store, 1);
    assert_int_equal(tb_store_begin(store), -EBUSY);
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    store_one(store, "u-1");
    tb_store_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_database_in_its_place_is_whole_from_the_first_moment),
        TEST(one_that_was_moved_is_followed_by_a_new_one_and_keeps_what_it_has),
        TEST(one_that_was_deleted_is_noticed),
        TEST(a_wal_file_that_is_gone_is_noticed_and_nothing_of_it_is_lost),
        TEST(one_that_comes_back_is_used_again),
        TEST(nothing_is_stored_while_what_is_there_cannot_be_opened),
        TEST(garbage_over_its_first_pages_is_noticed_and_mended),
        TEST(a_lock_is_waited_for_as_long_as_was_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
