/* watchdog.h - tells the service manager that the loop turns and the threads move, where it asks
 * for that (WATCHDOG_USEC), and what the agent does, for its status line.
 *
 * Says nothing while a thread is stuck (health.h): the manager then restarts the agent. */
#ifndef TB_AGENT_WATCHDOG_H
#define TB_AGENT_WATCHDOG_H

#include <event2/event.h>

#include "agent/engine.h"

struct tb_watchdog;

/* In the loop's thread. 0, also when nobody asks: then *out is NULL; or -ENOMEM. */
int tb_watchdog_new(struct event_base *base, struct tb_engine *engine, struct tb_watchdog **out);
void tb_watchdog_free(struct tb_watchdog *watchdog); /* NULL is fine */

#endif
