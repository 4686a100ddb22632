/* test_pipeline_storm.c - what is counted and not kept, or not sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pipeline_world.h"

static void a_storm_is_counted_and_one_stands_for_it(void **state)
{
    struct fixture *f = *state;
    struct tb_pipeline_snapshot snapshot;
    struct found found;
    f->config.item_per_minute = 3;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 100);
    drain(f);
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.store.occurrences, 100);
    assert_int_equal(snapshot.storms.collapsed, 96);
    assert_int_equal(snapshot.storms.open, 1);
    occurrences(f, &found);
    assert_int_equal(found.n, 4);
    assert_null(strstr(found.data, "repeated"));
    assert_int_equal(tb_pipeline_finish(f->pipeline), 0);
    occurrences(f, &found);
    assert_int_equal(found.n, 4);
    assert_non_null(strstr(found.data, "\"towbar\":{\"repeated\":96,"));
    tb_pipeline_snapshot(f->pipeline, &snapshot);
    assert_int_equal(snapshot.storms.open, 0);
}

static void set_text(char **setting, const char *text)
{
    free(*setting);
    *setting = strdup(text);
    assert_non_null(*setting);
}

static void a_storm_is_counted_for_each_sink_that_is_on(void **state)
{
    static const char *const sinks[] = {"rollbar", "otlp", "otlp-spans", "xray", "cloudwatch"};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    set_text(&f->config.token, "token-of-the-agent");
    set_text(&f->config.sinks.otlp.endpoint, "http://127.0.0.1:4318/v1/logs");
    set_text(&f->config.sinks.cloudwatch.log_group, "cruddur");
    f->config.sinks.otlp.form = TB_OTLP_BOTH;
    f->config.sinks.xray.mode = TB_XRAY_API;
    f->config.item_per_minute = 3;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 100);
    drain(f);
    for (size_t i = 0; i < sizeof(sinks) / sizeof(sinks[0]); i++) {
        assert_int_equal(tb_store_sink_counts(f->store, sinks[i], &counts), 0);
        assert_int_equal(counts.received, 100);
        assert_int_equal(counts.queued, 4);
        assert_int_equal(counts.dropped, 96);
    }
    struct tb_outbox_token token;
    int64_t now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    assert_int_equal(tb_store_tokens(f->store, "cloudwatch", 0, now_ms, &token, 1), 1);
    assert_non_null(strstr(token.token, "/unknown"));
    /* The representative is due everywhere when its minute is over. */
    assert_int_equal(tb_pipeline_finish(f->pipeline), 0);
    assert_int_equal(f->n_stored_calls > 1, 1);
}

static void what_is_not_sampled_is_counted(void **state)
{
    static const char *const items[] = {
        "{\"data\":{\"uuid\":\"a\",\"body\":{\"message\":{\"body\":\"m\"}},"
        "\"custom\":{\"trace\":{\"xray_sampled\":\"0\"}}}}",
        MESSAGE("b", "sampled")};
    struct fixture *f = *state;
    struct tb_store_counts counts;
    f->config.sinks.xray.mode = TB_XRAY_API;
    spool_items(f, items, 2);
    drain(f);
    assert_int_equal(tb_store_sink_counts(f->store, "xray", &counts), 0);
    assert_int_equal(counts.received, 1);
    assert_int_equal(counter("unsampled.xray"), 1);
    spool_items(f, items, 1); /* once more: known */
    drain(f);
    assert_int_equal(counter("unsampled.xray"), 1);
}

static void a_new_agent_closes_what_the_last_one_left_open(void **state)
{
    struct fixture *f = *state;
    struct found found;
    f->config.item_per_minute = 1;
    f->config.burst_minutes = 1;
    spool_storm(f, TB_CLASS_ERROR, 5);
    drain(f);
    close_pipeline(f);
    open_pipeline(f, NULL);
    drain(f);
    occurrences(f, &found);
    assert_int_equal(found.n, 2);
    assert_non_null(strstr(found.data, "\"towbar\":{\"repeated\":3,"));
}

int main(int argc, char **argv)
{
    if (is_symbolizer(argc, argv))
        return tb_symbol_worker(TB_SYMBOL_FD);
    const struct CMUnitTest tests[] = {
        TEST(a_storm_is_counted_and_one_stands_for_it),
        TEST(a_storm_is_counted_for_each_sink_that_is_on),
        TEST(what_is_not_sampled_is_counted),
        TEST(a_new_agent_closes_what_the_last_one_left_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
