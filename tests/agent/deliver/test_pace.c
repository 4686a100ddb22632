/* test_pace.c - how many requests may be under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/deliver/pace.h"
#include "base/clock.h"

enum { MAX = 32 };

/* Rounds of replies, all well, until the limit is reached; 0 when it is not within 100. */
static int rounds_to(struct tb_pace *pace, unsigned limit)
{
    for (int round = 1; round <= 100; round++) {
        unsigned n_replies = tb_pace_limit(pace);
        for (unsigned i = 0; i < n_replies; i++)
            tb_pace_well(pace, true);
        if (tb_pace_limit(pace) >= limit)
            return round;
    }
    return 0;
}

static void it_doubles_with_each_round_at_first(void **state)
{
    (void)state;
    struct tb_pace pace;
    tb_pace_init(&pace, MAX);
    assert_int_equal(tb_pace_limit(&pace), 4);
    assert_int_equal(rounds_to(&pace, MAX), 3);
    assert_int_equal(rounds_to(&pace, MAX), 1);
    assert_int_equal(tb_pace_limit(&pace), MAX);
}

static void it_grows_only_while_it_is_used_up(void **state)
{
    (void)state;
    struct tb_pace pace;
    tb_pace_init(&pace, MAX);
    for (int i = 0; i < 1000; i++)
        tb_pace_well(&pace, false);
    assert_int_equal(tb_pace_limit(&pace), 4);
}

static void trouble_halves_it_once_a_round_and_then_it_adds(void **state)
{
    (void)state;
    struct tb_pace pace;
    tb_pace_init(&pace, MAX);
    assert_int_equal(rounds_to(&pace, MAX), 3);
    for (int i = 0; i < MAX; i++)
        tb_pace_ill(&pace, 100, 200); /* all of them were sent before the first was known */
    assert_int_equal(tb_pace_limit(&pace), MAX / 2);
    tb_pace_ill(&pace, 201, 300);
    assert_int_equal(tb_pace_limit(&pace), MAX / 4);
    /* By one a round, more or less: what is added in a round counts within it. */
    assert_in_range(rounds_to(&pace, MAX / 2), 7, 10);
}

static void it_never_falls_below_one(void **state)
{
    (void)state;
    struct tb_pace pace;
    tb_pace_init(&pace, MAX);
    for (uint64_t i = 1; i < 100; i++)
        tb_pace_ill(&pace, i, i);
    assert_int_equal(tb_pace_limit(&pace), 1);
    tb_pace_halt(&pace, 200);
    assert_int_equal(tb_pace_limit(&pace), 1);
    assert_in_range(rounds_to(&pace, 4), 1, 6);
}

static void after_an_outage_it_begins_with_one(void **state)
{
    (void)state;
    struct tb_pace pace;
    tb_pace_init(&pace, MAX);
    assert_int_equal(rounds_to(&pace, MAX), 3);
    tb_pace_halt(&pace, 100);
    assert_int_equal(tb_pace_limit(&pace), 1);
    tb_pace_ill(&pace, 50, 101); /* what was under way when it began changes nothing */
    assert_int_equal(rounds_to(&pace, MAX / 2), 4);
}

static void requests_that_hang_make_room_for_one_more_after_a_while(void **state)
{
    (void)state;
    struct tb_pace pace;
    uint64_t at_ns = TB_NS_PER_S;
    uint64_t widen_ns = (uint64_t)TB_PACE_WIDEN_MS * TB_NS_PER_MS;
    tb_pace_init(&pace, 2);
    tb_pace_halt(&pace, 0);
    tb_pace_moved(&pace, at_ns);
    assert_int_equal(tb_pace_widen_ns(&pace, 0), 0);
    assert_int_equal(tb_pace_widen_ns(&pace, 1), at_ns + widen_ns);
    tb_pace_widen(&pace, 1, at_ns + widen_ns - 1);
    assert_int_equal(tb_pace_limit(&pace), 1);
    tb_pace_widen(&pace, 1, at_ns + widen_ns);
    assert_int_equal(tb_pace_limit(&pace), 2);
    assert_int_equal(tb_pace_widen_ns(&pace, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_doubles_with_each_round_at_first),
        cmocka_unit_test(it_grows_only_while_it_is_used_up),
        cmocka_unit_test(trouble_halves_it_once_a_round_and_then_it_adds),
        cmocka_unit_test(it_never_falls_below_one),
        cmocka_unit_test(after_an_outage_it_begins_with_one),
        cmocka_unit_test(requests_that_hang_make_room_for_one_more_after_a_while),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
