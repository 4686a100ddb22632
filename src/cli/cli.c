/* cli.c - reads the command line and finds the verb.
 *
 * All options are known everywhere, so that they may stand before or after the verb; the verb's row
 * says which of them it takes. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/suggest.h"
#include "cli/verb.h"
#include "symbol/worker.h"

static int cmd_help(struct tb_cli *cli);
static int cmd_version(struct tb_cli *cli);

enum { READS = TB_OPT_PLACES | TB_OPT_JSON };

static const struct tb_verb verbs[] = {
    {"demo", "", "show it all on a sample daemon, in a temporary folder", TB_OPT_DEMO, 0, 0,
     tb_cmd_demo},
    {"status", "", "what the agent received, sent, dropped and still holds", READS, 0, 0,
     tb_cmd_status},
    {"items", "", "one line for each bug, the latest first", READS | TB_OPT_MAX, 0, 0,
     tb_cmd_items},
    {"item", "N", "all about one: meaning, stack, trace, notes, why grouped",
     READS | TB_OPT_ALL | TB_OPT_FRAMES, 1, 1, tb_cmd_item},
    {"occurrences", "", "single errors, the latest first; --json: as they are sent",
     READS | TB_OPT_ITEM | TB_OPT_TRACE | TB_OPT_MAX, 0, 0, tb_cmd_occurrences},
    {"trace", "ID", "every error of one trace, the first one first", READS, 1, 1, tb_cmd_trace},
    {"check", "", "is this host ready? says what to mend", TB_OPT_PLACES | TB_OPT_LISTEN, 0, 0,
     tb_cmd_check},
    {"spool", "WHAT ...", "look into the spool, and at what could not be used",
     READS | TB_OPT_ALL | TB_OPT_FORCE, 0, INT_MAX, tb_cmd_spool},
    {"symbolize", "FILE|ADDR...", "addresses to functions and lines, without an agent",
     READS | TB_OPT_ALL | TB_OPT_EXE, 1, INT_MAX, tb_cmd_symbolize},
    {"test", "", "send one item through everything and wait for it",
     TB_OPT_PLACES | TB_OPT_JSON | TB_OPT_LEVEL, 0, 0, tb_cmd_test},
    {"help", "[VERB]", "this text, or that of a verb", 0, 0, 1, cmd_help},
    {"version", "", "which towbar this is", 0, 0, 0, cmd_version},
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static const struct tb_verb home = {"", "",         "status, and what to do next", READS, 0,
                                    0,  tb_cmd_home};

/* One row for each option; val is its row number + 1. */
static const struct {
    const char *name, *value, *help;
    unsigned bit; /* 0: for every verb */
} options[] = {
    {"config", "FILE", "settings, instead of /etc/towbar/towbard.yaml", TB_OPT_PLACES},
    {"state-dir", "DIR", "where the database is", TB_OPT_PLACES},
    {"spool", "DIR", "where the programs leave their reports", TB_OPT_PLACES},
    {"socket", "PATH", "where the agent listens", TB_OPT_PLACES},
    {"listen", "ADDR", "the agent's address, 127.0.0.1:7070", TB_OPT_LISTEN},
    {"exe", "FILE", "the program or library that the addresses are in", TB_OPT_EXE},
    {"json", NULL, "one JSON object a line", TB_OPT_JSON},
    {"item", "N", "only those of this item", TB_OPT_ITEM},
    {"trace", "ID", "only those of this trace", TB_OPT_TRACE},
    {"max", "N", "at most so many", TB_OPT_MAX},
    {"level", "LEVEL", "debug, info, warning, error or critical", TB_OPT_LEVEL},
    {"check", NULL, "verify, clean up and exit 0 or 1", TB_OPT_DEMO},
    {"keep", NULL, "leave the folder behind", TB_OPT_DEMO},
    {"all", NULL, "all of them; of an item the stacks of all threads", TB_OPT_ALL},
    {"all-frames", NULL, "the same, and no frame is folded", TB_OPT_FRAMES},
    {"force", NULL, "also what nobody has yet", TB_OPT_FORCE},
    {"help", NULL, "this text", 0},
    {"version", NULL, "which towbar this is", 0},
};
enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

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

static const struct tb_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int wrong_verb(const char *self, const char *name)
{
    const char *names[N_VERBS];
    for (size_t i = 0; i < N_VERBS; i++)
        names[i] = verbs[i].name;
    const char *near = tb_suggest(name, names, N_VERBS);
    fprintf(stderr, "towbar: there is no verb '%s'", name);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?\n", near);
    else
        fprintf(stderr, "; '%s help' lists them\n", self);
    return TB_EXIT_USAGE;
}

static void print_verb(const char *self, const struct tb_verb *verb)
{
    printf("usage: %s %s%s%s%s\n\n  %s\n\n", self, verb->name, *verb->words ? " " : "", verb->words,
           " [OPTION...]", verb->help);
    if (verb->run == tb_cmd_spool)
        printf("%s\n", tb_spool_help);
    if (verb->run == tb_cmd_symbolize)
        printf("%s\n", tb_symbolize_help);
    puts("options:");
    for (size_t i = 0; i < N_OPTIONS; i++) {
        char left[32];
        if (options[i].bit != 0 && (verb->options & options[i].bit) == 0)
            continue;
        snprintf(left, sizeof(left), "--%s%s%s", options[i].name, options[i].value ? " " : "",
                 options[i].value ? options[i].value : "");
        printf("  %-18s %s\n", left, options[i].help);
    }
}

static int cmd_help(struct tb_cli *cli)
{
    if (cli->n_words == 1) {
        const struct tb_verb *verb = find_verb(cli->words[0]);
        if (verb == NULL)
            return wrong_verb(cli->self, cli->words[0]);
        print_verb(cli->self, verb);
        return TB_EXIT_WELL;
    }
    printf("towbar %s - the errors and crashes of your daemons\n\nusage: %s [VERB] [OPTION...]\n\n",
           TOWBAR_VERSION, cli->self);
    for (size_t i = 0; i < N_VERBS; i++) {
        char left[32];
        snprintf(left, sizeof(left), "%s %s", verbs[i].name, verbs[i].words);
        printf("  %-14s %s\n", left, verbs[i].help);
    }
    printf("\nWithout a verb: %s. '%s VERB --help' lists a verb's options.\n"
           "Exit codes: 0 well, 1 something is wrong with what was asked about, 2 wrong use.\n",
           home.help, cli->self);
    return TB_EXIT_WELL;
}

static int cmd_version(struct tb_cli *cli)
{
    (void)cli;
    printf("towbar %s\n", TOWBAR_VERSION);
    return TB_EXIT_WELL;
}

/* What the options said beside struct tb_cli. */
struct parsed {
    unsigned bits;        /* of all options that were given */
    const char *with[16]; /* name of the option that set bit i */
    int help, version;
};

/* letter is what getopt says: a short option, the row of one that takes no value, or 0. */
static int wrong_option(const char *self, int letter, const char *typed)
{
    if (letter > 0 && letter <= N_OPTIONS) {
        fprintf(stderr, "towbar: --%s takes no value\n", options[letter - 1].name);
        return TB_EXIT_USAGE;
    }
    if (letter != 0) {
        fprintf(stderr, "towbar: there is no option '-%c'; '%s VERB --help' lists them\n", letter,
                self);
        return TB_EXIT_USAGE;
    }
    const char *names[N_OPTIONS];
    for (size_t i = 0; i < N_OPTIONS; i++)
        names[i] = options[i].name;
    size_t dashes = strspn(typed, "-");
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed + dashes, "="), typed + dashes);
    const char *near = tb_suggest(name, names, N_OPTIONS);
    fprintf(stderr, "towbar: there is no option '%s'", typed);
    if (near != NULL)
        fprintf(stderr, "; did you mean '--%s'?\n", near);
    else
        fprintf(stderr, "; '%s VERB --help' lists them\n", self);
    return TB_EXIT_USAGE;
}

/* Stores the value of one option. 0 or TB_EXIT_USAGE. */
static int take_option(struct tb_cli *cli, struct parsed *parsed, const char *name,
                       const char *value)
{
    const struct {
        const char *name;
        const char **to;
    } texts[] = {{"config", &cli->flags.file},   {"state-dir", &cli->flags.state_dir},
                 {"spool", &cli->flags.spool},   {"socket", &cli->flags.socket},
                 {"trace", &cli->trace},         {"level", &cli->level},
                 {"listen", &cli->flags.listen}, {"exe", &cli->exe}};
    const struct {
        const char *name;
        int *to;
    } switches[] = {
        {"json", &cli->json},    {"check", &cli->check},           {"keep", &cli->keep},
        {"all", &cli->all},      {"all-frames", &cli->all_frames}, {"force", &cli->force},
        {"help", &parsed->help}, {"version", &parsed->version}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].to = value;
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
        if (strcmp(name, switches[i].name) == 0)
            *switches[i].to = 1;
    int64_t *number = strcmp(name, "item") == 0  ? &cli->item
                      : strcmp(name, "max") == 0 ? &cli->max
                                                 : NULL;
    if (number == NULL || tb_cli_number(value, number) == 0)
        return 0;
    fprintf(stderr, "towbar: --%s wants a number from 1 up, not '%s'\n", name, value);
    return TB_EXIT_USAGE;
}

static int parse(int argc, char **argv, struct tb_cli *cli, struct parsed *parsed)
{
    struct option table[N_OPTIONS + 1] = {{0}};
    for (size_t i = 0; i < N_OPTIONS; i++)
        table[i] = (struct option){
            options[i].name, options[i].value ? required_argument : no_argument, NULL, (int)i + 1};
    opterr = 0;
    optind = 0; /* glibc: start over, also for a second call */
    int got;
    while ((got = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
        if (got == 'h') {
            parsed->help = 1;
            continue;
        }
        if (got == ':') {
            fprintf(stderr, "towbar: %s wants a value\n", argv[optind - 1]);
            return TB_EXIT_USAGE;
        }
        if (got == '?')
            return wrong_option(cli->self, optopt, argv[optind - 1]);
        const unsigned bit = options[got - 1].bit;
        parsed->bits |= bit;
        if (bit != 0)
            parsed->with[__builtin_ctz(bit)] = options[got - 1].name;
        int err = take_option(cli, parsed, options[got - 1].name, optarg);
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

int tb_cli_main(int argc, char **argv)
{
    /* What symbolize starts: this program again, which shuts itself in. */
    if (argc == 2 && strcmp(argv[1], "--symbol-worker") == 0)
        return tb_symbol_worker(TB_SYMBOL_FD);
    struct tb_cli cli = {.self = argc > 0 ? argv[0] : "towbar"};
    struct parsed parsed = {0};
    const struct tb_verb *verb = &home;
    int err = parse(argc, argv, &cli, &parsed);
    if (err != 0)
        return err;
    if (cli.n_words > 0) {
        verb = find_verb(cli.words[0]);
        if (verb == NULL)
            return wrong_verb(cli.self, cli.words[0]);
        cli.words++;
        cli.n_words--;
    }
    if (parsed.version)
        return cmd_version(&cli);
    if (parsed.help && verb != &home) {
        print_verb(cli.self, verb);
        return TB_EXIT_WELL;
    }
    if (parsed.help) {
        cli.n_words = 0;
        return cmd_help(&cli);
    }
    if ((err = fits(&cli, verb, &parsed)) != 0)
        return err;
    err = verb->run(&cli);
    /* A full disk or a closed pipe must not look like an answer. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "towbar: cannot write the answer: %s\n", strerror(errno));
        return TB_EXIT_WRONG;
    }
    return err;
}
