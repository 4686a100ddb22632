/* groups.h - the groups of the settings, parsed (docs/filter.md). */
#ifndef TB_AGENT_GROUPS_H
#define TB_AGENT_GROUPS_H

#include "agent/config/config.h"
#include "filter/filter.h"

struct tb_groups;

/* 0; -ENOMEM; or -EINVAL with why, which names the group and the column: an expression that does
 * not parse, one that names a group which is not there, or a circle of groups. config must stay. */
int tb_groups_new(const struct tb_config *config, struct tb_groups **out, char why[TB_CONFIG_WHY]);
void tb_groups_free(struct tb_groups *groups);
/* All of them, in the order of the settings, for tb_filter_match. */
const struct tb_filter_group *tb_groups_list(const struct tb_groups *groups, size_t *n);
/* NULL when there is none of that name. */
const struct tb_filter *tb_groups_find(const struct tb_groups *groups, const char *name);
/* Is the trace in that group? "" and NULL are everything. */
bool tb_groups_match(const struct tb_groups *groups, const char *name,
                     const struct tb_filter_view *view);
/* 0, or -EINVAL with why: the expression names a group that is not there. */
int tb_groups_check_names(const struct tb_groups *groups, const struct tb_filter *filter,
                          char why[TB_FILTER_WHY]);
/* The check of the settings: 0, or -EINVAL with why, which names file and line too. */
int tb_groups_check(const struct tb_config *config, char why[TB_CONFIG_WHY]);

#endif
