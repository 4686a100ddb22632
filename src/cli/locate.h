/* locate.h - which agent is meant where the command line does not name it: docs/cli.md. */
#ifndef TB_CLI_LOCATE_H
#define TB_CLI_LOCATE_H

#include "agent/config/config.h"

/* Puts socket, spool and state folder of the agent that answers into config, where flags and
 * environment leave them open: that of the state folder that was named, else this user's own, else
 * the host's. Without one config stays as it is. 1 when it is the host's, for a user whose own
 * places are elsewhere. */
int tb_locate(const struct tb_config_flags *flags, struct tb_config *config);

#endif
