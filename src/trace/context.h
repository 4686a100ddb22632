/* context.h - all that the headers of a request say about its trace, read and written by table.
 * No allocation, no locale, no system call; signal-safe. docs/trace.md 3 is normative.
 *
 * 1. OpenTelemetry's ID and X-Ray's are two things: the first header of either kind counts, later
 *    ones that name another trace go to `other`. Where only one of the two spoke, trace.trace_id
 *    is its ID.
 * 2. What is not well formed is as good as absent; nothing is half taken.
 * 3. Slices point into the carrier's memory and live as long as it does; the rest is copied. */
#ifndef TB_TRACE_CONTEXT_H
#define TB_TRACE_CONTEXT_H

#include "trace/slice.h"
#include "trace/trace.h"

enum {
    TB_TRACESTATE_TEXT = 513, /* 512 characters must be passed on, and NUL */
    TB_XRAY_MORE_TEXT = 257,
    TB_BAGGAGE_ID_TEXT = 129,
    TB_BAGGAGE_BYTES = 8192, /* what must be passed on at least is what is passed on at most */
    TB_BAGGAGE_MEMBERS = 64,
    TB_TRACE_HEADERS = 8, /* of one name that are read */
    TB_TRACE_OTHERS = 4,
    TB_TRACE_HEADER_BYTES = 8192, /* longer values are as good as absent */
};

/* The ways to pass a trace on, in the order in which they are read where nothing else is said. */
enum tb_trace_kind {
    TB_TRACE_W3C,
    TB_TRACE_XRAY,
    TB_TRACE_B3,
    TB_TRACE_B3MULTI,
    TB_TRACE_HONEYCOMB,
    TB_TRACE_DATADOG,
    TB_TRACE_GRPC, /* grpc-trace-bin; read only */
    TB_TRACE_BAGGAGE,
    TB_TRACE_KINDS
};

enum tb_trace_source {
    TB_TRACE_FROM_NOTHING,
    TB_TRACE_FROM_TRACEPARENT,
    TB_TRACE_FROM_XRAY,
    TB_TRACE_FROM_B3,
    TB_TRACE_FROM_B3MULTI,
    TB_TRACE_FROM_HONEYCOMB,
    TB_TRACE_FROM_DATADOG,
    TB_TRACE_FROM_GRPC,
    TB_TRACE_FROM_ENVIRONMENT,
    TB_TRACE_FROM_API
};

enum tb_sampled { TB_SAMPLED_UNSAID, TB_SAMPLED_NO, TB_SAMPLED_YES };

/* Zeroed memory is "nothing known". Copying a context by value is well. */
struct tb_trace_context {
    struct tb_trace trace;
    uint8_t source;                 /* enum tb_trace_source: of trace.trace_id */
    uint8_t sampled;                /* enum tb_sampled: what came with trace.trace_id */
    bool is_debug;                  /* B3's: sampled, whatever else decides */
    char state[TB_TRACESTATE_TEXT]; /* tracestate as it is passed on; "" for none */
    /* What else X-Amzn-Trace-Id had, in its own form: "Lineage=..;k=v". Self is not in it. */
    char xray_more[TB_XRAY_MORE_TEXT];
    char session_id[TB_BAGGAGE_ID_TEXT]; /* baggage: rollbar.session.id */
    char execution_scope_id[TB_BAGGAGE_ID_TEXT];
    uint8_t b3_parent_id[8];
    struct tb_slice lineage;           /* of Lambda */
    struct tb_slice dataset;           /* X-Honeycomb-Trace: url-encoded, as it came */
    struct tb_slice honeycomb_context; /* base64 of JSON */
    struct tb_slice datadog_origin;
    struct tb_slice baggage[TB_TRACE_HEADERS];
    struct tb_slice other[TB_TRACE_OTHERS]; /* header values that name other traces */
    uint8_t n_baggage, n_others;
    uint8_t other_from[TB_TRACE_OTHERS]; /* enum tb_trace_source */
    uint8_t other_id[TB_TRACE_OTHERS][16];
};

/* Which kinds are used, in what order. */
struct tb_trace_propagators {
    uint8_t kinds[TB_TRACE_KINDS]; /* enum tb_trace_kind */
    uint8_t n;
    uint8_t n_unknown;       /* names that are none */
    struct tb_slice unknown; /* the first of them */
};

/* The nth value (0, 1, ..) of the header of that name, to be found without regard to case; false
 * where there is none. */
typedef bool tb_trace_get(void *arg, const char *name, unsigned nth, struct tb_slice *out);
/* Takes one outgoing header; both texts end with NUL and live for the call. */
typedef int tb_trace_put(void *arg, const char *name, const char *value, size_t len);

/* All kinds in the order above. */
void tb_trace_propagators_default(struct tb_trace_propagators *out);
/* OTEL_PROPAGATORS: names with commas between, in any case: tracecontext, baggage, b3, b3multi,
 * xray, none; and ours: honeycomb, datadog, grpc. NULL and "" are the default; "none" anywhere is
 * no kind at all; a name said twice counts once; what is unknown is passed over, counted and
 * shown. Returns n_unknown. */
int tb_trace_propagators(const char *text, struct tb_trace_propagators *out);

/* Reads the headers of those kinds. out is written in any case; true when they named a trace. */
bool tb_trace_extract(tb_trace_get *get, void *arg, const struct tb_trace_propagators *propagators,
                      struct tb_trace_context *out);
/* The same from an environment (NAME=value, NULL at the end), by the names that OpenTelemetry's
 * "environment variables as carriers" gives, and AWS's _X_AMZN_TRACE_ID. The trace is inherited and
 * its source the environment. */
bool tb_trace_extract_env(char *const *env, const struct tb_trace_propagators *propagators,
                          struct tb_trace_context *out);
/* The name of a header in an environment: 0, or -ENOSPC. */
int tb_trace_env_name(const char *header, char *out, size_t cap);

/* Hands out the headers of those kinds that the context has the IDs for: trace_id and span_id, or
 * X-Ray's. 0, or the first error of put, which ends it. */
int tb_trace_inject(const struct tb_trace_context *context,
                    const struct tb_trace_propagators *propagators, tb_trace_put *put, void *arg);

/* Of an answer: "Root=1-..", and ";Sampled=.." where the request asked for it. Returns the length,
 * 0 where there is no X-Ray ID. */
enum { TB_XRAY_RESPONSE_TEXT = 56 };
size_t tb_xray_response_text(const struct tb_trace_context *context,
                             char out[TB_XRAY_RESPONSE_TEXT]);
/* Of an answer, header server-timing: "trace;desc=00-..-01"; the same. */
enum { TB_SERVER_TIMING_TEXT = 72 };
size_t tb_server_timing_text(const struct tb_trace *trace, char out[TB_SERVER_TIMING_TEXT]);

/* X-Ray takes IDs whose first 8 digits are a time of the last 30 days and at most 5 minutes ahead.
 * This only says; nothing is dropped for it. */
bool tb_xray_epoch_fits(const uint8_t id[16], int64_t now_seconds);

/* "traceparent", "xray", ..: a name of docs/trace.md 2; "" for nothing. */
const char *tb_trace_source_name(enum tb_trace_source source);

#endif
