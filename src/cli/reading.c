/* reading.c - see reading.h. */
#include "cli/reading.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/show.h"

enum { TITLE_LEAST = 30 };

void tb_reading_close(struct tb_reading *reading)
{
    tb_store_close(reading->store);
    tb_cli_filter_done(&reading->filter);
    tb_config_done(&reading->config);
}

int tb_reading_open(const struct tb_cli *cli, struct tb_reading *out, int *code)
{
    memset(out, 0, sizeof(*out));
    *code = TB_EXIT_WRONG;
    if (tb_cli_config_to_read(cli, &out->config) < 0)
        return 1;
    int wrong = tb_cli_filter_init(&out->filter, cli, &out->config);
    int err = wrong == TB_EXIT_WELL ? tb_cli_store(&out->config, &out->store) : -EINVAL;
    if (wrong != TB_EXIT_WELL) {
        *code = wrong;
    } else if (err == -ENOENT) {
        *code = TB_EXIT_WELL;
        if (!cli->json)
            tb_show_empty(cli, &out->config);
    }
    if (err < 0)
        tb_reading_close(out);
    return err < 0;
}

int tb_reading_done(struct tb_reading *reading, int err)
{
    if (err >= 0)
        err = reading->filter.err;
    if (err < 0)
        fprintf(stderr, "towbar: cannot read the database: %s\n",
                err == -ENOMEM ? "out of memory" : tb_store_error(reading->store));
    tb_reading_close(reading);
    return err < 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

size_t tb_reading_title(int other_columns)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return TB_READING_TITLE;
    int left = size.ws_col - other_columns;
    return (size_t)(left < TITLE_LEAST         ? TITLE_LEAST
                    : left >= TB_READING_TITLE ? TB_READING_TITLE - 1
                                               : left) +
           1;
}
