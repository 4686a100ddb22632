/* trace_places.h - what one place of an item says about its trace, in the spellings that systems
 * have for it. Pure; for trace_ids.c. Headers are read by src/trace; here is where they stand.
 *
 * Sources: Datadog's and Elastic's log correlation, OpenTelemetry's logging instrumentation of
 * Python; for the headers trace/context.h. */
#ifndef TB_AGENT_TRACE_PLACES_H
#define TB_AGENT_TRACE_PLACES_H

#include "item/doc.h"
#include "trace/context.h"

enum {
    TB_TRACE_PLACE_HEADERS = 32,
    TB_TRACE_PLACE_BYTES = 8 << 10,
};

/* Bare IDs, as people and loggers write them. */
enum tb_trace_name {
    TB_TRACE_NAME_TRACE,
    TB_TRACE_NAME_SPAN,
    TB_TRACE_NAME_XRAY,
    TB_TRACE_NAME_DD_TRACE,
    TB_TRACE_NAME_DD_SPAN,
    TB_TRACE_NAMES
};

/* What was read of one place. Only what begin clears is read before it is written. */
struct tb_trace_place {
    struct tb_slice names[TB_TRACE_NAMES];
    struct {
        const char *name; /* as src/trace asks for it */
        struct tb_slice value;
    } headers[TB_TRACE_PLACE_HEADERS];
    size_t n_headers;
    size_t n_bytes;
    char bytes[TB_TRACE_PLACE_BYTES]; /* the values, each with a NUL behind it */
};

void tb_trace_place_begin(struct tb_trace_place *place);
/* Notes the value at a node of doc by its name, in any spelling: case, "_", "-", "." and a leading
 * HTTP do not matter. A list of headers is all its values, as SDKs write those that came several
 * times; of names and of traceparent the first counts. What is longer than there is room for is as
 * good as absent. */
void tb_trace_place_note(struct tb_trace_place *place, const char *name, const struct tb_doc *doc,
                         int node);
/* The same for the members of an object; -1 and what is none have none. */
void tb_trace_place_read(struct tb_trace_place *place, const struct tb_doc *doc, int object);

/* The traces of the bare IDs, in the order in which they count. Returns how many. */
enum { TB_TRACE_BARE = 2 };
int tb_trace_place_bare(const struct tb_trace_place *place, struct tb_trace out[TB_TRACE_BARE]);
/* What the headers say; false when there are none. */
bool tb_trace_place_context(struct tb_trace_place *place, struct tb_trace_context *out);
/* The header that a trace was read from, "" for none; and its value there, text NULL for none. */
const char *tb_trace_place_name(enum tb_trace_source source);
struct tb_slice tb_trace_place_header(const struct tb_trace_place *place,
                                      enum tb_trace_source source);

#endif
