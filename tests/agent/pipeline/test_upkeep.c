/* How often the spool is looked at, with a spool whose looks cost what the test says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/upkeep.h"
#include "../spool/clock.h"

static int n_evicted, n_synced;
static uint64_t cost_ms;
static uint64_t room;

int __wrap_tb_spool_evict(struct tb_spool *spool, const struct tb_spool_policy *policy,
                          struct tb_spool_evicted *out);
int __wrap_tb_spool_sync(struct tb_spool *spool, int max_class);
uint64_t __wrap_tb_spool_room(const struct tb_spool *spool);

int __wrap_tb_spool_evict(struct tb_spool *spool, const struct tb_spool_policy *policy,
                          struct tb_spool_evicted *out)
{
    (void)spool;
    (void)policy;
    memset(out, 0, sizeof(*out));
    n_evicted++;
    pass_ms(cost_ms);
    return 0;
}

int __wrap_tb_spool_sync(struct tb_spool *spool, int max_class)
{
    (void)spool;
    assert_int_equal(max_class, TB_CLASS_ERROR);
    n_synced++;
    pass_ms(cost_ms);
    return 0;
}

uint64_t __wrap_tb_spool_room(const struct tb_spool *spool)
{
    (void)spool;
    return room;
}

static const struct tb_config config = {.max_bytes = 512 << 20};
static struct tb_upkeep upkeep;

static int begin(void **state)
{
    (void)state;
    n_evicted = n_synced = 0;
    cost_ms = 0;
    room = UINT64_C(10) << 30;
    tb_upkeep_init(&upkeep, &config, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tb_upkeep_done(&upkeep);
    return 0;
}

/* Looks that are made while so much time passes; the pipeline asks ten times a second. */
static int looks_in(unsigned s)
{
    int before = n_evicted;
    for (unsigned i = 0; i < 10 * s; i++) {
        pass_ms(100);
        tb_upkeep_evict(&upkeep);
    }
    return n_evicted - before;
}

static void look_that_costs_little_is_made_each_second(void **state)
{
    (void)state;
    tb_upkeep_evict(&upkeep);
    assert_int_equal(n_evicted, 1);
    tb_upkeep_evict(&upkeep);
    assert_int_equal(n_evicted, 1); /* not so soon */
    assert_int_equal(looks_in(10), 10);
}

static void look_that_took_long_is_rested_from(void **state)
{
    (void)state;
    cost_ms = 1000;
    tb_upkeep_evict(&upkeep);
    assert_int_equal(looks_in(19), 0);
    assert_int_equal(looks_in(2), 1);
    cost_ms = 20000;
    assert_int_equal(looks_in(20), 1);
    assert_int_equal(looks_in(55), 0); /* a minute is the most */
    assert_int_equal(looks_in(10), 1);
}

static void much_that_was_written_since_ends_the_rest(void **state)
{
    (void)state;
    cost_ms = 2000;
    tb_upkeep_evict(&upkeep);
    room -= 30 << 20;
    assert_int_equal(looks_in(10), 0); /* less than a 16th of the cap */
    room -= 3 << 20;
    assert_int_equal(looks_in(1), 1);
    room -= 300 << 20;
    assert_int_equal(looks_in(3), 0); /* but it does nothing else then */
    assert_int_equal(looks_in(2), 1);
    assert_int_equal(looks_in(20), 0); /* what is there now is the measure */
    room += 100 << 20;
    assert_int_equal(looks_in(10), 0);
}

static void spool_that_is_synced_for_being_late_rests_too(void **state)
{
    (void)state;
    cost_ms = 1000;
    tb_upkeep_sync_late(&upkeep);
    assert_int_equal(n_synced, 1);
    pass_ms(19 * 1000);
    tb_upkeep_sync_late(&upkeep);
    assert_int_equal(n_synced, 1);
    pass_ms(2 * 1000);
    tb_upkeep_sync_late(&upkeep);
    assert_int_equal(n_synced, 2);
    tb_upkeep_sync(&upkeep, TB_CLASS_ERROR); /* while the database takes nothing */
    tb_upkeep_sync(&upkeep, TB_CLASS_ERROR);
    assert_int_equal(n_synced, 4);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(look_that_costs_little_is_made_each_second),
        CASE(look_that_took_long_is_rested_from),
        CASE(much_that_was_written_since_ends_the_rest),
        CASE(spool_that_is_synced_for_being_late_rests_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
