/* Who uses up the symbolizer's time waits; nobody else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "agent/pipeline/patience.h"
#include "base/clock.h"

static const uint64_t start_ns = 1000;

static uint64_t after_s(uint64_t s)
{
    return start_ns + s * TB_NS_PER_S;
}

/* A question that ended at now_s and took so long. */
static void ask(struct tb_patience *patience, uid_t uid, uint64_t ms, uint64_t now_s)
{
    tb_patience_spend(patience, uid, ms * TB_NS_PER_MS, after_s(now_s));
}

static void two_timeouts_in_a_row_end_it_for_a_minute(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    ask(&patience, 7, 10000, 10);
    assert_true(tb_patience_has(&patience, 7, after_s(11)));
    ask(&patience, 7, 10000, 20);
    assert_false(tb_patience_has(&patience, 7, after_s(20)));
    assert_false(tb_patience_has(&patience, 7, after_s(69)));
    assert_true(tb_patience_has(&patience, 8, after_s(20)));
    assert_true(tb_patience_has(&patience, 0, after_s(20)));
    assert_true(tb_patience_has(&patience, 7, after_s(71)));
    ask(&patience, 7, 10000, 81); /* the one try after it */
    assert_false(tb_patience_has(&patience, 7, after_s(81)));
}

static void slow_answers_in_time_are_no_way_around_it(void **state)
{
    struct tb_patience patience = {0};
    uint64_t now_s = 0;
    unsigned n_asked = 0;
    (void)state;
    for (; now_s < 3600; now_s++) { /* a record each second, whose answer takes 5 */
        if (!tb_patience_has(&patience, 7, after_s(now_s)))
            continue;
        now_s += 5;
        ask(&patience, 7, 5000, now_s);
        n_asked++;
    }
    assert_in_range(n_asked, 110, 125); /* of 10 s a minute, and the burst at the beginning */
}

static void fast_answers_are_free(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    for (unsigned i = 0; i < 200; i++) { /* crashes at once, of 3 ms each */
        assert_true(tb_patience_has(&patience, 7, after_s(0)));
        ask(&patience, 7, 3, 0);
    }
    for (uint64_t s = 0; s < 3600; s++) { /* 50 a second for an hour are 9 s a minute */
        assert_true(tb_patience_has(&patience, 7, after_s(s)));
        ask(&patience, 7, 150, s);
    }
}

static void time_between_many_short_questions_counts_too(void **state)
{
    struct tb_patience patience = {0};
    uint64_t now_ns = start_ns;
    (void)state;
    ask(&patience, 7, 20000, 0);
    for (unsigned i = 0; i < 700000; i++, now_ns += TB_NS_PER_MS / 10) /* 70 s */
        tb_patience_spend(&patience, 7, 1, now_ns);
    assert_true(tb_patience_has(&patience, 7, now_ns));
}

static void budget_is_a_setting(void **state)
{
    struct tb_patience patience = {.budget_ms = 100};
    (void)state;
    ask(&patience, 7, 99, 0);
    assert_true(tb_patience_has(&patience, 7, after_s(0)));
    ask(&patience, 7, 1, 0);
    assert_false(tb_patience_has(&patience, 7, after_s(0)));
    assert_true(tb_patience_has(&patience, 7, after_s(1)));
}

static void storing_is_paid_by_the_one_who_left_it(void **state)
{
    struct tb_patience patience = {.budget_ms = 1000};
    const uint64_t half_ns = TB_NS_PER_S / 2;
    (void)state;
    tb_patience_spend_storing(&patience, 7, half_ns, 1, after_s(0));
    tb_patience_spend_storing(&patience, 8, half_ns, 1, after_s(0));
    assert_false(tb_patience_has(&patience, 7, after_s(0)));
    tb_patience_spend_storing(&patience, 9, half_ns, 0, after_s(0));
    assert_true(tb_patience_has(&patience, 8, after_s(0)));
    assert_true(tb_patience_has(&patience, 9, after_s(0)));
    tb_patience_spend_storing(&patience, 9, 2 * half_ns, 0, after_s(0)); /* his own */
    assert_false(tb_patience_has(&patience, 9, after_s(0)));
}

static void who_spent_least_is_forgotten(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    for (uid_t uid = 0; uid <= TB_PATIENCE_USERS; uid++)
        ask(&patience, uid, 20000, uid);
    assert_true(tb_patience_has(&patience, 0, after_s(TB_PATIENCE_USERS)));
    for (uid_t uid = 1; uid <= TB_PATIENCE_USERS; uid++)
        assert_false(tb_patience_has(&patience, uid, after_s(TB_PATIENCE_USERS)));
    ask(&patience, 100, 3, TB_PATIENCE_USERS); /* takes the place of 1, */
    ask(&patience, 101, 3, TB_PATIENCE_USERS); /* of 100, */
    ask(&patience, 102, 3, TB_PATIENCE_USERS); /* of 101, and of nobody who has to wait */
    for (uid_t uid = 2; uid <= TB_PATIENCE_USERS; uid++)
        assert_false(tb_patience_has(&patience, uid, after_s(TB_PATIENCE_USERS)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_timeouts_in_a_row_end_it_for_a_minute),
        cmocka_unit_test(slow_answers_in_time_are_no_way_around_it),
        cmocka_unit_test(fast_answers_are_free),
        cmocka_unit_test(time_between_many_short_questions_counts_too),
        cmocka_unit_test(budget_is_a_setting),
        cmocka_unit_test(storing_is_paid_by_the_one_who_left_it),
        cmocka_unit_test(who_spent_least_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
