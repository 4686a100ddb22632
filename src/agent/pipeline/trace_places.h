/* trace_places.h - what one place of an item says about its trace, in the spellings that systems
 * have for it. Pure; for trace_ids.c.
 *
 * Sources: W3C Trace Context level 2, AWS X-Ray developer guide, B3 propagation, Datadog and
 * Elastic log correlation, OpenTelemetry's logging instrumentation of Python. */
#ifndef TB_AGENT_TRACE_PLACES_H
#define TB_AGENT_TRACE_PLACES_H

#include "item/doc.h"
#include "trace/trace.h"

enum { TB_TRACE_VALUE = 512 };

/* What was read of one place: members under any of the known names, or headers. "" for what is not
 * there. Zeroed memory is an empty one. */
struct tb_trace_place {
    char trace_id[TB_TRACE_VALUE], span_id[TB_TRACE_VALUE], xray_trace_id[TB_TRACE_VALUE];
    char traceparent[TB_TRACE_VALUE], xray[TB_TRACE_VALUE], b3[TB_TRACE_VALUE];
    char b3_trace_id[TB_TRACE_VALUE], b3_span_id[TB_TRACE_VALUE];
    char dd_trace_id[TB_TRACE_VALUE], dd_span_id[TB_TRACE_VALUE], dd_tags[TB_TRACE_VALUE];
    int n_traceparents; /* two contradict each other: neither counts */
};

/* Notes a member by its name, in any spelling: case, "_", "-", "." and a leading HTTP do not
 * matter.
 */
void tb_trace_place_note(struct tb_trace_place *place, const char *name, const char *text);
/* The same for the members of an object; -1 and what is none have none. A list counts by its first
 * value, as SDKs write headers that came several times. */
void tb_trace_place_read(struct tb_trace_place *place, const struct tb_doc *doc, int object);

/* The traces that a place names, in the order in which they count: out has room for
 * TB_TRACE_SYSTEMS. Returns how many. What is no ID is as good as absent. */
enum { TB_TRACE_SYSTEMS = 6 };
int tb_trace_place_traces(const struct tb_trace_place *place,
                          struct tb_trace out[TB_TRACE_SYSTEMS]);

#endif
