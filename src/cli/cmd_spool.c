/* cmd_spool.c - towbar spool: which of its verbs is meant, on which spool, about which files. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/spool.h"
#include "base/suggest.h"

static const struct {
    const char *name;
    unsigned options; /* of TB_OPT_ALL and TB_OPT_FORCE */
    bool needs_name;  /* or --all, where it takes that */
    int (*run)(struct tb_look *look);
} verbs[] = {
    {"ls", 0, false, tb_spool_ls},
    {"cat", TB_OPT_ALL, false, tb_spool_cat},
    {"verify", 0, false, tb_spool_verify},
    {"show", 0, true, tb_spool_show},
    {"retry", TB_OPT_ALL, true, tb_spool_retry},
    {"rm", TB_OPT_ALL | TB_OPT_FORCE, true, tb_spool_rm},
};
enum { N_VERBS = sizeof(verbs) / sizeof(verbs[0]) };

const char tb_spool_help[] =
    "  ls [NAME...]      one line for each file of the spool and each thing in quarantine\n"
    "  cat [NAME...]     the records that are not acknowledged yet; --all: all\n"
    "  verify [NAME...]  check every byte: what is damaged, lost, torn; exits 1 for damage\n"
    "  show NAME...      everything about one, and what to do\n"
    "  retry NAME...     put things of quarantine back into the spool; --all: all of them\n"
    "  rm NAME...        remove things of quarantine (--all: all of them), or files of the spool\n"
    "                    whose process is gone; --force: also with reports that nobody has yet\n"
    "\n"
    "  The first four only read, also while everything runs. Records are shown as the programs\n"
    "  wrote them: nothing in them is scrubbed yet.\n";

static int wrong_verb(const char *name)
{
    const char *names[N_VERBS];
    char clean[TB_SPOOL_TEXT];
    for (size_t i = 0; i < N_VERBS; i++)
        names[i] = verbs[i].name;
    const char *near = tb_suggest(name, names, N_VERBS);
    fprintf(stderr, "towbar: 'spool' has no '%s'", tb_spool_escape(name, clean));
    if (near)
        fprintf(stderr, "; did you mean 'spool %s'?\n", near);
    else
        fprintf(stderr, "; it has ls, cat, verify, show, retry and rm\n");
    return TB_EXIT_USAGE;
}

/* Do words and options fit row i? */
static int check_use(const struct tb_cli *cli, size_t i)
{
    const char *name = verbs[i].name;
    if (cli->all && !(verbs[i].options & TB_OPT_ALL))
        fprintf(stderr, "towbar: 'spool %s' does not take --all\n", name);
    else if (cli->force && !(verbs[i].options & TB_OPT_FORCE))
        fprintf(stderr, "towbar: 'spool %s' does not take --force\n", name);
    else if (verbs[i].needs_name && cli->n_words == 0 && !cli->all)
        fprintf(stderr, "towbar: 'spool %s' needs a NAME%s; '%s spool ls' lists them\n", name,
                verbs[i].options & TB_OPT_ALL ? ", or --all" : "", cli->self);
    else if (verbs[i].needs_name && cli->n_words > 0 && cli->all)
        fprintf(stderr, "towbar: 'spool %s' takes names or --all, not both\n", name);
    else
        return 0;
    return TB_EXIT_USAGE;
}

/* The path of the spool; NULL, said, when there is none. The database is not looked at, so an
 * ordinary user without HOME need not name a place for it. */
static char *path_of(const struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_cli reader = *cli;
    if (reader.flags.spool && !reader.flags.state_dir)
        reader.flags.state_dir = reader.flags.spool;
    if (tb_cli_config(&reader, &config) < 0)
        return NULL;
    char *path = strdup(config.spool);
    tb_config_done(&config);
    return path;
}

/* The verb of row i on the spool at path. */
static int run_on(struct tb_cli *cli, size_t i, const char *path)
{
    struct tb_look look = {.cli = cli, .path = path};
    char why[TB_SPOOL_WHY] = "";
    if (tb_peek_open(path, &look.peek, why) < 0) {
        fprintf(stderr, "towbar: %s\n", why);
        return TB_EXIT_WRONG;
    }
    int code = verbs[i].run(&look);
    tb_peek_close(look.peek);
    return code;
}

int tb_cmd_spool(struct tb_cli *cli)
{
    size_t i = 0;
    if (cli->n_words == 0) {
        printf("usage: %s spool WHAT [NAME...] [OPTION...]\n\n%s", cli->self, tb_spool_help);
        return TB_EXIT_WELL;
    }
    while (i < N_VERBS && strcmp(verbs[i].name, cli->words[0]) != 0)
        i++;
    if (i == N_VERBS)
        return wrong_verb(cli->words[0]);
    cli->words++;
    cli->n_words--;
    int code = check_use(cli, i);
    if (code != 0)
        return code;
    char *path = path_of(cli);
    if (!path)
        return TB_EXIT_WRONG;
    code = run_on(cli, i, path);
    free(path);
    return code;
}

/* Does the word name it? "quarantine/NAME" and "in/NAME" tell two of one name apart. */
static bool names(const char *word, const struct tb_peek_file *file)
{
    const char *folder = file->in_quarantine ? "quarantine/" : "in/";
    size_t len = strlen(folder);
    if (strncmp(word, folder, len) == 0)
        word += len;
    return strcmp(word, file->name) == 0;
}

int tb_spool_select(struct tb_look *look, bool with_quarantine, tb_spool_each *each, void *arg)
{
    const struct tb_cli *cli = look->cli;
    size_t n;
    struct tb_peek_file *files = tb_peek_files(look->peek, &n);
    int code = TB_EXIT_WELL;
    for (size_t i = 0; cli->n_words == 0 && i < n; i++) {
        if (files[i].in_quarantine && !with_quarantine)
            continue;
        int got = each(look, &files[i], arg);
        code = got > code ? got : code;
    }
    for (int w = 0; w < cli->n_words; w++) {
        bool found = false;
        for (size_t i = 0; i < n; i++) {
            if (!names(cli->words[w], &files[i]))
                continue;
            found = true;
            int got = each(look, &files[i], arg);
            code = got > code ? got : code;
        }
        if (found)
            continue;
        char clean[TB_SPOOL_TEXT];
        fprintf(stderr,
                "towbar: there is no '%s' in the spool; '%s spool ls' lists what is there\n",
                tb_spool_escape(cli->words[w], clean), cli->self);
        code = TB_EXIT_WRONG;
    }
    return code;
}

void tb_spool_say_unknown_acks(const struct tb_look *look)
{
    const struct tb_peek_agent *agent = tb_peek_agent(look->peek);
    if (agent->is_known || agent->err == -ENOENT)
        return;
    fprintf(stderr,
            "towbar: the agent's part of the spool cannot be read (%s): no record counts as "
            "acknowledged here, and quarantine is not shown; ask as the user that runs towbard, "
            "or with sudo\n",
            strerror(-agent->err));
}
