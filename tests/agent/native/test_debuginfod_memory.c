/* Whom not to ask again: build ids by time and user, users by the minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "agent/native/debuginfod_memory.h"
#include "base/clock.h"

static const uint64_t SECOND = TB_NS_PER_S;
static const char id[] = "0123456789abcdef0123456789abcdef01234567";

static struct tb_debuginfod_memory memory;

static int begin(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof(memory));
    return 0;
}

static const char *made_up(unsigned n)
{
    static char hex[41];
    snprintf(hex, sizeof(hex), "%040x", n);
    return hex;
}

static void only_lower_case_digits_of_whole_bytes_are_build_ids(void **state)
{
    static const struct {
        const char *hex;
        int is_id;
    } cases[] = {
        {id, 1},
        {"0123456789abcdef", 1},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 1},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef00", 0},
        {"0123456789abcd", 0},
        {"0123456789abcdef0", 0},
        {"0123456789ABCDEF", 0},
        {"../../../../etc/", 0},
        {"0123456789abcdeg", 0},
        {"0123456789abcde/", 0},
        {"0123456789abcdef\n", 0},
        {"", 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tb_debuginfod_is_id(cases[i].hex), cases[i].is_id);
}

static void what_nobody_has_is_asked_for_again_when_its_time_is_over(void **state)
{
    (void)state;
    assert_false(tb_debuginfod_is_lacking(&memory, id, 7, SECOND));
    tb_debuginfod_lacks(&memory, id, TB_DEBUGINFOD_ALL, 3600, SECOND);
    assert_true(tb_debuginfod_is_lacking(&memory, id, 7, SECOND));
    assert_true(tb_debuginfod_is_lacking(&memory, id, 8, 3600 * SECOND));
    assert_false(tb_debuginfod_is_lacking(&memory, made_up(1), 7, SECOND));
    assert_false(tb_debuginfod_is_lacking(&memory, id, 7, 3601 * SECOND));
    tb_debuginfod_lacks(&memory, id, TB_DEBUGINFOD_ALL, 300, 3601 * SECOND);
    assert_true(tb_debuginfod_is_lacking(&memory, id, 7, 3900 * SECOND));
    assert_false(tb_debuginfod_is_lacking(&memory, id, 7, 3901 * SECOND));
}

static void what_did_not_help_one_user_may_help_another(void **state)
{
    (void)state;
    tb_debuginfod_lacks(&memory, id, 7, 3600, SECOND);
    assert_true(tb_debuginfod_is_lacking(&memory, id, 7, 2 * SECOND));
    assert_false(tb_debuginfod_is_lacking(&memory, id, 8, 2 * SECOND));
}

static void full_memory_forgets_first_what_is_over_first(void **state)
{
    (void)state;
    tb_debuginfod_lacks(&memory, id, TB_DEBUGINFOD_ALL, 7200, SECOND);
    for (unsigned i = 0; i < 3 * TB_DEBUGINFOD_IDS; i++)
        tb_debuginfod_lacks(&memory, made_up(i), TB_DEBUGINFOD_ALL, 300, (2 + i) * SECOND);
    unsigned last = 3 * TB_DEBUGINFOD_IDS - 1;
    assert_true(tb_debuginfod_is_lacking(&memory, id, 7, (3 + last) * SECOND));
    assert_true(tb_debuginfod_is_lacking(&memory, made_up(last), 7, (3 + last) * SECOND));
    assert_false(tb_debuginfod_is_lacking(&memory, made_up(0), 7, 3 * SECOND));
}

static void each_user_has_so_many_new_ones_in_a_minute(void **state)
{
    (void)state;
    for (int i = 0; i < TB_DEBUGINFOD_PER_MINUTE; i++)
        assert_true(tb_debuginfod_admit(&memory, 7, 5 * SECOND));
    assert_false(tb_debuginfod_admit(&memory, 7, 5 * SECOND));
    assert_false(tb_debuginfod_admit(&memory, 7, 64 * SECOND));
    assert_true(tb_debuginfod_admit(&memory, 8, 64 * SECOND));
    assert_true(tb_debuginfod_admit(&memory, 7, 65 * SECOND));
}

static void more_users_than_places_push_out_the_oldest(void **state)
{
    (void)state;
    for (unsigned uid = 1; uid <= TB_DEBUGINFOD_USERS; uid++)
        for (int i = 0; i < TB_DEBUGINFOD_PER_MINUTE; i++)
            assert_true(tb_debuginfod_admit(&memory, uid, (10 + uid) * SECOND));
    for (unsigned uid = 1; uid <= TB_DEBUGINFOD_USERS; uid++)
        assert_false(tb_debuginfod_admit(&memory, uid, 50 * SECOND));
    assert_true(tb_debuginfod_admit(&memory, 0, 50 * SECOND));
    assert_false(tb_debuginfod_admit(&memory, 2, 50 * SECOND));
    assert_true(tb_debuginfod_admit(&memory, 1, 50 * SECOND));
}

static void all_records_together_wait_so_long_in_a_minute(void **state)
{
    (void)state;
    assert_true(tb_debuginfod_may_wait(&memory, 100 * SECOND));
    tb_debuginfod_waited(&memory, 100 * SECOND, 119 * SECOND);
    assert_true(tb_debuginfod_may_wait(&memory, 120 * SECOND));
    tb_debuginfod_waited(&memory, 120 * SECOND, 121 * SECOND);
    assert_false(tb_debuginfod_may_wait(&memory, 121 * SECOND));
    assert_false(tb_debuginfod_may_wait(&memory, 159 * SECOND));
    assert_true(tb_debuginfod_may_wait(&memory, 160 * SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_lower_case_digits_of_whole_bytes_are_build_ids, begin),
        cmocka_unit_test_setup(what_nobody_has_is_asked_for_again_when_its_time_is_over, begin),
        cmocka_unit_test_setup(what_did_not_help_one_user_may_help_another, begin),
        cmocka_unit_test_setup(full_memory_forgets_first_what_is_over_first, begin),
        cmocka_unit_test_setup(each_user_has_so_many_new_ones_in_a_minute, begin),
        cmocka_unit_test_setup(all_records_together_wait_so_long_in_a_minute, begin),
        cmocka_unit_test_setup(more_users_than_places_push_out_the_oldest, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
