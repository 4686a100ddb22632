/* config_apply.h - the settings file over the defaults, and the fields that settings are made of.
 *
 * Out of memory ends the program: at start, and before a reload has taken anything over, there is
 * nothing to lose. */
#ifndef TB_AGENT_CONFIG_APPLY_H
#define TB_AGENT_CONFIG_APPLY_H

#include "agent/config/config_file.h"

void tb_config_set(char **field, const char *value);
/* Nothing for NULL and "". */
void tb_config_set_if(char **field, const char *value);

/* What file says, over what is there. Tokens are not read yet. */
void tb_config_apply_file(struct tb_config *config, const struct tb_config_file *file);

/* The tokens of environment, file and credentials: rollbar, projects, ingest. file may be NULL. 0,
 * or a negative errno with why. */
int tb_config_take_tokens(struct tb_config *config, const struct tb_config_file *file,
                          char why[TB_CONFIG_WHY]);

#endif
