/* test_pipeline_batch.c - batches: limits, a database that fails, and records that kill. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline_world.h"

static void errors_do_not_use_up_what_crashes_may_have(void **state)
{
    struct fixture *f = *state;
    struct tb_pipeline_snapshot snapshot;
    f->config.item_per_minute = 0;
    f->config.service_per_minute = 10;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 50);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    int64_t collapsed = snapshot.storms.collapsed;
    assert_int_equal(collapsed, 39);
    spool_crash(f);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.storms.collapsed, collapsed);
    assert_int_equal(snapshot.store.occurrences, 51);
}

/* What could not be stored comes again, and is judged as if it had not come before. */
static void a_failing_database_uses_up_no_limit(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;
    struct tb_pipeline_snapshot snapshot;
    f->config.item_per_minute = 4;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 4);
    assert_int_equal(sqlite3_open(in_folder("state/towbar.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "CREATE TRIGGER no BEFORE INSERT ON occurrences BEGIN SELECT "
                                  "RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 3; i++)
        assert_true(tb_pipeline_batch(f->pipeline) < 0);
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.store.occurrences, 4);
    assert_int_equal(snapshot.storms.collapsed + snapshot.storms.open, 0);
}

static void a_failing_database_acknowledges_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "x"), MESSAGE("u-2", "y")};
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    sqlite3 *other = NULL;
    spool_items(f, items, 2);
    /* The database refuses whatever is to be stored. */
    assert_int_equal(sqlite3_open(in_folder("state/towbar.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "CREATE TRIGGER no BEFORE INSERT ON occurrences BEGIN SELECT "
                                  "RAISE(ABORT, 'the disk is full'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(tb_pipeline_batch(f->pipeline) < 0);
        tb_pipeline_snapshot(f->pipeline, &snapshot);
        assert_non_null(strstr(snapshot.trouble, "the disk is full"));
        assert_int_equal(tb_pipeline_settle(f->pipeline), 0);
        assert_int_equal(files_in("spool/in"), 1);
    }
    assert_int_equal(sqlite3_exec(other, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_string_equal(snapshot.trouble, "");
}

/* The agent died over the first item, three times. */
static void a_suspect_is_stored_alone_and_a_killer_is_not(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "one"), MESSAGE("u-2", "two"),
                                        MESSAGE("u-3", "three")};
    struct tb_spool_record record;
    struct found found;
    spool_items(f, items, 3);
    for (int deaths = 1; deaths <= 3; deaths++) {
        assert_int_equal(tb_spool_next(f->spool, &record), 0);
        while (deaths > 1 && record.deaths == 0)
            assert_int_equal(tb_spool_next(f->spool, &record), 0);
        tb_spool_begin(f->spool, &record);
        close_pipeline(f);
        open_pipeline(f, NULL);
    }
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1); /* one at a time after a death */
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_int_equal(files_in("spool/agent/quarantine"), 2);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0); /* else they would be read again */
    /* Nothing is under suspicion now. */
    spool_items(f, items, 1);
    assert_int_equal(tb_spool_next(f->spool, &record), 0);
    tb_spool_begin(f->spool, &record);
    close_pipeline(f);
    open_pipeline(f, NULL);
    static const char *const more[] = {MESSAGE("u-4", "four"), MESSAGE("u-5", "five")};
    spool_items(f, more, 2);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 5);
    assert_string_equal(found.titles[4], "one"); /* last */
}

static void a_suspect_that_follows_others_waits_for_a_batch_of_its_own(void **state)
{
    enum { MANY = TB_PIPELINE_BATCH + 6 };
    struct fixture *f = *state;
    static char texts[MANY][160];
    static const char *items[MANY];
    struct tb_spool_record record;
    struct found found;
    for (int i = 0; i < MANY; i++) {
        snprintf(texts[i], sizeof(texts[i]),
                 "{\"data\":{\"uuid\":\"u-%d\",\"body\":{\"message\":{\"body\":\"m%d\"}}}}", i, i);
        items[i] = texts[i];
    }
    spool_items(f, items, MANY);
    assert_int_equal(tb_spool_next(f->spool, &record), 0);
    tb_spool_begin(f->spool, &record);
    close_pipeline(f);
    open_pipeline(f, NULL);
    for (int i = 0; i < TB_PIPELINE_BATCH; i++)
        assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), MANY - TB_PIPELINE_BATCH - 1);
    assert_int_equal(tb_pipeline_settle(f->pipeline), 0); /* its bytes must stay meanwhile */
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, MANY);
    assert_non_null(strstr(found.data, "\"m0\"")); /* the last one stored */
}

/* What loses its file has been synced: a crash at once, an error when it is settled. */
static void a_crash_is_durable_with_its_batch(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {MESSAGE("u-1", "one")};
    spool_items(f, items, 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 0);
    assert_int_equal(files_in("spool/in"), 1);
    spool_crash(f);
    assert_int_equal(tb_pipeline_batch(f->pipeline), 1);
    assert_int_equal(files_in("spool/in"), 0);
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(errors_do_not_use_up_what_crashes_may_have),
        TEST(a_failing_database_uses_up_no_limit),
        TEST(a_failing_database_acknowledges_nothing),
        TEST(a_suspect_is_stored_alone_and_a_killer_is_not),
        TEST(a_suspect_that_follows_others_waits_for_a_batch_of_its_own),
        TEST(a_crash_is_durable_with_its_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
