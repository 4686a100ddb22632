/* test_route.c - which token an item goes with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/deliver/route.h"

static char AGENTS[] = "agent-token-0001";
static char FEEDD[] = "feedd-token-0002";
static char STAGING[] = "staging-token-03";
static char ANY[] = "";
static char FEEDD_PATTERN[] = "feedd*";
static char STAGING_PATTERN[] = "stag?ng";

static struct tb_config_project projects[] = {
    {.service = FEEDD_PATTERN, .environment = ANY, .token = FEEDD},
    {.service = ANY, .environment = STAGING_PATTERN, .token = STAGING},
};

static struct tb_config settings(void)
{
    return (struct tb_config){.token = AGENTS, .projects = projects, .n_projects = 2};
}

static void the_rule_of_the_documentation_holds(void **state)
{
    (void)state;
    static const struct {
        const char *own, *service, *environment;
        bool force;
        const char *sent;
    } CASES[] = {
        {"its-own-token-04", "feedd", "production", false, "its-own-token-04"},
        {"its-own-token-04", "feedd", "production", true, FEEDD},
        {"its-own-token-04", "web", "production", true, AGENTS},
        {"", "feedd", "production", false, FEEDD},
        {"", "feedd-2", "staging", false, FEEDD}, /* the first that fits */
        {"", "web", "staging", false, STAGING},
        {"", "web", "Staging", false, AGENTS},
        {"", "", "", false, AGENTS},
        {FEEDD, "web", "production", false, FEEDD},
    };
    struct tb_config config = settings();
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char stored[TB_CONFIG_TOKEN_MAX + 1];
        char again[TB_CONFIG_TOKEN_MAX + 1];
        config.force_token = CASES[i].force;
        tb_route_choose(&config, CASES[i].own, CASES[i].service, CASES[i].environment, stored);
        if (strcmp(tb_route_token(&config, stored), CASES[i].sent) != 0)
            fail_msg("case %zu: %s", i, tb_route_token(&config, stored));
        /* What is stored is chosen again when the settings change. */
        tb_route_choose(&config, stored[0] == ' ' ? "" : stored, CASES[i].service,
                        CASES[i].environment, again);
        assert_string_equal(again, stored);
    }
}

static bool is_named(void *arg, const char *group)
{
    return strcmp(group, arg) == 0;
}

static void a_project_with_a_group_takes_what_is_in_it(void **state)
{
    static char errors[] = "errors";
    static char slow[] = "slow";
    static char tokens[4][20] = {"of-errors-00006", "of-slow-00000007", "of-feedd-0000008",
                                 "changed"};
    static struct tb_config_project grouped[] = {
        {.service = FEEDD_PATTERN, .environment = ANY, .token = tokens[0], .group = errors},
        {.service = FEEDD_PATTERN, .environment = ANY, .token = tokens[1], .group = slow},
        {.service = FEEDD_PATTERN, .environment = ANY, .token = tokens[2], .group = ANY}};
    static char none[] = "";
    struct tb_config config = {.token = AGENTS, .projects = grouped, .n_projects = 3};
    static const struct {
        char *group;
        const char *service, *sent;
    } CASES[] = {{errors, "feedd", "of-errors-00006"},
                 {slow, "feedd", "of-slow-00000007"},
                 {none, "feedd", "of-feedd-0000008"},
                 {errors, "web", "agent-token-0001"}};
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char stored[TB_CONFIG_TOKEN_MAX + 1];
        char again[TB_CONFIG_TOKEN_MAX + 1];
        tb_route_choose_in(&config, "", CASES[i].service, "production", is_named, CASES[i].group,
                           stored);
        assert_string_equal(tb_route_token(&config, stored), CASES[i].sent);
        tb_route_again(&config, stored, CASES[i].service, "production", again);
        assert_string_equal(again, stored);
    }
    /* Two projects of the same patterns are two queues; no group is come to later. */
    char stored[TB_CONFIG_TOKEN_MAX + 1];
    char name[64];
    tb_route_again(&config, "", "feedd", "production", stored);
    assert_string_equal(tb_route_token(&config, stored), "of-feedd-0000008");
    tb_route_choose(&config, "", "feedd", "production", stored);
    assert_string_equal(tb_route_token(&config, stored), "of-feedd-0000008");
    tb_route_choose_in(&config, "", "feedd", "production", is_named, errors, stored);
    tb_route_name(&config, stored, name, sizeof(name));
    assert_string_equal(name, "project feedd* group errors");
    /* Where the project is gone, the rest decides. */
    config.projects = grouped + 1;
    config.n_projects = 2;
    tb_route_again(&config, stored, "feedd", "production", stored);
    assert_string_equal(tb_route_token(&config, stored), "of-feedd-0000008");
}

static void no_secret_of_the_settings_is_stored(void **state)
{
    (void)state;
    struct tb_config config = settings();
    char stored[TB_CONFIG_TOKEN_MAX + 1];
    tb_route_choose(&config, "", "feedd", "", stored);
    assert_null(strstr(stored, "token"));
    assert_int_equal(strncmp(stored, " project ", 9), 0);
    tb_route_choose(&config, FEEDD, "feedd", "", stored);
    assert_null(strstr(stored, "token"));
    tb_route_choose(&config, AGENTS, "web", "", stored);
    assert_string_equal(stored, "");
    tb_route_choose(&config, "", "web", "", stored);
    assert_string_equal(stored, "");
}

static void a_changed_token_counts_for_what_waits(void **state)
{
    (void)state;
    static char changed[] = "changed-token-05";
    struct tb_config config = settings();
    char stored[TB_CONFIG_TOKEN_MAX + 1];
    struct tb_config_project other[] = {projects[1], projects[0]};
    tb_route_choose(&config, "", "feedd", "", stored);
    other[1].token = changed;
    config.projects = other;
    assert_string_equal(tb_route_token(&config, stored), changed);
    config.n_projects = 1; /* that of feedd is gone */
    assert_string_equal(tb_route_token(&config, stored), "");
}

static void nobody_gets_a_token_by_its_name(void **state)
{
    (void)state;
    struct tb_config config = settings();
    char name[TB_CONFIG_TOKEN_MAX + 1];
    char stored[TB_CONFIG_TOKEN_MAX + 1];
    tb_route_choose(&config, "", "feedd", "", name);
    tb_route_choose(&config, name, "web", "production", stored);
    assert_string_not_equal(stored, name);
    assert_string_not_equal(tb_route_token(&config, stored), FEEDD);
}

static void people_see_which_token_but_not_the_secret(void **state)
{
    (void)state;
    static const struct {
        const char *own, *service, *environment, *name;
    } CASES[] = {
        {"", "web", "", "own"},
        {"", "feedd", "", "project feedd*"},
        {"", "web", "staging", "project * stag?ng"},
        {"its-own-token-04", "web", "", "...n-04"},
        {"short", "web", "", "..."},
    };
    struct tb_config config = settings();
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char stored[TB_CONFIG_TOKEN_MAX + 1];
        char name[48];
        tb_route_choose(&config, CASES[i].own, CASES[i].service, CASES[i].environment, stored);
        tb_route_name(&config, stored, name, sizeof(name));
        assert_string_equal(name, CASES[i].name);
    }
    char name[48];
    tb_route_name(&config, " project 0000000000000000", name, sizeof(name));
    assert_string_equal(name, "project that is gone");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule_of_the_documentation_holds),
        cmocka_unit_test(a_project_with_a_group_takes_what_is_in_it),
        cmocka_unit_test(no_secret_of_the_settings_is_stored),
        cmocka_unit_test(a_changed_token_counts_for_what_waits),
        cmocka_unit_test(nobody_gets_a_token_by_its_name),
        cmocka_unit_test(people_see_which_token_but_not_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
