/* verb.h - what the command line said, and one row for each verb.
 *
 * A verb writes its answer to stdout and its complaints to stderr, and returns the exit code. */
#ifndef TB_CLI_VERB_H
#define TB_CLI_VERB_H

#include <stddef.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "store/store.h"

enum { TB_CLI_COMMAND = 2048 };
enum { TB_EXIT_WELL, TB_EXIT_WRONG, TB_EXIT_USAGE };

struct tb_cli {
    const char *self; /* how the program was called: in hints */
    struct tb_config_flags flags;
    int json, check, keep, all, all_frames, force;
    int64_t item;       /* --item; 0: any */
    const char *trace;  /* --trace as it was typed; NULL: any */
    const char *level;  /* NULL: none was named */
    const char *exe;    /* --exe; NULL: none was named */
    const char *filter; /* --filter; NULL: everything */
    int64_t max;        /* --max; 0: the verb's own */
    int offline, quiet, once, list;
    int64_t count, interval_s; /* of top; 0: not said */
    const char *sort;          /* of top; NULL: not said */
    /* Of deploy; NULL: not said. */
    const char *version, *environment, *comment, *user, *status;
    char **words; /* what follows the verb */
    int n_words;
};

/* Which options a verb takes, as bits. */
enum tb_cli_options {
    TB_OPT_PLACES = 1, /* --config --state-dir --spool --socket */
    TB_OPT_JSON = 2,
    TB_OPT_ITEM = 4,
    TB_OPT_TRACE = 8,
    TB_OPT_LEVEL = 16,
    TB_OPT_DEMO = 32, /* --check --keep */
    TB_OPT_MAX = 64,
    TB_OPT_LISTEN = 128,
    TB_OPT_ALL = 256,
    TB_OPT_FORCE = 512,
    TB_OPT_FRAMES = 1024,
    TB_OPT_EXE = 2048,
    TB_OPT_OFFLINE = 4096,
    TB_OPT_QUIET = 8192,
    TB_OPT_TOP = 16384,    /* --once --count --interval --sort */
    TB_OPT_DEPLOY = 32768, /* --version --environment --comment --user --status --list */
    TB_OPT_FILTER = 65536,
};

struct tb_verb {
    const char *name;
    const char *words; /* shown in the usage: "N", "ID" or "" */
    const char *help;  /* one line */
    unsigned options;
    int n_words_min, n_words_max;
    int (*run)(struct tb_cli *cli);
    const char *example; /* what follows the program's name */
    const char *exits;   /* what 0 and 1 mean; 2 is always wrong use */
    const char *more;    /* lines for its help, or NULL */
    const char *choices; /* what its first word may be, by blanks; NULL: not a fixed set */
};

/* An option; the same name may stand there twice, for one verb and for all others. */
struct tb_option {
    const char *name, *value, *help; /* value NULL: it takes none */
    unsigned bit;                    /* of enum tb_cli_options; 0: for every verb */
};

/* What there is, for help, completion and tests: verbs.c. */
extern const struct tb_verb tb_verbs[];
extern const size_t tb_n_verbs;
extern const struct tb_verb tb_verb_home; /* no verb at all */
enum { TB_CLI_OPTIONS = 40 };             /* at most */
extern const struct tb_option tb_options[];
extern const size_t tb_n_options;
/* NULL where there is none of that name. */
const struct tb_verb *tb_verb_find(const char *name);
/* The first word is none of the verb's choices: says so, with the nearest. Returns the exit code.
 */
int tb_verb_wrong_choice(const struct tb_cli *cli, const char *verb, const char *word);

int tb_cmd_home(struct tb_cli *cli); /* no verb at all */
int tb_cmd_demo(struct tb_cli *cli);
int tb_cmd_status(struct tb_cli *cli);
int tb_cmd_items(struct tb_cli *cli);
int tb_cmd_item(struct tb_cli *cli);
int tb_cmd_occurrences(struct tb_cli *cli);
int tb_cmd_trace(struct tb_cli *cli);
int tb_cmd_check(struct tb_cli *cli);
int tb_cmd_test(struct tb_cli *cli);
int tb_cmd_spool(struct tb_cli *cli);
int tb_cmd_symbolize(struct tb_cli *cli);
int tb_cmd_top(struct tb_cli *cli);
int tb_cmd_deploy(struct tb_cli *cli);
int tb_cmd_completion(struct tb_cli *cli);
int tb_cmd_help(struct tb_cli *cli);
int tb_cmd_version(struct tb_cli *cli);
/* What else it takes, for its help. */
extern const char tb_symbolize_help[];
/* Its verbs, for its help. */
extern const char tb_spool_help[];

/* The help of one verb, on stdout. */
void tb_help_verb(const char *self, const struct tb_verb *verb);
/* There is no such verb: says so, with the nearest. Returns the exit code. */
int tb_help_wrong_verb(const char *self, const char *name);

/* The settings: 0, or a negative errno that was said on stderr. */
int tb_cli_config(const struct tb_cli *cli, struct tb_config *out);
/* The same for a verb that only reads the database: the state folder is enough. */
int tb_cli_config_to_read(const struct tb_cli *cli, struct tb_config *out);
/* The database, to read: 0; -ENOENT in silence when there is none yet; another negative errno that
 * was said on stderr. */
int tb_cli_store(const struct tb_config *config, struct tb_store **out);
/* Appends a word as the shell wants it. */
void tb_cli_quote(struct tb_buf *buf, const char *word);
/* The program with a verb, and the places that were named on the command line: to be typed as it
 * stands. Returns out. */
const char *tb_cli_command(const struct tb_cli *cli, const char *verb, char out[TB_CLI_COMMAND]);
/* A whole number from 1 up: 0 or -EINVAL. */
int tb_cli_number(const char *text, int64_t *out);

#endif
