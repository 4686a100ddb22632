/* Where the pages are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/serve/page_url.h"

static char none[] = "";
static char cert[] = "/c.pem";

static void the_scheme_is_that_of_the_listener(void **state)
{
    struct tb_config config = {.tls_cert_file = none};
    char url[TB_PAGE_URL];
    (void)state;
    tb_page_url(&config, "127.0.0.1:7070", url);
    assert_string_equal(url, "http://127.0.0.1:7070/");
    tb_page_url(&config, "[::1]:7070", url);
    assert_string_equal(url, "http://[::1]:7070/");
    tb_page_url(&config, "", url);
    assert_string_equal(url, "");
    config.tls_cert_file = cert;
    tb_page_url(&config, "10.0.0.5:7070", url);
    assert_string_equal(url, "https://10.0.0.5:7070/");
}

static void all_addresses_are_called_by_the_name_of_the_host(void **state)
{
    static const char *const addresses[] = {"0.0.0.0:7070", "[::]:7070"};
    const struct tb_config config = {.tls_cert_file = cert};
    char host[256] = "";
    char wanted[300];
    char url[TB_PAGE_URL];
    (void)state;
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    (void)snprintf(wanted, sizeof(wanted), "https://%s:7070/", host);
    for (size_t i = 0; i < 2; i++) {
        tb_page_url(&config, addresses[i], url);
        assert_string_equal(url, wanted);
    }
}

static void an_agent_of_many_asks_for_a_login(void **state)
{
    static char loopback[] = "127.0.0.1:7070";
    static char any[] = "0.0.0.0:7070";
    struct tb_config config = {.listen = loopback};
    (void)state;
    assert_false(tb_page_asks_login(&config));
    config.listen = any;
    assert_true(tb_page_asks_login(&config));
    config.listen = loopback;
    config.shared_spool = true;
    assert_true(tb_page_asks_login(&config));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scheme_is_that_of_the_listener),
        cmocka_unit_test(all_addresses_are_called_by_the_name_of_the_host),
        cmocka_unit_test(an_agent_of_many_asks_for_a_login),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
