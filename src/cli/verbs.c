/* verbs.c - the verbs and the options: tables from which parsing, help and completion are made. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "cli/verb.h"

enum { READS = TB_OPT_PLACES | TB_OPT_JSON, CHOICES = 16, CHOICE_BYTES = 24 };

static const char FILTER_HELP[] =
    "  EXPR is the name of one of `groups` in the settings, or a filter expression, like\n"
    "  'service(\"feedd\") {fault}'. What does not parse ends it with 2 and the column.\n";
static const char READ_EXITS[] = "0 shown, also when there is nothing; 1 it cannot be read";

const struct tb_verb tb_verbs[] = {
    {"demo", "", "show it all on a sample daemon, in a temporary folder", TB_OPT_DEMO, 0, 0,
     tb_cmd_demo, "demo --check", "0 everything came as it should; 1 something did not",
     "  Needs no account, no settings and no root. Ends with Ctrl-C; in a pipe it checks and "
     "ends.\n",
     NULL},
    {"status", "", "what the agent received, sent, dropped and still holds", READS | TB_OPT_QUIET,
     0, 0, tb_cmd_status, "status --json",
     "0 the agent runs and nothing is stuck; 1 something is to be mended, and it says what", NULL,
     NULL},
    {"top", "", "what comes in now, live: rates, totals, the agent's own line", READS | TB_OPT_TOP,
     0, 0, tb_cmd_top, "top --sort total", "0 shown; 1 neither database nor agent can be asked",
     "  Keys: q quit, p pause, g by service, and the order: r rate, t total, l last, v level,\n"
     "  s service. In a pipe, with --once or --json, it prints --count pictures (1) and ends.\n",
     NULL},
    {"items", "", "one line for each bug, the latest first", READS | TB_OPT_MAX | TB_OPT_FILTER, 0,
     0, tb_cmd_items, "items --filter 'service(\"feedd\") {fault}'", READ_EXITS, FILTER_HELP, NULL},
    {"item", "N", "all about one: meaning, stack, trace, notes, why grouped",
     READS | TB_OPT_ALL | TB_OPT_FRAMES, 1, 1, tb_cmd_item, "item 1 --all",
     "0 shown; 1 there is no such item, or it cannot be read", NULL, NULL},
    {"occurrences", "", "single errors, the latest first; --json: as they are sent",
     READS | TB_OPT_ITEM | TB_OPT_TRACE | TB_OPT_MAX | TB_OPT_FILTER, 0, 0, tb_cmd_occurrences,
     "occurrences --item 1 --json", READ_EXITS, FILTER_HELP, NULL},
    {"trace", "ID", "every error of one trace, the first one first", READS, 1, 1, tb_cmd_trace,
     "trace 4bf92f3577b34da6a3ce929d0e0e4736",
     "0 shown; 1 no error of that trace is known here, or it cannot be read", NULL, NULL},
    {"check", "[FILE]", "is this host ready? says what to mend",
     READS | TB_OPT_LISTEN | TB_OPT_OFFLINE, 0, 1, tb_cmd_check,
     "check --offline /etc/towbar/towbard.yaml", "0 nothing is to be mended; 1 something is",
     "  FILE is checked as the settings, as with --config. Nothing on the host is changed, and no\n"
     "  item is sent: Rollbar is only connected to, and with --offline not even that.\n",
     NULL},
    {"spool", "WHAT ...", "look into the spool, and at what could not be used",
     READS | TB_OPT_ALL | TB_OPT_FORCE, 0, INT_MAX, tb_cmd_spool, "spool verify",
     "0 well; 1 something is damaged, not there, or cannot be read", tb_spool_help,
     "ls cat verify show retry rm"},
    {"symbolize", "FILE|ADDR...", "addresses to functions and lines, without an agent",
     READS | TB_OPT_ALL | TB_OPT_EXE, 1, INT_MAX, tb_cmd_symbolize,
     "symbolize --exe /usr/sbin/feedd 0x11d4", "0 something was named; 1 nothing was",
     tb_symbolize_help, NULL},
    {"test", "", "send one item through everything and wait for it", READS | TB_OPT_LEVEL, 0, 0,
     tb_cmd_test, "test --level error",
     "0 it is stored, and with a token Rollbar took it; 1 it did not get that far", NULL, NULL},
    {"deploy", "[N]", "tells of a new version, or of its next status",
     READS | TB_OPT_DEPLOY | TB_OPT_MAX, 0, 1, tb_cmd_deploy,
     "deploy --version 1.4.2 --environment production", "0 the agent has it; 1 it does not",
     "  The agent keeps it, shows it beside the errors, and tells Rollbar. Without --status it "
     "has\n"
     "  succeeded; N is the number that an earlier deploy --status started was given.\n",
     NULL},
    {"completion", "SHELL", "a script that completes verbs and options: bash, zsh or fish", 0, 1, 1,
     tb_cmd_completion, "completion bash", "0 printed",
     "  bash: source <(towbar completion bash), or into /etc/bash_completion.d/towbar\n"
     "  zsh:  towbar completion zsh > ~/.zfunc/_towbar, with ~/.zfunc in fpath\n"
     "  fish: towbar completion fish > ~/.config/fish/completions/towbar.fish\n",
     "bash zsh fish"},
    {"help", "[VERB]", "this text, or that of a verb", 0, 0, 1, tb_cmd_help, "help items",
     "0 printed", NULL, NULL},
    {"version", "", "which towbar this is", 0, 0, 0, tb_cmd_version, "version", "0 printed", NULL,
     NULL},
};
const size_t tb_n_verbs = sizeof(tb_verbs) / sizeof(tb_verbs[0]);

const struct tb_verb tb_verb_home = {
    "",   "",  "status, and what to do next", READS | TB_OPT_QUIET, 0, 0, tb_cmd_home, "", "",
    NULL, NULL};

const struct tb_option tb_options[] = {
    {"config", "FILE", "settings, instead of /etc/towbar/towbard.yaml", TB_OPT_PLACES},
    {"state-dir", "DIR", "where the database is", TB_OPT_PLACES},
    {"spool", "DIR", "where the programs leave their reports", TB_OPT_PLACES},
    {"socket", "PATH", "where the agent listens", TB_OPT_PLACES},
    {"listen", "ADDR", "the agent's address, 127.0.0.1:7070", TB_OPT_LISTEN},
    {"exe", "FILE", "the program or library that the addresses are in", TB_OPT_EXE},
    {"json", NULL, "one JSON object a line", TB_OPT_JSON},
    {"offline", NULL, "ask nobody outside of this host", TB_OPT_OFFLINE},
    {"quiet", NULL, "say nothing, only the exit code; also -q", TB_OPT_QUIET},
    {"once", NULL, "one picture, also on a terminal", TB_OPT_TOP},
    {"count", "N", "so many pictures, then the end", TB_OPT_TOP},
    {"interval", "S", "seconds between them, 2", TB_OPT_TOP},
    {"sort", "KEY", "rate, total, last, level or service", TB_OPT_TOP},
    {"item", "N", "only those of this item", TB_OPT_ITEM},
    {"trace", "ID", "only those of this trace", TB_OPT_TRACE},
    {"max", "N", "at most so many", TB_OPT_MAX},
    {"filter", "EXPR", "only what a group, or an expression as of X-Ray, matches", TB_OPT_FILTER},
    {"level", "LEVEL", "debug, info, warning, error or critical", TB_OPT_LEVEL},
    {"version", "V", "what was deployed: a commit or a version", TB_OPT_DEPLOY},
    {"environment", "E", "where to; else the agent's own", TB_OPT_DEPLOY},
    {"comment", "TEXT", "what is new", TB_OPT_DEPLOY},
    {"user", "NAME", "who did it; else this user", TB_OPT_DEPLOY},
    {"status", "S", "started, succeeded, failed or timed_out", TB_OPT_DEPLOY},
    {"list", NULL, "the deploys so far, the latest first", TB_OPT_DEPLOY},
    {"check", NULL, "verify, clean up and exit 0 or 1", TB_OPT_DEMO},
    {"keep", NULL, "leave the folder behind", TB_OPT_DEMO},
    {"all", NULL, "all of them; of an item the stacks of all threads", TB_OPT_ALL},
    {"all-frames", NULL, "the same, and no frame is folded", TB_OPT_FRAMES},
    {"force", NULL, "also what nobody has yet", TB_OPT_FORCE},
    {"help", NULL, "this text", 0},
    {"version", NULL, "which towbar this is", 0},
};
const size_t tb_n_options = sizeof(tb_options) / sizeof(tb_options[0]);
_Static_assert(sizeof(tb_options) / sizeof(tb_options[0]) <= TB_CLI_OPTIONS, "TB_CLI_OPTIONS");

const struct tb_verb *tb_verb_find(const char *name)
{
    for (size_t i = 0; i < tb_n_verbs; i++)
        if (strcmp(tb_verbs[i].name, name) == 0)
            return &tb_verbs[i];
    return NULL;
}

int tb_verb_wrong_choice(const struct tb_cli *cli, const char *verb, const char *word)
{
    const struct tb_verb *row = tb_verb_find(verb);
    char mem[CHOICES][CHOICE_BYTES];
    const char *names[CHOICES];
    size_t n = 0;
    for (const char *at = row->choices; *at != '\0' && n < CHOICES; n++) {
        size_t len = strcspn(at, " ");
        snprintf(mem[n], CHOICE_BYTES, "%.*s", (int)len, at);
        names[n] = mem[n];
        at += len + (at[len] == ' ');
    }
    const char *near = tb_suggest(word, names, n);
    fprintf(stderr, "towbar: '%s' has no '%.64s'", verb, word);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s %s'?\n", verb, near);
    else
        fprintf(stderr, "; it has %s; '%s %s --help' says more\n", row->choices, cli->self, verb);
    return TB_EXIT_USAGE;
}
