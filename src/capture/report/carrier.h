/* carrier.h - room for the texts of traces that are under way: tracestate, Lineage and the like.
 *
 * A trace goes from thread to thread as 128 bytes, and whoever has it may copy them, keep them or
 * forget them. So the texts lie in a ring: the image says where, and of which generation. Old ones
 * are written over, and are then as good as not there, which W3C allows for tracestate.
 *
 * 1. No lock, no allocation, no system call: signal-safe, in a fork child too.
 * 2. A reader has a text as it was written, of the trace that it asks for, or none: a state may
 *    come from another process, whose ring has other texts in the same places.
 * 3. The memory is untouched until the first text comes; there is none for a plain traceparent. */
#ifndef TB_CAPTURE_CARRIER_H
#define TB_CAPTURE_CARRIER_H

#include <stddef.h>
#include <stdint.h>

#include "trace/image.h"

/* Keeps a text of len bytes, at most TB_TRACE_CARRIED_BYTES, for a trace and says in image where.
 * Without room (its places are being written by others), and for len 0, that is nowhere. */
void tb_carrier_keep(const struct tb_trace *trace, const char *text, size_t len,
                     struct tb_trace_image *image);
/* The text's length, or 0 when it is gone or there was none. */
size_t tb_carrier_read(const struct tb_trace *trace, const struct tb_trace_image *image,
                       char out[TB_TRACE_CARRIED_BYTES]);

#endif
