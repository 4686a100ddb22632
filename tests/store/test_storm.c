/* test_storm.c - events that are counted: once each, with one that stands for them. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static const int64_t LONG_AGO_MS = 0;

static int64_t now_ms(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int collapse(struct tb_store *store, const char *uuid, const char *fingerprint)
{
    struct tb_occurrence one = occurrence(uuid, fingerprint);
    return tb_store_collapse(store, &one, NULL, ROLLBAR, 1);
}

static int collapse_service(struct tb_store *store, const char *uuid, const char *fingerprint)
{
    struct tb_occurrence one = occurrence(uuid, fingerprint);
    struct tb_occurrence instead = occurrence(uuid, "of the service");
    return tb_store_collapse(store, &one, &instead, ROLLBAR, 1);
}

static int n_due(struct tb_store *store)
{
    struct tb_outbox_token tokens[4];
    struct tb_outbox_key keys[8];
    int n_tokens = tb_store_tokens(store, "rollbar", 0, INT64_MAX / 2, tokens, 4);
    int n = 0;
    assert_true(n_tokens >= 0);
    for (int i = 0; i < n_tokens * TB_STORE_N_CLASSES; i++) {
        int found = tb_store_due(store, tokens[i / TB_STORE_N_CLASSES].id, i % TB_STORE_N_CLASSES,
                                 INT64_MAX / 2, NULL, keys, 8);
        assert_true(found >= 0);
        n += found;
    }
    return n;
}

/* Closes all that is open; how many there were. */
static int close_all(struct tb_store *store, const char *data, struct tb_storm *last)
{
    int n = 0;
    struct tb_storm storm;
    while (tb_store_storm_due(store, INT64_MAX, now_ms(), &storm) == 0) {
        assert_int_equal(tb_store_storm_close(store, &storm, data, data != NULL ? strlen(data) : 0),
                         0);
        tb_storm_done(&storm);
        *last = storm;
        n++;
    }
    return n;
}

static struct tb_store_counts counts(struct tb_store *store)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_counts(store, &result), 0);
    return result;
}

static void the_first_stands_for_those_after_it(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    add_one(store, "u0", 1, "");
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    assert_int_equal(collapse(store, "u3", "f"), 0);
    assert_int_equal(n_due(store), 1); /* u0 alone */
    assert_int_equal(close_all(store, "{\"n\":2}", &storm), 1);
    assert_int_equal(storm.repeated, 2);
    assert_int_equal(storm.kinds, 0);
    assert_int_equal(n_due(store), 2);
    assert_int_equal(
        ask_sql(*state, "SELECT data = '{\"n\":2}' FROM occurrences WHERE uuid = 'u1'"), 1);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items"), 4);
    assert_int_equal(ask_sql(*state, "SELECT sum(total) FROM hours"), 4);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM occurrences"), 2);
    tb_store_close(store);
}

static void what_was_counted_is_received_and_dropped(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(collapse(store, "u1", "f"), 2);
    for (int i = 0; i < 5; i++) {
        char uuid[8];
        snprintf(uuid, sizeof(uuid), "v%d", i);
        assert_int_equal(collapse(store, uuid, "f"), 0);
    }
    struct tb_store_counts c = counts(store);
    assert_int_equal(c.occurrences, 6);
    assert_int_equal(c.received, 6);
    assert_int_equal(c.dropped, 5);
    assert_int_equal(c.queued, 1);
    assert_int_equal(ask_sql(*state, "SELECT storms FROM delivery"), 5);
    struct tb_store_storm_counts storms;
    assert_int_equal(tb_store_storm_counts(store, LONG_AGO_MS, &storms), 0);
    assert_int_equal(storms.collapsed, 5);
    assert_int_equal(storms.open, 1);
    assert_int_equal(storms.items, 1);
    tb_store_close(store);
}

static void more_storms_than_drops_are_refused_by_the_database(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    sqlite3 *db = NULL;
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    const struct place *place = *state;
    assert_int_equal(sqlite3_open(place->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE delivery SET storms = 2", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE delivery SET received = received + 1", NULL, NULL, NULL),
        SQLITE_CONSTRAINT);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    tb_store_close(store);
}

static void an_event_is_counted_once(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    assert_int_equal(collapse(store, "u2", "f"), 1);
    assert_int_equal(collapse(store, "u1", "f"), 1);
    struct tb_occurrence again = occurrence("u2", "f");
    assert_int_equal(tb_store_add(store, &again, ROLLBAR, 1), 1);
    assert_int_equal(counts(store).occurrences, 2);
    assert_int_equal(counts(store).duplicates, 3);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items"), 2);
    tb_store_close(store);
}

static void drop_counts_are_counted_once(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_count_once(store, "d1", "dropped.rate", 7), 0);
    assert_int_equal(tb_store_count_once(store, "d1", "dropped.rate", 7), 1);
    assert_int_equal(tb_store_count_once(store, "d2", "dropped.rate", 1), 0);
    assert_int_equal(ask_sql(*state, "SELECT value FROM counters WHERE name = 'dropped.rate'"), 8);
    tb_store_close(store);
}

static void what_is_remembered_is_bounded(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < TB_STORE_COUNTED + 10; i++) {
        char uuid[16];
        snprintf(uuid, sizeof(uuid), "d%d", i);
        assert_int_equal(tb_store_count_once(store, uuid, "dropped.rate", 1), 0);
    }
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM counted"), TB_STORE_COUNTED);
    assert_int_equal(tb_store_count_once(store, "d10", "dropped.rate", 1), 1);
    assert_int_equal(tb_store_count_once(store, "d9", "dropped.rate", 1), 0);
    tb_store_close(store);
}

static void of_a_service_new_bugs_make_no_items(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    add_one(store, "u0", 1, ""); /* item f */
    assert_int_equal(collapse_service(store, "u1", "new 1"), 2);
    assert_int_equal(collapse_service(store, "u2", "new 2"), 0);
    assert_int_equal(collapse_service(store, "u3", "new 2"), 0);
    assert_int_equal(collapse_service(store, "u4", "f"), 0);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM items"), 2);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items WHERE fingerprint = 'f'"), 2);
    assert_int_equal(
        ask_sql(*state, "SELECT total FROM items WHERE fingerprint = 'of the service'"), 3);
    assert_int_equal(counts(store).occurrences, 5);
    assert_int_equal(close_all(store, NULL, &storm), 1);
    assert_int_equal(storm.repeated, 3);
    assert_int_equal(storm.kinds, 3);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM storm_kinds"), 0);
    tb_store_close(store);
}

static void an_item_that_stands_for_its_service_is_counted_too(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "u0", 1, "");
    assert_int_equal(collapse_service(store, "u1", "f"), 2);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items WHERE fingerprint = 'f'"), 2);
    assert_int_equal(ask_sql(*state, "SELECT sum(total) FROM hours WHERE item = 1"), 2);
    tb_store_close(store);
}

static void kinds_are_told_apart_up_to_a_bound(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < TB_STORE_KINDS + 50; i++) {
        char uuid[16];
        snprintf(uuid, sizeof(uuid), "u%d", i);
        assert_true(collapse_service(store, uuid, uuid) >= 0);
    }
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM items"), 1);
    assert_int_equal(close_all(store, NULL, &storm), 1);
    assert_int_equal(storm.kinds, TB_STORE_KINDS);
    assert_int_equal(storm.repeated, TB_STORE_KINDS + 49);
    tb_store_close(store);
}

static void closed_the_next_one_stands_for_its_own(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    assert_int_equal(close_all(store, NULL, &storm), 1);
    assert_int_equal(collapse(store, "u3", "f"), 2);
    assert_int_equal(close_all(store, NULL, &storm), 1);
    assert_int_equal(storm.repeated, 0);
    assert_int_equal(ask_sql(*state, "SELECT collapsed FROM storms"), 1);
    tb_store_close(store);
}

static void it_is_due_when_its_minute_is_over(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    int64_t before_ms = now_ms();
    assert_int_equal(collapse(store, "u1", "f"), 2);
    int64_t after_ms = now_ms();
    assert_int_equal(tb_store_storm_due(store, before_ms - 1, after_ms, &storm), -ENOENT);
    assert_int_equal(tb_store_storm_due(store, after_ms, after_ms, &storm), 0);
    tb_storm_done(&storm);
    /* The clock was set back since. */
    assert_int_equal(tb_store_storm_due(store, before_ms - 7200000, before_ms - 3600000, &storm),
                     0);
    tb_storm_done(&storm);
    tb_store_close(store);
}

static void without_sinks_it_is_counted_all_the_same(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("u1", "f");
    assert_int_equal(tb_store_collapse(store, &one, NULL, NULL, 0), 2);
    one.uuid = "u2";
    assert_int_equal(tb_store_collapse(store, &one, NULL, NULL, 0), 0);
    assert_int_equal(counts(store).occurrences, 2);
    assert_int_equal(counts(store).received, 0);
    tb_store_close(store);
}

static void what_cannot_be_a_row_is_refused(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(collapse(store, "", "f"), -EINVAL);
    assert_int_equal(counts(store).items, 0);
    tb_store_close(store);
}

static void rolled_back_nothing_was_counted(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(tb_store_begin(store), 0);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    tb_store_rollback(store);
    assert_int_equal(counts(store).occurrences, 1);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    assert_int_equal(counts(store).occurrences, 2);
    tb_store_close(store);
}

static void counts_survive_a_kill(void **state)
{
    struct tb_storm storm;
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct tb_store *store = open_store(*state, TB_STORE_WRITE);
        (void)collapse(store, "u1", "f");
        (void)collapse(store, "u2", "f");
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(collapse(store, "u2", "f"), 1);
    assert_int_equal(close_all(store, NULL, &storm), 1);
    assert_int_equal(storm.repeated, 1);
    tb_store_close(store);
}

struct seen {
    int n;
    int64_t collapsed;
    char title[64];
};

static int see(void *arg, const struct tb_storm_row *row)
{
    struct seen *seen = arg;
    seen->n++;
    seen->collapsed = row->collapsed;
    snprintf(seen->title, sizeof(seen->title), "%s", row->title);
    return 0;
}

static void storms_are_listed_with_their_items(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct seen seen = {0};
    assert_int_equal(collapse(store, "u1", "f"), 2);
    assert_int_equal(collapse(store, "u2", "f"), 0);
    assert_int_equal(collapse(store, "u3", "g"), 2); /* stands for none yet */
    assert_int_equal(tb_store_storms(store, LONG_AGO_MS, 10, see, &seen), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.collapsed, 1);
    assert_string_equal(seen.title, "SIGSEGV in parse");
    seen.n = 0;
    assert_int_equal(tb_store_storms(store, now_ms() + 10000, 10, see, &seen), 0);
    assert_int_equal(seen.n, 0);
    tb_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
        IN_PLACE(the_first_stands_for_those_after_it),
        IN_PLACE(what_was_counted_is_received_and_dropped),
        IN_PLACE(more_storms_than_drops_are_refused_by_the_database),
        IN_PLACE(an_event_is_counted_once),
        IN_PLACE(drop_counts_are_counted_once),
        IN_PLACE(what_is_remembered_is_bounded),
        IN_PLACE(of_a_service_new_bugs_make_no_items),
        IN_PLACE(an_item_that_stands_for_its_service_is_counted_too),
        IN_PLACE(kinds_are_told_apart_up_to_a_bound),
        IN_PLACE(closed_the_next_one_stands_for_its_own),
        IN_PLACE(it_is_due_when_its_minute_is_over),
        IN_PLACE(without_sinks_it_is_counted_all_the_same),
        IN_PLACE(what_cannot_be_a_row_is_refused),
        IN_PLACE(rolled_back_nothing_was_counted),
        IN_PLACE(counts_survive_a_kill),
        IN_PLACE(storms_are_listed_with_their_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
