/* formats.h - one reader and one writer for each format of a header. For who reads all headers of a
 * request: context.h. No allocation, no locale; signal-safe. docs/trace.md 3 is normative.
 *
 * Readers return 0, or -EINVAL with out untouched. Writers end with NUL and return the length, 0
 * where there is nothing to write. */
#ifndef TB_TRACE_FORMATS_H
#define TB_TRACE_FORMATS_H

#include "trace/context.h"

/* What B3, Datadog, Honeycomb and gRPC have in common. */
struct tb_trace_said {
    uint8_t trace_id[16]; /* zeros: only the sampling was decided */
    uint8_t span_id[8];   /* zeros for none */
    uint8_t parent_id[8]; /* of the span; B3 alone says it */
    uint8_t sampled;      /* enum tb_sampled */
    bool is_debug;
};

/* "b3" */
int tb_b3_parse(const char *text, size_t len, struct tb_trace_said *out);

enum tb_b3_header {
    TB_B3_TRACE_ID,
    TB_B3_SPAN_ID,
    TB_B3_PARENT_ID,
    TB_B3_SAMPLED,
    TB_B3_FLAGS,
    TB_B3_HEADERS
};
/* X-B3-TraceId and its siblings. */
int tb_b3multi_parse(const struct tb_slice headers[TB_B3_HEADERS], struct tb_trace_said *out);

enum tb_datadog_header {
    TB_DATADOG_TRACE_ID,
    TB_DATADOG_PARENT_ID,
    TB_DATADOG_PRIORITY,
    TB_DATADOG_TAGS,
    TB_DATADOG_ORIGIN,
    TB_DATADOG_HEADERS
};
int tb_datadog_parse(const struct tb_slice headers[TB_DATADOG_HEADERS], struct tb_trace_said *out);

/* IDs are opaque to Honeycomb: said has those that are 16 or 32 hex digits, zeros for others. */
struct tb_honeycomb {
    struct tb_trace_said said;
    struct tb_slice trace_id, parent_id;
    struct tb_slice dataset; /* url-encoded */
    struct tb_slice context; /* base64 of JSON */
};
int tb_honeycomb_parse(const char *text, size_t len, struct tb_honeycomb *out);

/* grpc-trace-bin: base64, or the bytes that it holds. */
int tb_grpc_parse_bytes(const uint8_t *bytes, size_t len, struct tb_trace_said *out);
int tb_grpc_parse(const char *text, size_t len, struct tb_trace_said *out);

/* X-Amzn-Trace-Id whole: tb_trace_parse_xray, and what else it has. */
struct tb_xray_rest {
    struct tb_slice self, lineage;
    char more[TB_XRAY_MORE_TEXT]; /* Lineage and unknown keys, as they are passed on */
};
/* 1-8-24. */
int tb_xray_root_parse(struct tb_slice text, uint8_t out[16]);
/* rest is written in any case; of more what the text needs. */
int tb_xray_parse(const char *text, size_t len, struct tb_trace *out, struct tb_xray_rest *rest);

/* tracestate: n header values are one list. Returns how many members it has, or -EINVAL; out has
 * those that fit, as they are passed on. */
int tb_tracestate_parse(const struct tb_slice *headers, size_t n, char out[TB_TRACESTATE_TEXT]);
struct tb_member {
    struct tb_slice key, value; /* value as it stands there: percent-encoded in baggage */
    struct tb_slice whole;      /* with the properties of baggage */
};
/* The next member of a tracestate; rest begins as the whole text. Returns 1, 0 at the end, -EINVAL
 * for what is no member. */
int tb_tracestate_next(struct tb_slice *rest, struct tb_member *out);
/* The same of baggage. */
int tb_baggage_next(struct tb_slice *rest, struct tb_member *out);
/* A value decoded: 0, or -ENOSPC. */
int tb_baggage_value(struct tb_slice value, char *out, size_t cap);
/* What is passed on of n header values: the well-formed members, whole, the first
 * TB_BAGGAGE_MEMBERS that fit into TB_BAGGAGE_BYTES. n_over (or NULL) is how many did not fit. */
size_t tb_baggage_text(const struct tb_slice *headers, size_t n, char out[TB_BAGGAGE_BYTES + 1],
                       size_t *n_over);
/* A dataset decoded: %xx and "+". 0, or -ENOSPC. */
int tb_honeycomb_dataset(struct tb_slice dataset, char *out, size_t cap);

/* Whether both name one trace: 64 bits (B3, Datadog) are the right half of 128. */
bool tb_trace_is_same(const uint8_t a[16], const uint8_t b[16]);

enum {
    TB_XRAY_TEXT = 80 + TB_XRAY_MORE_TEXT,
    TB_B3_TEXT = 52,
    TB_DECIMAL_TEXT = 21,
    TB_DATADOG_TAGS_TEXT = 27,
    TB_HONEYCOMB_TEXT = TB_TRACE_HEADER_BYTES + 1,
    TB_HONEYCOMB_LEAST = 256, /* without a context and dataset */
};
size_t tb_xray_text(const struct tb_trace_context *context, char out[TB_XRAY_TEXT]);
size_t tb_b3_text(const struct tb_trace_context *context, char out[TB_B3_TEXT]);
/* cap is TB_HONEYCOMB_LEAST or more; a context that does not fit is said to be empty. */
size_t tb_honeycomb_text(const struct tb_trace_context *context, char *out, size_t cap);
size_t tb_decimal_text(const uint8_t number[8], char out[TB_DECIMAL_TEXT]);
/* What is said of sampling on the way out. */
enum tb_sampled tb_trace_sampled(const struct tb_trace_context *context);

#endif
