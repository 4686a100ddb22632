/* Who times out again and again waits; nobody else does. */
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

static void two_timeouts_in_a_row_end_it_for_a_minute(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    tb_patience_tell(&patience, 7, 1, after_s(0));
    assert_true(tb_patience_has(&patience, 7, after_s(0)));
    tb_patience_tell(&patience, 7, 1, after_s(10));
    assert_false(tb_patience_has(&patience, 7, after_s(10)));
    assert_false(tb_patience_has(&patience, 7, after_s(69)));
    assert_true(tb_patience_has(&patience, 8, after_s(10)));
    assert_true(tb_patience_has(&patience, 0, after_s(10)));
    assert_true(tb_patience_has(&patience, 7, after_s(70)));
    tb_patience_tell(&patience, 7, 1, after_s(80)); /* the one try after it */
    assert_false(tb_patience_has(&patience, 7, after_s(80)));
}

static void an_answer_in_time_is_forgiveness(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    for (uint64_t i = 0; i < 10; i++) {
        tb_patience_tell(&patience, 7, 1, after_s(i));
        assert_true(tb_patience_has(&patience, 7, after_s(i)));
        tb_patience_tell(&patience, 7, 0, after_s(i));
    }
}

static void the_user_of_the_oldest_timeout_is_forgotten(void **state)
{
    struct tb_patience patience = {0};
    (void)state;
    for (uid_t uid = 0; uid <= TB_PATIENCE_USERS; uid++) {
        tb_patience_tell(&patience, uid, 1, after_s(uid));
        tb_patience_tell(&patience, uid, 1, after_s(uid));
    }
    assert_true(tb_patience_has(&patience, 0, after_s(TB_PATIENCE_USERS)));
    for (uid_t uid = 1; uid <= TB_PATIENCE_USERS; uid++)
        assert_false(tb_patience_has(&patience, uid, after_s(TB_PATIENCE_USERS)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_timeouts_in_a_row_end_it_for_a_minute),
        cmocka_unit_test(an_answer_in_time_is_forgiveness),
        cmocka_unit_test(the_user_of_the_oldest_timeout_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
