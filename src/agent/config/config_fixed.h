/* config_fixed.h - the keys that a running agent cannot change. */
#ifndef TB_AGENT_CONFIG_FIXED_H
#define TB_AGENT_CONFIG_FIXED_H

#include "agent/config/config.h"

/* 0 when an agent that runs with now can go on with next; else -EBUSY, and why names the first key
 * that needs a restart. */
int tb_config_fixed(const struct tb_config *now, const struct tb_config *next,
                    char why[TB_CONFIG_WHY]);

#endif
