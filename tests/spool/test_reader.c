/* What a reader delivers, when, and what survives: docs/spool-format.md 5. */
#include "support.h"

static void what_was_appended_is_delivered_in_order_and_collected(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    struct tb_spool_record record;
    open_spool(fixture);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 100; n++)
        assert_int_equal(append(&writer, n), 0);
    for (uint64_t n = 0; n < 100; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(check_record(&record), n);
        assert_int_equal(record.class_, TB_CLASS_ERROR);
        assert_int_equal(record.uid, geteuid());
        assert_int_equal(record.pid, getpid());
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 0); /* its owner lives */
    tb_writer_close(&writer);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_appended_is_delivered_in_order_and_collected,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
