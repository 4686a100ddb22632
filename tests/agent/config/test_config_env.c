/* Single keys from the environment. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/folder.h"
#include "agent/config/config.h"
#include "agent/config/config_env.h"

static int begin(void **state)
{
    if (clearenv() != 0 || make_test_folder(state) != 0)
        return -1;
    return setenv("HOME", in_folder("home"), 1);
}

/* The settings of a file with that text; NULL when they are refused, with why. */
static struct tb_config *load(const char *text, char why[TB_CONFIG_WHY])
{
    static struct tb_config config;
    const struct tb_config_flags flags = {.file = put_file("towbard.yaml", text)};
    why[0] = '\0';
    tb_config_done(&config);
    return tb_config_load(&flags, &config, why) == 0 ? &config : NULL;
}

static void a_variable_wins_over_the_file(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    setenv("TOWBAR_LISTEN", "127.0.0.1:0", 1);
    setenv("TOWBAR_VANISHED", "count", 1);
    setenv("TOWBAR_ROLLBAR_TIMEOUT_MS", "1234", 1);
    setenv("TOWBAR_ROLLBAR_FORCE_TOKEN", "true", 1);
    setenv("TOWBAR_SYMBOLS_CACHE_BYTES", "1099511627776", 1);
    setenv("TOWBAR_SPOOL_LIMITS_MAX_AGE_HOURS_CRASH", "7", 1);
    setenv("TOWBAR_SCRUB_BUILTIN_PATTERNS", "false", 1);
    setenv("TOWBAR_STORE_MAX_BYTES", "0", 1);
    setenv("TOWBAR_STATE_DIR", "/state", 1);
    setenv("TOWBAR_LIMITS_BURST_MINUTES", "", 1);
    const struct tb_config *c = load("listen: off\nrollbar:\n  timeout_ms: 5000\n"
                                     "limits:\n  burst_minutes: 3\n",
                                     why);
    assert_non_null(c);
    assert_string_equal(c->listen, "127.0.0.1:0");
    assert_true(c->counts_vanished);
    assert_int_equal(c->timeout_ms, 1234);
    assert_true(c->force_token);
    assert_true(c->lacks_builtin_patterns);
    assert_true(c->store_max_bytes == 0);
    assert_true(c->cache_bytes == UINT64_C(1) << 40);
    assert_int_equal(c->max_age_hours[0], 7);
    assert_int_equal(c->max_age_hours[1], 336);
    assert_string_equal(c->state_dir, "/state");
    assert_int_equal(c->burst_minutes, 3);
}

static void a_token_file_may_be_named(void **state)
{
    char why[TB_CONFIG_WHY];
    (void)state;
    setenv("TOWBAR_ROLLBAR_TOKEN_FILE", put_file("token", "0123456789abcdef\n"), 1);
    setenv("TOWBAR_INGEST_TOKEN_FILE", in_folder("token"), 1);
    const struct tb_config *c = load("rollbar:\n  token_file: /nonexistent\n", why);
    assert_non_null(c);
    assert_string_equal(c->token, "0123456789abcdef");
    assert_string_equal(c->token_from, in_folder("token"));
    assert_string_equal(c->ingest_token, "0123456789abcdef");
    setenv("TOWBAR_ROLLBAR_TOKEN_FILE", "/nonexistent/token", 1);
    assert_null(load("", why));
    assert_non_null(strstr(why, "TOWBAR_ROLLBAR_TOKEN_FILE"));
}

static void bad_values_are_refused_by_name(void **state)
{
    static const char *const cases[][2] = {
        {"TOWBAR_ROLLBAR_TIMEOUT_MS", "15s"},
        {"TOWBAR_ROLLBAR_TIMEOUT_MS", "-1"},
        {"TOWBAR_ROLLBAR_TIMEOUT_MS", "4294967296"},
        {"TOWBAR_ROLLBAR_TIMEOUT_MS", "99999999999999999999999"},
        {"TOWBAR_ROLLBAR_FORCE_TOKEN", "maybe"},
        {"TOWBAR_SYMBOLS_CACHE_BYTES", "1G"},
        {"TOWBAR_SCRUB_BUILTIN_PATTERNS", "none"},
    };
    char why[TB_CONFIG_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv(cases[i][0], cases[i][1], 1);
        assert_null(load("", why));
        assert_memory_equal(why, cases[i][0], strlen(cases[i][0]));
        unsetenv(cases[i][0]);
    }
    setenv("TOWBAR_ROLLBAR_CONNECTIONS", "65", 1); /* checked like the file's */
    assert_null(load("", why));
    assert_non_null(strstr(why, "rollbar.connections is 65; it must be 1 to 64"));
}

static void a_name_that_names_nothing_is_refused(void **state)
{
    static char known[] = "TOWBAR_ROLLBAR_TIMEOUT_MS=1";
    static char typo[] = "TOWBAR_ROLLBAR_TIMEOUT=1";
    static char empty[] = "TOWBAR_ROLLBAR_TIMEOUT=";
    static char library[] = "TOWBAR_ROOT=/src";
    static char list[] = "TOWBAR_SYMBOLS_IN_APP=x";
    static char scrub[] = "TOWBAR_SCRUB_KEYS=x";
    static char other[] = "TOWBAR_ROLLBAR_ENDPOINT=x";
    char *good[] = {known, empty, library, NULL};
    char *bad[] = {known, typo, NULL};
    char *lists[] = {list, NULL};
    char *scrubs[] = {scrub, NULL};
    char *others[] = {other, NULL};
    char why[TB_CONFIG_WHY];
    (void)state;
    assert_int_equal(tb_config_env_names(good, why), 0);
    assert_int_equal(tb_config_env_names(bad, why), -EINVAL);
    assert_memory_equal(why, "TOWBAR_ROLLBAR_TIMEOUT is", 25);
    assert_int_equal(tb_config_env_names(lists, why), -EINVAL);
    assert_int_equal(tb_config_env_names(scrubs, why), -EINVAL);
    assert_int_equal(tb_config_env_names(others, why), -EINVAL);
    assert_non_null(strstr(why, "the name of that key is ROLLBAR_ENDPOINT"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, remove_test_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_variable_wins_over_the_file),
        TEST(a_token_file_may_be_named),
        TEST(bad_values_are_refused_by_name),
        TEST(a_name_that_names_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
