/* deploys.h - tells Rollbar of deploys: what is queued in the table of store/deploys.h.
 *
 * 1. At least once: a deploy stays queued until Rollbar's answer is stored, through restarts, with
 *    the back-off of rollbar.retry_min_ms and retry_max_ms. Rollbar has no way to tell repeats
 *    apart, so an agent that dies between answer and commit tells it twice.
 * 2. Beside the delivery of items (deliver.h), which it never holds up: a thread of its own, which
 *    there is only as long as something is queued.
 * All functions but new and stop may be called from any thread. */
#ifndef TB_AGENT_DEPLOYS_H
#define TB_AGENT_DEPLOYS_H

#include "agent/config/config.h"
#include "agent/deliver/transport.h"

struct tb_deploys;

/* Copies what it needs of the settings. 0, or a negative errno with why. */
int tb_deploys_new(const struct tb_config *config, struct tb_deploys **out,
                   char why[TB_TRANSPORT_WHY]);
/* Something may be queued. NULL is nothing. */
void tb_deploys_wake(struct tb_deploys *deploys);
/* For --once: tries everything that is due, in the caller's thread. */
void tb_deploys_once(struct tb_deploys *deploys);
/* Waits for the answer to what is under way, for so long; without one it stays queued. Frees. */
void tb_deploys_stop(struct tb_deploys *deploys, unsigned deadline_ms);

#endif
