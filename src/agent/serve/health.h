/* health.h - is the agent well, and can it take more? The answers of /healthz and /readyz.
 *
 * An outage at Rollbar is no reason for either: the queue is there for that. */
#ifndef TB_AGENT_HEALTH_H
#define TB_AGENT_HEALTH_H

#include "agent/config/config.h"
#include "agent/engine.h"

enum { TB_HEALTH_WHY = 768, TB_HEALTH_DISK_MIN = 16 << 20 };

/* Do its threads move? 0, or -ETIMEDOUT with why: only a restart helps. */
int tb_health_live(struct tb_engine *engine, char why[TB_HEALTH_WHY]);
/* Is it live, and is there room: does the database take items, is the spool below its limit, has
 * its file system TB_HEALTH_DISK_MIN left? 0, or a negative errno with why. */
int tb_health_ready(struct tb_engine *engine, const struct tb_config *config,
                    char why[TB_HEALTH_WHY]);

#endif
