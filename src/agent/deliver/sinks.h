/* sinks.h - which sinks are on by the settings, and how each is to be served: the table of
 * docs/sinks.md. Pure. */
#ifndef TB_AGENT_SINKS_H
#define TB_AGENT_SINKS_H

#include "agent/config/config.h"
#include "agent/deliver/deliver.h"

enum { TB_SINKS = 5 };

/* Rollbar: on also without a token, as items come with tokens of their own. Borrowed from config.
 */
void tb_sinks_rollbar(const struct tb_config *config, struct tb_deliver_sink *out);
/* Those that are on, Rollbar first. Borrowed from config. How many. */
size_t tb_sinks_on(const struct tb_config *config, struct tb_deliver_sink out[TB_SINKS]);

#endif
