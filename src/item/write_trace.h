/* write_trace.h - the members of an item that tell of its trace: docs/trace.md 2, for items that
 * are written here, from a context. No allocation: this file is linked into hosts. Signal-safe. */
#ifndef TB_ITEM_WRITE_TRACE_H
#define TB_ITEM_WRITE_TRACE_H

#include "base/json.h"
#include "trace/context.h"

/* data.attributes; nothing where there is no ID. */
void tb_item_trace_attributes(struct tb_json *j, const struct tb_trace *trace);
/* Of custom: trace_id, span_id, xray_trace_id. */
void tb_item_trace_ids(struct tb_json *j, const struct tb_trace *trace);
/* Most that the texts of custom.trace take, in JSON; 0 when there are none. */
size_t tb_item_trace_room(const struct tb_trace_context *context);
/* Of custom: trace, where anything is known for it; its texts only with has_room. */
void tb_item_trace_more(struct tb_json *j, const struct tb_trace_context *context,
                        uint64_t started_ns, bool has_room);

#endif
