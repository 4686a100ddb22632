/* active.h - the trace of what this thread does: what it is made from, and handed on as.
 *
 * The image is the thread's (context.h), its texts lie in the ring (carrier.h). A trace is made by
 * one call and never changed after: capture copies it, adopt and pop put it back. */
#ifndef TB_CAPTURE_ACTIVE_H
#define TB_CAPTURE_ACTIVE_H

#include "trace/image.h"

/* Reads OTEL_PROPAGATORS, the first time, and TOWBAR_FORK_TRACE. For init. */
void tb_active_configure(void);
/* Makes this thread's trace the one that the environment hands down, if it has none. */
void tb_active_inherit(void);
/* What OTEL_PROPAGATORS named, or NULL. */
const struct tb_trace_propagators *tb_active_wished(void);
/* The bit of a way to pass a trace on, for tb_trace_image.kinds. */
#define TB_ACTIVE_KIND(kind) ((uint16_t)(1U << (kind)))
/* That of the header whose presence says that it is used; 0 for any other. */
uint16_t tb_active_kind(const char *header);
/* All that is known of this thread's trace: 1, or 0 when there is none. Slices of context point
 * into texts. Signal-safe. */
int tb_active_load(struct tb_trace_context *context, struct tb_trace_image *image,
                   char texts[TB_TRACE_CARRIED_BYTES]);

#endif
