/* open.c - the way from the command line to the settings and to the database. */
#include <errno.h>
#include <stdio.h>

#include "cli/verb.h"

int tb_cli_config(const struct tb_cli *cli, struct tb_config *out)
{
    char why[TB_CONFIG_WHY] = "";
    int err = tb_config_load(&cli->flags, out, why);
    if (err < 0)
        fprintf(stderr, "towbar: %s\n", why);
    return err;
}

int tb_cli_store(const struct tb_config *config, struct tb_store **out)
{
    char why[TB_STORE_WHY] = "";
    int err = tb_store_open(config->state_dir, TB_STORE_READ, out, why);
    if (err < 0 && err != -ENOENT)
        fprintf(stderr, "towbar: %s\n", why);
    return err;
}
