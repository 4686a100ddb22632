/* test_page.c - what the pages ask: lists, hours, facets, neighbours, traces. */
#include "helper.h"

#include <errno.h>

#define HOUR_NS UINT64_C(3600000000000)
#define BASE_NS (UINT64_C(490000) * HOUR_NS) /* an hour begins */

static void add_at(struct tb_store *store, const char *uuid, const char *fingerprint,
                   uint64_t occurred_ns)
{
    struct tb_occurrence one = occurrence(uuid, fingerprint);
    one.title = fingerprint;
    one.occurred_ns = one.received_ns = occurred_ns;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
}

/* The titles, in order. */
static int take_title(void *arg, const struct tb_store_entry *entry)
{
    char *titles = arg;
    (void)strncat(titles, entry->title, 100);
    (void)strncat(titles, " ", 2);
    return 0;
}

static void lists(struct tb_store *store, const struct tb_store_filter *filter,
                  const char *expected)
{
    char titles[1024] = "";
    assert_int_equal(tb_store_list(store, filter, take_title, titles), 0);
    assert_string_equal(titles, expected);
}

static void items_come_in_each_order(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    add_at(store, "1", "a", BASE_NS);
    add_at(store, "2", "b", BASE_NS + HOUR_NS);
    add_at(store, "3", "c", BASE_NS + 2 * HOUR_NS);
    add_at(store, "4", "a", BASE_NS + 3 * HOUR_NS);
    add_at(store, "5", "b", BASE_NS + 4 * HOUR_NS);
    add_at(store, "6", "b", BASE_NS + 5 * HOUR_NS);
    struct tb_store_filter filter = {.max = 10};
    lists(store, &filter, "b a c ");
    filter.sort = TB_SORT_MOST;
    lists(store, &filter, "b a c ");
    filter.sort = TB_SORT_FIRST;
    lists(store, &filter, "c b a ");
    filter.max = 1;
    filter.skip = 1;
    lists(store, &filter, "b ");
    filter = (struct tb_store_filter){.max = 10,
                                      .first_since_ms = (int64_t)((BASE_NS + HOUR_NS) / 1000000)};
    lists(store, &filter, "b c ");
    tb_store_close(store);
}

static void words_are_all_looked_for_and_values_of_a_field_are_alternatives(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    static const char *const ENVIRONMENTS[] = {"prod", "stage", "prod"};
    static const char *const TITLES[] = {"one_fish", "two fish", "50% off"};
    for (size_t i = 0; i < 3; i++) {
        struct tb_occurrence one = occurrence(TITLES[i], TITLES[i]);
        one.title = TITLES[i];
        one.environment = ENVIRONMENTS[i];
        assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    }
    struct tb_store_filter filter = {.max = 10, .n_words = 2};
    filter.words[0].text = "FISH";
    filter.words[1].text = "two";
    lists(store, &filter, "two fish ");
    filter.words[1].text = "_";
    lists(store, &filter, "one_fish ");
    filter.n_words = 1;
    filter.words[0].text = "0% ";
    lists(store, &filter, "50% off ");
    filter.words[0].text = "e%f";
    lists(store, &filter, "");
    filter.n_words = 3;
    filter.words[0].text = "fish";
    filter.words[1].field = filter.words[2].field = TB_FIELD_ENVIRONMENT;
    filter.words[1].text = "Prod";
    filter.words[2].text = "nowhere";
    lists(store, &filter, "one_fish ");
    filter.words[2].text = "stage";
    lists(store, &filter, "two fish one_fish ");
    tb_store_close(store);
}

static int stop_at_once(void *arg, const struct tb_store_entry *entry)
{
    int *n_calls = arg;
    (*n_calls)++;
    assert_string_equal(entry->data, "{\"uuid\":\"x\"}");
    assert_int_equal(entry->total, 3);
    return 1;
}

static void an_entry_has_the_body_of_its_last_occurrence(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("1", "f");
    one.data = "{}";
    one.data_len = 2;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    add_one(store, "2", 0, "");
    add_one(store, "3", 0, "");
    int n_calls = 0;
    const struct tb_store_filter filter = {.max = 10};
    assert_int_equal(tb_store_list(store, &filter, stop_at_once, &n_calls), 0);
    assert_int_equal(n_calls, 1);
    tb_store_close(store);
}

static void hours_are_counted_by_when_it_happened(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    int64_t hours[2][TB_STORE_HOURS];
    const int64_t items[] = {2, 1};
    int64_t now_ms = (int64_t)((BASE_NS + 30 * HOUR_NS) / 1000000);
    add_at(store, "1", "a", BASE_NS + 30 * HOUR_NS);
    add_at(store, "2", "a", BASE_NS + 30 * HOUR_NS - 1);
    add_at(store, "3", "a", BASE_NS + 29 * HOUR_NS);
    add_at(store, "4", "b", BASE_NS + 7 * HOUR_NS);
    add_at(store, "5", "b", BASE_NS + 7 * HOUR_NS - 1); /* too old by a nanosecond */
    assert_int_equal(tb_store_hours(store, items, 2, now_ms, hours), 0);
    assert_int_equal(hours[1][23], 1);
    assert_int_equal(hours[1][22], 2);
    assert_int_equal(hours[0][0], 1);
    int64_t sum = 0;
    for (int i = 0; i < TB_STORE_HOURS; i++)
        sum += hours[0][i] + hours[1][i];
    assert_int_equal(sum, 4);
    assert_int_equal(tb_store_hours(store, items, 0, now_ms, hours), 0);
    tb_store_close(store);
}

/* A sender's clock may run ahead: nothing happened after it came in. */
static void the_future_counts_as_the_hour_of_reception(void **state)
{
    struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    struct tb_occurrence one = occurrence("1", "f");
    one.received_ns = BASE_NS;
    one.occurred_ns = BASE_NS + 100 * HOUR_NS;
    assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    tb_store_close(store);
    assert_int_equal(ask_sql(place, "SELECT hour FROM hours"), 490000);
}

static void the_hours_of_an_older_database_are_filled_in(void **state)
{
    struct place *place = *state;
    struct tb_store *store = open_store(place, TB_STORE_WRITE);
    add_at(store, "1", "a", BASE_NS);
    add_at(store, "2", "a", BASE_NS + 1);
    add_at(store, "3", "a", BASE_NS + HOUR_NS);
    tb_store_close(store);
    run_sql(place, "DROP TABLE storms; DROP TABLE storm_kinds; DROP TABLE counted;"
                   "ALTER TABLE delivery DROP COLUMN storms;"
                   "DROP TRIGGER occurrences_hour; DROP TABLE hours; DROP INDEX items_total;"
                   "DROP INDEX items_first; DROP TABLE deploys; PRAGMA user_version = 1");
    store = open_store(place, TB_STORE_WRITE);
    add_at(store, "4", "a", BASE_NS + HOUR_NS);
    tb_store_close(store);
    assert_int_equal(ask_sql(place, "SELECT count(*) FROM hours"), 2);
    assert_int_equal(ask_sql(place, "SELECT total FROM hours WHERE hour = 490000"), 2);
    assert_int_equal(ask_sql(place, "SELECT total FROM hours WHERE hour = 490001"), 2);
}

static void an_older_database_is_not_read_but_named(void **state)
{
    struct place *place = *state;
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY] = "";
    tb_store_close(open_store(place, TB_STORE_WRITE));
    run_sql(place, "PRAGMA user_version = 1");
    assert_int_equal(tb_store_open(place->folder, TB_STORE_READ, &store, why), -EPROTONOSUPPORT);
    assert_non_null(strstr(why, "older"));
}

static void the_errors_of_a_trace_are_counted_by_either_id(void **state)
{
    static const char ID[] = "4bf92f3577b34da6a3ce929d0e0e4736";
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    static const char *const LEVELS[] = {"critical", "error", "warning", "error"};
    for (size_t i = 0; i < 4; i++) {
        char uuid[] = {(char)('a' + i), '\0'};
        struct tb_occurrence one = occurrence(uuid, uuid);
        one.level = LEVELS[i];
        one.trace_id = i == 3 ? "00000000000000000000000000000abc" : ID;
        one.xray_trace_id = i == 3 || i == 0 ? ID : "";
        assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    }
    assert_int_equal(tb_store_trace_errors(store, ID), 3);
    assert_int_equal(tb_store_trace_errors(store, ""), 0);
    tb_store_close(store);
}

static void the_pulse_counts_what_is_recent(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_pulse pulse;
    int64_t base_ms = (int64_t)(BASE_NS / 1000000);
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.items + pulse.recent + pulse.queued + pulse.last_ms, 0);
    add_at(store, "1", "a", BASE_NS);
    add_at(store, "2", "b", BASE_NS + 1000000);
    add_at(store, "3", "b", BASE_NS + 2000000);
    assert_int_equal(tb_store_pulse(store, base_ms + 1, base_ms + 1, &pulse), 0);
    assert_int_equal(pulse.items, 2);
    assert_int_equal(pulse.new_items, 1);
    assert_int_equal(pulse.recent, 2);
    assert_int_equal(pulse.last_ms, base_ms + 2);
    add_one(store, "4", 0, "");
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.queued, 1);
    assert_int_equal(pulse.parked + pulse.is_refused, 0);
    tb_store_close(store);
}

static void the_pulse_tells_of_what_is_not_taken(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_pulse pulse;
    struct tb_outbox_token token;
    struct tb_outbox_key key;
    add_one(store, "1", 0, "");
    assert_int_equal(tb_store_tokens(store, "rollbar", 0, INT64_MAX, &token, 1), 1);
    assert_int_equal(tb_store_due(store, token.id, 0, INT64_MAX, NULL, &key, 1), 1);
    const struct tb_outbox_verdict later = {key.seq, TB_OUT_QUEUED, 1, 503, "HTTP 503", 1};
    assert_int_equal(tb_store_verdict(store, "rollbar", &later), 0);
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.queued, 1);
    assert_int_equal(pulse.is_refused, 1);
    assert_int_equal(pulse.parked, 0);
    assert_true(tb_store_park(store, "rollbar", "", 1, "HTTP 403") >= 0);
    assert_int_equal(tb_store_pulse(store, 0, 0, &pulse), 0);
    assert_int_equal(pulse.queued, 1);
    assert_int_equal(pulse.parked, 1);
    tb_store_close(store);
}

static void neighbours_are_those_of_the_same_item(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    struct tb_store_neighbours found;
    add_at(store, "1", "a", BASE_NS);
    add_at(store, "2", "b", BASE_NS);
    add_at(store, "3", "a", BASE_NS);
    add_at(store, "4", "a", BASE_NS);
    assert_int_equal(tb_store_neighbours(store, 1, "3", &found), 0);
    assert_string_equal(found.older, "1");
    assert_string_equal(found.newer, "4");
    assert_int_equal(tb_store_neighbours(store, 1, "1", &found), 0);
    assert_string_equal(found.older, "");
    assert_string_equal(found.newer, "3");
    assert_int_equal(tb_store_neighbours(store, 1, "x", &found), -ENOENT);
    tb_store_close(store);
}

static int take_facet(void *arg, const char *facet, const char *value, int64_t n, int64_t looked)
{
    char *all = arg;
    char one[128];
    (void)snprintf(one, sizeof(one), "%s=%s:%lld/%lld ", facet, value, (long long)n,
                   (long long)looked);
    (void)strncat(all, one, 128);
    return 0;
}

static void facets_are_of_the_latest_and_survive_any_body(void **state)
{
    static const char *const BODIES[] = {
        "{\"environment\":\"e\",\"code_version\":\"v1\",\"server\":{\"host\":\"h1\"}}",
        "{\"environment\":\"e\",\"server\":{\"host\":\"h2\",\"code_version\":\"v2\"}}",
        "{\"environment\":\"e\",\"code_version\":\"v1\",\"server\":{\"host\":\"h2\"}}", "no json",
        "{\"server\":7,\"code_version\":{\"a\":1}}"};
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    char all[1024] = "";
    for (size_t i = 0; i < sizeof(BODIES) / sizeof(BODIES[0]); i++) {
        char uuid[] = {(char)('a' + i), '\0'};
        struct tb_occurrence one = occurrence(uuid, "f");
        one.data = BODIES[i];
        one.data_len = strlen(BODIES[i]);
        assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    }
    assert_int_equal(tb_store_facets(store, 1, 2, take_facet, all), 0);
    assert_string_equal(all,
                        "environment=e:3/5 version=v1:2/5 version=v2:1/5 host=h2:2/5 host=h1:1/5 ");
    tb_store_close(store);
}

static int take_trace(void *arg, const struct tb_store_trace *trace)
{
    char *all = arg;
    char one[256];
    (void)snprintf(one, sizeof(one), "%s %lld/%lld %s %s\n", trace->trace_id + 29,
                   (long long)trace->errors, (long long)trace->events, trace->services,
                   trace->title);
    (void)strncat(all, one, 256);
    return 0;
}

static void traces_are_listed_with_several_errors_first(void **state)
{
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    static const struct {
        const char *uuid, *id, *service, *level;
    } EVENTS[] = {{"1", "00000000000000000000000000000aaa", "api", "error"},
                  {"2", "00000000000000000000000000000aaa", "feedd", "critical"},
                  {"3", "00000000000000000000000000000aaa", "feedd", "info"},
                  {"4", "00000000000000000000000000000bbb", "api", "error"},
                  {"5", "", "api", "error"},
                  {"6", "00000000000000000000000000000ccc", "api", "info"}};
    char all[1024] = "";
    for (size_t i = 0; i < sizeof(EVENTS) / sizeof(EVENTS[0]); i++) {
        struct tb_occurrence one = occurrence(EVENTS[i].uuid, "f");
        one.trace_id = EVENTS[i].id;
        one.service = EVENTS[i].service;
        one.level = EVENTS[i].level;
        one.title = EVENTS[i].uuid;
        assert_int_equal(tb_store_add(store, &one, NULL, 0), 0);
    }
    assert_int_equal(tb_store_traces(store, 10, take_trace, all), 0);
    assert_string_equal(all, "aaa 2/3 feedd, api 3\nccc 0/1 api 6\nbbb 1/1 api 4\n");
    tb_store_close(store);
}

#define WITH_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PLACE(items_come_in_each_order),
        WITH_PLACE(words_are_all_looked_for_and_values_of_a_field_are_alternatives),
        WITH_PLACE(an_entry_has_the_body_of_its_last_occurrence),
        WITH_PLACE(hours_are_counted_by_when_it_happened),
        WITH_PLACE(the_future_counts_as_the_hour_of_reception),
        WITH_PLACE(the_hours_of_an_older_database_are_filled_in),
        WITH_PLACE(an_older_database_is_not_read_but_named),
        WITH_PLACE(the_errors_of_a_trace_are_counted_by_either_id),
        WITH_PLACE(the_pulse_counts_what_is_recent),
        WITH_PLACE(the_pulse_tells_of_what_is_not_taken),
        WITH_PLACE(neighbours_are_those_of_the_same_item),
        WITH_PLACE(facets_are_of_the_latest_and_survive_any_body),
        WITH_PLACE(traces_are_listed_with_several_errors_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
