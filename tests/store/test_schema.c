/* test_schema.c - an older database with what was in it becomes a current one. */
#include "helper.h"

#include "base/fd.h"

static void put_version_2(const struct place *place)
{
    struct tb_buf sql;
    tb_buf_init(&sql, 1 << 20);
    assert_int_equal(tb_fd_slurp(-1, TEST_DATA "/store/version2.sql", &sql), 0);
    run_sql(place, tb_buf_str(&sql));
    tb_buf_done(&sql);
}

static void version_2_is_brought_up_to_date_with_its_data(void **state)
{
    struct tb_store_counts counts;
    struct tb_storm storm;
    put_version_2(*state);
    assert_int_equal(ask_sql(*state, "PRAGMA user_version"), 2);
    struct tb_store *store = open_store(*state, TB_STORE_WRITE);
    assert_true(ask_sql(*state, "PRAGMA user_version") > 2);
    assert_int_equal(tb_store_counts(store, &counts), 0);
    assert_int_equal(counts.occurrences, 3);
    assert_int_equal(counts.received, 3);
    assert_int_equal(counts.queued, 3);
    assert_int_equal(ask_sql(*state, "SELECT storms FROM delivery"), 0);
    struct tb_occurrence more = occurrence("u1", "00b9f7c3ea6581206a1dff3dab5f5f0cbff8d6d2");
    more.environment = "prod";
    assert_int_equal(tb_store_collapse(store, &more, NULL, ROLLBAR, 1), 2);
    more.uuid = "u2";
    assert_int_equal(tb_store_collapse(store, &more, NULL, ROLLBAR, 1), 0);
    more.uuid = "aaaaaaaa-0000-4000-8000-000000000001";
    assert_int_equal(tb_store_collapse(store, &more, NULL, ROLLBAR, 1), 1);
    assert_int_equal(tb_store_storm_due(store, INT64_MAX, 0, &storm), 0);
    assert_int_equal(tb_store_storm_close(store, &storm, NULL, 0), 0);
    tb_storm_done(&storm);
    assert_int_equal(ask_sql(*state, "SELECT total FROM items WHERE number = 1"), 4);
    assert_int_equal(tb_store_counts(store, &counts), 0);
    assert_int_equal(counts.received, 5);
    assert_int_equal(counts.dropped, 1);
    tb_store_close(store);
}

static void a_reader_leaves_an_older_one_as_it_is(void **state)
{
    char why[TB_STORE_WHY] = "";
    struct tb_store *store = NULL;
    put_version_2(*state);
    assert_true(tb_store_open(((struct place *)*state)->folder, TB_STORE_READ, &store, why) < 0);
    assert_non_null(strstr(why, "start towbard once"));
    assert_int_equal(ask_sql(*state, "PRAGMA user_version"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2_is_brought_up_to_date_with_its_data, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(a_reader_leaves_an_older_one_as_it_is, make_place,
                                        drop_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
