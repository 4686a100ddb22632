/* config_env.h - single keys from the environment: TOWBAR_ROLLBAR_TIMEOUT_MS is rollbar.timeout_ms.
 *
 * 1. Every key with one value can be set: TOWBAR_, then its path in capitals with "_". Lists and
 *    projects are the file's. The older names ROLLBAR_ENVIRONMENT, ROLLBAR_ENDPOINT and
 *    ROLLBAR_ACCESS_TOKEN stand for their keys.
 * 2. An empty variable says nothing. One that begins like a section and names no key of it is an
 *    error, as an unknown key in the file is.
 * 3. No value is part of a message but numbers and words. */
#ifndef TB_AGENT_CONFIG_ENV_H
#define TB_AGENT_CONFIG_ENV_H

#include "agent/config/config.h"

/* Over what is there, for all but paths that count from the current folder (spool, state_dir,
 * socket) and tokens. 0, or -EINVAL with why. */
int tb_config_env(struct tb_config *config, char why[TB_CONFIG_WHY]);
/* Looks through the names alone. 0, or -EINVAL with why. */
int tb_config_env_names(char *const *environment, char why[TB_CONFIG_WHY]);

#endif
