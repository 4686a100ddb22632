/* config_check.h - which values the settings may have, whatever layer they came from. Pure. */
#ifndef TB_AGENT_CONFIG_CHECK_H
#define TB_AGENT_CONFIG_CHECK_H

#include "agent/config/config.h"

#define TB_CONFIG_ENDPOINT "https://api.rollbar.com/api/1/item/"

/* 0, or -EINVAL with why, which names the key and the cure. */
int tb_config_check(const struct tb_config *config, char why[TB_CONFIG_WHY]);

#endif
