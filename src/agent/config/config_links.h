/* config_links.h - the links to other tools that follow from the settings. */
#ifndef TB_AGENT_CONFIG_LINKS_H
#define TB_AGENT_CONFIG_LINKS_H

#include "agent/config/config.h"
#include "item/links.h"

/* X-Ray where its sink is on and Logs Insights where a log group is set, both with a region;
 * Honeycomb where its team is known, and the environment or the dataset; Rollbar where there is a
 * token; then those of links. Out of memory ends the program. Free with tb_links_done. */
void tb_config_links(const struct tb_config *config, struct tb_links *out);

#endif
