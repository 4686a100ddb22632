/* test_sinks.c - which sinks are on by the settings, and where they go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "agent/deliver/sinks.h"

/* The one of that name, or NULL. */
static const struct tb_deliver_sink *find(const struct tb_deliver_sink *sinks, size_t n,
                                          const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(sinks[i].type->name, name) == 0)
            return &sinks[i];
    }
    return NULL;
}

static void with_nothing_said_only_rollbar_is_on(void **state)
{
    static const struct tb_config config;
    struct tb_deliver_sink sinks[TB_SINKS];
    (void)state;
    assert_int_equal(tb_sinks_on(&config, sinks), 1);
    assert_ptr_equal(sinks[0].type, &tb_sink_rollbar);
    assert_true(sinks[0].has_tokens);
    assert_string_equal(sinks[0].endpoint, "");
    assert_string_equal(sinks[0].all, "rollbar");
}

static void rollbar_has_its_own_way(void **state)
{
    static char endpoint[] = "https://r/";
    static char proxy[] = "http://p:1";
    static char ca_file[] = "/ca.pem";
    const struct tb_config config = {.endpoint = endpoint,
                                     .proxy = proxy,
                                     .ca_file = ca_file,
                                     .timeout_ms = 7,
                                     .connections = 9};
    struct tb_deliver_sink sink;
    (void)state;
    tb_sinks_rollbar(&config, &sink);
    assert_string_equal(sink.endpoint, "https://r/");
    assert_string_equal(sink.proxy, proxy);
    assert_string_equal(sink.ca_file, ca_file);
    assert_int_equal(sink.timeout_ms, 7);
    assert_int_equal(sink.connections, 9);
}

/* What there is of the others in this build goes by its part of the settings. */
static void each_sink_goes_by_its_part_of_the_settings(void **state)
{
    static char logs[] = "https://o/v1/logs";
    static char traces[] = "https://o/v1/traces";
    static char address[] = "daemon:2000";
    static char group[] = "cruddur";
    struct tb_config config = {0};
    struct tb_deliver_sink sinks[TB_SINKS];
    (void)state;
    config.sinks.otlp.endpoint = logs;
    config.sinks.otlp.traces_endpoint = traces;
    config.sinks.otlp.form = TB_OTLP_BOTH;
    config.sinks.xray.mode = TB_XRAY_DAEMON;
    config.sinks.xray.udp_address = address;
    config.sinks.cloudwatch.log_group = group;
    size_t n = tb_sinks_on(&config, sinks);
    const struct {
        const char *name, *endpoint, *service;
        unsigned connections;
    } expected[] = {{"otlp", logs, NULL, 4},
                    {"otlp-spans", traces, NULL, 4},
                    {"xray", "udp://daemon:2000", NULL, 1},
                    {"cloudwatch", "", "logs", 4}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        const struct tb_deliver_sink *sink = find(sinks, n, expected[i].name);
        assert_int_equal(sink != NULL, tb_sink_find(expected[i].name) != NULL);
        if (!sink)
            continue;
        assert_string_equal(sink->endpoint, expected[i].endpoint);
        assert_int_equal(sink->connections, expected[i].connections);
        assert_int_equal(sink->service != NULL, expected[i].service != NULL);
        assert_non_null(strstr(sinks[0].all, expected[i].name));
    }
}

static void a_form_turns_off_what_it_is_not(void **state)
{
    static char logs[] = "https://o/v1/logs";
    static char traces[] = "https://o/v1/traces";
    struct tb_config config = {0};
    struct tb_deliver_sink sinks[TB_SINKS];
    (void)state;
    config.sinks.otlp.endpoint = logs;
    config.sinks.otlp.traces_endpoint = traces;
    config.sinks.otlp.form = TB_OTLP_LOG;
    assert_null(find(sinks, tb_sinks_on(&config, sinks), "otlp-spans"));
    config.sinks.otlp.form = TB_OTLP_SPAN;
    assert_null(find(sinks, tb_sinks_on(&config, sinks), "otlp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_nothing_said_only_rollbar_is_on),
        cmocka_unit_test(rollbar_has_its_own_way),
        cmocka_unit_test(each_sink_goes_by_its_part_of_the_settings),
        cmocka_unit_test(a_form_turns_off_what_it_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
