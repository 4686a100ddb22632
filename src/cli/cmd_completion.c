/* cmd_completion.c - towbar completion: scripts for shells, made from the tables of verbs.c, so
 * that nothing is kept by hand. */
#include <stdio.h>
#include <string.h>

#include "cli/verb.h"

static int is_offered(const struct tb_verb *verb, const struct tb_option *option)
{
    return option->bit == 0 || (verb->options & option->bit) != 0;
}

/* "--json --max ...": those of the verb, each once. */
static void print_options(const struct tb_verb *verb)
{
    const char *between = "";
    for (size_t i = 0; i < tb_n_options; i++) {
        int is_there = 0;
        for (size_t j = 0; j < i; j++)
            is_there |= is_offered(verb, &tb_options[j]) &&
                        strcmp(tb_options[i].name, tb_options[j].name) == 0;
        if (is_there || !is_offered(verb, &tb_options[i]))
            continue;
        printf("%s--%s", between, tb_options[i].name);
        between = " ";
    }
}

/* What may follow an option: files, folders, one of some words. */
static const struct {
    const char *value, *bash, *zsh;
} VALUES[] = {{"FILE", "COMPREPLY=($(compgen -f -- \"$cur\"))", "_files"},
              {"PATH", "COMPREPLY=($(compgen -f -- \"$cur\"))", "_files"},
              {"DIR", "COMPREPLY=($(compgen -d -- \"$cur\"))", "_files -/"},
              {"LEVEL", "COMPREPLY=($(compgen -W 'debug info warning error critical' -- \"$cur\"))",
               "_values level debug info warning error critical"}};
enum { N_VALUES = sizeof(VALUES) / sizeof(VALUES[0]) };

static void print_verbs(void)
{
    for (size_t i = 0; i < tb_n_verbs; i++)
        printf("%s%s", i == 0 ? "" : " ", tb_verbs[i].name);
}

static int takes_files(const struct tb_verb *verb)
{
    return strstr(verb->words, "FILE") != NULL;
}

/* Cases "--config|--exe) ...;;" for each kind of value; other values are the user's to know. */
static void bash_values(void)
{
    for (size_t v = 0; v < N_VALUES; v++) {
        const char *between = "    ";
        for (size_t i = 0; i < tb_n_options; i++) {
            if (tb_options[i].value == NULL || strcmp(tb_options[i].value, VALUES[v].value) != 0)
                continue;
            printf("%s--%s", between, tb_options[i].name);
            between = "|";
        }
        printf(") %s; return;;\n", VALUES[v].bash);
    }
}

static void bash(void)
{
    printf("# bash completion of towbar " TOWBAR_VERSION "\n"
           "_towbar() {\n"
           "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "  local verb= skip= word options= words= files=\n"
           "  COMPREPLY=()\n"
           "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
           "    if [ -n \"$skip\" ]; then skip=; continue; fi\n"
           "    case $word in\n      ");
    const char *between = "";
    for (size_t i = 0; i < tb_n_options; i++)
        if (tb_options[i].value != NULL) {
            printf("%s--%s", between, tb_options[i].name);
            between = "|";
        }
    printf(") skip=1;;\n      -*) ;;\n      *) verb=$word; break;;\n    esac\n  done\n"
           "  case $prev in\n");
    bash_values();
    printf("  esac\n  case $verb in\n    '') words='");
    print_verbs();
    printf("'; options='");
    print_options(&tb_verb_home);
    printf("';;\n");
    for (size_t i = 0; i < tb_n_verbs; i++) {
        const struct tb_verb *verb = &tb_verbs[i];
        printf("    %s) options='", verb->name);
        print_options(verb);
        printf("'; words='");
        if (verb->run == tb_cmd_help)
            print_verbs();
        else
            printf("%s", verb->choices != NULL ? verb->choices : "");
        printf("'; files=%s;;\n", takes_files(verb) ? "1" : "");
    }
    printf("  esac\n"
           "  case $cur in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"));;\n"
           "    *) COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "       [ -n \"$files\" ] && COMPREPLY+=($(compgen -f -- \"$cur\"));;\n"
           "  esac\n"
           "}\n"
           "complete -o filenames -F _towbar towbar\n");
}

/* A help text inside of single quotes and brackets. */
static void print_quoted(const char *text, const char *hidden)
{
    for (; *text != '\0'; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(hidden, *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
}

static void zsh_option(const struct tb_option *option)
{
    printf(" \\\n        '--%s[", option->name);
    print_quoted(option->help, "[]:\\");
    putchar(']');
    if (option->value != NULL) {
        const char *how = " ";
        for (size_t v = 0; v < N_VALUES; v++)
            if (strcmp(VALUES[v].value, option->value) == 0)
                how = VALUES[v].zsh;
        printf(":%s:%s", option->value, how);
    }
    putchar('\'');
}

static void zsh_verb(const struct tb_verb *verb)
{
    printf("    %s) _arguments", verb->name);
    for (size_t i = 0; i < tb_n_options; i++) {
        int is_common = tb_options[i].bit == 0 && (verb->options & TB_OPT_DEPLOY) != 0 &&
                        strcmp(tb_options[i].name, "version") == 0;
        if (is_offered(verb, &tb_options[i]) && !is_common)
            zsh_option(&tb_options[i]);
    }
    if (verb->run == tb_cmd_help) {
        printf(" \\\n        '1:verb:(");
        print_verbs();
        printf(")'");
    } else if (verb->choices != NULL) {
        printf(" \\\n        '1:what:(%s)'", verb->choices);
    }
    if (takes_files(verb))
        printf(" \\\n        '*:file:_files'");
    printf(";;\n");
}

static void zsh(void)
{
    printf("#compdef towbar\n# zsh completion of towbar " TOWBAR_VERSION "\n"
           "_towbar() {\n  local -a verbs\n  verbs=(\n");
    for (size_t i = 0; i < tb_n_verbs; i++) {
        printf("    '%s:", tb_verbs[i].name);
        print_quoted(tb_verbs[i].help, ":\\");
        printf("'\n");
    }
    printf("  )\n  if (( CURRENT == 2 )); then\n    _describe verb verbs\n    return\n  fi\n"
           "  local verb=${words[2]}\n  shift words\n  (( CURRENT-- ))\n  case $verb in\n");
    for (size_t i = 0; i < tb_n_verbs; i++)
        zsh_verb(&tb_verbs[i]);
    printf("  esac\n}\ncompdef _towbar towbar 2>/dev/null\n"
           "[ \"$funcstack[1]\" = _towbar ] && _towbar \"$@\"\n");
}

static void fish_words(const struct tb_verb *verb, const char *words)
{
    printf("complete -c towbar -f -n '__fish_seen_subcommand_from %s' -a '%s'\n", verb->name,
           words);
}

static void fish_option(const struct tb_verb *verb, const struct tb_option *option)
{
    printf("complete -c towbar -n '__fish_seen_subcommand_from %s' -l %s%s -d '", verb->name,
           option->name, option->value != NULL ? " -r" : "");
    for (const char *c = option->help; *c != '\0'; c++)
        printf(*c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    printf("'\n");
}

static void fish(void)
{
    printf("# fish completion of towbar " TOWBAR_VERSION "\n");
    for (size_t i = 0; i < tb_n_verbs; i++) {
        const struct tb_verb *verb = &tb_verbs[i];
        printf("complete -c towbar -f -n __fish_use_subcommand -a %s -d '", verb->name);
        for (const char *c = verb->help; *c != '\0'; c++)
            printf(*c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
        printf("'\n");
        for (size_t j = 0; j < tb_n_options; j++)
            if (is_offered(verb, &tb_options[j]))
                fish_option(verb, &tb_options[j]);
        if (verb->choices != NULL)
            fish_words(verb, verb->choices);
    }
}

int tb_cmd_completion(struct tb_cli *cli)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
        if (strcmp(cli->words[0], shells[i].name) == 0) {
            shells[i].print();
            return TB_EXIT_WELL;
        }
    return tb_verb_wrong_choice(cli, "completion", cli->words[0]);
}
