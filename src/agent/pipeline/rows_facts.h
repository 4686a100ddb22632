/* rows_facts.h - what must be known of an item to choose its sinks: its facts, the trace that they
 * make for groups, its request for sampling rules. Each is read once, when it is asked for. */
#ifndef TB_AGENT_ROWS_FACTS_H
#define TB_AGENT_ROWS_FACTS_H

#include "agent/config/groups.h"
#include "agent/pipeline/stages.h"
#include "filter/view_item.h"
#include "sampling/sampling.h"
#include "sink/xray.h"

enum { TB_ROWS_PATH = 2048, TB_ROWS_HOST = 256 };

struct tb_rows_facts {
    const struct tb_work *work;
    struct tb_sink_settings settings; /* X-Ray's: how it names services */
    struct tb_sink_facts facts;       /* good once they were read */
    struct tb_filter_trace *trace;
    bool has_read;
    char name[TB_XRAY_NAME_BYTES], host[TB_ROWS_HOST], path[TB_ROWS_PATH];
};

/* work must stay. */
void tb_rows_facts_init(struct tb_rows_facts *facts, const struct tb_config *config,
                        const char *host, const struct tb_work *work);
/* 0 or a negative errno. */
int tb_rows_facts_read(struct tb_rows_facts *facts);
/* Is it in that group? 0 or a negative errno. */
int tb_rows_facts_in(struct tb_rows_facts *facts, const struct tb_groups *groups, const char *group,
                     bool *out);
/* As the rules of X-Ray see it; points into facts, which were read. */
void tb_rows_facts_request(struct tb_rows_facts *facts, struct tb_sampling_request *out);
void tb_rows_facts_done(struct tb_rows_facts *facts);

#endif
