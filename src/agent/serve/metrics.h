/* metrics.h - the agent's numbers for Prometheus: the text of GET /metrics, format 0.0.4.
 *
 * 1. docs/operate.md 4 lists every name; names, labels and units do not change.
 * 2. A counter never goes down while the agent runs; those of the database and the spool go on over
 *    restarts.
 * 3. queued = sent + dropped at the destination + quarantined + what waits: the numbers of one
 *    snapshot of the database.
 * 4. Label values are from fixed lists, so that no sender makes series. Holds no secret. */
#ifndef TB_AGENT_METRICS_H
#define TB_AGENT_METRICS_H

#include "agent/serve/status.h"
#include "base/buf.h"

enum { TB_METRICS_BYTES = 256 << 10 };

/* out->err tells of what went wrong. */
void tb_metrics_write(const struct tb_status *status, struct tb_buf *out);

#endif
