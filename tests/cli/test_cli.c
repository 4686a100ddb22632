/* test_cli.c - the command line: verbs, options, help, exit codes. */
#include "run.h"

static const char *const verbs[] = {"demo",  "status", "items", "item", "occurrences",
                                    "trace", "check",  "test",  "spool"};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static void help_lists_every_verb(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "help", NULL), 0);
    for (size_t i = 0; i < N_VERBS; i++)
        run_has(run->out, verbs[i]);
    run_has(run->out, "Exit codes");
    assert_string_equal(run->err, "");
    assert_int_equal(run_plain(run, "--help", NULL), 0);
    run_has(run->out, "occurrences");
}

static void every_verb_explains_itself(void **state)
{
    struct run *run = *state;
    for (size_t i = 0; i < N_VERBS; i++) {
        char usage[64];
        snprintf(usage, sizeof(usage), "usage: towbar %s", verbs[i]);
        assert_int_equal(run_plain(run, verbs[i], "--help", NULL), 0);
        run_has(run->out, usage);
        run_has(run->out, "--help");
        assert_int_equal(run_plain(run, "help", verbs[i], NULL), 0);
        run_has(run->out, usage);
    }
    assert_int_equal(run_plain(run, "help", "occurrences", NULL), 0);
    run_has(run->out, "--trace ID");
    run_has_not(run->out, "--keep");
}

static void version_is_said(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "--version", NULL), 0);
    assert_string_equal(run->out, "towbar " TOWBAR_VERSION "\n");
    assert_int_equal(run_plain(run, "version", NULL), 0);
    assert_string_equal(run->out, "towbar " TOWBAR_VERSION "\n");
}

static void an_unknown_verb_is_wrong_use_and_the_nearest_is_named(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "itmes", NULL), 2);
    assert_string_equal(run->err, "towbar: there is no verb 'itmes'; did you mean 'items'?\n");
    assert_string_equal(run->out, "");
    assert_int_equal(run_plain(run, "no-such-verb", NULL), 2);
    run_has(run->err, "'towbar help' lists them");
    assert_int_equal(run_plain(run, "help", "itmes", NULL), 2);
    run_has(run->err, "'items'");
}

static void an_unknown_option_is_wrong_use_and_the_nearest_is_named(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "items", "--jsno", NULL), 2);
    run_has(run->err, "'--jsno'; did you mean '--json'?");
    assert_int_equal(run_plain(run, "items", "--spol=x", NULL), 2);
    run_has(run->err, "did you mean '--spool'?");
    assert_int_equal(run_plain(run, "items", "-x", NULL), 2);
    run_has(run->err, "'-x'");
    assert_int_equal(run_plain(run, "items", "--json=yes", NULL), 2);
    run_has(run->err, "--json takes no value");
    assert_int_equal(run_plain(run, "items", "--spool", NULL), 2);
    run_has(run->err, "--spool wants a value");
}

static void an_option_of_another_verb_is_wrong_use(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "items", "--keep", NULL), 2);
    run_has(run->err, "'items' does not take --keep");
    assert_int_equal(run_plain(run, "demo", "--json", NULL), 2);
    run_has(run->err, "'demo' does not take --json");
    assert_int_equal(run_plain(run, "check", "--json", NULL), 2);
}

static void words_too_many_and_too_few_are_wrong_use(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "item", NULL), 2);
    run_has(run->err, "'item' needs N");
    assert_int_equal(run_plain(run, "item", "1", "2", NULL), 2);
    run_has(run->err, "what is '2'?");
    assert_int_equal(run_plain(run, "status", "now", NULL), 2);
    assert_int_equal(run_plain(run, "trace", NULL), 2);
}

static void numbers_must_be_numbers(void **state)
{
    static const char *const bad[] = {"0", "-1", "x", "1x", "", "99999999999999999999"};
    struct run *run = *state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char option[64];
        snprintf(option, sizeof(option), "--item=%s", bad[i]);
        assert_int_equal(run_here(run, "occurrences", option), 2);
        run_has(run->err, "--item wants a number");
    }
    assert_int_equal(run_here(run, "item", "seven"), 2);
    run_has(run->err, "'seven'");
}

static void options_may_stand_before_the_verb(void **state)
{
    struct run *run = *state;
    run_fill(run);
    assert_int_equal(
        run_plain(run, "--state-dir", run->state, "--json", "--config", run->config, "items", NULL),
        0);
    run_has(run->out, "\"number\":1");
}

static void settings_that_cannot_be_read_are_named(void **state)
{
    struct run *run = *state;
    FILE *config = fopen(run->config, "we");
    assert_non_null(config);
    fputs("enviroment: test\n", config);
    fclose(config);
    assert_int_equal(run_here(run, "items"), 1);
    run_has(run->err, run->config);
    run_has(run->err, "enviroment");
    assert_string_equal(run->out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(help_lists_every_verb, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(every_verb_explains_itself, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(version_is_said, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(an_unknown_verb_is_wrong_use_and_the_nearest_is_named,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(an_unknown_option_is_wrong_use_and_the_nearest_is_named,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(an_option_of_another_verb_is_wrong_use, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(words_too_many_and_too_few_are_wrong_use, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(numbers_must_be_numbers, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(options_may_stand_before_the_verb, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(settings_that_cannot_be_read_are_named, run_setup,
                                        run_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
