/* trace_more.h - data.custom.trace: what is known of an item's trace beside its IDs. Pure; for
 * trace_ids.c. docs/trace.md 2 is normative.
 *
 * What goes in there are parts of headers that the scrubber has not seen: what it would take
 * something out of, or what has the name of a secret, is left out. */
#ifndef TB_AGENT_TRACE_MORE_H
#define TB_AGENT_TRACE_MORE_H

#include "agent/pipeline/scrub.h"
#include "agent/pipeline/trace_places.h"

enum { TB_TRACE_MORE_OTHERS = 4, TB_TRACE_OTHER_TEXT = 512, TB_TRACE_MORE_JSON = 8 << 10 };

struct tb_trace_more {
    uint8_t source;  /* enum tb_trace_source */
    uint8_t sampled; /* enum tb_sampled; flags are known with it */
    uint8_t flags;
    uint8_t xray_sampled; /* enum tb_xray_sampled */
    uint8_t xray_parent[8];
    bool has_xray;
    size_t n_others;
    char state[TB_TRACESTATE_TEXT];
    char lineage[TB_XRAY_MORE_TEXT];
    struct {
        uint8_t id[16], from;
        char text[TB_TRACE_OTHER_TEXT];
    } other[TB_TRACE_MORE_OTHERS];
};

void tb_trace_more_begin(struct tb_trace_more *more);
/* What the headers of one place say of the trace that was found so far. */
void tb_trace_more_take(struct tb_trace_more *more, const struct tb_trace *trace,
                        const struct tb_trace_place *place, const struct tb_trace_context *context);
/* Leaves out what names the trace itself, and secrets. scrub NULL: there are none. */
void tb_trace_more_settle(struct tb_trace_more *more, const struct tb_trace *trace,
                          const struct tb_scrub *scrub);
/* The members as one JSON object; those that have the object at node already (-1: none) are left
 * out. Returns how many there are. */
int tb_trace_more_json(const struct tb_trace_more *more, const struct tb_doc *item, int node,
                       char json[TB_TRACE_MORE_JSON]);

#endif
