/* test_write.c - storing occurrences: once each, all or nothing, and there after a kill. */
#include "helper.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static struct tb_store_counts counts(struct tb_store *store)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_counts(store, &result), 0);
    return result;
}

static void a_uuid_is_stored_once(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("u", "f");
    assert_int_equal(tb_store_add(store, &one, ROLLBAR, 1), 0);
    one.fingerprint = "other";
    assert_int_equal(tb_store_add(store, &one, ROLLBAR, 1), 1);
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 1);
    struct tb_store_counts result = counts(store);
    assert_int_equal(result.items, 1);
    assert_int_equal(result.occurrences, 1);
    assert_int_equal(result.duplicates, 2);
    assert_int_equal(result.received, 1);
    tb_store_close(store);
}

static void without_sinks_nothing_waits(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("u", "f");
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    assert_int_equal(counts(store).occurrences, 1);
    assert_int_equal(counts(store).received, 0);
    tb_store_close(store);
}

static void what_cannot_be_a_row_is_refused(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    char token[200];
    memset(token, 't', sizeof(token) - 1);
    token[sizeof(token) - 1] = '\0';
    struct tb_occurrence bad = occurrence("", "f");
    assert_int_equal(tb_store_add(store, &bad, ROLLBAR, 1), -EINVAL);
    bad.uuid = "1234567890123456789012345678901234567";
    assert_int_equal(tb_store_add(store, &bad, ROLLBAR, 1), -EINVAL);
    assert_non_null(strstr(tb_store_error(store), "36"));
    bad.uuid = "u";
    const struct tb_outbox_to to[] = {{"rollbar", ""}, {"cloudwatch", token}};
    assert_int_equal(tb_store_add(store, &bad, to, 2), -EINVAL);
    assert_non_null(strstr(tb_store_error(store), "127"));
    assert_null(strstr(tb_store_error(store), "tttt"));
    assert_int_equal(counts(store).items, 0);
    tb_store_close(store);
}

static void rolled_back_it_never_was(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_begin(store), 0);
    add_one(store, "u", 0, "");
    assert_int_equal(tb_store_count(store, "dropped.rate", 3), 0);
    tb_store_rollback(store);
    assert_int_equal(counts(store).occurrences, 0);
    assert_int_equal(counts(store).received, 0);
    add_one(store, "u", 0, "");
    tb_store_close(store);
}

static void a_refused_one_does_not_take_the_others_along(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence bad = occurrence("bad", "f");
    bad.span_id = NULL; /* the tables refuse it, after its item was added */
    bad.fingerprint = "only its own";
    assert_int_equal(tb_store_begin(store), 0);
    add_one(store, "u1", 0, "");
    assert_true(tb_store_add(store, &bad, ROLLBAR, 1) < 0);
    add_one(store, "u2", 0, "");
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(counts(store).occurrences, 2);
    assert_int_equal(counts(store).items, 1);
    tb_store_close(store);
}

static void a_commit_without_a_transaction_is_an_error(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_true(tb_store_commit(store) < 0);
    tb_store_rollback(store);
    tb_store_close(store);
}

static void a_reading_handle_cannot_write(void **state)
{
    tb_store_close(open_store(*state, TB_STORE_WRITE));
    struct tb_store *store = open_store(*state, TB_STORE_READ);
    assert_int_equal(tb_store_count(store, "x", 1), -EROFS);
    assert_non_null(strstr(tb_store_error(store), "--state-dir"));
    tb_store_close(store);
}

static int take_counter(void *arg, const char *name, int64_t value)
{
    if (strcmp(name, "dropped.rate") == 0)
        *(int64_t *)arg = value;
    return 0;
}

static void counters_add_up(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t value = 0;
    assert_int_equal(tb_store_count(store, "dropped.rate", 3), 0);
    assert_int_equal(tb_store_count(store, "dropped.rate", 4), 0);
    assert_int_equal(tb_store_counters(store, take_counter, &value), 0);
    assert_int_equal(value, 7);
    tb_store_close(store);
}

/* Adds one after the other and tells through fd how many are committed, until it is killed. */
static void add_for_ever(const struct place *place, int from, int fd)
{
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    for (int i = from;; i++) {
        char uuid[37];
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add_one(store, uuid, 1, "");
        if (write(fd, &i, sizeof(i)) != sizeof(i))
            _exit(1);
    }
}

static void what_was_committed_survives_kill_9(void **state)
{
    const struct place *place = *state;
    enum { KILLS = 25 };
    int last = -1;
    tb_store_close(open_store(place, TB_STORE_WRITE));
    for (int i = 0; i < KILLS; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            add_for_ever(place, last + 1, ends[1]);
        (void)close(ends[1]);
        /* Let it get a little further each time, so that the kill meets other moments. */
        for (int n = 0; n < 3 + 7 * i; n++)
            assert_int_equal(read(ends[0], &last, sizeof(last)), sizeof(last));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(ends[0], &last, sizeof(last)) == sizeof(last))
            ;
        (void)close(ends[0]);
        struct tb_store *store = open_store(place, TB_STORE_WRITE);
        struct tb_store_counts result = counts(store);
        /* The one after the last that was told may be there: it died before it could say so. */
        assert_in_range(result.occurrences, last + 1, last + 2);
        assert_int_equal(result.occurrences, result.received);
        assert_int_equal(ask_sql(place, "SELECT count(*) FROM outbox"), result.received);
        assert_int_equal(ask_sql(place, "SELECT sum(total) FROM items"), result.occurrences);
        last = (int)result.occurrences - 1;
        tb_store_close(store);
    }
    assert_int_equal(ask_sql(place, "SELECT count(*) FROM pragma_integrity_check"
                                    " WHERE integrity_check <> 'ok'"),
                     0);
}

static void a_reader_sees_whole_transactions_while_another_writes(void **state)
{
    const struct place *place = *state;
    tb_store_close(open_store(place, TB_STORE_WRITE));
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        add_for_ever(place, 0, ends[1]);
    (void)close(ends[1]);
    struct tb_store *store = open_store(place, TB_STORE_READ);
    int64_t seen = 0;
    for (int i = 0; i < 300; i++) {
        int told = 0;
        assert_int_equal(read(ends[0], &told, sizeof(told)), sizeof(told));
        struct tb_store_counts result = counts(store);
        assert_int_equal(result.occurrences, result.received);
        assert_true(result.occurrences >= told + 1 && result.occurrences >= seen);
        seen = result.occurrences;
    }
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    (void)close(ends[0]);
    tb_store_close(store);
}

#define PLACED(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(a_uuid_is_stored_once),
        PLACED(without_sinks_nothing_waits),
        PLACED(what_cannot_be_a_row_is_refused),
        PLACED(rolled_back_it_never_was),
        PLACED(a_refused_one_does_not_take_the_others_along),
        PLACED(a_commit_without_a_transaction_is_an_error),
        PLACED(a_reading_handle_cannot_write),
        PLACED(counters_add_up),
        PLACED(what_was_committed_survives_kill_9),
        PLACED(a_reader_sees_whole_transactions_while_another_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
