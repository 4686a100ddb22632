#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "capture/report/site.h"

static void ten_at_once_then_one_in_six_seconds(void **state)
{
    (void)state;
    const struct towbar_site where = {"a.c", 1, "f"};
    struct tb_site *site = tb_site_find(&where, NULL);
    uint64_t now = (uint64_t)1000 * TB_NS_PER_S;
    for (int i = 0; i < TB_SITE_BURST; i++)
        assert_int_equal(tb_site_take(site, now), 0);
    assert_int_equal(tb_site_take(site, now), -EAGAIN);
    assert_int_equal(tb_site_take(site, now + (uint64_t)5999 * TB_NS_PER_MS), -EAGAIN);
    assert_int_equal(tb_site_take(site, now + (uint64_t)6000 * TB_NS_PER_MS), 0);
    assert_int_equal(tb_site_take(site, now + (uint64_t)6000 * TB_NS_PER_MS), -EAGAIN);
    assert_int_equal(atomic_load(&site->n_suppressed), 3);
    /* A quiet minute and a half fills it again, to ten and no more. */
    now += (uint64_t)96 * TB_NS_PER_S;
    for (int i = 0; i < TB_SITE_BURST; i++)
        assert_int_equal(tb_site_take(site, now), 0);
    assert_int_equal(tb_site_take(site, now), -EAGAIN);
}

static void minute_of_a_flood_lets_twenty_through(void **state)
{
    (void)state;
    const struct towbar_site where = {"a.c", 2, "f"};
    struct tb_site *site = tb_site_find(&where, NULL);
    int n_taken = 0;
    for (uint64_t ms = 0; ms < 60000; ms += 10)
        n_taken += tb_site_take(site, (5000000 + ms) * TB_NS_PER_MS) == 0;
    assert_in_range(n_taken, 19, 20);
    assert_int_equal(atomic_load(&site->n_suppressed), 6000 - n_taken);
}

static void sites_are_told_apart_by_file_and_line(void **state)
{
    (void)state;
    static const char copy_of_name[] = "b.c";
    const struct towbar_site a = {"b.c", 1, "f"};
    const struct towbar_site same = {copy_of_name, 1, "g"};
    const struct towbar_site line = {"b.c", 2, "f"};
    const struct towbar_site file = {"c.c", 1, "f"};
    assert_ptr_equal(tb_site_find(&a, "x"), tb_site_find(&same, "y"));
    assert_ptr_not_equal(tb_site_find(&a, NULL), tb_site_find(&line, NULL));
    assert_ptr_not_equal(tb_site_find(&a, NULL), tb_site_find(&file, NULL));
    assert_ptr_not_equal(tb_site_find(NULL, "x"), tb_site_find(NULL, "y"));
    assert_ptr_equal(tb_site_find(NULL, NULL), tb_site_find(NULL, NULL));
    assert_non_null(tb_site_find(&(const struct towbar_site){NULL, 0, NULL}, NULL));
}

static void full_table_still_gives_everyone_a_place(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        const struct towbar_site where = {"many.c", i, "f"};
        struct tb_site *site = tb_site_find(&where, NULL);
        assert_non_null(site);
        assert_ptr_equal(site, tb_site_find(&where, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_at_once_then_one_in_six_seconds),
        cmocka_unit_test(minute_of_a_flood_lets_twenty_through),
        cmocka_unit_test(sites_are_told_apart_by_file_and_line),
        cmocka_unit_test(full_table_still_gives_everyone_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
