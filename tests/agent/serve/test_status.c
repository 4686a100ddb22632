/* What the agent says about itself holds no secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "agent/serve/status.h"

static char nothing[] = "";

static void urls_are_shown_without_who_asks(void **state)
{
    static const char *const cases[][2] = {
        {"https://api.rollbar.com/api/1/item/", "https://api.rollbar.com/api/1/item/"},
        {"http://user:password@host:1/p", "http://********@host:1/p"},
        {"http://user@host", "http://********@host"},
        {"http://user:p@ssw@rd@host/a@b", "http://********@host/a@b"},
        {"http://host/a@b", "http://host/a@b"},
        {"http://host?a=b@c", "http://host?********"},
        {"https://u:p@host/v1/logs?api_key=hunter2", "https://********@host/v1/logs?********"},
        {"http://host/?", "http://host/?"},
        {"user:password@host", "********@host"},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char shown[TB_STATUS_URL];
        tb_status_url(cases[i][0], shown);
        assert_string_equal(shown, cases[i][1]);
    }
}

static void the_status_hides_token_and_password(void **state)
{
    static char endpoint[] = "http://user:hunter2@localhost/";
    static char token[] = "0123456789abcdef";
    const struct tb_config config = {.endpoint = endpoint,
                                     .token = token,
                                     .token_from = nothing,
                                     .spool = nothing,
                                     .socket = nothing,
                                     .state_dir = nothing,
                                     .file = nothing,
                                     .environment = nothing};
    struct tb_status *status = calloc(1, sizeof(*status));
    char json[8192];
    struct tb_json j;
    (void)state;
    assert_non_null(status);
    status->config = &config;
    status->listen = nothing;
    tb_json_init(&j, json, sizeof(json));
    tb_status_write(status, &j);
    assert_int_equal(tb_json_finish(&j), 0);
    free(status);
    json[j.len < sizeof(json) ? j.len : sizeof(json) - 1] = '\0';
    assert_non_null(strstr(json, "\"http://********@localhost/\""));
    assert_null(strstr(json, "hunter2"));
    assert_null(strstr(json, token));
}

static void each_sink_is_told_with_its_state(void **state)
{
    static char token[] = "t";
    static const char *const expected[] = {
        "{\"name\":\"rollbar\",\"endpoint\":\"https://********@r/\",\"state\":\"on\",",
        "{\"name\":\"otlp\",\"state\":\"failed\",", "\"last_error\":\"no such file\"}",
        "{\"name\":\"xray\",\"state\":\"no answer\",\"received\":7,\"sent\":4,"
        "\"dropped\":0,\"quarantined\":1,\"queued\":2,\"parked\":0,"
        "\"not_routed\":5,\"unsampled\":6,\"retried\":9,",
        ("{\"name\":\"cloudwatch\",\"state\":\"off\",\"received\":3,\"sent\":0,\"dropped\":0,"
         "\"quarantined\":0,\"queued\":3,\"parked\":0,\"not_routed\":0,\"unsampled\":0}]")};
    const struct tb_config config = {.token = token};
    struct tb_status *status = calloc(1, sizeof(*status));
    char json[4096];
    struct tb_json j;
    (void)state;
    assert_non_null(status);
    status->config = &config;
    status->now_ms = 1000;
    status->n_sinks = 3;
    (void)snprintf(status->sinks[0].name, sizeof(status->sinks[0].name), "rollbar");
    (void)snprintf(status->sinks[0].status.endpoint, sizeof(status->sinks[0].status.endpoint),
                   "https://user:hunter2@r/");
    (void)snprintf(status->sinks[1].name, sizeof(status->sinks[1].name), "otlp");
    (void)snprintf(status->sinks[1].why, sizeof(status->sinks[1].why), "no such file");
    (void)snprintf(status->sinks[2].name, sizeof(status->sinks[2].name), "xray");
    status->sinks[2].status.retry_at_ms = 2000;
    status->sinks[2].status.retried = 9;
    status->pipeline.n_sinks = 3;
    status->pipeline.sinks[0] = (struct tb_store_sink){"cloudwatch", 3, 0, 0, 0, 3, 0, 0, 0};
    status->pipeline.sinks[1] = (struct tb_store_sink){"xray", 7, 4, 0, 1, 2, 0, 5, 6};
    status->pipeline.sinks[2] = (struct tb_store_sink){"gone", 1, 1, 0, 0, 0, 0, 0, 0};
    tb_json_init(&j, json, sizeof(json));
    tb_status_write_sinks(status, &j);
    assert_int_equal(tb_json_finish(&j), 0);
    json[j.len] = '\0';
    free(status);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        if (!strstr(json, expected[i]))
            fail_msg("no %s in %s", expected[i], json);
    }
    assert_null(strstr(json, "gone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_shown_without_who_asks),
        cmocka_unit_test(the_status_hides_token_and_password),
        cmocka_unit_test(each_sink_is_told_with_its_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
