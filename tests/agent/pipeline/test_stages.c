/* test_stages.c - what becomes of an item on its way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline_world.h"

static void what_is_stored_is_scrubbed_and_complete(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        "{\"access_token\":\"t0ken\",\"data\":{\"body\":{\"message\":{\"body\":\"hi\","
        "\"password\":\"hunter2\"}},\"request\":{\"headers\":{\"traceparent\":"
        "\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}},\"n\":9007199254740993}}"};
    struct found found;
    spool_items(f, items, 1);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 1);
    assert_null(strstr(found.data, "hunter2"));
    assert_null(strstr(found.data, "t0ken"));
    assert_non_null(strstr(found.data, "9007199254740993"));
    assert_non_null(strstr(found.data, "\"environment\":\"test\""));
    assert_non_null(strstr(found.data, "\"uuid\":\""));
    assert_non_null(
        strstr(found.data, "\"trace_id\",\"value\":\"4bf92f3577b34da6a3ce929d0e0e4736\""));
    /* Its own token makes it an item to send. */
    struct tb_store_counts counts;
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.queued, 1);
    assert_int_equal(f->n_stored_calls, 1);
}

static void the_token_towbar_is_the_agent_s_own(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {
        "{\"access_token\":\"towbar\",\"data\":{\"body\":{\"message\":{\"body\":\"a\"}}}}",
        "{\"access_token\":\"towbars\",\"data\":{\"body\":{\"message\":{\"body\":\"b\"}}}}"};
    struct found found;
    struct tb_store_counts counts;
    spool_items(f, items, 2);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    /* This agent has none, so what is filed under its own is kept and not sent. */
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.queued, 1);
}

static int take_time(void *arg, const struct tb_occurrence_row *row)
{
    *(int64_t *)arg = row->occurred_ns;
    return 0;
}

static void a_time_of_whole_seconds_gets_the_records_place_in_it(void **state)
{
    static const struct {
        const char *timestamp;
        uint64_t record_ns;
        int64_t wanted_ns;
    } cases[] = {{"1795339661", 1795339661250000000, 1795339661250000000},
                 {"1795339661", 1795339662000000001, 1795339661999999999}, /* sent a moment later */
                 {"1795339661", 1795339699000000000, 1795339661000000000},
                 {"1795339661", 1795339660000000000, 1795339661000000000},
                 {"null", 1795339661250000000, 1795339661250000000}};
    struct fixture *f = *state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
        const struct tb_occurrence_filter filter = {.newest_first = 1, .max = 1};
        struct tb_writer writer;
        uint8_t uuid[16];
        char text[200];
        int64_t got_ns = 0;
        tb_id_uuid(uuid);
        int len = snprintf(text, sizeof(text),
                           "{\"data\":{\"timestamp\":%s,\"body\":{\"message\":{\"body\":\"hi\"}}}}",
                           cases[c].timestamp);
        const struct tb_append record = {.kind = TB_KIND_ITEM,
                                         .uuid = uuid,
                                         .time_ns = cases[c].record_ns,
                                         .data = text,
                                         .len = (size_t)len};
        tb_writer_init(&writer, TB_CLASS_ERROR, f->in_fd);
        assert_int_equal(tb_writer_append(&writer, &record), 0);
        tb_writer_close(&writer);
        drain(f);
        assert_int_equal(tb_store_occurrences(f->store, &filter, take_time, &got_ns), 0);
        assert_int_equal(got_ns, cases[c].wanted_ns);
    }
}

static void occurrences_of_one_bug_are_one_item(void **state)
{
    struct fixture *f = *state;
    struct tb_store_counts counts;
    spool_report(f, "first");
    spool_report(f, "second");
    spool_crash(f);
    spool_crash(f);
    drain(f);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.occurrences, 4);
    assert_int_equal(counts.items, 2);
}

/* An item of 80 frames with long values, 700 KiB, of which the 40th is named. */
static void large_item(struct tb_buf *out, const char *uuid, const char *middle)
{
    char value[9000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    tb_buf_init(out, 1 << 20);
    tb_buf_addf(out, "{\"data\":{\"uuid\":\"%s\",\"environment\":\"e\",\"body\":{\"trace\":{",
                uuid);
    tb_buf_adds(out, "\"exception\":{\"class\":\"C\"},\"frames\":[");
    for (int i = 0; i < 80; i++)
        tb_buf_addf(out, "%s{\"filename\":\"%s\",\"method\":\"m\",\"locals\":{\"a\":\"%s\"}}",
                    i > 0 ? "," : "", i == 40 ? middle : "f.py", value);
    tb_buf_adds(out, "]}}}}");
    assert_int_equal(out->err, 0);
}

static void what_is_too_large_is_cut_after_it_was_grouped(void **state)
{
    static const char *const middles[] = {"a.py", "b.py", "a.py"};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    struct found found;
    for (size_t i = 0; i < 3; i++) {
        struct tb_buf text;
        const char uuid[] = {'u', (char)('1' + i), '\0'};
        large_item(&text, uuid, middles[i]);
        const char *const items[] = {text.data};
        spool_items(f, items, 1);
        tb_buf_done(&text);
    }
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 3);
    assert_true(found.longest <= (512 << 10) - 10);
    assert_true(found.longest > 50000);
    assert_int_equal(tb_store_counts(f->store, &counts), 0);
    assert_int_equal(counts.items, 2); /* the frame that tells them apart was cut away */
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(what_is_stored_is_scrubbed_and_complete),
        TEST(the_token_towbar_is_the_agent_s_own),
        TEST(a_time_of_whole_seconds_gets_the_records_place_in_it),
        TEST(occurrences_of_one_bug_are_one_item),
        TEST(what_is_too_large_is_cut_after_it_was_grouped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
