/* test_cli.c - the command line: verbs, options, help, exit codes. */
#include "cli/verb.h"
#include "run.h"

static void help_lists_every_verb(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "help", NULL), 0);
    for (size_t i = 0; i < tb_n_verbs; i++)
        run_has(run->out, tb_verbs[i].name);
    run_has(run->out, "Exit codes");
    assert_string_equal(run->err, "");
    assert_int_equal(run_plain(run, "--help", NULL), 0);
    run_has(run->out, "occurrences");
}

/* Does the verb take the option? */
static int takes(const struct tb_verb *verb, const struct tb_option *option)
{
    return option->bit == 0 || (verb->options & option->bit) != 0;
}

static void every_verb_explains_itself(void **state)
{
    struct run *run = *state;
    for (size_t i = 0; i < tb_n_verbs; i++) {
        char usage[64];
        char example[128];
        snprintf(usage, sizeof(usage), "usage: towbar %s", tb_verbs[i].name);
        snprintf(example, sizeof(example), "example: towbar %s", tb_verbs[i].example);
        assert_int_equal(strncmp(tb_verbs[i].example, tb_verbs[i].name, strlen(tb_verbs[i].name)),
                         0);
        assert_int_equal(run_plain(run, tb_verbs[i].name, "--help", NULL), 0);
        run_has(run->out, usage);
        run_has(run->out, "--help");
        run_has(run->out, example);
        run_has(run->out, "exit codes: 0 ");
        run_has(run->out, "; 2 wrong use");
        assert_int_equal(run_plain(run, "help", tb_verbs[i].name, NULL), 0);
        run_has(run->out, usage);
        assert_int_equal(run_plain(run, tb_verbs[i].name, "-h", NULL), 0);
        run_has(run->out, usage);
    }
}

static void every_verb_names_its_options_and_refuses_those_of_others(void **state)
{
    struct run *run = *state;
    for (size_t i = 0; i < tb_n_verbs; i++)
        for (size_t j = 0; j < tb_n_options; j++) {
            char line[64];
            char option[64];
            snprintf(line, sizeof(line), "\n  --%s%s%s ", tb_options[j].name,
                     tb_options[j].value != NULL ? " " : "",
                     tb_options[j].value != NULL ? tb_options[j].value : "");
            snprintf(option, sizeof(option), "--%s%s", tb_options[j].name,
                     tb_options[j].value != NULL ? "=1" : "");
            assert_int_equal(run_plain(run, tb_verbs[i].name, "--help", NULL), 0);
            if (takes(&tb_verbs[i], &tb_options[j])) {
                if (strcmp(tb_options[j].name, "version") != 0)
                    run_has(run->out, line);
                continue;
            }
            run_has_not(run->out, line);
            assert_int_equal(run_plain(run, tb_verbs[i].name, option, NULL), 2);
        }
}

static void every_verb_refuses_what_there_is_not(void **state)
{
    struct run *run = *state;
    for (size_t i = 0; i < tb_n_verbs; i++) {
        assert_int_equal(run_plain(run, tb_verbs[i].name, "--jsno", NULL), 2);
        run_has(run->err, "did you mean '--json'?");
        assert_int_equal(run_plain(run, tb_verbs[i].name, "-x", NULL), 2);
        assert_string_equal(run->out, "");
    }
}

static void a_word_of_a_fixed_set_is_guessed(void **state)
{
    struct run *run = *state;
    assert_int_equal(run_plain(run, "completion", "bahs", NULL), 2);
    run_has(run->err, "did you mean 'completion bash'?");
    assert_int_equal(run_plain(run, "completion", "tcsh-or-so", NULL), 2);
    run_has(run->err, "it has bash zsh fish");
    assert_int_equal(run_plain(run, "spool", "verfy", NULL), 2);
    run_has(run->err, "did you mean 'spool verify'?");
    assert_int_equal(run_here(run, "test", "--level", "eror"), 2);
    run_has(run->err, "did you mean 'error'?");
}

static void a_verb_of_a_later_version_is_not_claimed(void **state)
{
    static const char *const later[] = {"run", "attach", "detach", "core", "resolve", "mute"};
    struct run *run = *state;
    for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
        assert_int_equal(run_plain(run, later[i], "1", NULL), 2);
        run_has(run->err, "is not in this version");
    }
    assert_int_equal(run_plain(run, "help", NULL), 0);
    run_has_not(run->out, "resolve");
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
        cmocka_unit_test_setup_teardown(every_verb_names_its_options_and_refuses_those_of_others,
                                        run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(every_verb_refuses_what_there_is_not, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(a_word_of_a_fixed_set_is_guessed, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_verb_of_a_later_version_is_not_claimed, run_setup,
                                        run_teardown),
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
