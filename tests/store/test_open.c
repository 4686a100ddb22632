/* test_open.c - making, refusing and reopening the database. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void refused(const struct place *place, enum tb_store_mode mode, int err, const char *word,
                    const char *cure)
{
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY] = "";
    assert_int_equal(tb_store_open(place->folder, mode, &store, why), err);
    assert_null(store);
    if (!strstr(why, word) || !strstr(why, cure) || !strstr(why, place->folder))
        fail_msg("not clear: %s", why);
}

static void folder_and_files_are_for_the_owner_alone(void **state)
{
    struct place inner = *(struct place *)*state;
    (void)strncat(inner.folder, "/a/b", sizeof(inner.folder) - strlen(inner.folder) - 1);
    (void)umask(0);
    struct tb_store *store = open_store(&inner, TB_STORE_WRITE);
    add_one(store, "u", 0, "");
    struct stat st;
    char path[128];
    assert_int_equal(stat(inner.folder, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    static const char *const FILES[] = {"towbar.db", "towbar.db-wal", "towbar.db-shm"};
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", inner.folder, FILES[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    tb_store_close(store);
}

static void reading_before_there_is_one_says_so(void **state)
{
    refused(*state, TB_STORE_READ, -ENOENT, "no database", "towbard makes it");
    assert_int_equal(access(((struct place *)*state)->database, F_OK), -1);
}

static void reading_an_empty_file_says_so(void **state)
{
    struct place *place = *state;
    assert_true(close(open(place->database, O_CREAT | O_WRONLY, 0600)) == 0);
    refused(place, TB_STORE_READ, -ENOENT, "still empty", "towbard");
}

static void what_was_stored_is_there_after_reopening(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "u1", 0, "");
    assert_int_equal(tb_store_sync(store), 0);
    tb_store_close(store);
    store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(store, &counts), 0);
    assert_int_equal(counts.occurrences, 1);
    assert_int_equal(counts.queued, 1);
    struct tb_occurrence again = occurrence("u1", "f");
    assert_int_equal(tb_store_add(store, &again, ROLLBAR, 1), 1);
    tb_store_close(store);
}

static void reading_needs_no_running_agent(void **state)
{
    tb_store_close(open_store(*state, TB_STORE_WRITE));
    struct tb_store *store = open_store(*state, TB_STORE_READ);
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(store, &counts), 0);
    assert_int_equal(counts.items, 0);
    tb_store_close(store);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    tb_store_close(open_store(*state, TB_STORE_WRITE));
    run_sql(*state, "PRAGMA user_version = 99");
    refused(*state, TB_STORE_WRITE, -EPROTONOSUPPORT, "newer", "install that version");
    refused(*state, TB_STORE_READ, -EPROTONOSUPPORT, "newer", "--state-dir");
    assert_int_equal(ask_sql(*state, "PRAGMA user_version"), 99);
}

static void a_stranger_s_database_is_refused_and_left_alone(void **state)
{
    run_sql(*state, "CREATE TABLE mine(x)");
    refused(*state, TB_STORE_WRITE, -EPROTO, "another program", "--state-dir");
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM pragma_journal_mode"
                                     " WHERE journal_mode = 'delete'"),
                     1);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct place *place = *state;
    FILE *file = fopen(place->database, "we");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        assert_true(fputs("this is not a database\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    refused(place, TB_STORE_WRITE, -EBADMSG, "damaged", "move it aside");
}

static void a_damaged_database_is_refused(void **state)
{
    struct place *place = *state;
    tb_store_close(open_store(place, TB_STORE_WRITE));
    /* The first page holds the table of tables, after its header of 100 bytes. */
    int fd = open(place->database, O_WRONLY);
    char rubbish[3000];
    memset(rubbish, 0x5a, sizeof(rubbish));
    assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), 100), sizeof(rubbish));
    assert_int_equal(close(fd), 0);
    refused(place, TB_STORE_WRITE, -EBADMSG, "damaged", "move it aside");
}

static void damage_met_later_is_said_as_clearly(void **state)
{
    struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    add_one(store, "u", 1, "");
    tb_store_close(store);
    int64_t page = ask_sql(place, "SELECT rootpage FROM sqlite_schema WHERE name = 'items'");
    char rubbish[4096];
    memset(rubbish, 0x5a, sizeof(rubbish));
    int fd = open(place->database, O_WRONLY);
    assert_int_equal(pwrite(fd, rubbish, sizeof(rubbish), (page - 1) * 4096), sizeof(rubbish));
    assert_int_equal(close(fd), 0);
    store = open_store(place, TB_STORE_WRITE);
    struct tb_occurrence more = occurrence("new", "f");
    assert_int_equal(tb_store_add(store, &more, ROLLBAR, 1), -EBADMSG);
    assert_non_null(strstr(tb_store_error(store), "move it aside"));
    assert_non_null(strstr(tb_store_error(store), place->database));
    tb_store_close(store);
}

static void a_state_dir_that_is_a_file_is_refused(void **state)
{
    struct place inner = *(struct place *)*state;
    assert_int_equal(close(open(inner.database, O_CREAT | O_WRONLY, 0600)), 0);
    memcpy(inner.folder, inner.database, sizeof(inner.folder) - 1);
    refused(&inner, TB_STORE_WRITE, -ENOTDIR, "Not a directory", "--state-dir");
}

static void an_unwritable_folder_is_refused(void **state)
{
    struct place *place = *state;
    /* Permissions do not bind root: /proc refuses it too. */
    struct place other = *place;
    if (geteuid() == 0)
        (void)snprintf(other.folder, sizeof(other.folder), "/proc/self/towbar");
    else
        assert_int_equal(chmod(place->folder, 0500), 0);
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY] = "";
    assert_true(tb_store_open(other.folder, TB_STORE_WRITE, &store, why) < 0);
    assert_null(store);
    assert_non_null(strstr(why, other.folder));
    assert_non_null(strstr(why, "give --state-dir a folder that this user may write to"));
    assert_int_equal(chmod(place->folder, 0700), 0);
}

static void a_locked_database_says_so(void **state)
{
    struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(place->database, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(tb_store_begin(store), -EBUSY);
    assert_non_null(strstr(tb_store_error(store), "locked"));
    assert_non_null(strstr(tb_store_error(store), "end that program"));
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_int_equal(tb_store_begin(store), 0);
    assert_int_equal(tb_store_commit(store), 0);
    tb_store_close(store);
}

/* A limit on the size of files is the full disk that needs no disk. Returns 0 when all was well. */
static int fill_until_refused(const struct place *place)
{
    enum { DATA_BYTES = 200000, LIMIT_BYTES = 300000 };
    struct rlimit limit = {LIMIT_BYTES, LIMIT_BYTES};
    char *data = malloc(DATA_BYTES);
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    struct tb_occurrence big = occurrence("fits", "f");
    if (!data || setrlimit(RLIMIT_FSIZE, &limit) < 0 || signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return 1;
    memset(data, 'x', DATA_BYTES);
    big.data = data;
    big.data_len = DATA_BYTES;
    if (tb_store_add(store, &big, ROLLBAR, 1) != 0)
        return 2;
    big.uuid = "too much";
    if (tb_store_begin(store) != 0)
        return 3;
    int err = tb_store_add(store, &big, ROLLBAR, 1);
    if (err == 0)
        err = tb_store_commit(store);
    if (err >= 0 || !strstr(tb_store_error(store), "the spool keeps what comes meanwhile"))
        return 4;
    tb_store_rollback(store);
    return 0;
}

static void a_full_database_keeps_what_was_committed(void **state)
{
    struct place *place = *state;
    tb_store_close(open_store(place, TB_STORE_WRITE));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(fill_until_refused(place));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    assert_int_equal(ask_sql(place, "SELECT count(*) FROM occurrences"), 1);
    assert_int_equal(ask_sql(place, "SELECT received FROM delivery"), 1);
    tb_store_close(store);
}

static void two_programs_may_make_it_at_once(void **state)
{
    struct place *place = *state;
    enum { N = 4, ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
        pid_t children[N];
        for (int i = 0; i < N; i++) {
            children[i] = fork();
            assert_true(children[i] >= 0);
            if (children[i] == 0) {
                struct tb_store *store = NULL;
                char why[TB_STORE_WHY] = "";
                int err = tb_store_open(place->folder, TB_STORE_WRITE, &store, why);
                if (err < 0)
                    (void)fprintf(stderr, "%s\n", why);
                _exit(err < 0 ? 1 : 0);
            }
        }
        for (int i = 0; i < N; i++) {
            int status = 0;
            assert_int_equal(waitpid(children[i], &status, 0), children[i]);
            assert_int_equal(status, 0);
        }
        (void)unlink(place->database);
        char side[112];
        (void)snprintf(side, sizeof(side), "%s-wal", place->database);
        (void)unlink(side);
        (void)snprintf(side, sizeof(side), "%s-shm", place->database);
        (void)unlink(side);
    }
}

#define PLACED(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(folder_and_files_are_for_the_owner_alone),
        PLACED(reading_before_there_is_one_says_so),
        PLACED(reading_an_empty_file_says_so),
        PLACED(what_was_stored_is_there_after_reopening),
        PLACED(reading_needs_no_running_agent),
        PLACED(a_newer_database_is_refused_and_left_alone),
        PLACED(a_stranger_s_database_is_refused_and_left_alone),
        PLACED(a_file_that_is_no_database_is_refused),
        PLACED(a_damaged_database_is_refused),
        PLACED(damage_met_later_is_said_as_clearly),
        PLACED(a_state_dir_that_is_a_file_is_refused),
        PLACED(an_unwritable_folder_is_refused),
        PLACED(a_locked_database_says_so),
        PLACED(a_full_database_keeps_what_was_committed),
        PLACED(two_programs_may_make_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
