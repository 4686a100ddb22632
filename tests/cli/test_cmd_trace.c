/* test_cmd_trace.c - every error of one trace. */
#include "run.h"

static void a_trace_is_told_in_order(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "trace", TRACE_ID), 0);
    const char *error = strstr(run->out, "ENOENT");
    const char *crash = strstr(run->out, "SIGSEGV in queue_push   item 1");
    assert_non_null(error);
    assert_non_null(crash);
    assert_true(error < crash);
    run_has(run->out, "+0.0 ms");
    run_has(run->out, "+100.0 ms");
    run_has(run->out, TRACE_ID "   in X-Ray's form " TRACE_XRAY);
}

static void xrays_own_trace_finds_it_too(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "trace", OTHER_XRAY), 0);
    run_has(run->out, "SIGSEGV in queue_push");
    run_has_not(run->out, "ENOENT");
    run_has(run->out, "\n      X-Ray's own: " OTHER_XRAY);
    assert_int_equal(run_here(run, "trace", OTHER_XRAY_ID), 0);
    run_has(run->out, "SIGSEGV in queue_push");
}

static void a_trace_as_json_is_a_line_for_each_error(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "trace", TRACE_XRAY, "--json"), 0);
    assert_string_equal(
        run->out,
        "{\"trace_id\":\"" TRACE_ID "\",\"span_id\":\"00f067aa0ba902b7\",\"item\":2,\"uuid\":"
        "\"" ERROR_UUID_1 "\",\"service\":\"feedd\",\"level\":\"error\",\"title\":"
        "\"ENOENT: \\u001b[31mred\",\"timestamp_ms\":1790000000900}\n"
        "{\"trace_id\":\"" TRACE_ID "\",\"xray_trace_id\":\"" OTHER_XRAY "\",\"span_id\":"
        "\"00f067aa0ba902b7\",\"item\":1,\"uuid\":\"" CRASH_UUID "\",\"service\":\"feedd\","
        "\"level\":\"critical\",\"title\":\"SIGSEGV in queue_push\",\"timestamp_ms\":"
        "1790000001000}\n");
}

static void an_unknown_trace_is_said(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_here(run, "trace", TRACE_ID), 1);
    run_has(run->err, "no error of trace " TRACE_ID);
    run_fill(run);
    assert_int_equal(run_here(run, "trace", "ffffffffffffffffffffffffffffffff"), 1);
    run_has(run->err, "no error of trace");
    assert_string_equal(run->out, "");
}

static void a_whole_header_is_as_good_as_the_id_in_it(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(run_here(run, "trace", "00-" TRACE_ID "-00f067aa0ba902b7-01"), 0);
    run_has(run->out, TRACE_ID);
    assert_int_equal(run_here(run, "trace", "Root=" OTHER_XRAY ";Sampled=1"), 0);
    run_has(run->out, "SIGSEGV in queue_push");
}

static void what_is_no_trace_id_is_wrong_use(void **state)
{
    static const char *const bad[] = {"", "1-2-3", "4bf92f3577b34da6a3ce929d0e0e473",
                                      "4bf92f3577b34da6a3ce929d0e0e47360",
                                      "zbf92f3577b34da6a3ce929d0e0e4736"};
    struct run *run = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(run_here(run, "trace", bad[i]), 2);
        run_has(run->err, "is no trace id: 32 hex digits, X-Ray's form");
    }
}

static void links_follow_from_the_settings(void **state)
{
    struct run *run = *state;
    run_fill(run);
    setenv("AWS_XRAY_DAEMON_ADDRESS", "127.0.0.1:2000", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    assert_int_equal(run_here(run, "trace", TRACE_ID), 0);
    run_has(run->out, "Open in\n  X-Ray        https://eu-west-1.console.aws.amazon.com/cloudwatch/"
                      "home?region=eu-west-1#xray:traces/" OTHER_XRAY "\n");
    assert_int_equal(run_here(run, "trace", TRACE_ID, "--json"), 0);
    run_has(run->out, ",\"links\":[{\"name\":\"X-Ray\",\"url\":\"https://eu-west-1.");
    assert_int_equal(run_here(run, "item", "1"), 0);
    run_has(run->out, "#xray:traces/" OTHER_XRAY "\n");
    assert_int_equal(run_here(run, "item", "1", "--json"), 0);
    run_has(run->out, "#xray:traces/" OTHER_XRAY "\"}]}");
    unsetenv("AWS_XRAY_DAEMON_ADDRESS");
    unsetenv("AWS_REGION");
}

static void bad_settings_of_sinks_are_no_hindrance_to_reading(void **state)
{
    struct run *run = *state;
    run_fill(run);
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "no header", 1);
    assert_int_equal(run_here(run, "trace", TRACE_ID), 0);
    run_has(run->out, "SIGSEGV in queue_push");
    run_has_not(run->out, "Open in");
    unsetenv("OTEL_EXPORTER_OTLP_HEADERS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_trace_is_told_in_order, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(xrays_own_trace_finds_it_too, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_trace_as_json_is_a_line_for_each_error, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(an_unknown_trace_is_said, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_whole_header_is_as_good_as_the_id_in_it, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_trace_id_is_wrong_use, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(links_follow_from_the_settings, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(bad_settings_of_sinks_are_no_hindrance_to_reading,
                                        run_setup, run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
