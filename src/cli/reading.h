/* reading.h - what the verbs read that list errors: settings, filter, database. */
#ifndef TB_CLI_READING_H
#define TB_CLI_READING_H

#include "cli/filter.h"
#include "cli/verb.h"

enum { TB_READING_TITLE = 1024 };

struct tb_reading {
    struct tb_config config;
    struct tb_cli_filter filter;
    struct tb_store *store;
};

/* Returns 1 when there is nothing to read and the verb is done with the exit code in *code; what is
 * to be said was said then, and nothing is to be closed. */
int tb_reading_open(const struct tb_cli *cli, struct tb_reading *out, int *code);
void tb_reading_close(struct tb_reading *reading);
/* Says what went wrong, and closes it: err is a negative errno of the store, or not. The exit code.
 */
int tb_reading_done(struct tb_reading *reading, int err);
/* Room for a title, with its NUL: what a terminal has left in a line beside other columns; in a
 * pipe all of it, TB_READING_TITLE. */
size_t tb_reading_title(int other_columns);

#endif
