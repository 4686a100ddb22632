/* test_quarantine_share.c - who loses what when quarantine is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "spool/quarantine_share.h"

enum { MANY = 1000 };
static struct tb_quarantined things[MANY];

/* Removes until there is room; how many of that user's are left. */
static size_t n_left(size_t n, uint64_t max_bytes, size_t max_files, uint32_t uid)
{
    size_t left = 0;
    for (size_t i; (i = tb_quarantine_next(things, n, max_bytes, max_files)) < n;)
        things[i].n_files = 0;
    assert_false(tb_quarantine_is_over(things, n, max_bytes, max_files));
    for (size_t i = 0; i < n; i++)
        left += things[i].n_files > 0 && things[i].uid == uid;
    return left;
}

static void fill(size_t n, size_t n_first, uint32_t first, uint32_t then)
{
    for (size_t i = 0; i < n; i++)
        things[i] =
            (struct tb_quarantined){.bytes = 4096, .n_files = 2, .uid = i < n_first ? first : then};
}

static void who_floods_it_loses_his_own(void **state)
{
    (void)state;
    fill(MANY, 10, 1, 2);
    assert_int_equal(n_left(MANY, UINT64_MAX, 100, 1), 10);
    fill(MANY, 10, 1, 2);
    assert_int_equal(n_left(MANY, 50 * 4096, SIZE_MAX, 1), 10);
}

static void beyond_an_equal_share_it_is_the_oldest_of_each(void **state)
{
    (void)state;
    fill(MANY, 500, 1, 2);
    assert_in_range(n_left(MANY, UINT64_MAX, 200, 1), 49, 51);
    for (size_t i = 0; i < 449; i++)
        assert_int_equal(things[i].n_files, 0);
}

static void of_one_user_the_oldest_leave(void **state)
{
    (void)state;
    fill(20, 20, 1, 1);
    assert_int_equal(n_left(20, 5 * 4096, SIZE_MAX, 1), 5);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(things[i].n_files != 0, i >= 15);
}

static void the_newest_stays_though_it_is_large(void **state)
{
    (void)state;
    fill(11, 10, 1, 2);
    things[10].bytes = 1 << 20;
    assert_int_equal(n_left(11, (1 << 20) + 4096, SIZE_MAX, 2), 1);
    fill(1, 1, 1, 1);
    assert_int_equal(n_left(1, 1, SIZE_MAX, 1), 0);
}

static void with_room_nothing_leaves(void **state)
{
    (void)state;
    fill(10, 5, 1, 2);
    assert_int_equal(n_left(10, 10 * 4096, 20, 1), 5);
    assert_int_equal(tb_quarantine_next(NULL, 0, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_floods_it_loses_his_own),
        cmocka_unit_test(beyond_an_equal_share_it_is_the_oldest_of_each),
        cmocka_unit_test(of_one_user_the_oldest_leave),
        cmocka_unit_test(the_newest_stays_though_it_is_large),
        cmocka_unit_test(with_room_nothing_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
