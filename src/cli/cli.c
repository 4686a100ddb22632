/* cli.c - reads the command line and runs the verb.
 *
 * All options are known everywhere, so that they may stand before or after the verb; the verb's row
 * (verbs.c) says which of them it takes. Where a verb has an option of its own by the name of a
 * common one (deploy --version V), the verb's is meant once the verb stands there. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/verb.h"
#include "symbol/worker.h"

int tb_cli_number(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 1)
        return -EINVAL;
    *out = value;
    return 0;
}

/* What the options said beside struct tb_cli. */
struct parsed {
    const struct tb_verb *verb; /* that stands there, as far as a first look tells; or NULL */
    unsigned bits;              /* of all options that were given */
    const char *with[32];       /* name of the option that set bit i */
    int help, version;
};

/* ---- which options count ---- */

static int is_of(const struct tb_verb *verb, const struct tb_option *option)
{
    return verb != NULL && (verb->options & option->bit) != 0;
}

/* Another row of the same name comes first: the verb's own, or the one for every verb. */
static int is_shadowed(const struct tb_verb *verb, size_t at)
{
    for (size_t i = 0; i < tb_n_options; i++) {
        if (i == at || strcmp(tb_options[i].name, tb_options[at].name) != 0)
            continue;
        if (is_of(verb, &tb_options[i]) ||
            (tb_options[i].bit == 0 && !is_of(verb, &tb_options[at])))
            return 1;
    }
    return 0;
}

static size_t fill_table(const struct tb_verb *verb, struct option table[TB_CLI_OPTIONS + 1])
{
    size_t n = 0;
    for (size_t i = 0; i < tb_n_options; i++)
        if (!is_shadowed(verb, i))
            table[n++] = (struct option){
                tb_options[i].name, tb_options[i].value != NULL ? required_argument : no_argument,
                NULL, (int)i + 1};
    return n;
}

/* Does the word begin an option whose value is the next word? */
static int takes_next(const char *word)
{
    size_t len = strcspn(word, "=");
    if (strncmp(word, "--", 2) != 0 || word[len] == '=' || len <= 2)
        return 0;
    for (size_t i = 0; i < tb_n_options; i++)
        if (!is_shadowed(NULL, i) && strncmp(tb_options[i].name, word + 2, len - 2) == 0)
            return tb_options[i].value != NULL;
    return 0;
}

/* A first look: the first word that is neither an option nor the value of one. */
static const struct tb_verb *first_verb(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return i + 1 < argc ? tb_verb_find(argv[i + 1]) : NULL;
        if (strcmp(argv[i], "--version") == 0)
            return NULL;
        if (argv[i][0] != '-')
            return tb_verb_find(argv[i]);
        i += takes_next(argv[i]);
    }
    return NULL;
}

/* ---- what they say ---- */

/* letter is what getopt says: a short option, the row of one that takes no value, or 0. */
static int wrong_option(const char *self, int letter, const char *typed)
{
    if (letter > 0 && letter <= (int)tb_n_options) {
        fprintf(stderr, "towbar: --%s takes no value\n", tb_options[letter - 1].name);
        return TB_EXIT_USAGE;
    }
    if (letter != 0) {
        fprintf(stderr, "towbar: there is no option '-%c'; '%s VERB --help' lists them\n", letter,
                self);
        return TB_EXIT_USAGE;
    }
    const char *names[TB_CLI_OPTIONS];
    for (size_t i = 0; i < tb_n_options; i++)
        names[i] = tb_options[i].name;
    size_t dashes = strspn(typed, "-");
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed + dashes, "="), typed + dashes);
    const char *near = tb_suggest(name, names, tb_n_options);
    fprintf(stderr, "towbar: there is no option '%s'", typed);
    if (near != NULL)
        fprintf(stderr, "; did you mean '--%s'?\n", near);
    else
        fprintf(stderr, "; '%s VERB --help' lists them\n", self);
    return TB_EXIT_USAGE;
}

static void take_text(struct tb_cli *cli, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"config", &cli->flags.file},   {"state-dir", &cli->flags.state_dir},
                 {"spool", &cli->flags.spool},   {"socket", &cli->flags.socket},
                 {"trace", &cli->trace},         {"level", &cli->level},
                 {"listen", &cli->flags.listen}, {"exe", &cli->exe},
                 {"filter", &cli->filter},       {"sort", &cli->sort},
                 {"version", &cli->version},     {"environment", &cli->environment},
                 {"comment", &cli->comment},     {"user", &cli->user},
                 {"status", &cli->status}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].to = value;
}

static void take_switch(struct tb_cli *cli, struct parsed *parsed, const char *name)
{
    const struct {
        const char *name;
        int *to;
    } switches[] = {
        {"json", &cli->json},       {"check", &cli->check},  {"keep", &cli->keep},
        {"all", &cli->all},         {"force", &cli->force},  {"all-frames", &cli->all_frames},
        {"offline", &cli->offline}, {"quiet", &cli->quiet},  {"once", &cli->once},
        {"list", &cli->list},       {"help", &parsed->help}, {"version", &parsed->version}};
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (strcmp(name, switches[i].name) == 0)
            *switches[i].to = 1;
}

/* Stores what one option says. 0 or TB_EXIT_USAGE. */
static int take_option(struct tb_cli *cli, struct parsed *parsed, const struct tb_option *option,
                       const char *value)
{
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {{"item", &cli->item},
                   {"max", &cli->max},
                   {"count", &cli->count},
                   {"interval", &cli->interval_s}};
    if (option->bit != 0) {
        parsed->bits |= option->bit;
        parsed->with[__builtin_ctz(option->bit)] = option->name;
    }
    if (value == NULL) {
        take_switch(cli, parsed, option->name);
        return 0;
    }
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(option->name, numbers[i].name) != 0)
            continue;
        if (tb_cli_number(value, numbers[i].to) == 0)
            return 0;
        fprintf(stderr, "towbar: --%s wants a number from 1 up, not '%s'\n", option->name, value);
        return TB_EXIT_USAGE;
    }
    take_text(cli, option->name, value);
    return 0;
}

/* The row of a short option, as getopt_long would give it; 0 for none. */
static int row_of(int letter)
{
    const char *name = letter == 'h' ? "help" : letter == 'q' ? "quiet" : "";
    for (size_t i = 0; i < tb_n_options; i++)
        if (strcmp(tb_options[i].name, name) == 0)
            return (int)i + 1;
    return 0;
}

static int parse(int argc, char **argv, struct tb_cli *cli, struct parsed *parsed)
{
    struct option table[TB_CLI_OPTIONS + 1] = {{0}};
    parsed->verb = first_verb(argc, argv);
    (void)fill_table(parsed->verb, table);
    opterr = 0;
    optind = 0; /* glibc: start over, also for a second call */
    int got;
    while ((got = getopt_long(argc, argv, ":hq", table, NULL)) != -1) {
        if (got == ':') {
            fprintf(stderr, "towbar: %s wants a value\n", argv[optind - 1]);
            return TB_EXIT_USAGE;
        }
        if (got == '?')
            return wrong_option(cli->self, optopt, argv[optind - 1]);
        if (got == 'h' || got == 'q')
            got = row_of(got);
        int err = take_option(cli, parsed, &tb_options[got - 1], optarg);
        if (err != 0)
            return err;
    }
    cli->words = argv + optind;
    cli->n_words = argc - optind;
    return 0;
}

/* Does what was said fit the verb? */
static int fits(const struct tb_cli *cli, const struct tb_verb *verb, const struct parsed *parsed)
{
    unsigned foreign = parsed->bits & ~verb->options;
    if (foreign != 0) {
        fprintf(stderr, "towbar: '%s' does not take --%s; '%s %s --help' lists what it takes\n",
                *verb->name ? verb->name : cli->self, parsed->with[__builtin_ctz(foreign)],
                cli->self, verb->name);
        return TB_EXIT_USAGE;
    }
    if (cli->n_words >= verb->n_words_min && cli->n_words <= verb->n_words_max)
        return 0;
    if (cli->n_words > verb->n_words_max)
        fprintf(stderr, "towbar: what is '%s'? usage: ", cli->words[verb->n_words_max]);
    else
        fprintf(stderr, "towbar: '%s' needs %s. usage: ", verb->name, verb->words);
    fprintf(stderr, "%s %s%s%s [OPTION...]\n", cli->self, verb->name, *verb->words ? " " : "",
            verb->words);
    return TB_EXIT_USAGE;
}

/* ---- the whole ---- */

static int run(struct tb_cli *cli, const struct tb_verb *verb, const struct parsed *parsed)
{
    if (parsed->version)
        return tb_cmd_version(cli);
    if (parsed->help && verb != &tb_verb_home) {
        tb_help_verb(cli->self, verb);
        return TB_EXIT_WELL;
    }
    if (parsed->help) {
        cli->n_words = 0;
        return tb_cmd_help(cli);
    }
    int err = fits(cli, verb, parsed);
    return err != 0 ? err : verb->run(cli);
}

int tb_cli_main(int argc, char **argv)
{
    /* What symbolize starts: this program again, which shuts itself in. */
    if (argc == 2 && strcmp(argv[1], "--symbol-worker") == 0)
        return tb_symbol_worker(TB_SYMBOL_FD);
    struct tb_cli cli = {.self = argc > 0 ? argv[0] : "towbar"};
    struct parsed parsed = {0};
    const struct tb_verb *verb = &tb_verb_home;
    int err = parse(argc, argv, &cli, &parsed);
    if (err != 0)
        return err;
    if (cli.n_words > 0) {
        verb = tb_verb_find(cli.words[0]);
        if (verb == NULL)
            return tb_help_wrong_verb(cli.self, cli.words[0]);
        cli.words++;
        cli.n_words--;
    }
    err = run(&cli, verb, &parsed);
    /* A full disk or a closed pipe must not look like an answer. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "towbar: cannot write the answer: %s\n", strerror(errno));
        return TB_EXIT_WRONG;
    }
    return err;
}
