/* agent.h - towbard as a whole: what its main calls. */
#ifndef TB_AGENT_AGENT_H
#define TB_AGENT_AGENT_H

#include "agent/config/config.h"
#include "http/page.h"

/* config was loaded with flags, with which a reload loads it again. pages: what is shown on the
 * agent's port beside its own routes; NULL for nothing. All borrowed. Runs until SIGTERM or SIGINT,
 * or with once until all that is in the spool is stored and what can be delivered is delivered.
 * Returns the exit code: 0 well, 1 something is wrong (said on stderr).
 */
int tb_agent_run(const struct tb_config *config, const struct tb_config_flags *flags, int once,
                 const struct tb_pages *pages);

#endif
