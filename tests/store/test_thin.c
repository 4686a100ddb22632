/* test_thin.c - a database over its bound gives up bodies, and nothing else. */
#include "helper.h"

#include <errno.h>

static const int64_t S = 1000000000;
static const int64_t HOUR_S = 3600;
static const int64_t DAY_S = 86400;
static const int64_t NOW_S = 1700000000;

static int settle(struct tb_store *store, const char *uuid, enum tb_outbox_state state,
                  int http_status, const char *reason)
{
    const struct tb_outbox_verdict verdict = {seq_of(store, uuid), state,  0,
                                              http_status,         reason, 1};
    return tb_store_verdict(store, "rollbar", &verdict);
}

/* Stored and sent: the n-th of its item, so long ago. */
static void add_old(struct tb_store *store, const char *fingerprint, int n, int64_t age_s)
{
    char uuid[37] = "";
    struct tb_occurrence one = occurrence(uuid, fingerprint);
    snprintf(uuid, sizeof(uuid), "%.20s-%d", fingerprint, n);
    one.occurred_ns = (uint64_t)((NOW_S - age_s) * S);
    one.received_ns = one.occurred_ns;
    static char data[4096];
    memset(data, 'x', sizeof(data));
    one.data = data;
    one.data_len = sizeof(data);
    assert_int_equal(tb_store_add(store, &one, ROLLBAR, 1), 0);
    assert_int_equal(settle(store, uuid, TB_OUT_SENT, 200, ""), 0);
}

/* Until it does nothing more; how many went. */
static int thin(struct tb_store *store, uint64_t max_bytes)
{
    struct tb_thin thin = {0};
    int sum = 0;
    for (int i = 0; i < 10000; i++) {
        int n = tb_store_thin(store, &thin, max_bytes, NOW_S * S);
        assert_true(n >= 0);
        sum += n;
        if (!thin.is_on || thin.is_helpless)
            return sum;
    }
    fail_msg("it does not end");
    return 0;
}

static uint64_t bytes_of(struct tb_store *store)
{
    uint64_t bytes = 0;
    assert_int_equal(tb_store_bytes(store, &bytes), 0);
    return bytes;
}

static int64_t n_rows(const struct place *place)
{
    return ask_sql(place, "SELECT count(*) FROM occurrences");
}

static void fill(struct tb_store *store, int n, int64_t first_age_s, int64_t step_s)
{
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < n; i++)
        add_old(store, "f", i, first_age_s - i * step_s);
    assert_int_equal(tb_store_commit(store), 0);
}

static void below_its_bound_nothing_leaves(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    fill(store, 100, HOUR_S, 1);
    assert_int_equal(thin(store, 100 << 20), 0);
    assert_int_equal(thin(store, 0), 0);
    assert_int_equal(n_rows(*state), 100);
    tb_store_close(store);
}

static void bodies_leave_and_counts_stay(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_counts before;
    struct tb_store_counts after;
    fill(store, 1000, HOUR_S, 1);
    assert_int_equal(tb_store_counts(store, &before), 0);
    uint64_t bound = bytes_of(store) / 2;
    int n = thin(store, bound);
    assert_true(bytes_of(store) <= bound - bound / 16);
    assert_int_equal(n_rows(*state), 1000 - n);
    assert_int_equal(ask_sql(*state, "SELECT value FROM counters WHERE name = 'thinned'"), n);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items"), 1000);
    assert_int_equal(ask_sql(*state, "SELECT sum(total) FROM hours"), 1000);
    assert_int_equal(tb_store_counts(store, &after), 0);
    assert_int_equal(after.received, before.received);
    assert_int_equal(after.sent, before.sent);
    assert_int_equal(after.occurrences, 1000);
    tb_store_close(store);
}

static void one_an_hour_and_the_ends_stay(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    /* 30 hours, 40 in each. */
    fill(store, 1200, 31 * HOUR_S, HOUR_S / 40);
    /* What 30 and the ends take fits. */
    assert_true(thin(store, 1500 << 10) > 0);
    assert_int_equal(
        ask_sql(*state, "SELECT count(*) FROM occurrences WHERE uuid IN ('f-0', 'f-9', 'f-1199')"),
        3);
    assert_in_range(ask_sql(*state, "SELECT count(DISTINCT occurred_ns / 3600000000000)"
                                    " FROM occurrences"),
                    30, 32);
    tb_store_close(store);
}

static void what_waits_is_kept_whatever_happens(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < 300; i++) {
        char uuid[16];
        struct tb_occurrence one = occurrence(uuid, "f");
        snprintf(uuid, sizeof(uuid), "u%d", i);
        one.occurred_ns = one.received_ns = (uint64_t)((NOW_S - HOUR_S) * S);
        assert_int_equal(tb_store_add(store, &one, ROLLBAR, 1), 0);
        if (i % 3 == 0)
            assert_int_equal(settle(store, uuid, TB_OUT_QUARANTINED, 422, "bad"), 0);
    }
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(thin(store, 4096), 0);
    assert_int_equal(n_rows(*state), 300);
    tb_store_close(store);
}

/* Of a sink that never answers what waits for over 14 days goes, and only that. */
static void what_another_sink_did_not_take_for_14_days_goes_at_last(void **state)
{
    static const struct tb_outbox_to to[] = {{"rollbar", ""}, {"xray", ""}, {"otlp", ""}};
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_sink sinks[4];
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < 300; i++) {
        char uuid[16];
        struct tb_occurrence one = occurrence(uuid, "f");
        snprintf(uuid, sizeof(uuid), "u%d", i);
        one.occurred_ns = one.received_ns = (uint64_t)((NOW_S - (i < 200 ? 15 : 13) * DAY_S) * S);
        assert_int_equal(tb_store_add(store, &one, to, i < 100 ? 1 : 3), 0);
        if (i >= 100)
            assert_int_equal(settle(store, uuid, TB_OUT_SENT, 200, ""), 0);
    }
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(thin(store, 4096), 100);
    assert_int_equal(tb_store_sinks(store, sinks, 4), 3);
    for (int i = 0; i < 3; i++) {
        int is_rollbar = strcmp(sinks[i].name, "rollbar") == 0;
        assert_int_equal(sinks[i].dropped, is_rollbar ? 0 : 100);
        assert_int_equal(sinks[i].queued, 100);
    }
    tb_store_close(store);
}

static void what_came_just_now_is_kept(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    fill(store, 300, 500, 1);
    assert_int_equal(thin(store, 4096), 0);
    tb_store_close(store);
}

static void an_open_representative_is_kept(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_storm storm;
    struct tb_occurrence one = occurrence("rep", "f");
    one.occurred_ns = one.received_ns = (uint64_t)((NOW_S - 2 * HOUR_S) * S);
    assert_int_equal(tb_store_collapse(store, &one, NULL, NULL, 0), 2);
    fill(store, 100, HOUR_S, 1);
    assert_int_equal(thin(store, 4096), 99 - 1 + 1);
    assert_int_equal(tb_store_storm_due(store, INT64_MAX, 0, &storm), 0);
    tb_storm_done(&storm);
    tb_store_close(store);
}

static void the_last_of_an_item_always_stays(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 0; i < 200; i++) {
        char fingerprint[16];
        snprintf(fingerprint, sizeof(fingerprint), "g%d", i);
        for (int k = 0; k < 3; k++)
            add_old(store, fingerprint, k, HOUR_S + 3 - k);
    }
    assert_int_equal(tb_store_commit(store), 0);
    assert_int_equal(thin(store, 4096), 400);
    assert_int_equal(ask_sql(*state, "SELECT count(DISTINCT item) FROM occurrences"), 200);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM occurrences WHERE uuid LIKE '%-2'"),
                     200);
    tb_store_close(store);
}

static void a_trace_of_several_services_is_kept_longer(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    fill(store, 500, 2 * HOUR_S, 1);
    for (int i = 0; i < 2; i++) {
        struct tb_occurrence one = occurrence(i == 0 ? "here" : "there", i == 0 ? "f" : "g");
        one.trace_id = "0af7651916cd43dd8448eb211c80319c";
        one.service = i == 0 ? "web" : "feedd";
        one.occurred_ns = one.received_ns = (uint64_t)((NOW_S - HOUR_S - 30) * S);
        assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    }
    assert_int_equal(tb_store_begin(store), 0);
    for (int i = 500; i < 1000; i++)
        add_old(store, "f", i, HOUR_S);
    assert_int_equal(tb_store_commit(store), 0);
    assert_true(thin(store, 1000 << 10) > 0);
    assert_int_equal(ask_sql(*state, "SELECT count(*) FROM occurrences WHERE uuid = 'here'"), 1);
    tb_store_close(store);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)
    const struct CMUnitTest tests[] = {
        IN_PLACE(below_its_bound_nothing_leaves),
        IN_PLACE(bodies_leave_and_counts_stay),
        IN_PLACE(one_an_hour_and_the_ends_stay),
        IN_PLACE(what_waits_is_kept_whatever_happens),
        IN_PLACE(what_another_sink_did_not_take_for_14_days_goes_at_last),
        IN_PLACE(what_came_just_now_is_kept),
        IN_PLACE(an_open_representative_is_kept),
        IN_PLACE(the_last_of_an_item_always_stays),
        IN_PLACE(a_trace_of_several_services_is_kept_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
