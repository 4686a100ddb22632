/* trace_ids.h - the trace that an item belongs to, wherever its sender put it. Pure.
 *
 * Looked at, in this order: data.attributes, data.custom, data itself (rollbar.js copies custom
 * there), data.custom.opentracing_*, data.body.message.extra, data.request.headers, .env
 * and .environ; in each the names and headers of trace_places.h. What is missing in attributes and
 * custom is added, what else the headers say in custom.trace; what is there is never overwritten,
 * and a span is not taken from another trace. */
#ifndef TB_AGENT_TRACE_IDS_H
#define TB_AGENT_TRACE_IDS_H

#include "agent/pipeline/scrub.h"
#include "item/doc.h"
#include "trace/trace.h"

struct tb_trace_ids {
    char trace_id[TB_TRACE_ID_TEXT]; /* "" for none */
    char span_id[TB_SPAN_ID_TEXT];
    char xray_trace_id[TB_TRACE_ID_TEXT]; /* 32 hex digits */
};

/* item is the data object. Edits it and fills out. What scrub takes for a secret is not copied out
 * of headers; NULL: all is. 0 or a negative errno. */
int tb_trace_ids_complete(struct tb_doc *item, const struct tb_scrub *scrub,
                          struct tb_trace_ids *out);

#endif
