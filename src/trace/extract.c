/* extract.c - all headers of a request; see context.h. */
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

struct reading {
    tb_trace_get *get;
    void *arg;
    struct tb_trace_context *out;
};

bool tb_trace_is_same(const uint8_t a[16], const uint8_t b[16])
{
    if (memcmp(a + 8, b + 8, 8) != 0)
        return false;
    return memcmp(a, b, 8) == 0 || tb_bytes_are_zero(a, 8) || tb_bytes_are_zero(b, 8);
}

/* The nth value, when it is of a length that is read. */
static bool value_of(const struct reading *r, const char *name, unsigned nth, struct tb_slice *out)
{
    struct tb_slice found = {.text = NULL};
    if (!r->get(r->arg, name, nth, &found) || found.text == NULL)
        return false;
    if (found.len > TB_TRACE_HEADER_BYTES)
        found.len = 0;
    *out = found;
    return true;
}

static struct tb_slice first_of(const struct reading *r, const char *name)
{
    struct tb_slice value = {.text = NULL};
    (void)value_of(r, name, 0, &value);
    return value;
}

/* ---- which of them counts ---- */

static void note_other(struct tb_trace_context *out, struct tb_slice raw,
                       enum tb_trace_source source, const uint8_t id[16])
{
    raw = tb_slice_trim(raw);
    for (size_t i = 0; i < out->n_others; i++)
        if (out->other[i].len == raw.len && memcmp(out->other[i].text, raw.text, raw.len) == 0)
            return;
    if (out->n_others == TB_TRACE_OTHERS)
        return;
    out->other_from[out->n_others] = (uint8_t)source;
    memcpy(out->other_id[out->n_others], id, 16);
    out->other[out->n_others++] = raw;
}

/* Returns whether it became the trace of the request. */
static bool take(struct tb_trace_context *out, const struct tb_trace_said *said,
                 enum tb_trace_source source, struct tb_slice raw)
{
    struct tb_trace *trace = &out->trace;
    bool has_ids = !tb_bytes_are_zero(said->trace_id, 16);
    if (has_ids && out->source != TB_TRACE_FROM_NOTHING) {
        if (!tb_trace_is_same(trace->trace_id, said->trace_id) &&
            !tb_trace_is_same(trace->xray_trace_id, said->trace_id))
            note_other(out, raw, source, said->trace_id);
        return false;
    }
    if (!has_ids && out->source != TB_TRACE_FROM_NOTHING)
        return false;
    /* A decision alone counts until a trace comes with its own. */
    if (said->sampled != TB_SAMPLED_UNSAID) {
        out->sampled = said->sampled;
        out->is_debug = said->is_debug;
    }
    if (!has_ids)
        return false;
    memcpy(trace->trace_id, said->trace_id, 16);
    memcpy(trace->span_id, said->span_id, 8);
    memcpy(out->b3_parent_id, said->parent_id, 8);
    trace->flags = out->sampled == TB_SAMPLED_YES ? 1 : 0;
    out->source = (uint8_t)source;
    return true;
}

/* ---- one kind each ---- */

static void read_tracestate(const struct reading *r)
{
    struct tb_slice values[TB_TRACE_HEADERS];
    unsigned n = 0;
    while (n < TB_TRACE_HEADERS && value_of(r, "tracestate", n, &values[n]))
        n++;
    struct tb_slice beyond;
    if (n == TB_TRACE_HEADERS && value_of(r, "tracestate", n, &beyond))
        return; /* a part of it would be another list */
    if (tb_tracestate_parse(values, n, r->out->state) < 0)
        r->out->state[0] = '\0';
}

static void read_w3c(const struct reading *r)
{
    struct tb_trace trace = {.flags = 0};
    struct tb_slice value;
    struct tb_slice second;
    if (!value_of(r, "traceparent", 0, &value) || value_of(r, "traceparent", 1, &second) ||
        tb_trace_parse_w3c(value.text, value.len, &trace) < 0)
        return;
    struct tb_trace_said said = {.sampled =
                                     (trace.flags & 1) != 0 ? TB_SAMPLED_YES : TB_SAMPLED_NO};
    memcpy(said.trace_id, trace.trace_id, 16);
    memcpy(said.span_id, trace.span_id, 8);
    if (!take(r->out, &said, TB_TRACE_FROM_TRACEPARENT, value))
        return;
    r->out->trace.flags = trace.flags;
    read_tracestate(r);
}

static void read_xray(const struct reading *r)
{
    struct tb_trace_context *out = r->out;
    struct tb_slice value;
    for (unsigned n = 0; n < TB_TRACE_HEADERS && value_of(r, "X-Amzn-Trace-Id", n, &value); n++) {
        struct tb_trace trace = {.flags = 0};
        struct tb_xray_rest rest;
        if (tb_xray_parse(value.text, value.len, &trace, &rest) < 0)
            continue;
        if (!tb_bytes_are_zero(out->trace.xray_trace_id, 16)) {
            if (memcmp(out->trace.xray_trace_id, trace.xray_trace_id, 16) != 0)
                note_other(out, value, TB_TRACE_FROM_XRAY, trace.xray_trace_id);
            continue;
        }
        memcpy(out->trace.xray_trace_id, trace.xray_trace_id, 16);
        memcpy(out->trace.xray_parent_id, trace.xray_parent_id, 8);
        out->trace.xray_sampled = trace.xray_sampled;
        out->lineage = rest.lineage;
        memcpy(out->xray_more, rest.more, strlen(rest.more) + 1);
    }
}

static void read_b3(const struct reading *r)
{
    struct tb_trace_said said;
    struct tb_slice value = first_of(r, "b3");
    if (value.text != NULL && tb_b3_parse(value.text, value.len, &said) == 0)
        (void)take(r->out, &said, TB_TRACE_FROM_B3, value);
}

static void read_b3multi(const struct reading *r)
{
    static const char *const headers[TB_B3_HEADERS] = {[TB_B3_TRACE_ID] = "X-B3-TraceId",
                                                       [TB_B3_SPAN_ID] = "X-B3-SpanId",
                                                       [TB_B3_PARENT_ID] = "X-B3-ParentSpanId",
                                                       [TB_B3_SAMPLED] = "X-B3-Sampled",
                                                       [TB_B3_FLAGS] = "X-B3-Flags"};
    struct tb_slice values[TB_B3_HEADERS];
    struct tb_trace_said said;
    for (size_t i = 0; i < TB_B3_HEADERS; i++)
        values[i] = first_of(r, headers[i]);
    if (tb_b3multi_parse(values, &said) == 0)
        (void)take(r->out, &said, TB_TRACE_FROM_B3MULTI, values[TB_B3_TRACE_ID]);
}

static void read_honeycomb(const struct reading *r)
{
    struct tb_honeycomb h;
    struct tb_slice value = first_of(r, "X-Honeycomb-Trace");
    if (value.text == NULL || tb_honeycomb_parse(value.text, value.len, &h) < 0)
        return;
    r->out->dataset = h.dataset;
    r->out->honeycomb_context = h.context;
    (void)take(r->out, &h.said, TB_TRACE_FROM_HONEYCOMB, value);
}

static void read_datadog(const struct reading *r)
{
    static const char *const headers[TB_DATADOG_HEADERS] = {
        [TB_DATADOG_TRACE_ID] = "x-datadog-trace-id",
        [TB_DATADOG_PARENT_ID] = "x-datadog-parent-id",
        [TB_DATADOG_PRIORITY] = "x-datadog-sampling-priority",
        [TB_DATADOG_TAGS] = "x-datadog-tags",
        [TB_DATADOG_ORIGIN] = "x-datadog-origin"};
    struct tb_slice values[TB_DATADOG_HEADERS];
    struct tb_trace_said said;
    for (size_t i = 0; i < TB_DATADOG_HEADERS; i++)
        values[i] = first_of(r, headers[i]);
    if (tb_datadog_parse(values, &said) < 0)
        return;
    r->out->datadog_origin = values[TB_DATADOG_ORIGIN];
    (void)take(r->out, &said, TB_TRACE_FROM_DATADOG, values[TB_DATADOG_TRACE_ID]);
}

static void read_grpc(const struct reading *r)
{
    struct tb_trace_said said;
    struct tb_slice value = first_of(r, "grpc-trace-bin");
    if (value.text != NULL && tb_grpc_parse(value.text, value.len, &said) == 0)
        (void)take(r->out, &said, TB_TRACE_FROM_GRPC, value);
}

static void note_member(struct tb_trace_context *out, const struct tb_member *member)
{
    static const char session[] = "rollbar.session.id";
    static const char scope[] = "rollbar.execution.scope.id";
    char *to = NULL;
    if (member->key.len == sizeof(session) - 1 &&
        memcmp(member->key.text, session, member->key.len) == 0)
        to = out->session_id;
    else if (member->key.len == sizeof(scope) - 1 &&
             memcmp(member->key.text, scope, member->key.len) == 0)
        to = out->execution_scope_id;
    if (to != NULL && to[0] == '\0' && tb_baggage_value(member->value, to, TB_BAGGAGE_ID_TEXT) < 0)
        to[0] = '\0';
}

/* The lines that fit into what is passed on. */
static void read_baggage(const struct reading *r)
{
    struct tb_trace_context *out = r->out;
    struct tb_member member;
    struct tb_slice value;
    size_t total = 0;
    for (unsigned n = 0; n < TB_TRACE_HEADERS && value_of(r, "baggage", n, &value); n++) {
        total += value.len + 1;
        if (total > TB_BAGGAGE_BYTES + 1)
            break;
        out->baggage[out->n_baggage++] = value;
    }
    for (size_t i = 0; i < out->n_baggage; i++) {
        struct tb_slice rest = out->baggage[i];
        int found;
        while ((found = tb_baggage_next(&rest, &member)) != 0)
            if (found > 0)
                note_member(out, &member);
    }
}

/* ---- all of them ---- */

static void (*const readers[TB_TRACE_KINDS])(const struct reading *r) = {
    [TB_TRACE_W3C] = read_w3c,
    [TB_TRACE_XRAY] = read_xray,
    [TB_TRACE_B3] = read_b3,
    [TB_TRACE_B3MULTI] = read_b3multi,
    [TB_TRACE_HONEYCOMB] = read_honeycomb,
    [TB_TRACE_DATADOG] = read_datadog,
    [TB_TRACE_GRPC] = read_grpc,
    [TB_TRACE_BAGGAGE] = read_baggage,
};

/* Only X-Ray spoke: its ID is the one to show. */
static void show_xray(struct tb_trace_context *out)
{
    struct tb_trace *trace = &out->trace;
    if (out->source != TB_TRACE_FROM_NOTHING || tb_bytes_are_zero(trace->xray_trace_id, 16))
        return;
    memcpy(trace->trace_id, trace->xray_trace_id, 16);
    memcpy(trace->span_id, trace->xray_parent_id, 8);
    if (trace->xray_sampled == TB_XRAY_YES || trace->xray_sampled == TB_XRAY_NO)
        out->sampled = trace->xray_sampled == TB_XRAY_YES ? TB_SAMPLED_YES : TB_SAMPLED_NO;
    trace->flags = out->sampled == TB_SAMPLED_YES ? 1 : 0;
    out->source = TB_TRACE_FROM_XRAY;
}

bool tb_trace_extract(tb_trace_get *get, void *arg, const struct tb_trace_propagators *propagators,
                      struct tb_trace_context *out)
{
    const struct reading r = {.get = get, .arg = arg, .out = out};
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < propagators->n && i < TB_TRACE_KINDS; i++)
        if (propagators->kinds[i] < TB_TRACE_KINDS)
            readers[propagators->kinds[i]](&r);
    show_xray(out);
    return out->source != TB_TRACE_FROM_NOTHING;
}

const char *tb_trace_source_name(enum tb_trace_source source)
{
    static const char *const names[] = {
        [TB_TRACE_FROM_NOTHING] = "",
        [TB_TRACE_FROM_TRACEPARENT] = "traceparent",
        [TB_TRACE_FROM_XRAY] = "xray",
        [TB_TRACE_FROM_B3] = "b3",
        [TB_TRACE_FROM_B3MULTI] = "b3multi",
        [TB_TRACE_FROM_HONEYCOMB] = "honeycomb",
        [TB_TRACE_FROM_DATADOG] = "datadog",
        [TB_TRACE_FROM_GRPC] = "grpc",
        [TB_TRACE_FROM_ENVIRONMENT] = "environment",
        [TB_TRACE_FROM_API] = "api",
    };
    return (size_t)source < sizeof(names) / sizeof(names[0]) ? names[source] : "";
}
