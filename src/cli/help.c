/* help.c - what the program says about itself: its verbs, one verb, its version. */
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/verb.h"

/* Names that are kept for later (docs/design.md): said so, instead of a guess at what was meant. */
static const char *const PLANNED[] = {"run", "attach", "detach", "core", "resolve", "mute"};
enum { N_PLANNED = sizeof(PLANNED) / sizeof(PLANNED[0]), VERBS_MAX = 32 };

int tb_help_wrong_verb(const char *self, const char *name)
{
    const char *names[VERBS_MAX];
    size_t n = 0;
    for (; n < tb_n_verbs && n < VERBS_MAX; n++)
        names[n] = tb_verbs[n].name;
    for (size_t i = 0; i < N_PLANNED; i++)
        if (strcmp(PLANNED[i], name) == 0) {
            fprintf(stderr, "towbar: '%s' is not in this version; '%s help' lists what is\n", name,
                    self);
            return TB_EXIT_USAGE;
        }
    const char *near = tb_suggest(name, names, n);
    fprintf(stderr, "towbar: there is no verb '%s'", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        fprintf(stderr, "; '%s help' lists them\n", self);
    return TB_EXIT_USAGE;
}

/* Of two options of one name the verb's own is meant. */
static int is_hidden(const struct tb_verb *verb, const struct tb_option *option)
{
    if (option->bit != 0)
        return (verb->options & option->bit) == 0;
    for (size_t i = 0; i < tb_n_options; i++)
        if (tb_options[i].bit != 0 && (verb->options & tb_options[i].bit) != 0 &&
            strcmp(tb_options[i].name, option->name) == 0)
            return 1;
    return 0;
}

void tb_help_verb(const char *self, const struct tb_verb *verb)
{
    printf("usage: %s %s%s%s%s\n\n  %s\n\n", self, verb->name, *verb->words ? " " : "", verb->words,
           " [OPTION...]", verb->help);
    if (verb->more != NULL)
        printf("%s\n", verb->more);
    puts("options:");
    for (size_t i = 0; i < tb_n_options; i++) {
        const struct tb_option *option = &tb_options[i];
        char left[32];
        if (is_hidden(verb, option))
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        printf("  %-18s %s\n", left, option->help);
    }
    printf("\nexample: %s %s\nexit codes: %s; 2 wrong use\n", self, verb->example, verb->exits);
}

int tb_cmd_help(struct tb_cli *cli)
{
    if (cli->n_words == 1) {
        const struct tb_verb *verb = tb_verb_find(cli->words[0]);
        if (verb == NULL)
            return tb_help_wrong_verb(cli->self, cli->words[0]);
        tb_help_verb(cli->self, verb);
        return TB_EXIT_WELL;
    }
    printf("towbar %s - the errors and crashes of your daemons\n\nusage: %s [VERB] [OPTION...]\n\n",
           TOWBAR_VERSION, cli->self);
    for (size_t i = 0; i < tb_n_verbs; i++) {
        char left[32];
        snprintf(left, sizeof(left), "%s %s", tb_verbs[i].name, tb_verbs[i].words);
        printf("  %-16s %s\n", left, tb_verbs[i].help);
    }
    printf("\nWithout a verb: %s. '%s VERB --help' lists a verb's options.\n"
           "Exit codes: 0 well, 1 something is wrong with what was asked about, 2 wrong use.\n",
           tb_verb_home.help, cli->self);
    return TB_EXIT_WELL;
}

int tb_cmd_version(struct tb_cli *cli)
{
    (void)cli;
    printf("towbar %s\n", TOWBAR_VERSION);
    return TB_EXIT_WELL;
}
