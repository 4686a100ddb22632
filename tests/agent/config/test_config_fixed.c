/* Which keys a running agent cannot change. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/config/config_fixed.h"

static char same[] = "/same";
static char other[] = "/other";

static struct tb_config settings(void)
{
    return (struct tb_config){.spool = same,
                              .state_dir = same,
                              .socket = same,
                              .listen = same,
                              .tls_cert_file = same,
                              .tls_key_file = same,
                              .environment = same,
                              .token = same};
}

static void other_places_need_a_restart_and_are_named(void **state)
{
    static const struct {
        const char *key;
        size_t field;
    } keys[] = {{"spool", offsetof(struct tb_config, spool)},
                {"state_dir", offsetof(struct tb_config, state_dir)},
                {"socket", offsetof(struct tb_config, socket)},
                {"listen", offsetof(struct tb_config, listen)}};
    (void)state;
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct tb_config now = settings();
        struct tb_config next = settings();
        char why[TB_CONFIG_WHY] = "";
        char *value = other;
        memcpy((char *)&next + keys[i].field, &value, sizeof(value));
        assert_int_equal(tb_config_fixed(&now, &next, why), -EBUSY);
        assert_memory_equal(why, keys[i].key, strlen(keys[i].key));
        assert_non_null(strstr(why, "\"/same\" to \"/other\""));
        assert_non_null(strstr(why, "restart towbard"));
    }
}

static void a_certificate_may_change_but_not_whether_there_is_one(void **state)
{
    static char none[] = "";
    struct tb_config now = settings();
    struct tb_config next = settings();
    char why[TB_CONFIG_WHY] = "";
    (void)state;
    next.tls_cert_file = next.tls_key_file = other;
    assert_int_equal(tb_config_fixed(&now, &next, why), 0);
    next.tls_cert_file = none;
    assert_int_equal(tb_config_fixed(&now, &next, why), -EBUSY);
    assert_memory_equal(why, "tls.cert_file", 13);
}

static void all_else_may_change(void **state)
{
    struct tb_config now = settings();
    struct tb_config next = settings();
    char why[TB_CONFIG_WHY] = "";
    (void)state;
    next.environment = other;
    next.token = other;
    next.connections = 3;
    assert_int_equal(tb_config_fixed(&now, &next, why), 0);
    assert_string_equal(why, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_places_need_a_restart_and_are_named),
        cmocka_unit_test(a_certificate_may_change_but_not_whether_there_is_one),
        cmocka_unit_test(all_else_may_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
