/* inject.c - the headers of a call to another; see context.h. */
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

struct writing {
    const struct tb_trace_context *context;
    tb_trace_put *put;
    void *arg;
};

enum tb_sampled tb_trace_sampled(const struct tb_trace_context *context)
{
    if (context->is_debug)
        return TB_SAMPLED_YES;
    if (context->sampled != TB_SAMPLED_UNSAID)
        return context->sampled;
    return (context->trace.flags & 1) != 0 ? TB_SAMPLED_YES : TB_SAMPLED_UNSAID;
}

static bool has_ids(const struct tb_trace *trace)
{
    return !tb_bytes_are_zero(trace->trace_id, 16) && !tb_bytes_are_zero(trace->span_id, 8);
}

static int put(const struct writing *w, const char *name, const char *value, size_t len)
{
    return len > 0 ? w->put(w->arg, name, value, len) : 0;
}

static int write_w3c(const struct writing *w)
{
    char text[TB_TRACEPARENT_TEXT];
    if (!has_ids(&w->context->trace))
        return 0;
    tb_traceparent_text(&w->context->trace, text);
    int err = put(w, "traceparent", text, TB_TRACEPARENT_TEXT - 1);
    const char *state = w->context->state;
    return err ? err : put(w, "tracestate", state, strnlen(state, sizeof(w->context->state) - 1));
}

static int write_xray(const struct writing *w)
{
    char text[TB_XRAY_TEXT];
    return put(w, "X-Amzn-Trace-Id", text, tb_xray_text(w->context, text));
}

static int write_b3(const struct writing *w)
{
    char text[TB_B3_TEXT];
    return put(w, "b3", text, tb_b3_text(w->context, text));
}

static int write_b3multi(const struct writing *w)
{
    const struct tb_trace *trace = &w->context->trace;
    char id[TB_TRACE_ID_TEXT];
    int err = 0;
    if (has_ids(trace)) {
        tb_trace_id_text(trace->trace_id, id);
        err = put(w, "X-B3-TraceId", id, TB_TRACE_ID_TEXT - 1);
        tb_span_id_text(trace->span_id, id);
        err = err ? err : put(w, "X-B3-SpanId", id, TB_SPAN_ID_TEXT - 1);
    }
    enum tb_sampled sampled = tb_trace_sampled(w->context);
    if (err || sampled == TB_SAMPLED_UNSAID)
        return err;
    if (w->context->is_debug)
        return put(w, "X-B3-Flags", "1", 1);
    return put(w, "X-B3-Sampled", sampled == TB_SAMPLED_YES ? "1" : "0", 1);
}

/* What can be as long as a header may be has a frame of 8 KiB of its own, which is made only where
 * it is needed: hosts have threads and coroutines with stacks of 16 KiB, and who sends a request
 * chooses its headers. A program's traces carry less than 1 KiB of texts (image.h), and no baggage.
 */
enum { USUAL_CONTEXT = 1008, USUAL_TEXT = TB_HONEYCOMB_LEAST + USUAL_CONTEXT }; /* with dataset */

static __attribute__((noinline)) int write_long_honeycomb(const struct writing *w)
{
    char text[TB_HONEYCOMB_TEXT];
    return put(w, "X-Honeycomb-Trace", text,
               tb_honeycomb_text(w->context, text, TB_HONEYCOMB_TEXT));
}

static __attribute__((noinline)) int write_usual_honeycomb(const struct writing *w)
{
    char text[USUAL_TEXT];
    return put(w, "X-Honeycomb-Trace", text, tb_honeycomb_text(w->context, text, USUAL_TEXT));
}

static int write_honeycomb(const struct writing *w)
{
    size_t len = w->context->honeycomb_context.len + w->context->dataset.len;
    return len > USUAL_CONTEXT ? write_long_honeycomb(w) : write_usual_honeycomb(w);
}

static __attribute__((noinline)) int write_members(const struct writing *w)
{
    char text[TB_BAGGAGE_BYTES + 1];
    return put(w, "baggage", text,
               tb_baggage_text(w->context->baggage, w->context->n_baggage, text, NULL));
}

static int write_baggage(const struct writing *w)
{
    return w->context->n_baggage > 0 ? write_members(w) : 0;
}

static int write_datadog_rest(const struct writing *w)
{
    const uint8_t *left_half = w->context->trace.trace_id;
    char tags[TB_DATADOG_TAGS_TEXT];
    char origin[TB_BAGGAGE_ID_TEXT];
    struct tb_line line = {.mem = tags, .cap = sizeof(tags)};
    struct tb_line from = {.mem = origin, .cap = sizeof(origin)};
    int err = 0;
    if (!tb_bytes_are_zero(left_half, 8)) {
        tb_line_text(&line, "_dd.p.tid=");
        tb_line_hex(&line, left_half, 8);
        err = put(w, "x-datadog-tags", tags, line.len);
    }
    if (tb_slice_is(w->context->datadog_origin, TB_CHAR_TOKEN))
        tb_line_add(&from, w->context->datadog_origin.text, w->context->datadog_origin.len);
    return err ? err : put(w, "x-datadog-origin", origin, from.len);
}

static int write_datadog(const struct writing *w)
{
    const struct tb_trace *trace = &w->context->trace;
    char number[TB_DECIMAL_TEXT];
    enum tb_sampled sampled = tb_trace_sampled(w->context);
    const char *priority = w->context->is_debug ? "2" : sampled == TB_SAMPLED_YES ? "1" : "0";
    if (!has_ids(trace) || tb_bytes_are_zero(trace->trace_id + 8, 8))
        return 0;
    int err = put(w, "x-datadog-trace-id", number, tb_decimal_text(trace->trace_id + 8, number));
    if (!err)
        err = put(w, "x-datadog-parent-id", number, tb_decimal_text(trace->span_id, number));
    if (!err && sampled != TB_SAMPLED_UNSAID)
        err = put(w, "x-datadog-sampling-priority", priority, 1);
    return err ? err : write_datadog_rest(w);
}

static int (*const writers[TB_TRACE_KINDS])(const struct writing *w) = {
    [TB_TRACE_W3C] = write_w3c,
    [TB_TRACE_XRAY] = write_xray,
    [TB_TRACE_B3] = write_b3,
    [TB_TRACE_B3MULTI] = write_b3multi,
    [TB_TRACE_HONEYCOMB] = write_honeycomb,
    [TB_TRACE_DATADOG] = write_datadog,
    [TB_TRACE_GRPC] = NULL,
    [TB_TRACE_BAGGAGE] = write_baggage,
};

int tb_trace_inject(const struct tb_trace_context *context,
                    const struct tb_trace_propagators *propagators, tb_trace_put *put_header,
                    void *arg)
{
    const struct writing w = {.context = context, .put = put_header, .arg = arg};
    int err = 0;
    for (size_t i = 0; i < propagators->n && i < TB_TRACE_KINDS && !err; i++)
        if (propagators->kinds[i] < TB_TRACE_KINDS && writers[propagators->kinds[i]] != NULL)
            err = writers[propagators->kinds[i]](&w);
    return err;
}

size_t tb_server_timing_text(const struct tb_trace *trace, char out[TB_SERVER_TIMING_TEXT])
{
    char text[TB_TRACEPARENT_TEXT];
    struct tb_line line = {.mem = out, .cap = TB_SERVER_TIMING_TEXT};
    out[0] = '\0';
    if (!has_ids(trace))
        return 0;
    tb_traceparent_text(trace, text);
    tb_line_text(&line, "trace;desc=");
    tb_line_text(&line, text);
    return line.len;
}
