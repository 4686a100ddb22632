/* filter.h - --filter of the verbs that list: a group of the settings, or an expression. */
#ifndef TB_CLI_FILTER_H
#define TB_CLI_FILTER_H

#include "agent/config/groups.h"
#include "cli/verb.h"
#include "web/search.h"

/* Zeros are a list without a filter. */
struct tb_cli_filter {
    struct tb_search *search; /* NULL: everything matches */
    struct tb_groups *groups;
    struct tb_search_settings settings;
    struct tb_sink_settings xray;
    int err; /* of the last question, negative */
};

/* Reads cli->filter with the groups of config, which must stay. TB_EXIT_WELL, or the exit code for
 * what was said on stderr. Free with tb_cli_filter_done, whatever came back. */
int tb_cli_filter_init(struct tb_cli_filter *filter, const struct tb_cli *cli,
                       const struct tb_config *config);
void tb_cli_filter_done(struct tb_cli_filter *filter);
/* Does the occurrence match? False with filter->err when that cannot be told. */
bool tb_cli_filter_match(struct tb_cli_filter *filter, struct tb_store *store,
                         const struct tb_occurrence_row *occurrence);
/* The same of the latest one of an item. */
bool tb_cli_filter_match_item(struct tb_cli_filter *filter, struct tb_store *store, int64_t number);

#endif
