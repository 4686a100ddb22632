/* test_groups.c - the groups of the settings. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/folder.h"
#include "agent/config/groups.h"
#include "filter/view.h"

enum { MOST = 4 };

struct some {
    struct tb_config config;
    struct tb_config_group list[MOST];
    char texts[2 * MOST][128];
};

/* name, filter, name, filter, ... NULL. */
static int make(struct some *some, const char *const *words, struct tb_groups **out,
                char why[TB_CONFIG_WHY])
{
    memset(some, 0, sizeof(*some));
    size_t n = 0;
    for (; words[n] != NULL; n++)
        snprintf(some->texts[n], sizeof(some->texts[n]), "%s", words[n]);
    for (size_t i = 0; i < n / 2; i++)
        some->list[i] = (struct tb_config_group){some->texts[2 * i], some->texts[2 * i + 1]};
    some->config.sinks.groups = some->list;
    some->config.sinks.n_groups = n / 2;
    return tb_groups_new(&some->config, out, why);
}

static void groups_are_parsed_and_found(void **state)
{
    static const char *const words[] = {"errors", "fault OR error", "both",
                                        "group.name = \"errors\" user = \"a\"", NULL};
    static const char *const users[] = {"a"};
    struct tb_groups *groups = NULL;
    struct some some;
    char why[TB_CONFIG_WHY];
    size_t n;
    (void)state;
    assert_int_equal(make(&some, words, &groups, why), 0);
    assert_non_null(tb_groups_find(groups, "errors"));
    assert_null(tb_groups_find(groups, "Errors"));
    assert_string_equal(tb_groups_list(groups, &n)[1].name, "both");
    assert_int_equal(n, 2);
    struct tb_filter_subject service = tb_filter_subject();
    service.known = service.set = 1U << TB_FILTER_FAULT | 1U << TB_FILTER_ROOT;
    struct tb_filter_view view = {
        .trace = tb_filter_subject(), .services = &service, .n_services = 1};
    assert_true(tb_groups_match(groups, "errors", &view));
    assert_false(tb_groups_match(groups, "both", &view));
    view.trace.users = users;
    view.trace.n_users = 1;
    assert_true(tb_groups_match(groups, "both", &view));
    assert_false(tb_groups_match(groups, "none", &view));
    assert_true(tb_groups_match(groups, "", &view));
    assert_true(tb_groups_match(groups, NULL, &view));
    assert_true(tb_groups_match(NULL, "", &view));
    assert_false(tb_groups_match(NULL, "errors", &view));
    tb_groups_free(groups);
}

static void no_groups_are_fine(void **state)
{
    static const char *const words[] = {NULL};
    struct tb_groups *groups = NULL;
    struct some some;
    char why[TB_CONFIG_WHY];
    size_t n;
    (void)state;
    assert_int_equal(make(&some, words, &groups, why), 0);
    (void)tb_groups_list(groups, &n);
    assert_int_equal(n, 0);
    assert_null(tb_groups_list(NULL, &n));
    tb_groups_free(groups);
    tb_groups_free(NULL);
}

static void what_is_wrong_with_one_is_said(void **state)
{
    static const struct {
        const char *words[2 * MOST + 1];
        const char *why;
    } CASES[] = {
        {{"ok", "fault", "bad", "service(\"x\")\"", NULL},
         "groups: entry 2 (\"bad\"): column 13: expected a closing quote for the string that "
         "begins "
         "here, and the expression ends"},
        {{"a", "group.name = \"b\"", NULL},
         "groups: entry 1 (\"a\"): it names the group \"b\", and groups has none of that name"},
        {{"self", "ok OR group.name = self", NULL},
         "groups: entry 1 (\"self\"): it names itself, directly or by another group"},
        {{"x", "ok", "a", "group.name = b", "b", "!group.name = c", "c", "group.name = a", NULL},
         "groups: entry 2 (\"a\"): it names itself, directly or by another group"},
        /* Who only names a circle has no fault of his own; it is told of those in it. */
        {{"out", "group.name = a", "a", "group.name = a", NULL},
         "groups: entry 2 (\"a\"): it names itself, directly or by another group"},
    };
    struct tb_groups *groups = NULL;
    struct some some;
    char why[TB_CONFIG_WHY];
    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(make(&some, CASES[i].words, &groups, why), -EINVAL);
        assert_string_equal(why, CASES[i].why);
    }
}

static void the_settings_file_and_its_line_are_named(void **state)
{
    struct tb_config config;
    char why[TB_CONFIG_WHY];
    const struct tb_config_flags flags = {
        .file = put_file("towbard.yaml", "environment: test\n"
                                         "groups:\n"
                                         "  - name: Cruddur\n"
                                         "    filter: service(\"backend-flask\") {faults}\n")};
    (void)state;
    assert_int_equal(tb_config_load(&flags, &config, why), -EINVAL);
    assert_non_null(strstr(why, "towbard.yaml:2: groups entry 1 (\"Cruddur\"): column 27: expected "
                                "a keyword, not \"faults\"; did you mean \"fault\"?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_parsed_and_found),
        cmocka_unit_test(no_groups_are_fine),
        cmocka_unit_test(what_is_wrong_with_one_is_said),
        cmocka_unit_test_setup_teardown(the_settings_file_and_its_line_are_named, make_test_folder,
                                        remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
