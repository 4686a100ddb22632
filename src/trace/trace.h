/* trace.h - the trace a request belongs to: parse, format, convert headers. No allocation, no
 * locale; signal-safe.
 *
 * Sources: W3C Trace Context level 2; AWS X-Ray developer guide, "tracing header". */
#ifndef TB_TRACE_TRACE_H
#define TB_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TB_TRACE_ID_TEXT = 33,
    TB_SPAN_ID_TEXT = 17,
    TB_XRAY_ID_TEXT = 36, /* 1-xxxxxxxx-xxxxxxxxxxxxxxxxxxxxxxxx and NUL */
    TB_TRACEPARENT_TEXT = 56,
    TB_TRACE_IMAGE_BYTES = 128,
};
/* TB_XRAY_ASKED: the caller wants to hear the decision in the answer. */
enum tb_xray_sampled { TB_XRAY_UNKNOWN, TB_XRAY_NO, TB_XRAY_YES, TB_XRAY_ASKED };

/* Both IDs of one request: OpenTelemetry's and X-Ray's can differ. Zeros mean "none". */
struct tb_trace {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags; /* bit 0 sampled, bit 1 random */
    uint8_t xray_trace_id[16];
    uint8_t xray_parent_id[8];
    uint8_t xray_sampled; /* enum tb_xray_sampled */
    uint8_t inherited;    /* came over fork or from the environment */
};

/* Whether either of the two IDs is there. */
bool tb_trace_is_set(const struct tb_trace *trace);
/* Each reads one header value of len bytes; 0, or -EINVAL with out untouched. Only the fields of
 * its system are written, the others are left as they are. */
int tb_trace_parse_w3c(const char *text, size_t len, struct tb_trace *out);
int tb_trace_parse_xray(const char *text, size_t len, struct tb_trace *out);
/* Finds out which of the two it is: a "Root=" part means X-Ray, and so does a "1-..." that stands
 * alone, as people type it. When X-Ray is the only one that spoke (trace_id was zeros), trace_id,
 * span_id and flags are filled from it, so that they are always the ones to show. */
int tb_trace_parse(const char *text, size_t len, struct tb_trace *out);
/* A bare ID as people type it: 32 hex digits, or 1-8-24. 0 or -EINVAL. */
int tb_trace_parse_id(const char *text, uint8_t out[16]);
/* 16 hex digits of either case that are not all zero: 0, or -EINVAL with out untouched. */
int tb_span_id_parse(const char *text, uint8_t out[8]);

void tb_trace_id_text(const uint8_t id[16], char out[TB_TRACE_ID_TEXT]);
void tb_span_id_text(const uint8_t id[8], char out[TB_SPAN_ID_TEXT]);
void tb_xray_id_text(const uint8_t id[16], char out[TB_XRAY_ID_TEXT]);
/* A bare ID of either form in X-Ray's, "1-..."; "" for what is none. Returns out. */
const char *tb_xray_id_of(const char *id, char out[TB_XRAY_ID_TEXT]);
void tb_traceparent_text(const struct tb_trace *trace, char out[TB_TRACEPARENT_TEXT]);

/* The 128-byte image of docs/spool-format.md section 8, side by side. An unset trace makes an image
 * that is not valid (byte 24); unpack says -EINVAL to those, out untouched. */
void tb_trace_pack(const struct tb_trace *trace, uint8_t out[TB_TRACE_IMAGE_BYTES]);
int tb_trace_unpack(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace *out);

#endif
