/* The settings of the sinks beside Rollbar: file, variables, what is derived, what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/folder.h"
#include "agent/config/config.h"

static struct tb_config config;
static char why[TB_CONFIG_WHY];

static int begin(void **state)
{
    if (clearenv() != 0 || make_test_folder(state) != 0)
        return -1;
    return setenv("HOME", in_folder("home"), 1);
}

static int end(void **state)
{
    tb_config_done(&config);
    memset(&config, 0, sizeof(config));
    return remove_test_folder(state);
}

/* The sinks of a file with that text; NULL when they are refused, with why. */
static const struct tb_config_sinks *load(const char *text)
{
    const struct tb_config_flags flags = {.file = put_file("towbard.yaml", text)};
    why[0] = '\0';
    tb_config_done(&config);
    return tb_config_load(&flags, &config, why) == 0 ? &config.sinks : NULL;
}

static const char *header(const struct tb_config_sinks *s, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < s->otlp.n_headers; i++)
        if (strncmp(s->otlp.headers[i], name, len) == 0 && s->otlp.headers[i][len] == ':')
            return s->otlp.headers[i] + len + 2;
    return "";
}

static void without_a_word_all_is_off(void **state)
{
    (void)state;
    const struct tb_config_sinks *s = load("");
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "");
    assert_string_equal(s->otlp.traces_endpoint, "");
    assert_int_equal(s->otlp.n_headers, 0);
    assert_string_equal(s->otlp.key_from, "");
    assert_int_equal(s->otlp.form, TB_OTLP_LOG);
    assert_false(s->otlp.is_plain);
    assert_int_equal(s->otlp.timeout_ms, 10000);
    assert_int_equal(s->xray.mode, TB_XRAY_OFF);
    assert_string_equal(s->xray.udp_address, "127.0.0.1:2000");
    assert_string_equal(s->xray.tcp_address, "127.0.0.1:2000");
    assert_false(s->xray.sends_unsampled);
    assert_true(s->xray.asks_daemon);
    assert_string_equal(s->cloudwatch.log_group, "");
    assert_string_equal(s->cloudwatch.log_stream, "{host}/{service}");
    assert_false(s->cloudwatch.drops_old);
    assert_false(s->cloudwatch.has_metrics);
    assert_string_equal(s->aws.region, "");
    assert_int_equal(s->n_groups, 0);
    assert_int_equal(s->n_links, 0);
    assert_string_equal(config.warning, "");
}

static const char whole[] =
    "projects: [{service: a, access_token: abc, group: Cruddur}]\n"
    "otlp:\n"
    "  endpoint: http://127.0.0.1:4318/v1/logs\n"
    "  traces_endpoint: http://127.0.0.1:4318/t\n"
    "  headers: ['x-a: 1', 'X-B:two']\n"
    "  honeycomb_key: hcaik_1\n"
    "  dataset: errors\n"
    "  honeycomb_team: team\n"
    "  honeycomb_environment: test\n"
    "  form: both\n"
    "  compression: none\n"
    "  timeout_ms: 500\n"
    "  group: Cruddur\n"
    "  omit: [source, person]\n"
    "xray:\n"
    "  mode: api\n"
    "  address: 10.0.0.1:2001\n"
    "  endpoint: http://127.0.0.1:5000\n"
    "  timeout_ms: 600\n"
    "  name: Cruddur\n"
    "  name_pattern: '*4567-x.gitpod.io*'\n"
    "  origin: AWS::ECS::Container\n"
    "  unsampled: send\n"
    "  central_sampling: off\n"
    "  group: Cruddur\n"
    "  omit: [request]\n"
    "cloudwatch:\n"
    "  log_group: cruddur\n"
    "  log_stream: '{host}/{date}'\n"
    "  endpoint: http://127.0.0.1:5001\n"
    "  timeout_ms: 700\n"
    "  retention_days: 14\n"
    "  old: drop\n"
    "  metrics: true\n"
    "  group: Other\n"
    "aws: {region: ca-central-1, profile: work}\n"
    "groups:\n"
    "  - {name: Cruddur, filter: 'service(\"backend-flask\")'}\n"
    "  - {name: Other, filter: fault}\n"
    "links:\n"
    "  - {name: Grafana, url: 'https://g.example/{trace_id}?from={start_ms}'}\n";

static void check_whole(const struct tb_config_sinks *s)
{
    assert_string_equal(s->otlp.endpoint, "http://127.0.0.1:4318/v1/logs");
    assert_string_equal(s->otlp.traces_endpoint, "http://127.0.0.1:4318/t");
    assert_int_equal(s->otlp.n_headers, 4);
    assert_string_equal(header(s, "x-a"), "1");
    assert_string_equal(header(s, "X-B"), "two");
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_1");
    assert_string_equal(header(s, "x-honeycomb-dataset"), "errors");
    assert_string_equal(s->otlp.honeycomb_team, "team");
    assert_string_equal(s->otlp.honeycomb_environment, "test");
    assert_int_equal(s->otlp.form, TB_OTLP_BOTH);
    assert_true(s->otlp.is_plain);
    assert_int_equal(s->otlp.timeout_ms, 500);
    assert_string_equal(s->otlp.group, "Cruddur");
    assert_true(s->otlp.omit.source && s->otlp.omit.person && !s->otlp.omit.request);
    assert_int_equal(s->xray.mode, TB_XRAY_API);
    assert_string_equal(s->xray.udp_address, "10.0.0.1:2001");
    assert_string_equal(s->xray.endpoint, "http://127.0.0.1:5000");
    assert_int_equal(s->xray.timeout_ms, 600);
    assert_string_equal(s->xray.name, "Cruddur");
    assert_string_equal(s->xray.name_pattern, "*4567-x.gitpod.io*");
    assert_string_equal(s->xray.origin, "AWS::ECS::Container");
    assert_true(s->xray.sends_unsampled);
    assert_false(s->xray.asks_daemon);
    assert_true(s->xray.omit.request);
    assert_string_equal(s->cloudwatch.log_group, "cruddur");
    assert_string_equal(s->cloudwatch.log_stream, "{host}/{date}");
    assert_int_equal(s->cloudwatch.timeout_ms, 700);
    assert_int_equal(s->cloudwatch.retention_days, 14);
    assert_true(s->cloudwatch.drops_old && s->cloudwatch.has_metrics);
    assert_string_equal(s->cloudwatch.group, "Other");
    assert_string_equal(s->aws.region, "ca-central-1");
    assert_string_equal(s->aws.profile, "work");
    assert_int_equal(s->n_groups, 2);
    assert_string_equal(s->groups[0].filter, "service(\"backend-flask\")");
    assert_int_equal(s->n_links, 1);
    assert_string_equal(s->links[0].name, "Grafana");
}

static void every_key_of_the_file_arrives_and_can_be_copied(void **state)
{
    struct tb_config_sinks copy;
    (void)state;
    const struct tb_config_sinks *s = load(whole);
    assert_string_equal(why, "");
    assert_non_null(s);
    check_whole(s);
    assert_string_equal(config.projects[0].group, "Cruddur");
    assert_string_equal(s->otlp.key_from, config.file);
    tb_config_sinks_copy(s, &copy);
    tb_config_done(&config);
    check_whole(&copy);
    tb_config_sinks_done(&copy);
    tb_config_sinks_done(&copy);
}

static void variables_win_in_their_order(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://b:1/x", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000", 1);
    setenv("HONEYCOMB_API_ENDPOINT", "http://h:2", 1);
    setenv("AWS_DEFAULT_REGION", "us-east-1", 1);
    setenv("AWS_ENDPOINT_URL", "http://moto:5000", 1);
    const struct tb_config_sinks *s = load(whole);
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "http://b:1/x/v1/logs");
    assert_string_equal(s->otlp.traces_endpoint, "http://b:1/x/v1/traces");
    assert_int_equal(s->otlp.timeout_ms, 1000);
    assert_string_equal(s->aws.region, "us-east-1");
    assert_string_equal(s->xray.endpoint, "http://moto:5000");
    assert_string_equal(s->cloudwatch.endpoint, "http://moto:5000");
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:3/own", 1);
    setenv("OTEL_EXPORTER_OTLP_LOGS_TIMEOUT", "2000", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    setenv("AWS_ENDPOINT_URL_XRAY", "http://moto:5001", 1);
    s = load(whole);
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "http://c:3/own");
    assert_int_equal(s->otlp.timeout_ms, 2000);
    assert_string_equal(s->aws.region, "eu-west-1");
    assert_string_equal(s->xray.endpoint, "http://moto:5001");
    assert_string_equal(s->cloudwatch.endpoint, "http://moto:5000");
    setenv("TOWBAR_OTLP_ENDPOINT", "http://d:4/v1/logs", 1);
    setenv("TOWBAR_OTLP_TIMEOUT_MS", "3000", 1);
    setenv("TOWBAR_AWS_REGION", "ap-south-1", 1);
    setenv("TOWBAR_XRAY_MODE", "off", 1);
    s = load(whole);
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "http://d:4/v1/logs");
    assert_int_equal(s->otlp.timeout_ms, 3000);
    assert_string_equal(s->aws.region, "ap-south-1");
    assert_int_equal(s->xray.mode, TB_XRAY_OFF);
}

static void the_endpoint_and_its_path_meet_at_one_slash(void **state)
{
    static const struct {
        const char *variable, *text, *endpoint;
    } cases[] = {{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318", "http://c:4318/v1/logs"},
                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/", "http://c:4318/v1/logs"},
                 {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/otlp//", "https://c/otlp/v1/logs"},
                 {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:4318", "http://c:4318/"},
                 {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c:4318?a=b", "http://c:4318/?a=b"},
                 {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://c/x?a=b", "http://c/x?a=b"},
                 {"HONEYCOMB_API_ENDPOINT", "https://api.eu1.honeycomb.io",
                  "https://api.eu1.honeycomb.io/v1/logs"}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv(cases[i].variable, cases[i].text, 1);
        const struct tb_config_sinks *s = load("");
        assert_non_null(s);
        assert_string_equal(s->otlp.endpoint, cases[i].endpoint);
        unsetenv(cases[i].variable);
    }
}

static void a_honeycomb_key_alone_is_enough(void **state)
{
    (void)state;
    setenv("HONEYCOMB_API_KEY", "hcaik_secret", 1);
    const struct tb_config_sinks *s = load("");
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "https://api.honeycomb.io/v1/logs");
    assert_string_equal(s->otlp.traces_endpoint, "https://api.honeycomb.io/v1/traces");
    assert_string_equal(s->otlp.key_from, "HONEYCOMB_API_KEY");
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_secret");
    unsetenv("HONEYCOMB_API_KEY");
    setenv("OTEL_EXPORTER_OTLP_HEADERS", " x-honeycomb-team = hcaik_2 , x-x=a%2Cb%20c%3D,", 1);
    s = load("");
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "https://api.honeycomb.io/v1/logs");
    assert_string_equal(s->otlp.key_from, "OTEL_EXPORTER_OTLP_HEADERS");
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_2");
    assert_string_equal(header(s, "x-x"), "a,b c=");
    setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "X-Honeycomb-Team=hcaik_3", 1);
    s = load("otlp: {headers: ['x-honeycomb-team: hcaik_1', 'x-y: 1']}\n");
    assert_non_null(s);
    assert_string_equal(header(s, "X-Honeycomb-Team"), "hcaik_3");
    assert_int_equal(s->otlp.n_headers, 2);
    setenv("OTEL_SDK_DISABLED", "True", 1);
    s = load("");
    assert_non_null(s);
    assert_string_equal(s->otlp.endpoint, "");
}

static void the_key_may_be_in_a_file(void **state)
{
    char yaml[1024];
    (void)state;
    const char *path = put_file("key", "hcaik_f \nmore\n");
    assert_int_equal(chmod(path, 0644), 0);
    snprintf(yaml, sizeof(yaml), "otlp: {honeycomb_key_file: %s}\n", path);
    const struct tb_config_sinks *s = load(yaml);
    assert_non_null(s);
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_f");
    assert_string_equal(s->otlp.key_from, in_folder("key"));
    assert_non_null(strstr(config.warning, "can be read by every user: chmod 600"));
    setenv("HONEYCOMB_API_KEY", "hcaik_e", 1);
    s = load(yaml);
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_e");
    unsetenv("HONEYCOMB_API_KEY");
    setenv("TOWBAR_OTLP_HONEYCOMB_KEY_FILE", "/nonexistent/key", 1);
    assert_null(load("otlp: {honeycomb_key: hcaik_1}\n"));
    assert_non_null(strstr(why, "TOWBAR_OTLP_HONEYCOMB_KEY_FILE (otlp.honeycomb_key_file)"));
    unsetenv("TOWBAR_OTLP_HONEYCOMB_KEY_FILE");
    (void)put_file("honeycomb_key", "hcaik_c");
    char folder[512];
    snprintf(folder, sizeof(folder), "%s", in_folder("honeycomb_key"));
    *strrchr(folder, '/') = '\0';
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    s = load("");
    assert_non_null(s);
    assert_string_equal(header(s, "x-honeycomb-team"), "hcaik_c");
}

static void the_daemons_address_has_two_forms(void **state)
{
    static const struct {
        const char *text, *udp, *tcp;
    } cases[] = {{"xray-daemon:2000", "xray-daemon:2000", "xray-daemon:2000"},
                 {"tcp:a:1 udp:b:2", "b:2", "a:1"},
                 {"udp:b:2 tcp:a:1", "b:2", "a:1"},
                 {"udp:[::1]:2  tcp:[::1]:3", "[::1]:2", "[::1]:3"}};
    static const char *const bad[] = {"a",       "a:0",         "a:70000",     "udp:b:2",
                                      "a:1 b:2", "a b:1",       "http://a:1",  "a:1x",
                                      ":1",      "udp:b:2 tcp", "tcp:a:1 a:2", "a/b:1"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("AWS_XRAY_DAEMON_ADDRESS", cases[i].text, 1);
        const struct tb_config_sinks *s = load("");
        assert_non_null(s);
        assert_int_equal(s->xray.mode, TB_XRAY_DAEMON);
        assert_string_equal(s->xray.udp_address, cases[i].udp);
        assert_string_equal(s->xray.tcp_address, cases[i].tcp);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("AWS_XRAY_DAEMON_ADDRESS", bad[i], 1);
        if (load("") != NULL)
            fail_msg("%s was taken", bad[i]);
        assert_memory_equal(why, "AWS_XRAY_DAEMON_ADDRESS (xray.address)", 38);
    }
    setenv("AWS_XRAY_DAEMON_ADDRESS", "a:1", 1);
    setenv("AWS_XRAY_SDK_ENABLED", "false", 1);
    assert_int_equal(load("xray: {mode: api}\n")->xray.mode, TB_XRAY_OFF);
}

static void bad_values_are_refused_with_their_line_and_a_cure(void **state)
{
    static const struct {
        const char *yaml, *said;
    } cases[] = {
        {"otlp:\n  endpoint: api.honeycomb.io\n", ":2: otlp.endpoint is \"api.honeycomb.io\": it"},
        {"otlp:\n  endpoint: https://api.honeycomb.io\n", "has no path"},
        {"otlp: {endpoint: 'http://u:geheim@h y'}\n", "********"},
        {"otlp:\n  form: spans\n", ":2: otlp.form is \"spans\": it must be \"log\", \"span\" or"},
        {"otlp:\n\n  compression: zstd\n", ":3: otlp.compression"},
        {"otlp: {timeout_ms: 10s}\n",
         "a whole number of milliseconds without a unit, 100 to 600000"},
        {"otlp: {timeout_ms: 1}\n", "otlp.timeout_ms is \"1\""},
        {"otlp: {headers: ['a: b', geheim]}\n", "entry 2 is not \"name: value\""},
        {"otlp: {headers: ['a b: geheim']}\n", "entry 1 has a name"},
        {"otlp: {headers: [\"a: geheim\\n\"]}\n", "control characters"},
        {"otlp: {headers: ['Content-Type: x']}\n", "set by towbar itself"},
        {"otlp: {honeycomb_key: 'ge heim'}\n", "the Honeycomb key from "},
        {"otlp: {honeycomb_key_file: key}\n", "not an absolute path"},
        {"otlp: {group: Nobody}\n", ":1: otlp.group is \"Nobody\", and groups has none"},
        {"otlp: {omit: [sources]}\n", "otlp.omit has \"sources\""},
        {"otlp: {client_cert_file: /nonexistent}\n", "cannot be read"},
        {"otlp: {endpoint: 'http://h/x', form: span}\n", "otlp.traces_endpoint"},
        {"otlp: {forms: log}\n", "did you mean \"form\"?"},
        {"xray:\n  mode: on\n", ":2: xray.mode is \"on\""},
        {"xray: {name: 'a;b'}\n", "xray.name is"},
        {"xray: {origin: 'AWS EC2'}\n", "xray.origin"},
        {"xray: {unsampled: keep}\n", "\"drop\" or \"send\""},
        {"xray: {sampling_rules: /nonexistent}\n", "No such file"},
        {"xray: {sampling_rules: /dev/null}\n", "it is no JSON"},
        {"xray: {central_sampling: maybe}\n", "true or false"},
        {"cloudwatch: {log_group: 'a b'}\n", "cloudwatch.log_group"},
        {"cloudwatch: {log_group: aws/x}\n", "must not begin"},
        {"cloudwatch: {log_stream: '{user}'}\n", "in braces"},
        {"cloudwatch: {log_stream: 'a:b'}\n", "no \":\""},
        {"cloudwatch: {retention_days: 2}\n", "CloudWatch Logs takes"},
        {"cloudwatch: {old: keep}\n", "\"send\" or \"drop\""},
        {"aws: {region: 'us east'}\n", "aws.region"},
        {"groups: [{name: a_b, filter: fault}]\n", "entry 1 (\"a_b\")"},
        {"groups: [{name: a, filter: fault}, {name: a, filter: ok}]\n", "another has too"},
        {"\ngroups: [{name: a}]\n", ":2: groups entry 1 (\"a\") has no filter"},
        {"links: [{name: a, url: 'javascript:alert(1)'}]\n", "begins with https://"},
        {"links: [{name: a, url: 'https://x/{trace}'}]\n", "{trace}, which is none of"},
        {"links: [{name: a, url: 'https://{host}/'}]\n", "an item could choose"},
        {"links: [{url: 'https://x/'}]\n", "has no name"},
        {"projects: [{service: a, access_token: b, group: c}]\n", "projects entry 1: group"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (load(cases[i].yaml) != NULL)
            fail_msg("%s was taken", cases[i].yaml);
        if (strstr(why, cases[i].said) == NULL || strstr(why, "towbard.yaml") == NULL)
            fail_msg("%s: %s", cases[i].yaml, why);
        assert_null(strstr(why, "geheim"));
    }
}

static void bad_variables_are_refused_by_name_and_without_their_value(void **state)
{
    static const struct {
        const char *variable, *text, *said;
    } cases[] = {
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=1,geheim", "entry 2 is not key=value"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=geheim%0d%0ax", "entry 1 has a value"},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=geheim%2", "entry 1 has a \"%\""},
        {"OTEL_EXPORTER_OTLP_HEADERS", "a=geheim%00", "entry 1 has a \"%\""},
        {"OTEL_EXPORTER_OTLP_LOGS_HEADERS", "=geheim", "entry 1 has a name"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "h:4318", "http:// or https://"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://h?x=y", "a path cannot be added"},
        {"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "whole number"},
        {"OTEL_EXPORTER_OTLP_COMPRESSION", "deflate", "\"gzip\" or \"none\""},
        {"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent", "cannot be read"},
        {"AWS_REGION", "a b", "aws.region"},
        {"AWS_XRAY_TRACING_NAME", "a?", "xray.name"},
        {"AWS_ENDPOINT_URL", "moto", "xray.endpoint"},
        {"AWS_ENDPOINT_URL", "http://u:geheim@", "and a host"},
        {"AWS_ENDPOINT_URL", "http://u:geheim@:80/", "and a host"},
        {"AWS_ENDPOINT_URL", "https://?key=geheim", "and a host"},
        {"HONEYCOMB_API_KEY", "geheim\n1", "Honeycomb key from HONEYCOMB_API_KEY"},
        {"TOWBAR_OTLP_FORM", "spans", "(otlp.form)"},
        {"TOWBAR_OTLP_HEADERS", "a=b", "names no key with one value"},
    };
    static const char all_on[] = "otlp: {honeycomb_key: k}\nxray: {mode: api}\n";
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv(cases[i].variable, cases[i].text, 1);
        if (load(all_on) != NULL)
            fail_msg("%s=%s was taken", cases[i].variable, cases[i].text);
        if (strstr(why, cases[i].said) == NULL || strstr(why, cases[i].variable) == NULL)
            fail_msg("%s: %s", cases[i].variable, why);
        assert_null(strstr(why, "geheim"));
        unsetenv(cases[i].variable);
    }
}

static void what_others_set_is_no_hindrance_to_a_sink_that_is_off(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nonexistent", 1);
    setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", 1);
    setenv("AWS_ENDPOINT_URL", "localhost:4566", 1);
    setenv("AWS_REGION", "a b", 1);
    setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/nonexistent", 1);
    const struct tb_config_sinks *s = load("");
    assert_non_null(s);
    assert_int_equal(s->otlp.timeout_ms, 10000);
    assert_string_equal(s->xray.endpoint, "");
    assert_string_equal(s->aws.region, "");
    assert_non_null(strstr(config.warning, "OTEL_EXPORTER_OTLP_"));
    assert_non_null(strstr(config.warning, "AWS_ENDPOINT_URL"));
    assert_non_null(strstr(config.warning, "its sink is off"));
    assert_null(load("otlp: {honeycomb_key: k}\n"));
    assert_null(load("cloudwatch: {log_group: g}\n"));
    assert_non_null(load("xray: {mode: off}\n"));
    /* What is towbar's own is wrong in any case. */
    assert_null(load("cloudwatch: {timeout_ms: 10s}\n"));
}

static void what_is_not_spoken_is_warned_of(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", 1);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4317", 1);
    setenv("HONEYCOMB_API_KEY", "hcaik_geheim", 1);
    assert_non_null(load(""));
    assert_non_null(strstr(config.warning, "OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\""));
    assert_non_null(strstr(config.warning, "port 4317"));
    assert_non_null(strstr(config.warning, "take https"));
    assert_null(strstr(config.warning, "geheim"));
    setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", 1);
    setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318", 1);
    assert_non_null(load(""));
    assert_string_equal(config.warning, "");
}

static void a_key_in_the_clear_is_warned_of(void **state)
{
    static const struct {
        const char *url, *headers;
        bool is_warned;
    } cases[] = {
        {"http://collector:4318", "authorization=Bearer%20geheim", true},
        {"http://127.0.0.1.example:4318", "x-api-key=geheim", true},
        {"http://127.0.0.1@example:4318", "x-api-key=geheim", true},
        {"http://localhost.example:4318", "x-honeycomb-team=geheim", true},
        {"http://collector:4318", "x-scope-orgid=1", false},
        {"https://collector:4318", "authorization=geheim", false},
        {"http://user:pass@127.0.0.1:4318", "authorization=geheim", false},
        {"http://[::1]:4318", "authorization=geheim", false},
        {"http://localhost", "authorization=geheim", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("OTEL_EXPORTER_OTLP_ENDPOINT", cases[i].url, 1);
        setenv("OTEL_EXPORTER_OTLP_HEADERS", cases[i].headers, 1);
        assert_non_null(load(""));
        assert_int_equal(strstr(config.warning, "take https") != NULL, cases[i].is_warned);
        assert_null(strstr(config.warning, "geheim"));
    }
}

static void an_address_without_a_path_is_warned_of(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:4318", 1);
    assert_non_null(load(""));
    assert_non_null(strstr(config.warning, "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"));
    assert_non_null(strstr(config.warning, "receivers want /v1/logs"));
    assert_null(strstr(config.warning, "traces"));
    setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://127.0.0.1:4318/v1/logs", 1);
    setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/", 1);
    assert_non_null(load(""));
    assert_string_equal(config.warning, ""); /* no spans are sent */
    assert_non_null(load("otlp: {form: span}\n"));
    assert_non_null(strstr(config.warning, "receivers want /v1/traces"));
}

static void a_classic_key_without_a_dataset_is_warned_of(void **state)
{
    static const char *const classic[] = {
        "0123456789abcdef0123456789abcdef",
        "hcaic_0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl",
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        setenv("HONEYCOMB_API_KEY", classic[i], 1);
        unsetenv("HONEYCOMB_DATASET");
        assert_non_null(load(""));
        assert_non_null(strstr(config.warning, "set HONEYCOMB_DATASET"));
        assert_null(strstr(config.warning, classic[i]));
        setenv("HONEYCOMB_DATASET", "cruddur", 1);
        assert_non_null(load(""));
        assert_string_equal(config.warning, "");
    }
    unsetenv("HONEYCOMB_DATASET");
    setenv("HONEYCOMB_API_KEY", "hcaik_0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl",
           1);
    assert_non_null(load(""));
    assert_string_equal(config.warning, "");
}

static void who_only_reads_is_spared(void **state)
{
    (void)state;
    setenv("OTEL_EXPORTER_OTLP_HEADERS", "geheim", 1);
    setenv("AWS_REGION", "eu-west-1", 1);
    const struct tb_config_flags flags = {.file = put_file("towbard.yaml", "listen: off\n"),
                                          .spares_sinks = true};
    assert_int_equal(tb_config_load(&flags, &config, why), 0);
    assert_string_equal(config.listen, "off");
    assert_string_equal(config.sinks.aws.region, "");
    assert_string_equal(config.sinks.otlp.endpoint, "");
    assert_int_equal(config.sinks.n_groups, 0);
    assert_non_null(strstr(config.warning, "OTEL_EXPORTER_OTLP_HEADERS"));
    assert_null(strstr(config.warning, "geheim"));
    const struct tb_config_flags other = {.file = put_file("towbard.yaml", "listen: nowhere\n"),
                                          .spares_sinks = true};
    tb_config_done(&config);
    assert_int_equal(tb_config_load(&other, &config, why), -EINVAL);
    memset(&config, 0, sizeof(config));
}

static void lists_have_bounds(void **state)
{
    char yaml[16384];
    size_t len = 0;
    (void)state;
    len += (size_t)snprintf(yaml, sizeof(yaml), "groups:\n");
    for (int i = 0; i < TB_CONFIG_GROUPS + 1; i++)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, " - {name: g%d, filter: ok}\n", i);
    assert_null(load(yaml));
    assert_non_null(strstr(why, "there may be 64"));
    len = (size_t)snprintf(yaml, sizeof(yaml), "otlp:\n  headers:\n");
    for (int i = 0; i < 33; i++)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, "   - 'x-%d: v'\n", i);
    assert_null(load(yaml));
    assert_non_null(strstr(why, "entry 33 is one too many"));
    len = (size_t)snprintf(yaml, sizeof(yaml), "links:\n");
    for (int i = 0; i < TB_CONFIG_LINKS + 1; i++)
        len += (size_t)snprintf(yaml + len, sizeof(yaml) - len, " - {name: a, url: 'http://x'}\n");
    assert_null(load(yaml));
    assert_non_null(strstr(why, "there may be 16"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_word_all_is_off, begin, end),
        cmocka_unit_test_setup_teardown(every_key_of_the_file_arrives_and_can_be_copied, begin,
                                        end),
        cmocka_unit_test_setup_teardown(variables_win_in_their_order, begin, end),
        cmocka_unit_test_setup_teardown(the_endpoint_and_its_path_meet_at_one_slash, begin, end),
        cmocka_unit_test_setup_teardown(a_honeycomb_key_alone_is_enough, begin, end),
        cmocka_unit_test_setup_teardown(the_key_may_be_in_a_file, begin, end),
        cmocka_unit_test_setup_teardown(the_daemons_address_has_two_forms, begin, end),
        cmocka_unit_test_setup_teardown(bad_values_are_refused_with_their_line_and_a_cure, begin,
                                        end),
        cmocka_unit_test_setup_teardown(bad_variables_are_refused_by_name_and_without_their_value,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_others_set_is_no_hindrance_to_a_sink_that_is_off,
                                        begin, end),
        cmocka_unit_test_setup_teardown(what_is_not_spoken_is_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(a_key_in_the_clear_is_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(an_address_without_a_path_is_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(a_classic_key_without_a_dataset_is_warned_of, begin, end),
        cmocka_unit_test_setup_teardown(who_only_reads_is_spared, begin, end),
        cmocka_unit_test_setup_teardown(lists_have_bounds, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
