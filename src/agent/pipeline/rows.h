/* rows.h - which sinks an item goes to, and into which queue there. Decided once, when the item is
 * stored: docs/sinks.md.
 *
 * 1. A group is asked of the item alone, as what else its trace has may still be on its way.
 * 2. Nothing is left out in silence: what a sink does not get, though it is on, has a counter of
 *    its own, "not_routed.otlp" or "unsampled.xray".
 * 3. All errors of one trace are sampled alike, and a record that is read again as before: the last
 *    TB_ROWS_SEEN decisions are remembered. */
#ifndef TB_AGENT_ROWS_H
#define TB_AGENT_ROWS_H

#include "agent/config/groups.h"
#include "agent/pipeline/stages.h"
#include "sampling/sampling.h"
#include "store/store.h"

enum { TB_ROWS_MAX = 5, TB_ROWS_STREAM = 128, TB_ROWS_SEEN = 1024 };

/* What was decided for traces; zeros at first. */
struct tb_rows_seen {
    char of[TB_UUID_TEXT]; /* the trace, or the uuid of an item without one */
    bool is_sampled;
};

struct tb_rows_tools {
    const struct tb_config *config;
    const struct tb_groups *groups; /* of config */
    const char *host;               /* the agent's */
    struct tb_rows_seen *seen;      /* TB_ROWS_SEEN of them */
    /* Is a trace of which nobody has decided recorded? NULL: yes. */
    bool (*samples)(void *arg, const struct tb_sampling_request *request);
    void *arg;
};

struct tb_rows {
    struct tb_outbox_to to[TB_ROWS_MAX]; /* their texts are in here, or static */
    size_t n;
    char token[TB_CONFIG_TOKEN_MAX + 1];
    char stream[TB_ROWS_STREAM];
    const char *counters[TB_ROWS_MAX]; /* what was left out; static */
    size_t n_counters;
};

/* work has passed all stages. 0 or -ENOMEM. out does not move afterwards. */
int tb_rows_decide(const struct tb_rows_tools *tools, const struct tb_work *work, uint64_t now_ns,
                   struct tb_rows *out);

/* The name of the log stream that template makes; "{x}" of what is not known becomes "unknown",
 * what CloudWatch does not take a "-", and of one that is too long the end a checksum of all. */
struct tb_rows_stream {
    const char *host, *service, *environment, *version;
    int64_t pid; /* 0: not known */
    uint64_t now_ns;
};
void tb_rows_stream(const char *template, const struct tb_rows_stream *of,
                    char out[TB_ROWS_STREAM]);

#endif
