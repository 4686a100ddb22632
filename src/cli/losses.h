/* losses.h - what was lost on the way to the database, for `towbar status`: as the agent says it,
 * or from SPOOL/agent/counts while no agent runs; and what programs told of what they dropped. */
#ifndef TB_CLI_LOSSES_H
#define TB_CLI_LOSSES_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "base/json.h"

enum { TB_LOSSES_REASONS = 16, TB_LOSSES_REASON = 32 };

struct tb_losses {
    cJSON *lifetime; /* owned; NULL where it could not be read */
    struct {
        char reason[TB_LOSSES_REASON]; /* "eagain" */
        int64_t n;
    } told[TB_LOSSES_REASONS];
    unsigned n_told;
    int64_t n_unseen; /* processes that died unseen, but for ordinary ends */
};

/* agent: what /status said, or NULL. Without a word when the file may not be read. */
void tb_losses_read(const char *spool, const cJSON *agent, struct tb_losses *out);
void tb_losses_done(struct tb_losses *losses);
/* For tb_store_counters; arg is the struct. Takes the counters "dropped.REASON" and
 * those of processes that died unseen. */
int tb_losses_counter(void *arg, const char *name, int64_t value);
/* The members spool_lifetime, died_unseen and dropped_by_programs. */
void tb_losses_put(const struct tb_losses *losses, struct tb_json *j);
/* A line for each kind of loss that there was. */
void tb_losses_print(const struct tb_losses *losses);

#endif
