/* The links that follow from the settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/folder.h"
#include "agent/config/config_links.h"

static struct tb_config config;
static struct tb_links links;

static int begin(void **state)
{
    if (clearenv() != 0 || make_test_folder(state) != 0)
        return -1;
    return setenv("HOME", in_folder("home"), 1);
}

static int end(void **state)
{
    tb_config_done(&config);
    tb_links_done(&links);
    return remove_test_folder(state);
}

static void load(const char *text)
{
    char why[TB_CONFIG_WHY] = "";
    const struct tb_config_flags flags = {.file = put_file("towbard.yaml", text)};
    tb_config_done(&config);
    tb_links_done(&links);
    if (tb_config_load(&flags, &config, why) != 0)
        fail_msg("%s", why);
    tb_config_links(&config, &links);
}

static const struct tb_link_values values = {.trace_id = "7b02b58de0617ecba70ed68ac9552d48",
                                             .xray_trace_id = "1-7b02b58d-e0617ecba70ed68ac9552d48",
                                             .uuid = "u-1",
                                             .start_ms = 1795338761000,
                                             .end_ms = 1795340561123};

/* The address of that name, or "". */
static const char *address(const char *name)
{
    static char url[TB_LINK_BYTES];
    const char *found;
    size_t at = 0;
    while ((found = tb_links_next(&links, &values, &at, url)) != NULL)
        if (strcmp(found, name) == 0)
            return url;
    return "";
}

static void without_a_word_there_are_none(void **state)
{
    (void)state;
    load("");
    assert_int_equal(links.n, 0);
    load("aws: {region: us-east-1}\notlp: {honeycomb_key: k}\n");
    assert_int_equal(links.n, 0);
}

static void xray_and_the_logs_need_a_region(void **state)
{
    static const char sinks[] = "xray: {address: 'h:1'}\ncloudwatch: {log_group: /cruddur/x_1}\n";
    char yaml[512];
    (void)state;
    load(sinks);
    assert_int_equal(links.n, 0);
    snprintf(yaml, sizeof(yaml), "%saws: {region: ca-central-1}\n", sinks);
    load(yaml);
    assert_int_equal(links.n, 2);
    assert_string_equal(address("X-Ray"),
                        "https://ca-central-1.console.aws.amazon.com/cloudwatch/home?region="
                        "ca-central-1#xray:traces/1-7b02b58d-e0617ecba70ed68ac9552d48");
    assert_string_equal(
        address("Logs"),
        "https://ca-central-1.console.aws.amazon.com/cloudwatch/home?region=ca-central-1#logsV2:"
        "logs-insights$3FqueryDetail$3D$257E$2528end$257E$25272026-11-22T09*3a42*3a41.123Z"
        "$257Estart$257E$25272026-11-22T09*3a12*3a41.000Z$257EtimeType$257E$2527ABSOLUTE$257Etz"
        "$257E$2527UTC$257EeditorString$257E$2527fields*20*40timestamp*2c*20service*2c*20error_"
        "class*2c*20message*0a*7c*20filter*20xray_trace_id*20*3d*20*221-7b02b58d-e0617ecba70ed68ac"
        "9552d48*22*0a*7c*20sort*20*40timestamp$257Esource$257E$2528$257E$2527*2fcruddur*2fx_1"
        "$2529$2529");
    snprintf(yaml, sizeof(yaml), "%saws: {region: cn-north-1}\n", sinks);
    load(yaml);
    assert_non_null(strstr(address("X-Ray"), "https://cn-north-1.console.amazonaws.cn/"));
    snprintf(yaml, sizeof(yaml), "%saws: {region: us-gov-west-1}\n", sinks);
    load(yaml);
    assert_non_null(strstr(address("Logs"), ".console.amazonaws-us-gov.com/"));
}

static void honeycomb_needs_a_team_and_a_place(void **state)
{
    (void)state;
    load("otlp: {honeycomb_key: k, honeycomb_team: te am, honeycomb_environment: test}\n");
    assert_string_equal(address("Honeycomb"),
                        "https://ui.honeycomb.io/te%20am/environments/test/trace?trace_id="
                        "7b02b58de0617ecba70ed68ac9552d48&trace_start_ts=1795338761&trace_end_ts="
                        "1795340561");
    load("otlp: {honeycomb_key: k, honeycomb_team: t, dataset: da/ta, endpoint:"
         " 'https://api.eu1.honeycomb.io/v1/logs'}\n");
    assert_non_null(
        strstr(address("Honeycomb"), "https://ui.eu1.honeycomb.io/t/datasets/da%2Fta/trace?"));
    load("otlp: {honeycomb_key: k, honeycomb_team: t}\n");
    assert_int_equal(links.n, 0);
}

static void rollbar_needs_a_token_and_others_come_last(void **state)
{
    (void)state;
    load("rollbar: {access_token: abc}\nlinks:\n"
         " - {name: Tempo, url: 'https://t.example/{trace_id}'}\n"
         " - {name: Host, url: 'https://t.example/{host}'}\n");
    assert_int_equal(links.n, 3);
    assert_string_equal(address("Rollbar"), "https://rollbar.com/occurrence/uuid/?uuid=u-1");
    assert_string_equal(address("Tempo"), "https://t.example/7b02b58de0617ecba70ed68ac9552d48");
    assert_string_equal(address("Host"), "");
}

static void the_longest_log_group_has_no_broken_link(void **state)
{
    char yaml[1024];
    (void)state;
    size_t len = (size_t)snprintf(yaml, sizeof(yaml),
                                  "aws: {region: us-east-1}\ncloudwatch: "
                                  "{log_group: ");
    memset(yaml + len, '#', 512);
    (void)snprintf(yaml + len + 512, sizeof(yaml) - len - 512, "}\n");
    yaml[len] = 'a';
    load(yaml);
    assert_true(links.n <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_word_there_are_none, begin, end),
        cmocka_unit_test_setup_teardown(xray_and_the_logs_need_a_region, begin, end),
        cmocka_unit_test_setup_teardown(honeycomb_needs_a_team_and_a_place, begin, end),
        cmocka_unit_test_setup_teardown(rollbar_needs_a_token_and_others_come_last, begin, end),
        cmocka_unit_test_setup_teardown(the_longest_log_group_has_no_broken_link, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
