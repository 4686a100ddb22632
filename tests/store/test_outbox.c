/* test_outbox.c - what is due, verdicts, holds, and the sums that must hold after each of them. */
#include "helper.h"

#include <errno.h>
#include <stdbool.h>

#include "base/clock.h"
#include "store/internal.h"

enum { FAR_MS = 1000 * 1000 };

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* The uuids of what is due, "a b c": by class, within a class by token. */
static const char *due_at(struct tb_store *store, int64_t at_ms)
{
    static char list[512];
    struct tb_outbox_token tokens[8];
    struct tb_outbox_key keys[16];
    size_t len = 0;
    list[0] = '\0';
    int n_tokens = tb_store_tokens(store, "rollbar", 0, at_ms, tokens, 8);
    assert_true(n_tokens >= 0);
    for (int i = 0; i < TB_STORE_N_CLASSES * n_tokens; i++) {
        int n = tb_store_due(store, tokens[i % n_tokens].id, i / n_tokens, at_ms, NULL, keys, 16);
        assert_true(n >= 0);
        for (int k = 0; k < n; k++) {
            struct tb_outbox_row row;
            assert_int_equal(tb_store_row(store, keys[k].seq, &row), 0);
            len +=
                (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? " " : "", row.uuid);
            assert_string_equal(row.data, "{\"uuid\":\"x\"}");
            assert_int_equal(row.data_len, strlen(row.data));
            tb_outbox_row_done(&row);
        }
    }
    return list;
}

static const char *due(struct tb_store *store)
{
    return due_at(store, now_ms());
}

static int try_verdict(struct tb_store *store, const char *uuid, enum tb_outbox_state state,
                       int64_t at_ms)
{
    struct tb_outbox_verdict verdict = {seq_of(store, uuid), state, at_ms, 500, "because", 1};
    return tb_store_verdict(store, "rollbar", &verdict);
}

static void verdict(struct tb_store *store, const char *uuid, enum tb_outbox_state state,
                    int64_t at_ms)
{
    assert_int_equal(try_verdict(store, uuid, state, at_ms), 0);
}

static struct tb_store_counts counts(struct tb_store *store)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_counts(store, &result), 0);
    return result;
}

static void crashes_come_first_then_the_oldest(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "info", 3, "");
    add_one(store, "error-1", 1, "");
    add_one(store, "beyond", 77, ""); /* counts as the last class */
    add_one(store, "crash-1", 0, "");
    add_one(store, "error-2", 1, "");
    add_one(store, "crash-2", -5, "");
    assert_string_equal(due(store), "crash-1 crash-2 error-1 error-2 info beyond");
    tb_store_close(store);
}

static void a_row_carries_its_token_and_attempts(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_outbox_token token;
    struct tb_outbox_key key;
    add_one(store, "u", 2, "its-own");
    verdict(store, "u", TB_OUT_QUEUED, 0);
    verdict(store, "u", TB_OUT_QUEUED, 7);
    /* Told to wait: that was not the row's fault. */
    struct tb_outbox_verdict slow = {seq_of(store, "u"), TB_OUT_QUEUED, 7, 429, NULL, 0};
    assert_int_equal(tb_store_verdict(store, "rollbar", &slow), 0);
    assert_int_equal(tb_store_tokens(store, "rollbar", 0, now_ms(), &token, 1), 1);
    assert_string_equal(token.token, "its-own");
    assert_int_equal(tb_store_due(store, token.id, 2, now_ms(), NULL, &key, 1), 1);
    assert_int_equal(key.attempts, 2);
    assert_int_equal(key.due_at_ms, 7);
    assert_int_equal(key.http_status, 429);
    assert_int_equal(tb_store_due(store, token.id, 1, now_ms(), NULL, &key, 1), 0);
    assert_int_equal(tb_store_tokens(store, "other", 0, now_ms(), &token, 1), 0);
    assert_int_equal(tb_store_tokens(store, "rollbar", token.id, now_ms(), &token, 1), 0);
    struct tb_outbox_row row;
    assert_int_equal(tb_store_row(store, 77, &row), -ENOENT);
    tb_store_close(store);
}

static void what_is_due_can_be_had_page_by_page(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_outbox_token token;
    struct tb_outbox_key keys[4];
    char uuid[8];
    for (int i = 0; i < 6; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add_one(store, uuid, 1, "");
        verdict(store, uuid, TB_OUT_QUEUED, i < 2 ? 9 : 5); /* many at the same time */
    }
    assert_int_equal(tb_store_tokens(store, "rollbar", 0, 10, &token, 1), 1);
    assert_int_equal(tb_store_due(store, token.id, 1, 10, NULL, keys, 3), 3);
    assert_int_equal(keys[2].seq, seq_of(store, "u4"));
    struct tb_outbox_key last = keys[2];
    assert_int_equal(tb_store_due(store, token.id, 1, 10, &last, keys, 4), 3);
    assert_int_equal(keys[0].seq, seq_of(store, "u5"));
    assert_int_equal(keys[1].seq, seq_of(store, "u0"));
    assert_int_equal(keys[2].seq, seq_of(store, "u1"));
    last = keys[2];
    assert_int_equal(tb_store_due(store, token.id, 1, 10, &last, keys, 4), 0);
    tb_store_close(store);
}

static void many_are_sent_at_once(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t seqs[TB_STORE_SENT_MAX + 1] = {0};
    char uuid[8];
    for (int i = 0; i < 5; i++) {
        (void)snprintf(uuid, sizeof(uuid), "u%d", i);
        add_one(store, uuid, 1, i == 3 ? "another" : "");
        seqs[i] = seq_of(store, uuid);
    }
    verdict(store, "u1", TB_OUT_QUARANTINED, 0); /* the last verdict is the last */
    assert_int_equal(tb_store_park(store, "rollbar", "another", 1, "no"), 0);
    seqs[4] = INT64_MAX; /* there is none */
    assert_int_equal(tb_store_sent(store, "rollbar", seqs, 0, 200), 0);
    assert_int_equal(tb_store_sent(store, "rollbar", seqs, TB_STORE_SENT_MAX + 1, 200), -EINVAL);
    assert_int_equal(tb_store_sent(store, "other", seqs, 5, 200), 0);
    assert_int_equal(counts(store).sent, 0);
    assert_int_equal(tb_store_sent(store, "rollbar", seqs, 5, 200), 0);
    assert_int_equal(counts(store).sent, 3);
    assert_int_equal(counts(store).quarantined, 1);
    assert_int_equal(counts(store).parked, 0);
    assert_int_equal(counts(store).queued, 1);
    assert_string_equal(due(store), "u4");
    /* All there can be, of the longest numbers. */
    for (int i = 0; i < TB_STORE_SENT_MAX; i++)
        seqs[i] = INT64_MIN + i;
    assert_int_equal(tb_store_sent(store, "rollbar", seqs, TB_STORE_SENT_MAX, 200), 0);
    tb_store_close(store);
}

static void a_retry_waits_until_it_is_due(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    add_one(store, "u", 1, "");
    assert_int_equal(tb_store_next_due(store, "rollbar", now), -1);
    verdict(store, "u", TB_OUT_QUEUED, now + FAR_MS);
    assert_string_equal(due_at(store, now), "");
    assert_int_equal(tb_store_next_due(store, "rollbar", now), now + FAR_MS);
    assert_string_equal(due_at(store, now + FAR_MS), "u");
    tb_store_close(store);
    store = open_store(*state, TB_STORE_WRITE);
    assert_string_equal(due_at(store, now), "");
    tb_store_close(store);
}

static void the_last_verdict_is_the_last(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    static const enum tb_outbox_state LAST[] = {TB_OUT_SENT, TB_OUT_DROPPED, TB_OUT_QUARANTINED};
    for (size_t i = 0; i < 3; i++) {
        char uuid[37];
        (void)snprintf(uuid, sizeof(uuid), "u%zu", i);
        add_one(store, uuid, 1, "");
        verdict(store, uuid, LAST[i], 0);
        assert_int_equal(try_verdict(store, uuid, TB_OUT_QUEUED, 0), -ENOENT);
    }
    assert_int_equal(try_verdict(store, "none", TB_OUT_SENT, 0), -ENOENT);
    assert_string_equal(due(store), "");
    assert_int_equal(counts(store).sent, 1);
    assert_int_equal(counts(store).dropped, 1);
    assert_int_equal(counts(store).quarantined, 1);
    tb_store_close(store);
}

static void parking_sets_one_token_aside(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "a1", 1, "a");
    add_one(store, "b1", 1, "b");
    assert_int_equal(tb_store_park(store, "rollbar", "a", 1, "refused"), 0);
    add_one(store, "a2", 0, "a");
    assert_string_equal(due(store), "b1");
    assert_int_equal(counts(store).parked, 2);
    assert_int_equal(counts(store).queued, 3);
    assert_string_equal(counts(store).last_reason, "refused");
    struct tb_store_holds holds;
    assert_int_equal(tb_store_holds(store, "rollbar", now_ms(), &holds), 0);
    assert_int_equal(holds.parked_tokens, 1);
    assert_int_equal(holds.paused_until_ms, 0);
    assert_int_equal(tb_store_park(store, "rollbar", "a", 0, NULL), 0);
    assert_string_equal(due(store), "a2 a1 b1");
    assert_int_equal(counts(store).parked, 0);
    tb_store_close(store);
}

static void every_token_can_be_unparked_at_once(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "a1", 1, "a");
    add_one(store, "b1", 1, "b");
    assert_int_equal(tb_store_park(store, "rollbar", NULL, 1, "all"), -EINVAL);
    assert_int_equal(tb_store_park(store, "rollbar", "a", 1, "x"), 0);
    assert_int_equal(tb_store_park(store, "rollbar", "b", 1, "x"), 0);
    assert_string_equal(due(store), "");
    assert_int_equal(tb_store_park(store, "rollbar", NULL, 0, NULL), 0);
    assert_string_equal(due(store), "a1 b1");
    tb_store_close(store);
}

static void a_parked_token_is_probed_with_one_row(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    add_one(store, "a1", 1, "a");
    add_one(store, "a2", 0, "a");
    assert_int_equal(tb_store_park(store, "rollbar", "a", 1, "refused"), 0);
    assert_int_equal(tb_store_probe(store, "rollbar", now, 1000), 0);
    assert_int_equal(tb_store_probe(store, "rollbar", now + 999, 1000), 0);
    assert_int_equal(tb_store_next_due(store, "rollbar", now), now + 1000);
    assert_int_equal(tb_store_probe(store, "rollbar", now + 1000, 1000), 1);
    assert_int_equal(tb_store_probe(store, "rollbar", now + 1001, 1000), 0);
    assert_string_equal(due_at(store, now + 1001), "a2");
    assert_int_equal(counts(store).parked, 1);
    tb_store_close(store);
}

static void a_pause_passes_over_one_token(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    add_one(store, "a1", 0, "a");
    add_one(store, "b1", 1, "b");
    assert_int_equal(tb_store_pause(store, "rollbar", "a", now + FAR_MS), 0);
    assert_int_equal(tb_store_pause(store, "rollbar", "a", now + 5), 0); /* never shorter */
    assert_string_equal(due_at(store, now), "b1");
    assert_int_equal(tb_store_next_due(store, "rollbar", now), now + FAR_MS);
    struct tb_store_holds holds;
    assert_int_equal(tb_store_holds(store, "rollbar", now, &holds), 0);
    assert_int_equal(holds.paused_until_ms, now + FAR_MS);
    assert_string_equal(due_at(store, now + FAR_MS), "a1 b1");
    tb_store_close(store);
}

static void a_clock_set_back_stalls_nothing(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    struct tb_occurrence future = occurrence("future", "f");
    future.received_ns = (uint64_t)(now + year_ms) * TB_NS_PER_MS;
    assert_int_equal(tb_store_add(store, &future, ROLLBAR, 1), 0);
    assert_string_equal(due(store), "future");
    add_one(store, "retried", 0, "");
    add_one(store, "near", 1, "near");
    verdict(store, "retried", TB_OUT_QUEUED, now + year_ms);
    verdict(store, "near", TB_OUT_QUEUED, now + FAR_MS);
    assert_int_equal(tb_store_pause(store, "rollbar", "", now + year_ms), 0);
    assert_string_equal(due(store), "");
    assert_int_equal(tb_store_clamp(store, "rollbar", now, FAR_MS), 0);
    assert_string_equal(due(store), "retried future");
    tb_store_close(store);
}

static void a_step_of_the_clock_keeps_the_length_of_pauses(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000;
    int parked = 0;
    int64_t until_ms = 0;
    add_one(store, "u", 1, "");
    add_one(store, "p", 1, "paused");
    verdict(store, "u", TB_OUT_QUEUED, now + 5000);
    assert_int_equal(tb_store_pause(store, "rollbar", "paused", now + FAR_MS), 0);
    assert_int_equal(tb_store_step(store, "rollbar", now + year_ms, year_ms), 0);
    assert_string_equal(due_at(store, now + year_ms), "u");
    assert_int_equal(tb_store_token_state(store, "rollbar", "paused", &parked, &until_ms), 0);
    assert_int_equal(until_ms, now + year_ms + FAR_MS);
    /* Back again: a row whose time is ahead now would wait a year. */
    verdict(store, "u", TB_OUT_QUEUED, now + year_ms + 5000);
    assert_int_equal(tb_store_step(store, "rollbar", now, -year_ms), 0);
    assert_string_equal(due_at(store, now), "u");
    assert_string_equal(due_at(store, now + FAR_MS), "u p");
    tb_store_close(store);
}

static void an_endpoint_that_rests_is_no_token(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    int parked = 1;
    int64_t until_ms = 1;
    assert_int_equal(tb_store_token_state(store, "rollbar", " rest 1", &parked, &until_ms), 0);
    assert_int_equal(parked + until_ms, 0);
    assert_int_equal(tb_store_rest(store, "rollbar", " rest 1", now + FAR_MS), 0);
    assert_int_equal(tb_store_rest(store, "rollbar", " rest 1", now + 9), 0);
    assert_int_equal(tb_store_token_state(store, "rollbar", " rest 1", &parked, &until_ms), 0);
    assert_int_equal(until_ms, now + 9);
    struct tb_store_holds holds;
    assert_int_equal(tb_store_holds(store, "rollbar", now, &holds), 0);
    assert_int_equal(holds.paused_until_ms, 0);
    tb_store_close(store);
}

static void what_waits_is_due_when_it_is_released(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t now = now_ms();
    add_one(store, "u", 1, "");
    add_one(store, "p", 1, "paused");
    verdict(store, "u", TB_OUT_QUEUED, now + FAR_MS);
    assert_int_equal(tb_store_pause(store, "rollbar", "paused", now + FAR_MS), 0);
    assert_int_equal(tb_store_release(store, "rollbar", now), 0);
    assert_string_equal(due_at(store, now), "u");
    tb_store_close(store);
}

/* Those of service "s" belong to a project; a token of their own is kept unless all are asked. */
static void to_project(void *arg, const char *token, const char *service, const char *environment,
                       char out[128])
{
    assert_string_equal(environment, "test");
    (*(int *)arg)++;
    (void)token;
    (void)snprintf(out, 128, "%s", strcmp(service, "another") == 0 ? "" : " project");
}

static void what_waits_goes_to_the_token_that_is_chosen_now(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int n_asked = 0;
    int parked = 0;
    int64_t until_ms = 0;
    struct tb_occurrence other = occurrence("other", "f");
    other.service = "another";
    assert_int_equal(tb_store_add(store, &other, ROLLBAR, 1), 0);
    add_one(store, "u1", 1, "");
    add_one(store, "sent", 1, "");
    add_one(store, "own", 1, "its-own");
    verdict(store, "sent", TB_OUT_SENT, 0);
    assert_int_equal(tb_store_park(store, "rollbar", "", 1, "refused"), 0);
    add_one(store, "u2", 0, "");
    assert_int_equal(tb_store_choose(store, "rollbar", 0, to_project, &n_asked), 0);
    assert_int_equal(n_asked, 2);
    assert_int_equal(tb_store_pause(store, "rollbar", " project", now_ms() + FAR_MS), 0);
    assert_int_equal(tb_store_park(store, "rollbar", NULL, 0, NULL), 0);
    assert_string_equal(due(store), "other own");
    assert_int_equal(tb_store_choose(store, "rollbar", 1, to_project, &n_asked), 0);
    assert_string_equal(due(store), "other");
    assert_int_equal(tb_store_token_state(store, "rollbar", " project", &parked, &until_ms), 0);
    assert_true(until_ms > 0);
    assert_int_equal(counts(store).queued, 4);
    tb_store_close(store);
}

static void two_sinks_have_their_own_rows_and_sums(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    static const struct tb_outbox_to SINKS[] = {{"rollbar", ""}, {"otlp", ""}};
    struct tb_occurrence one = occurrence("u", "f");
    assert_int_equal(tb_store_add(store, &one, SINKS, 2), 0);
    verdict(store, "u", TB_OUT_SENT, 0);
    struct tb_store_counts otlp;
    assert_int_equal(tb_store_sink_counts(store, "otlp", &otlp), 0);
    assert_int_equal(otlp.received, 1);
    assert_int_equal(otlp.queued, 1);
    assert_true(otlp.oldest_queued_ms > 0);
    struct tb_store_counts rollbar;
    assert_int_equal(tb_store_sink_counts(store, "rollbar", &rollbar), 0);
    assert_int_equal(rollbar.sent, 1);
    assert_int_equal(rollbar.queued, 0);
    assert_int_equal(rollbar.oldest_queued_ms, 0);
    assert_int_equal(counts(store).received, 2);
    tb_store_close(store);
}

/* The sums as the rows themselves say them. */
static void sums_hold(const struct place *place, struct tb_store *store)
{
    struct tb_store_counts sums = counts(store);
    assert_int_equal(sums.received, sums.sent + sums.dropped + sums.quarantined + sums.queued);
    static const char *const STATES[] = {"(0, 4)", "(1)", "(2)", "(3)", "(4)", "(0, 1, 2, 3, 4)"};
    int64_t values[] = {sums.queued,      sums.sent,   sums.dropped,
                        sums.quarantined, sums.parked, sums.received};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char sql[96];
        (void)snprintf(sql, sizeof(sql), "SELECT count(*) FROM outbox WHERE state IN %s",
                       STATES[i]);
        assert_int_equal(ask_sql(place, sql), values[i]);
    }
}

static void random_step(struct tb_store *store, unsigned *seed, int *n_added)
{
    static const char *const TOKENS[] = {"", "a", "b"};
    const char *token = TOKENS[(unsigned)rand_r(seed) % 3];
    char uuid[37];
    int pick = *n_added > 0 ? rand_r(seed) % *n_added : 0;
    (void)snprintf(uuid, sizeof(uuid), "u%d", pick);
    switch (rand_r(seed) % 8) {
    case 0:
    case 1:
    case 2:
        (void)snprintf(uuid, sizeof(uuid), "u%d", (*n_added)++);
        add_one(store, uuid, rand_r(seed) % 4, token);
        return;
    case 3: {
        struct tb_occurrence again = occurrence(uuid, "f");
        assert_in_range(tb_store_add(store, &again, ROLLBAR, *n_added > 0), 0, 1);
        *n_added += *n_added == 0;
        return;
    }
    case 4:
        assert_int_equal(tb_store_park(store, "rollbar", token, rand_r(seed) % 2, "r"), 0);
        return;
    case 5:
        assert_true(tb_store_probe(store, "rollbar", now_ms() + rand_r(seed) % 5000, 1000) >= 0);
        return;
    default: {
        int err = try_verdict(store, uuid, (enum tb_outbox_state)(rand_r(seed) % 5), now_ms());
        assert_true(err == 0 || err == -ENOENT);
    }
    }
}

static void the_sums_hold_after_every_step(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    unsigned seed = 20240229;
    int n_added = 0;
    for (int i = 0; i < 2000; i++) {
        bool in_transaction = rand_r(&seed) % 4 == 0;
        bool is_taken_back = in_transaction && rand_r(&seed) % 2 == 0;
        int n_before = n_added;
        if (in_transaction)
            assert_int_equal(tb_store_begin(store), 0);
        random_step(store, &seed, &n_added);
        if (is_taken_back) {
            tb_store_rollback(store);
            n_added = n_before;
        } else if (in_transaction) {
            assert_int_equal(tb_store_commit(store), 0);
        }
        if (i % 10 == 0)
            sums_hold(*state, store);
    }
    sums_hold(*state, store);
    assert_true(counts(store).sent > 0 && counts(store).parked > 0 && counts(store).queued > 0);
    tb_store_close(store);
}

static void the_database_itself_refuses_wrong_sums(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_one(store, "u", 1, "");
    tb_store_close(store);
    sqlite3 *db = NULL;
    const struct place *place = *state;
    assert_int_equal(sqlite3_open(place->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE delivery SET sent = sent + 1", NULL, NULL, NULL),
                     SQLITE_CONSTRAINT);
    /* What is deleted undelivered counts as dropped, what was sent stays counted. */
    assert_int_equal(sqlite3_exec(db, "DELETE FROM outbox", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(counts(store).received, 1);
    assert_int_equal(counts(store).dropped, 1);
    assert_int_equal(counts(store).queued, 0);
    tb_store_close(store);
}

/* How SQLite goes about a statement, its steps joined. */
static const char *plan_of(struct tb_store *store, enum tb_statement which)
{
    static char plan[2048];
    sqlite3_stmt *statement = NULL;
    sqlite3_stmt *explain = NULL;
    char *sql = NULL;
    size_t len = 0;
    assert_int_equal(tb_store_statement(store, which, &statement), 0);
    sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sqlite3_sql(statement));
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &explain, NULL), SQLITE_OK);
    while (sqlite3_step(explain) == SQLITE_ROW)
        len += (size_t)snprintf(plan + len, sizeof(plan) - len, "%s; ",
                                (const char *)sqlite3_column_text(explain, 3));
    assert_int_equal(sqlite3_finalize(explain), SQLITE_OK);
    sqlite3_free(sql);
    return plan;
}

/* However long the backlog is, nothing that runs often may walk over all of it. */
static void what_runs_often_goes_by_an_index(void **state)
{
    static const struct {
        enum tb_statement which;
        const char *step;
    } CASES[] = {
        {TB_SQL_DUE, "SEARCH q USING COVERING INDEX outbox_queue "
                     "(token=? AND class=? AND (due_at_ms,occurrence)>(?,?) AND due_at_ms<?)"},
        {TB_SQL_NEXT_DUE, "outbox_queue (token=? AND class=? AND due_at_ms>?)"},
        {TB_SQL_CLAMP_ROWS, "outbox_queue (token=? AND class=? AND due_at_ms>?)"},
        {TB_SQL_VERDICT, "SEARCH outbox USING PRIMARY KEY (occurrence=? AND sink=?)"},
        {TB_SQL_SENT, "SEARCH outbox USING PRIMARY KEY (occurrence=? AND sink=?)"},
        {TB_SQL_KNOWN, "SEARCH occurrences USING COVERING INDEX"},
        {TB_SQL_ITEM_SEEN, "SEARCH items USING INDEX"},
        {TB_SQL_OUTBOX_ADD, "SEARCH tokens USING INDEX"},
        {TB_SQL_PROBE_ROWS, "SEARCH outbox USING PRIMARY KEY (occurrence=? AND sink=?)"},
        {TB_SQL_UNPARK_ROWS, "outbox_parked (token=?)"},
        {TB_SQL_TOKENS, "outbox_queue (token=?)"},
        {TB_SQL_PARK_ROWS, "outbox_queue (token=?"},
        {TB_SQL_MOVE, "SEARCH outbox USING PRIMARY KEY"},
    };
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const char *plan = plan_of(store, CASES[i].which);
        if (!strstr(plan, CASES[i].step) || strstr(plan, "SCAN outbox"))
            fail_msg("statement %d: %s", (int)CASES[i].which, plan);
    }
    tb_store_close(store);
}

#define PLACED(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(crashes_come_first_then_the_oldest),
        PLACED(a_row_carries_its_token_and_attempts),
        PLACED(what_is_due_can_be_had_page_by_page),
        PLACED(many_are_sent_at_once),
        PLACED(a_retry_waits_until_it_is_due),
        PLACED(the_last_verdict_is_the_last),
        PLACED(parking_sets_one_token_aside),
        PLACED(every_token_can_be_unparked_at_once),
        PLACED(a_parked_token_is_probed_with_one_row),
        PLACED(a_pause_passes_over_one_token),
        PLACED(a_clock_set_back_stalls_nothing),
        PLACED(a_step_of_the_clock_keeps_the_length_of_pauses),
        PLACED(an_endpoint_that_rests_is_no_token),
        PLACED(what_waits_is_due_when_it_is_released),
        PLACED(what_waits_goes_to_the_token_that_is_chosen_now),
        PLACED(two_sinks_have_their_own_rows_and_sums),
        PLACED(the_sums_hold_after_every_step),
        PLACED(the_database_itself_refuses_wrong_sums),
        PLACED(what_runs_often_goes_by_an_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
