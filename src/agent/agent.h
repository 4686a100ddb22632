/* agent.h - towbard as a whole: what its main calls. */
#ifndef TB_AGENT_AGENT_H
#define TB_AGENT_AGENT_H

#include "agent/config/config.h"
#include "http/page.h"

/* pages: what is shown on the agent's port beside its own routes; borrowed, NULL for nothing.
 * Runs until SIGTERM or SIGINT, or with once until all that is in the spool is stored and what can
 * be delivered is delivered. Returns the exit code: 0 well, 1 something is wrong (said on stderr).
 */
int tb_agent_run(const struct tb_config *config, int once, const struct tb_pages *pages);

#endif
