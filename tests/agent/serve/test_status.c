/* What the agent says about itself holds no secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
        {"http://host?a=b@c", "http://host?a=b@c"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_shown_without_who_asks),
        cmocka_unit_test(the_status_hides_token_and_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
