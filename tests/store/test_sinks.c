/* test_sinks.c - the sums of each sink, and what waits for one that is off. */
#include "helper.h"

enum { DAY_MS = 24 * 3600 * 1000, KEEP_DAYS = 14 };

static const int64_t NOW_MS = INT64_C(1790000000000);
static const char *const BOTH[] = {"rollbar", "otlp"};

static void add_to_both(struct tb_store *store, const char *uuid)
{
    static const struct tb_outbox_to TO[] = {{"rollbar", ""}, {"otlp", ""}};
    struct tb_occurrence one = occurrence(uuid, "f");
    assert_int_equal(tb_store_add(store, &one, TO, 2), 0);
}

static struct tb_store_counts counts_of(struct tb_store *store, const char *sink)
{
    struct tb_store_counts result;
    assert_int_equal(tb_store_sink_counts(store, sink, &result), 0);
    assert_int_equal(result.received,
                     result.sent + result.dropped + result.quarantined + result.queued);
    return result;
}

static int off(struct tb_store *store, size_t n_on, int days)
{
    return tb_store_off(store, BOTH, n_on, NOW_MS + (int64_t)days * DAY_MS,
                        (int64_t)KEEP_DAYS * DAY_MS);
}

static void the_sums_are_by_sink(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_sink sinks[4];
    assert_int_equal(tb_store_sinks(store, sinks, 4), 0);
    add_to_both(store, "a");
    add_to_both(store, "b");
    struct tb_outbox_verdict verdict = {seq_of(store, "a"), TB_OUT_SENT, 0, 200, "", 1};
    assert_int_equal(tb_store_verdict(store, "otlp", &verdict), 0);
    verdict = (struct tb_outbox_verdict){seq_of(store, "b"), TB_OUT_PARKED, 0, 401, "no", 1};
    assert_int_equal(tb_store_verdict(store, "otlp", &verdict), 0);
    assert_int_equal(tb_store_sinks(store, sinks, 4), 2);
    assert_string_equal(sinks[0].name, "otlp");
    assert_int_equal(sinks[0].received, 2);
    assert_int_equal(sinks[0].sent, 1);
    assert_int_equal(sinks[0].queued, 1);
    assert_int_equal(sinks[0].parked, 1);
    assert_string_equal(sinks[1].name, "rollbar");
    assert_int_equal(sinks[1].queued, 2);
    assert_int_equal(tb_store_sinks(store, sinks, 1), 1);
    tb_store_close(store);
}

static void what_a_sink_did_not_get_is_told_also_without_a_row(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_sink sinks[4];
    add_to_both(store, "a");
    assert_int_equal(tb_store_count(store, "not_routed.otlp", 3), 0);
    assert_int_equal(tb_store_count(store, "not_routed.xray", 2), 0);
    assert_int_equal(tb_store_count(store, "unsampled.xray", 4), 0);
    assert_int_equal(tb_store_sinks(store, sinks, 4), 3);
    assert_string_equal(sinks[0].name, "otlp");
    assert_int_equal(sinks[0].received, 1);
    assert_int_equal(sinks[0].not_routed, 3);
    assert_int_equal(sinks[0].unsampled, 0);
    assert_int_equal(sinks[1].not_routed, 0); /* rollbar */
    assert_string_equal(sinks[2].name, "xray");
    assert_int_equal(sinks[2].received + sinks[2].queued, 0);
    assert_int_equal(sinks[2].not_routed, 2);
    assert_int_equal(sinks[2].unsampled, 4);
    tb_store_close(store);
}

/* The last trouble of one is not that of another, whichever came last. */
static void each_sink_has_its_own_last_reason(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_to_both(store, "a");
    struct tb_outbox_verdict verdict = {seq_of(store, "a"), TB_OUT_QUEUED, 0, 500, "one", 1};
    assert_int_equal(tb_store_verdict(store, "rollbar", &verdict), 0);
    verdict.reason = "other";
    assert_int_equal(tb_store_verdict(store, "otlp", &verdict), 0);
    assert_string_equal(counts_of(store, "rollbar").last_reason, "one");
    assert_string_equal(counts_of(store, "otlp").last_reason, "other");
    assert_string_equal(counts_of(store, "xray").last_reason, "");
    tb_store_close(store);
}

static void what_waits_for_a_sink_that_is_off_is_dropped_in_the_end(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_to_both(store, "a");
    add_to_both(store, "b");
    struct tb_outbox_verdict verdict = {seq_of(store, "b"), TB_OUT_PARKED, 0, 401, "no", 1};
    assert_int_equal(tb_store_verdict(store, "otlp", &verdict), 0);
    assert_int_equal(off(store, 1, 0), 0); /* since now */
    assert_int_equal(off(store, 1, KEEP_DAYS), 0);
    assert_int_equal(counts_of(store, "otlp").queued, 2);
    assert_int_equal(off(store, 1, KEEP_DAYS + 1), 2);
    assert_int_equal(counts_of(store, "otlp").queued, 0);
    assert_int_equal(counts_of(store, "otlp").dropped, 2);
    assert_int_equal(counts_of(store, "rollbar").queued, 2);
    assert_int_equal(off(store, 1, KEEP_DAYS + 2), 0);
    tb_store_close(store);
}

static void one_that_was_on_again_begins_anew(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_to_both(store, "a");
    assert_int_equal(off(store, 1, 0), 0);
    assert_int_equal(off(store, 2, KEEP_DAYS - 1), 0);
    assert_int_equal(off(store, 1, KEEP_DAYS), 0);
    assert_int_equal(off(store, 1, KEEP_DAYS + 5), 0);
    assert_int_equal(counts_of(store, "otlp").queued, 1);
    assert_int_equal(off(store, 1, 2 * KEEP_DAYS + 1), 1);
    tb_store_close(store);
}

static void a_clock_that_was_set_back_begins_anew_too(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_to_both(store, "a");
    assert_int_equal(off(store, 1, 1000), 0);
    assert_int_equal(off(store, 1, 0), 0);
    assert_int_equal(off(store, 1, KEEP_DAYS + 1), 1);
    tb_store_close(store);
}

static void the_pulse_is_rollbar_s(void **state)
{
    static const struct tb_outbox_to OTLP[] = {{"otlp", ""}};
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("a", "f");
    struct tb_store_pulse pulse;
    assert_int_equal(tb_store_add(store, &one, OTLP, 1), 0);
    struct tb_outbox_verdict verdict = {seq_of(store, "a"), TB_OUT_QUEUED, 0, 500, "x", 1};
    assert_int_equal(tb_store_verdict(store, "otlp", &verdict), 0);
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.queued, 0);
    assert_int_equal(pulse.is_refused, 0);
    add_to_both(store, "b");
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.queued, 1);
    tb_store_close(store);
}

static int64_t ask(struct tb_store *store, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    int64_t result = sqlite3_column_int64(statement, 0);
    (void)sqlite3_finalize(statement);
    return result;
}

/* Log streams with the pid in their name, or tokens that a sender makes up. */
static void queues_that_nothing_waits_in_do_not_stay_for_ever(void **state)
{
    static const char MANY[] =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 8000)"
        " INSERT INTO tokens(sink, token) SELECT 'otlp', 'host/job/' || i FROM n";
    static const struct tb_outbox_to TO[] = {{"otlp", "waits"}, {"rollbar", ""}};
    static const char KEPT[] =
        "SELECT count(*) FROM tokens WHERE token IN ('', 'waits', 'parked', 'paused', ' rest off',"
        " ' project 1') OR id = (SELECT max(id) FROM tokens)";
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("a", "f");
    assert_int_equal(tb_store_add(store, &one, TO, 2), 0);
    run_sql(*state, "INSERT INTO tokens(sink, token, until_ms, parked) VALUES('otlp', 'parked', 0, "
                    "1), ('otlp', 'paused', 1790000000001, 0), ('otlp', ' rest off', 0, 0),"
                    " ('otlp', ' project 1', 0, 0)");
    assert_int_equal(tb_store_forget_tokens(store, "otlp", NOW_MS), 0);
    run_sql(*state, MANY);
    int64_t newest = ask(store, "SELECT max(id) FROM tokens");
    assert_int_equal(ask(store, KEPT), 7);
    assert_int_equal(tb_store_forget_tokens(store, "rollbar", NOW_MS), 0);
    assert_int_equal(tb_store_forget_tokens(store, "otlp", NOW_MS), 1); /* so many at once */
    assert_int_equal(tb_store_forget_tokens(store, "otlp", NOW_MS), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM tokens WHERE sink = 'otlp'"), 1024);
    assert_int_equal(ask(store, KEPT), 7);
    /* Delivery knows queues by their number: none comes again as another. */
    assert_int_equal(ask(store, "SELECT max(id) FROM tokens"), newest);
    tb_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)
        STORE_TEST(the_sums_are_by_sink),
        STORE_TEST(what_a_sink_did_not_get_is_told_also_without_a_row),
        STORE_TEST(each_sink_has_its_own_last_reason),
        STORE_TEST(what_waits_for_a_sink_that_is_off_is_dropped_in_the_end),
        STORE_TEST(one_that_was_on_again_begins_anew),
        STORE_TEST(a_clock_that_was_set_back_begins_anew_too),
        STORE_TEST(the_pulse_is_rollbar_s),
        STORE_TEST(queues_that_nothing_waits_in_do_not_stay_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
