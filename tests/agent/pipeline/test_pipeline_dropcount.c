/* test_pipeline_dropcount.c - what producers counted and did not write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline_world.h"

static void dropcounts_are_counted_and_odd_ones_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const counts[] = {"{\"class\":1,\"count\":5,\"reason\":\"rate\"}",
                                         "{\"class\":1,\"count\":2,\"reason\":\"../../x\"}",
                                         "{\"class\":1,\"count\":-5,\"reason\":\"rate\"}",
                                         "{\"class\":1,\"count\":1e300,\"reason\":\"rate\"}"};
    struct tb_pipeline_snapshot snapshot;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    for (size_t i = 0; i < 4; i++)
        append(f, &writer, TB_KIND_DROPCOUNT, counts[i]);
    tb_writer_close(&writer);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 4);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.n_stored, 2);
    assert_int_equal(snapshot.n_refused, 2);
    assert_int_equal(snapshot.store.occurrences, 0);
}

static void a_dropcount_that_is_read_twice_counts_once(void **state)
{
    struct fixture *f = *state;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    append(f, &writer, TB_KIND_DROPCOUNT, "{\"class\":1,\"count\":5,\"reason\":\"rate\"}");
    append(f, &writer, TB_KIND_DROPCOUNT, "{\"class\":1,\"count\":5,\"reason\":\"rate\"}");
    tb_writer_close(&writer);
    for (int i = 0; i < 3; i++) {
        drain(f);
        assert_int_equal(counter("dropped.rate"), 10);
        close_pipeline(f); /* without settling: as if it was killed here */
        open_pipeline(f, NULL);
    }
}

static void each_known_reason_of_a_dropcount_has_its_counter(void **state)
{
    struct fixture *f = *state;
    static const char *const counts[] = {"{\"class\":1,\"count\":5,\"reason\":\"ENOSPC\"}",
                                         "{\"class\":1,\"count\":2,\"reason\":\"enospc\"}",
                                         "{\"class\":1,\"count\":3,\"reason\":\"rate-Limit\"}",
                                         "{\"class\":1,\"count\":4,\"reason\":\"a b\"}",
                                         "{\"class\":1,\"count\":1,\"reason\":\"made-up-1\"}",
                                         "{\"class\":1,\"count\":6}"};
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
    for (size_t i = 0; i < 6; i++)
        append(f, &writer, TB_KIND_DROPCOUNT, counts[i]);
    tb_writer_close(&writer);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 6);
    assert_int_equal(counter("dropped.enospc"), 7);
    assert_int_equal(counter("dropped.rate-limit"), 3);
    assert_int_equal(counter("dropped.other"), 11); /* else a user fills the database with names */
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(dropcounts_are_counted_and_odd_ones_refused),
        TEST(a_dropcount_that_is_read_twice_counts_once),
        TEST(each_known_reason_of_a_dropcount_has_its_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
