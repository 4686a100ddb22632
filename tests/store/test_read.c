/* test_read.c - items and occurrences as people ask for them. */
#include "helper.h"

#include <errno.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"
#define OTHER "ffffffffffffffffffffffffffffffff"

static char list[512];

static int list_item(void *arg, const struct tb_item_row *item)
{
    size_t len = strlen(list);
    (void)snprintf(list + len, sizeof(list) - len, "%s%lld:%s:%s:%lld:%s", len ? " " : "",
                   (long long)item->number, item->fingerprint, item->environment,
                   (long long)item->total, item->last_uuid);
    return arg ? 1 : 0;
}

static int list_occurrence(void *arg, const struct tb_occurrence_row *occurrence)
{
    size_t len = strlen(list);
    (void)arg;
    (void)snprintf(list + len, sizeof(list) - len, "%s%s", len ? " " : "", occurrence->uuid);
    return 0;
}

static const char *find(struct tb_store *store, struct tb_occurrence_filter filter)
{
    list[0] = '\0';
    assert_int_equal(tb_store_occurrences(store, &filter, list_occurrence, NULL), 0);
    return list;
}

static void add(struct tb_store *store, const char *uuid, const char *fingerprint,
                const char *environment, int seconds)
{
    struct tb_occurrence one = occurrence(uuid, fingerprint);
    one.environment = environment;
    one.occurred_ns = (uint64_t)seconds * 1000000000U;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
}

static void one_bug_is_one_item_in_each_environment(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add(store, "u1", "f", "production", 100);
    add(store, "u2", "g", "production", 150);
    add(store, "u3", "f", "production", 200);
    add(store, "u4", "f", "staging", 50);
    list[0] = '\0';
    assert_int_equal(tb_store_items(store, 0, list_item, NULL), 0);
    assert_string_equal(list, "1:f:production:2:u3 2:g:production:1:u2 3:f:staging:1:u4");
    list[0] = '\0';
    assert_int_equal(tb_store_items(store, 2, list_item, NULL), 0);
    assert_string_equal(list, "1:f:production:2:u3 2:g:production:1:u2");
    list[0] = '\0';
    assert_int_equal(tb_store_items(store, 0, list_item, store), 0);
    assert_string_equal(list, "1:f:production:2:u3");
    tb_store_close(store);
}

static int take_item(void *arg, const struct tb_item_row *item)
{
    assert_string_equal(item->title, "SIGSEGV in parse");
    assert_string_equal(item->level, "critical");
    assert_string_equal(item->service, "feedd");
    assert_string_equal(item->status, "active");
    assert_string_equal(item->group_inputs, "{\"why\":1}");
    assert_int_equal(item->first_ms, 5000);
    assert_int_equal(item->last_ms, 9000);
    *(int *)arg += 1;
    return 0;
}

static void an_item_keeps_its_first_title_and_its_span_of_time(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("u1", "f");
    int n_rows = 0;
    one.group_inputs = "{\"why\":1}";
    one.occurred_ns = 7000000000U;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    one.uuid = "u2";
    one.title = "another title";
    one.level = "info";
    one.occurred_ns = 5000000000U;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    one.uuid = "u3";
    one.received_ns = 9000000000U;
    one.occurred_ns = UINT64_MAX; /* its clock is wrong: it cannot have happened after it came */
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    assert_int_equal(tb_store_item(store, 1, take_item, &n_rows), 0);
    assert_int_equal(n_rows, 1);
    assert_int_equal(tb_store_item(store, 2, take_item, &n_rows), -ENOENT);
    assert_string_equal(tb_store_error(store), "there is no item 2");
    tb_store_close(store);
}

static int take_occurrence(void *arg, const struct tb_occurrence_row *row)
{
    const struct tb_occurrence *one = arg;
    assert_string_equal(row->uuid, one->uuid);
    assert_string_equal(row->trace_id, one->trace_id);
    assert_string_equal(row->xray_trace_id, one->xray_trace_id);
    assert_string_equal(row->span_id, one->span_id);
    assert_string_equal(row->service, one->service);
    assert_string_equal(row->level, one->level);
    assert_string_equal(row->title, one->title);
    assert_int_equal(row->item, 1);
    assert_int_equal(row->occurred_ns, one->occurred_ns);
    assert_int_equal(row->received_ns, one->received_ns);
    assert_int_equal(row->data_len, one->data_len);
    assert_memory_equal(row->data, one->data, one->data_len);
    return 0;
}

static void an_occurrence_comes_back_as_it_was(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("u", "f");
    one.trace_id = TRACE;
    one.xray_trace_id = OTHER;
    one.span_id = "b7ad6b7169203331";
    one.data = "{\"n\":9007199254740993,\"t\":\"\xc3\xa9\\u0000\"}";
    one.data_len = strlen(one.data);
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    struct tb_occurrence_filter filter = {.uuid = "u"};
    assert_int_equal(tb_store_occurrences(store, &filter, take_occurrence, &one), 0);
    tb_store_close(store);
}

static void occurrences_are_found_by_item_uuid_and_either_trace(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("late", "f");
    one.trace_id = TRACE;
    one.occurred_ns = 9;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    one.uuid = "early";
    one.fingerprint = "g";
    one.trace_id = OTHER;
    one.xray_trace_id = TRACE;
    one.occurred_ns = 5;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    one.uuid = "both";
    one.trace_id = TRACE;
    one.occurred_ns = 7;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    add(store, "none", "f", "test", 1);
    assert_string_equal(find(store, (struct tb_occurrence_filter){0}), "late early both none");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.newest_first = 1, .max = 2}),
                        "none both");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.item = 1}), "late none");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.item = 9}), "");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.uuid = "both"}), "both");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = TRACE}),
                        "early both late");
    assert_string_equal(
        find(store, (struct tb_occurrence_filter){.trace_id = TRACE, .newest_first = 1}),
        "late both early");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = OTHER}), "early");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = TRACE, .item = 2}),
                        "early both");
    /* By arrival, of which only so many are looked at. */
    assert_string_equal(
        find(store, (struct tb_occurrence_filter){.trace_id = TRACE, .by_arrival = 1}),
        "both early late");
    assert_string_equal(
        find(store, (struct tb_occurrence_filter){.trace_id = TRACE, .by_arrival = 1, .max = 2}),
        "both early");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = ""}), "");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = "", .by_arrival = 1}),
                        "");
    assert_string_equal(find(store, (struct tb_occurrence_filter){.trace_id = "' OR 1 --"}), "");
    tb_store_close(store);
}

#define PLACED(name) cmocka_unit_test_setup_teardown(name, make_place, drop_place)

static void an_outcome_is_that_of_one_sink(void **state)
{
    const struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    struct tb_store_outcome outcome;
    add_one(store, "a", 1, "");
    assert_int_equal(tb_store_outcome(store, "a", "rollbar", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_QUEUED);
    assert_int_equal(outcome.attempts, 0);
    struct tb_outbox_verdict verdict = {
        seq_of(store, "a"), TB_OUT_QUARANTINED, 0, 422, "no body", 1};
    assert_int_equal(tb_store_verdict(store, "rollbar", &verdict), 0);
    assert_int_equal(tb_store_outcome(store, "a", "rollbar", &outcome), 0);
    assert_int_equal(outcome.state, TB_OUT_QUARANTINED);
    assert_int_equal(outcome.attempts, 1);
    assert_int_equal(outcome.http_status, 422);
    assert_string_equal(outcome.reason, "no body");
    assert_int_equal(tb_store_outcome(store, "a", "xray", &outcome), -ENOENT);
    assert_int_equal(tb_store_outcome(store, "b", "rollbar", &outcome), -ENOENT);
    tb_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACED(one_bug_is_one_item_in_each_environment),
        PLACED(an_item_keeps_its_first_title_and_its_span_of_time),
        PLACED(an_occurrence_comes_back_as_it_was),
        PLACED(an_outcome_is_that_of_one_sink),
        PLACED(occurrences_are_found_by_item_uuid_and_either_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
