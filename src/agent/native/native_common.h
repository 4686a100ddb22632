/* native_common.h - what the items of crashes and of reports have in common; see native.h. */
#ifndef TB_AGENT_NATIVE_COMMON_H
#define TB_AGENT_NATIVE_COMMON_H

#include "agent/native/native.h"

/* {"host","root","pid"}; pid 0 is left out. */
void tb_native_server(struct tb_json *j, const struct tb_native_context *context, uint32_t pid);
const char *tb_native_environment(const struct tb_native_context *context);
/* "c" or "cpp". */
const char *tb_native_language(const struct tb_process *process, const struct tb_doc *data);
/* Members of custom.native that tell how the frames came about. */
void tb_native_facts(struct tb_json *j, const struct tb_native_frames *frames,
                     const struct tb_native_context *context);
/* A frame that only its address is known of, as an object. inside is an address of its module: the
 * same or, of a return address, the one before. trust may be NULL. */
void tb_native_bare_frame(struct tb_json *j, const struct tb_native_context *context,
                          uint64_t address, uint64_t inside, const char *trust);
/* The member "telemetry" of a body: the record's notes; none when there are none. */
void tb_native_telemetry(struct tb_json *j, const struct tb_crash *crash);
/* The body: exception, frames (a JSON array; NULL for none) and telemetry. */
void tb_native_body(struct tb_json *j, const struct tb_crash *crash, const char *class_,
                    const char *message, const struct tb_buf *frames);
/* text as a JSON string; returns its length. */
size_t tb_native_string(const char *text, char *json, size_t cap);

#endif
