/* agent.h - towbard as a whole: what its main calls. */
#ifndef TB_AGENT_AGENT_H
#define TB_AGENT_AGENT_H

#include "agent/config/config.h"
#include "http/page.h"

/* What is shown on the agent's port beside its own routes. */
struct tb_agent_pages {
    const struct tb_pages *pages;
    /* Called in the loop's thread when other settings count. */
    void (*take)(void *arg, const struct tb_config *config);
    void *arg;
};

/* config was loaded with flags, with which a reload loads it again. pages: NULL for nothing. All
 * borrowed. Runs until SIGTERM or SIGINT,
 * or with once until all that is in the spool is stored and what can be delivered is delivered.
 * Returns the exit code: 0 well, 1 something is wrong (said on stderr).
 */
int tb_agent_run(const struct tb_config *config, const struct tb_config_flags *flags, int once,
                 const struct tb_agent_pages *pages);

#endif
