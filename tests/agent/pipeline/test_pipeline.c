/* test_pipeline.c - what is in the spool arrives in the database, once, and its files go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline_world.h"

static void a_crash_a_report_and_an_item_arrive(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "token=abc hello")};
    struct found found;
    spool_items(f, items, 1);
    spool_report(f, "cannot open feed");
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 3);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 3);
    /* The crash was first, whatever its age. */
    assert_string_equal(found.titles[0], "SIGSEGV in feedd");
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.items, 3);
    assert_int_equal(counts.received, 0); /* no token: nothing is to be sent */
    assert_int_equal(f->n_stored_calls, 0);
}

static void done_files_go_after_settling_and_not_before(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x")};
    spool_items(f, items, 1);
    assert_int_equal(files_in("spool/in"), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(files_in("spool/in"), 1);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 0);
}

static void what_was_stored_is_not_stored_again_after_a_restart(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x"), MESSAGE("u-2", "y")};
    struct tb_store_counts counts;
    spool_items(f, items, 2);
    drain(f);
    close_pipeline(f); /* without settling: as if it was killed here */
    open_pipeline(f, NULL);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 2);
    assert_int_equal(counts.duplicates, 2);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    close_pipeline(f);
    open_pipeline(f, NULL);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 2);
    assert_int_equal(counts.duplicates, 2);
}

static void the_log_says_nothing_that_the_disk_may_not_have(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x")};
    struct stat st;
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(stat(in_folder("spool/agent/ack.log"), &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    assert_int_equal(stat(in_folder("spool/agent/ack.log"), &st), 0);
    assert_true(st.st_size > 0);
}

static void what_is_no_item_goes_to_quarantine_alone(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        MESSAGE("u-1", "before"),
        "not json",
        "{\"data\":{}}",
        "{\"data\":{\"body\":{}}}",
        "{\"data\":{\"uuid\":\"0123456789012345678901234567890123456789\",\"body\":{\"message\":{"
        "\"body\":\"x\"}}}}",
        MESSAGE("u-2", "after")};
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    spool_items(f, items, 6);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 6);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(files_in("spool/in"), 0);
    assert_true(files_in("spool/agent/quarantine") >= 4);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.n_stored, 2);
    assert_int_equal(snapshot.n_refused, 4);
    assert_int_equal(snapshot.spool.n_quarantined, 4);
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(a_crash_a_report_and_an_item_arrive),
        TEST(done_files_go_after_settling_and_not_before),
        TEST(what_was_stored_is_not_stored_again_after_a_restart),
        TEST(the_log_says_nothing_that_the_disk_may_not_have),
        TEST(what_is_no_item_goes_to_quarantine_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
