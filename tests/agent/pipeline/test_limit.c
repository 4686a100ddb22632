/* test_limit.c - which records are kept, by when they were written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "agent/pipeline/limit.h"

enum { MINUTE_S = 60 };
#define NS UINT64_C(1000000000)
#define START_NS (UINT64_C(1700000400) * NS) /* a window of 1, 2, 5 and 10 minutes begins then */

static const struct tb_limit_rates SMALL = {
    .item_per_minute = 3, .service_per_minute = 10, .burst_minutes = 2};

struct world {
    struct tb_limit *limit;
    struct tb_limit_taken last;
};

static int begin(void **state)
{
    static struct world world;
    *state = &world;
    return tb_limit_new(&world.limit);
}

static int end(void **state)
{
    struct world *w = *state;
    tb_limit_free(w->limit);
    return 0;
}

static enum tb_limit_verdict take_of(struct world *w, const struct tb_limit_rates *rates,
                                     const char *fingerprint, const char *service, int is_crash,
                                     uint64_t time_ns)
{
    const struct tb_limit_event event = {.environment = "prod",
                                         .fingerprint = fingerprint,
                                         .service = service,
                                         .is_crash = is_crash,
                                         .time_ns = time_ns};
    return tb_limit_take(w->limit, rates, &event, &w->last);
}

static enum tb_limit_verdict take(struct world *w, const char *fingerprint, uint64_t time_ns)
{
    return take_of(w, &SMALL, fingerprint, "feedd", 0, time_ns);
}

static int n_kept(struct world *w, const char *fingerprint, uint64_t time_ns, int n)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        kept += take(w, fingerprint, time_ns) == TB_LIMIT_KEEP;
    return kept;
}

static void a_window_has_its_minutes_worth(void **state)
{
    struct world *w = *state;
    assert_int_equal(n_kept(w, "f", START_NS, 10), 6);
    assert_int_equal(w->last.verdict, TB_LIMIT_ITEM);
    assert_int_equal(n_kept(w, "f", START_NS + 119 * NS, 10), 0);
    assert_int_equal(n_kept(w, "f", START_NS + 120 * NS, 10), 6);
}

static void the_order_of_reading_does_not_count(void **state)
{
    struct world *w = *state;
    /* Two files of ten windows, one after the other, three in each window of each. */
    for (int file = 0; file < 2; file++)
        for (unsigned window = 0; window < 10; window++)
            assert_int_equal(n_kept(w, "f", START_NS + window * 2 * MINUTE_S * NS, 3), 3);
    assert_int_equal(n_kept(w, "f", START_NS, 1), 0);
    assert_int_equal(n_kept(w, "f", START_NS + 18 * MINUTE_S * NS, 1), 0);
}

static void the_first_beyond_is_said_once_for_each_window(void **state)
{
    struct world *w = *state;
    (void)n_kept(w, "f", START_NS, 6);
    assert_int_equal(w->last.is_first, 0);
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_ITEM);
    assert_int_equal(w->last.is_first, 1);
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_ITEM);
    assert_int_equal(w->last.is_first, 0);
}

static void a_service_has_a_budget_for_all_its_items(void **state)
{
    struct world *w = *state;
    char fingerprint[16];
    for (int i = 0; i < 20; i++) {
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i);
        assert_int_equal(take(w, fingerprint, START_NS), TB_LIMIT_KEEP);
    }
    assert_int_equal(take(w, "another", START_NS), TB_LIMIT_SERVICE);
    assert_int_equal(take_of(w, &SMALL, "another", "other", 0, START_NS), TB_LIMIT_KEEP);
}

static void crashes_have_a_budget_of_their_own(void **state)
{
    struct world *w = *state;
    char fingerprint[16];
    for (int i = 0; i < 30; i++) {
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i);
        (void)take(w, fingerprint, START_NS);
    }
    assert_int_equal(w->last.verdict, TB_LIMIT_SERVICE);
    assert_int_equal(take_of(w, &SMALL, "crash", "feedd", 1, START_NS), TB_LIMIT_KEEP);
}

static void a_stormy_item_takes_nothing_of_its_service(void **state)
{
    struct world *w = *state;
    (void)n_kept(w, "f", START_NS, 1000);
    for (int i = 0; i < 14; i++) {
        char fingerprint[16];
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i);
        assert_int_equal(take(w, fingerprint, START_NS), TB_LIMIT_KEEP);
    }
}

static void what_was_not_stored_is_given_back(void **state)
{
    struct world *w = *state;
    struct tb_limit_taken taken;
    (void)n_kept(w, "f", START_NS, 5);
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_KEEP);
    taken = w->last;
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_ITEM);
    tb_limit_give_back(w->limit, &w->last); /* took nothing */
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_ITEM);
    tb_limit_give_back(w->limit, &taken);
    assert_int_equal(take(w, "f", START_NS), TB_LIMIT_KEEP);
}

static void no_limit_is_none(void **state)
{
    static const struct tb_limit_rates none = {.burst_minutes = 1};
    struct world *w = *state;
    for (int i = 0; i < 100000; i++)
        assert_int_equal(take_of(w, &none, "f", "feedd", 0, START_NS), TB_LIMIT_KEEP);
}

/* However many names there are, what is kept of a window is bounded. */
static void new_names_buy_no_room(void **state)
{
    struct world *w = *state;
    long kept = 0;
    for (int i = 0; i < 200000; i++) {
        char fingerprint[16];
        char service[16];
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i);
        snprintf(service, sizeof(service), "s%d", i / 25);
        kept += take_of(w, &SMALL, fingerprint, service, 0, START_NS) == TB_LIMIT_KEEP;
    }
    assert_int_equal(kept, (TB_LIMIT_SERVICES + 1) * 20);
    assert_int_equal(w->last.is_shared, 1);
    tb_limit_give_back(w->limit, &w->last);
    assert_int_equal(take_of(w, &SMALL, "f", "new", 0, START_NS + 120 * NS), TB_LIMIT_KEEP);
    assert_int_equal(w->last.is_shared, 0);
}

static void an_item_in_use_is_not_forgotten_for_new_ones(void **state)
{
    static const struct tb_limit_rates items = {.item_per_minute = 3, .burst_minutes = 2};
    struct world *w = *state;
    int kept = 0;
    for (int i = 0; i < 20000; i++) {
        char fingerprint[16];
        snprintf(fingerprint, sizeof(fingerprint), "f%d", i);
        (void)take_of(w, &items, fingerprint, "feedd", 0, START_NS);
        kept += take_of(w, &items, "stormy", "feedd", 0, START_NS) == TB_LIMIT_KEEP;
    }
    assert_int_equal(kept, 6);
}

static void environments_are_apart(void **state)
{
    struct world *w = *state;
    (void)n_kept(w, "f", START_NS, 10);
    const struct tb_limit_event event = {
        .environment = "test", .fingerprint = "f", .service = "feedd", .time_ns = START_NS};
    assert_int_equal(tb_limit_take(w->limit, &SMALL, &event, &w->last), TB_LIMIT_KEEP);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_window_has_its_minutes_worth),
        IN_WORLD(the_order_of_reading_does_not_count),
        IN_WORLD(the_first_beyond_is_said_once_for_each_window),
        IN_WORLD(a_service_has_a_budget_for_all_its_items),
        IN_WORLD(crashes_have_a_budget_of_their_own),
        IN_WORLD(a_stormy_item_takes_nothing_of_its_service),
        IN_WORLD(what_was_not_stored_is_given_back),
        IN_WORLD(no_limit_is_none),
        IN_WORLD(new_names_buy_no_room),
        IN_WORLD(an_item_in_use_is_not_forgotten_for_new_ones),
        IN_WORLD(environments_are_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
