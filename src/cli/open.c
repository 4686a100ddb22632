/* open.c - the way from the command line to the settings and to the database. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/locate.h"
#include "cli/verb.h"

void tb_cli_quote(struct tb_buf *buf, const char *word)
{
    if (strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@%+,-") ==
            strlen(word) &&
        *word != '\0') {
        tb_buf_adds(buf, word);
        return;
    }
    tb_buf_adds(buf, "'");
    for (; *word != '\0'; word++)
        if (*word == '\'')
            tb_buf_adds(buf, "'\\''");
        else
            tb_buf_add(buf, word, 1);
    tb_buf_adds(buf, "'");
}

const char *tb_cli_command(const struct tb_cli *cli, const char *verb, char out[TB_CLI_COMMAND])
{
    const struct {
        const char *option, *value;
    } places[] = {{" --config ", cli->flags.file},
                  {" --state-dir ", cli->flags.state_dir},
                  {" --spool ", cli->flags.spool},
                  {" --socket ", cli->flags.socket}};
    struct tb_buf buf;
    tb_buf_init(&buf, TB_CLI_COMMAND - 1);
    tb_cli_quote(&buf, cli->self);
    tb_buf_adds(&buf, " ");
    tb_buf_adds(&buf, verb);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (places[i].value != NULL) {
            tb_buf_adds(&buf, places[i].option);
            tb_cli_quote(&buf, places[i].value);
        }
    /* Longer than anybody types: then the verb alone has to do. */
    snprintf(out, TB_CLI_COMMAND, "%s", buf.err == 0 ? tb_buf_str(&buf) : verb);
    tb_buf_done(&buf);
    return out;
}

static int load(const struct tb_config_flags *flags, struct tb_config *out)
{
    struct tb_config_flags sparing = *flags;
    char why[TB_CONFIG_WHY] = "";
    sparing.spares_sinks = true;
    int err = tb_config_load(&sparing, out, why);
    if (err < 0)
        fprintf(stderr, "towbar: %s\n", why);
    return err;
}

int tb_cli_config(const struct tb_cli *cli, struct tb_config *out)
{
    int err = load(&cli->flags, out);
    if (err == 0)
        (void)tb_locate(&cli->flags, out);
    return err;
}

int tb_cli_config_to_read(const struct tb_cli *cli, struct tb_config *out)
{
    struct tb_config_flags flags = cli->flags;
    if (flags.state_dir == NULL)
        return tb_cli_config(cli, out);
    /* The spool is not looked at, so an ordinary user without HOME need not name one. */
    if (flags.spool == NULL)
        flags.spool = flags.state_dir;
    return load(&flags, out);
}

int tb_cli_store(const struct tb_config *config, struct tb_store **out)
{
    char why[TB_STORE_WHY] = "";
    int err = tb_store_open(config->state_dir, TB_STORE_READ, out, why);
    if (err == -EACCES)
        fprintf(
            stderr,
            "towbar: this user may not read the database in %s: ask as root or as the user that "
            "runs towbard (sudo towbar ...), or look at the agent's pages\n",
            config->state_dir);
    else if (err < 0 && err != -ENOENT)
        fprintf(stderr, "towbar: %s\n", why);
    return err;
}
