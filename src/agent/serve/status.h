/* status.h - what the agent says about itself: the JSON of GET /status. Holds no secret. */
#ifndef TB_AGENT_STATUS_H
#define TB_AGENT_STATUS_H

#include "agent/config/config.h"
#include "agent/deliver/deliveries.h"
#include "agent/files/files.h"
#include "agent/pipeline/pipeline.h"
#include "agent/reload.h"
#include "agent/serve/counts.h"
#include "base/json.h"

struct tb_status {
    const struct tb_config *config;
    const char *listen; /* what was bound, "" for none */
    int64_t started_ms, now_ms;
    struct tb_pipeline_snapshot pipeline;
    struct tb_deliver_status delivery; /* Rollbar's */
    struct tb_delivery_state sinks[TB_DELIVERIES];
    size_t n_sinks;
    struct tb_reload_counts reload;
    struct tb_files_counts files;
    struct tb_ingest_counts ingest;
};

enum { TB_STATUS_URL = 1024 };

/* url as it may be shown: who asks and with what password, and a query, become TB_SCRUB_MASK. */
void tb_status_url(const char *url, char out[TB_STATUS_URL]);

/* What waits for a sink; zeros for one that never had anything. */
const struct tb_store_sink *tb_status_sink_counts(const struct tb_status *status, const char *name);
/* The array sinks of /status: each sink that is on, and those that are off and have something that
 * waits. */
void tb_status_write_sinks(const struct tb_status *status, struct tb_json *out);
/* Is it among those that are on? */
bool tb_status_is_on(const struct tb_status *status, const char *name);
void tb_status_write(const struct tb_status *status, struct tb_json *out);
/* What was lost over the lifetime of a spool: the object spool.lifetime of /status. */
void tb_status_write_totals(const struct tb_spool_totals *totals, struct tb_json *out);

#endif
