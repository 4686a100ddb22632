/* settings.h - the groups that the pages search by, as web.h was given them. */
#ifndef TB_WEB_SETTINGS_H
#define TB_WEB_SETTINGS_H

#include "web/search.h"
#include "web/web.h"

struct tb_web_groups;

/* Copies and parses; a group that does not parse is left out. 0 or -ENOMEM. */
int tb_web_groups_new(const struct tb_web_settings *settings, struct tb_web_groups **out);
void tb_web_groups_free(struct tb_web_groups *groups);
/* For a search; NULL gives those of nothing. */
const struct tb_search_settings *tb_web_groups_search(const struct tb_web_groups *groups);

#endif
