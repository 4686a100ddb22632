/* bench_trace.c - one header read, one header written: what a request costs, in nanoseconds of
 * processor time.
 *
 * The limit copies the same bytes one by one and looks for the marks between them. b3multi and
 * datadog are the two and three headers of one request together. */
#include "bench.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "trace/formats.h"

enum { BLOCKS = 20, BLOCK = 2000, MEM_BYTES = 1024 };

#define TRACE "5759e988bd862e3fe1be46a994272793"
#define SPAN "53995c3f42cd8ad8"
#define TRACEPARENT "00-" TRACE "-" SPAN "-01"
#define XRAY "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=" SPAN ";Sampled=1"
#define HONEYCOMB "1;trace_id=" TRACE ",parent_id=" SPAN ",context=eyJoZWxsbyI6IndvcmxkIn0="

static volatile size_t sink;

static int as_traceparent(const char *text, size_t len)
{
    struct tb_trace trace;
    return tb_trace_parse_w3c(text, len, &trace);
}

static int as_xray(const char *text, size_t len)
{
    struct tb_trace trace;
    return tb_trace_parse_xray(text, len, &trace);
}

static int as_b3(const char *text, size_t len)
{
    struct tb_trace_said said;
    return tb_b3_parse(text, len, &said);
}

static int as_b3multi(const char *text, size_t len)
{
    struct tb_trace_said said;
    const struct tb_slice headers[TB_B3_HEADERS] = {[TB_B3_TRACE_ID] = {text, 32},
                                                    [TB_B3_SPAN_ID] = {text + 32, 16},
                                                    [TB_B3_SAMPLED] = {text + 48, len - 48}};
    return tb_b3multi_parse(headers, &said);
}

static int as_honeycomb(const char *text, size_t len)
{
    struct tb_honeycomb h;
    return tb_honeycomb_parse(text, len, &h);
}

static int as_datadog(const char *text, size_t len)
{
    struct tb_trace_said said;
    const struct tb_slice headers[TB_DATADOG_HEADERS] = {[TB_DATADOG_TRACE_ID] = {text, 20},
                                                         [TB_DATADOG_PARENT_ID] = {text + 20, 19},
                                                         [TB_DATADOG_TAGS] = {text + 39, len - 39}};
    return tb_datadog_parse(headers, &said);
}

static int as_tracestate(const char *text, size_t len)
{
    const struct tb_slice header = {text, len};
    char out[TB_TRACESTATE_TEXT];
    return tb_tracestate_parse(&header, 1, out) == 2 ? 0 : -EINVAL;
}

/* ---- written ---- */

static const struct tb_trace_context context = {
    .trace = {.trace_id = {0x57, 0x59, 0xe9, 0x88, 0xbd, 0x86, 0x2e, 0x3f, 0xe1, 0xbe, 0x46, 0xa9,
                           0x94, 0x27, 0x27, 0x93},
              .span_id = {0x53, 0x99, 0x5c, 0x3f, 0x42, 0xcd, 0x8a, 0xd8},
              .flags = 1}};

static int to_traceparent(const char *text, size_t len)
{
    char out[TB_TRACEPARENT_TEXT];
    tb_traceparent_text(&context.trace, out);
    return out[len - 1] == text[len - 1] ? 0 : -EINVAL;
}

static int to_xray(const char *text, size_t len)
{
    char out[TB_XRAY_TEXT];
    (void)text;
    return tb_xray_text(&context, out) == len ? 0 : -EINVAL;
}

static int to_b3(const char *text, size_t len)
{
    char out[TB_B3_TEXT];
    (void)text;
    return tb_b3_text(&context, out) == len ? 0 : -EINVAL;
}

static int to_honeycomb(const char *text, size_t len)
{
    static char out[TB_HONEYCOMB_TEXT];
    (void)text;
    return tb_honeycomb_text(&context, out, sizeof(out)) > 0 && len > 0 ? 0 : -EINVAL;
}

static int to_datadog(const char *text, size_t len)
{
    char out[TB_DECIMAL_TEXT];
    (void)text;
    return tb_decimal_text(context.trace.trace_id + 8, out) == len ? 0 : -EINVAL;
}

/* ---- measured ---- */

static double processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void copied(const char *text, size_t len)
{
    volatile char mem[MEM_BYTES];
    size_t marks = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        mem[i] = c;
        marks += c == '-' || c == ';' || c == ',' || c == '=';
    }
    sink += marks + (size_t)mem[0];
}

static int measure(int (*work)(const char *text, size_t len), const char *text,
                   struct bench_round *out)
{
    size_t len = strlen(text);
    double ours = 0;
    double limit = 0;
    int err = 0;
    for (int block = 0; block < BLOCKS && err == 0; block++) {
        double began = processor_ns();
        for (int i = 0; i < BLOCK; i++)
            err |= work(text, len);
        double between = processor_ns();
        for (int i = 0; i < BLOCK; i++)
            copied(text, len);
        ours += between - began;
        limit += processor_ns() - between;
    }
    out->ours = ours / (BLOCKS * BLOCK);
    out->limit = limit / (BLOCKS * BLOCK);
    return err == 0 ? 0 : -EILSEQ;
}

static int parse_traceparent(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_traceparent, TRACEPARENT, out);
}

static int parse_xray(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_xray, XRAY, out);
}

static int parse_b3(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_b3, TRACE "-" SPAN "-1", out);
}

static int parse_b3multi(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_b3multi, TRACE SPAN "1", out);
}

static int parse_honeycomb(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_honeycomb, HONEYCOMB, out);
}

static int parse_datadog(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_datadog, "162665165982578215876023947403358210776_dd.p.tid=5759e988bd862e3f",
                   out);
}

static int parse_tracestate(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(as_tracestate, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", out);
}

static int format_traceparent(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(to_traceparent, TRACEPARENT, out);
}

static int format_xray(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(to_xray, XRAY, out);
}

static int format_b3(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(to_b3, TRACE "-" SPAN "-1", out);
}

static int format_honeycomb(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(to_honeycomb, HONEYCOMB, out);
}

static int format_datadog(const char *folder, struct bench_round *out)
{
    (void)folder;
    return measure(to_datadog, "16266516598257821587", out);
}

const struct bench bench_trace[] = {
    {"trace.parse.traceparent", "ns", parse_traceparent},
    {"trace.parse.tracestate", "ns", parse_tracestate},
    {"trace.parse.xray", "ns", parse_xray},
    {"trace.parse.b3", "ns", parse_b3},
    {"trace.parse.b3multi", "ns", parse_b3multi},
    {"trace.parse.honeycomb", "ns", parse_honeycomb},
    {"trace.parse.datadog", "ns", parse_datadog},
    {"trace.format.traceparent", "ns", format_traceparent},
    {"trace.format.xray", "ns", format_xray},
    {"trace.format.b3", "ns", format_b3},
    {"trace.format.honeycomb", "ns", format_honeycomb},
    {"trace.format.datadog", "ns", format_datadog},
};
const size_t bench_trace_n = sizeof(bench_trace) / sizeof(bench_trace[0]);
