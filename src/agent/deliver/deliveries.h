/* deliveries.h - the deliveries of all sinks that are on. Each has its own thread, and none waits
 * for another.
 *
 * 1. The first sink (Rollbar) must start. Another one that cannot start is said in the log and in
 *    its state, and the others work; each reload tries again.
 * 2. Rows of a sink that is off stay queued, and go on when it is on again.
 * 3. Starting, reloading and stopping are for one thread at a time; all else may be called from any
 *    thread, also meanwhile. */
#ifndef TB_AGENT_DELIVERIES_H
#define TB_AGENT_DELIVERIES_H

#include "agent/deliver/deliver.h"

enum { TB_DELIVERIES = 8, TB_DELIVERY_NAME = 24 };

struct tb_deliveries;

/* How one of them does. */
struct tb_delivery_state {
    char name[TB_DELIVERY_NAME]; /* of the sink */
    char why[TB_STORE_WHY];      /* it does not run, as it could not start; "" while it runs */
    struct tb_deliver_status status;
};

/* sinks are borrowed for the call. 0, or a negative errno with why. */
int tb_deliveries_start(const struct tb_config *config, const struct tb_deliver_sink *sinks,
                        size_t n, struct tb_deliveries **out, char why[TB_STORE_WHY]);
/* The first half of a reload: those that run and stay on get their new settings. 0, or a negative
 * errno with why: then call it with the former ones, as some may have the new. */
int tb_deliveries_reload(struct tb_deliveries *deliveries, const struct tb_config *config,
                         const struct tb_deliver_sink *sinks, size_t n, char why[TB_STORE_WHY]);
/* The second half, which does not fail: ends those that are off now, and starts those that came. */
void tb_deliveries_change(struct tb_deliveries *deliveries, const struct tb_config *config,
                          const struct tb_deliver_sink *sinks, size_t n, unsigned deadline_ms);
/* Ends all of them, with one deadline; NULL is fine. */
void tb_deliveries_stop(struct tb_deliveries *deliveries, unsigned deadline_ms);

/* New rows were committed. */
void tb_deliveries_wake(struct tb_deliveries *deliveries);
/* True when all are idle (tb_deliver_idle), false after timeout_ms. */
bool tb_deliveries_wait_idle(struct tb_deliveries *deliveries, unsigned timeout_ms);
/* Those that are on, the first one first. How many. */
size_t tb_deliveries_look(struct tb_deliveries *deliveries,
                          struct tb_delivery_state out[TB_DELIVERIES]);
/* The first one's. */
void tb_deliveries_first(struct tb_deliveries *deliveries, struct tb_deliver_status *out);
/* When the thread that has not looked for longest did, by the monotonic clock, and whose it is. */
uint64_t tb_deliveries_turned_ns(struct tb_deliveries *deliveries, char name[TB_DELIVERY_NAME]);

#endif
