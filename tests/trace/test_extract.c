/* All headers of a request are read in order; none is lost. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "headers.h"
#include "trace/formats.h"

#define A "5759e988bd862e3fe1be46a994272793"
#define B "0af7651916cd43dd8448eb211c80319c"
#define SPAN "53995c3f42cd8ad8"
#define OTHER_SPAN "b7ad6b7169203331"
#define W3C "00-" A "-" SPAN "-01"
#define XRAY_A "1-5759e988-bd862e3fe1be46a994272793"
#define XRAY_B "1-0af76519-16cd43dd8448eb211c80319c"

enum { LINES = 7, OTHERS = 3 };

static const char *hex_of(const uint8_t *bytes, size_t len, char out[TB_TRACE_ID_TEXT])
{
    static const uint8_t zeros[16];
    out[0] = '\0';
    if (memcmp(bytes, zeros, len) == 0)
        return out;
    if (len == 16)
        tb_trace_id_text(bytes, out);
    else
        tb_span_id_text(bytes, out);
    return out;
}

static const struct {
    const char *what, *propagators;
    const char *headers[LINES][2];
    const char *trace, *span, *xray, *parent, *source;
    enum tb_sampled sampled;
    const char *others[OTHERS];
} cases[] = {
    {"nothing", "", {{NULL}}, "", "", "", "", "", TB_SAMPLED_UNSAID, {NULL}},
    {"both systems differ, and keep their own",
     "",
     {{"X-Amzn-Trace-Id", "Root=" XRAY_B ";Parent=" OTHER_SPAN ";Sampled=0"}, {"traceparent", W3C}},
     A,
     SPAN,
     B,
     OTHER_SPAN,
     "traceparent",
     TB_SAMPLED_YES,
     {NULL}},
    {"X-Ray alone is shown",
     "",
     {{"X-Amzn-Trace-Id", "Root=" XRAY_A ";Parent=" SPAN ";Sampled=0"}},
     A,
     SPAN,
     A,
     SPAN,
     "xray",
     TB_SAMPLED_NO,
     {NULL}},
    {"the first in the order counts, not the first that came",
     "",
     {{"x-datadog-trace-id", "5"}, {"x-b3-traceid", B}, {"x-b3-spanid", SPAN}, {"b3", A "-" SPAN}},
     A,
     SPAN,
     "",
     "",
     "b3",
     TB_SAMPLED_UNSAID,
     {B, "5"}},
    {"the order is configured",
     "datadog,b3",
     {{"traceparent", W3C},
      {"b3", A "-" SPAN "-0"},
      {"x-datadog-trace-id", "5"},
      {"x-datadog-parent-id", "6"},
      {"x-datadog-sampling-priority", "2"}},
     "00000000000000000000000000000005",
     "0000000000000006",
     "",
     "",
     "datadog",
     TB_SAMPLED_YES,
     {A "-" SPAN "-0"}},
    {"nothing is read where nothing is wanted",
     "none",
     {{"traceparent", W3C}},
     "",
     "",
     "",
     "",
     "",
     TB_SAMPLED_UNSAID,
     {NULL}},
    {"one that is broken leaves the way to the next",
     "",
     {{"traceparent", "garbage"}, {"tracestate", "a=b"}, {"b3", A "-" SPAN "-d"}},
     A,
     SPAN,
     "",
     "",
     "b3",
     TB_SAMPLED_YES,
     {NULL}},
    {"a decision alone goes with the trace that says none",
     "",
     {{"b3", "0"}, {"X-Honeycomb-Trace", "1;trace_id=" A ",parent_id=" SPAN}},
     A,
     SPAN,
     "",
     "",
     "honeycomb",
     TB_SAMPLED_NO,
     {NULL}},
    {"a decision alone is kept",
     "",
     {{"X-B3-Sampled", "1"}},
     "",
     "",
     "",
     "",
     "",
     TB_SAMPLED_YES,
     {NULL}},
    {"half an ID is not another trace",
     "",
     {{"traceparent", W3C},
      {"x-datadog-trace-id", "16266516598257821587"},
      {"x-b3-traceid", "e1be46a994272793"},
      {"x-b3-spanid", OTHER_SPAN}},
     A,
     SPAN,
     "",
     "",
     "traceparent",
     TB_SAMPLED_YES,
     {NULL}},
    {"what names X-Ray's trace is not another either",
     "",
     {{"traceparent", W3C}, {"X-Amzn-Trace-Id", "Root=" XRAY_B}, {"b3", B "-" SPAN}},
     A,
     SPAN,
     B,
     "",
     "traceparent",
     TB_SAMPLED_YES,
     {NULL}},
    {"two X-Ray headers",
     "",
     {{"X-Amzn-Trace-Id", "Root=1-2"},
      {"X-Amzn-Trace-Id", "Root=" XRAY_A},
      {"X-Amzn-Trace-Id", "Root=" XRAY_B}},
     A,
     "",
     A,
     "",
     "xray",
     TB_SAMPLED_UNSAID,
     {"Root=" XRAY_B}},
    {"gRPC's old header",
     "",
     {{"grpc-trace-bin", "AABXWemIvYYuP+G+RqmUJyeTAVOZXD9CzYrYAgE="}},
     A,
     SPAN,
     "",
     "",
     "grpc",
     TB_SAMPLED_YES,
     {NULL}},
    {"opaque IDs are nobody else's",
     "",
     {{"X-Honeycomb-Trace", "1;trace_id=weofijwoeifj,parent_id=owefjoweifj,context=e30="},
      {"b3", A "-" SPAN}},
     A,
     SPAN,
     "",
     "",
     "b3",
     TB_SAMPLED_UNSAID,
     {NULL}},
};

static void check_case(size_t i, const struct tb_trace_context *got)
{
    char hex[TB_TRACE_ID_TEXT];
    const struct tb_trace *trace = &got->trace;
    if (strcmp(hex_of(trace->trace_id, 16, hex), cases[i].trace) != 0)
        fail_msg("%s: trace %s", cases[i].what, hex);
    if (strcmp(hex_of(trace->span_id, 8, hex), cases[i].span) != 0)
        fail_msg("%s: span %s", cases[i].what, hex);
    if (strcmp(hex_of(trace->xray_trace_id, 16, hex), cases[i].xray) != 0)
        fail_msg("%s: X-Ray trace %s", cases[i].what, hex);
    if (strcmp(hex_of(trace->xray_parent_id, 8, hex), cases[i].parent) != 0)
        fail_msg("%s: X-Ray parent %s", cases[i].what, hex);
    if (strcmp(tb_trace_source_name(got->source), cases[i].source) != 0)
        fail_msg("%s: from %d", cases[i].what, got->source);
    if (got->sampled != cases[i].sampled)
        fail_msg("%s: sampled %d", cases[i].what, got->sampled);
    size_t n = 0;
    while (n < OTHERS && cases[i].others[n] != NULL)
        n++;
    if (n != got->n_others)
        fail_msg("%s: %d others", cases[i].what, got->n_others);
    for (size_t k = 0; k < n; k++)
        assert_memory_equal(got->other[k].text, cases[i].others[k], got->other[k].len);
}

static void headers_are_read_in_order_and_none_is_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct headers in = {.n = 0};
        struct tb_trace_propagators propagators;
        struct tb_trace_context got;
        assert_int_equal(tb_trace_propagators(cases[i].propagators, &propagators), 0);
        for (size_t k = 0; k < LINES && cases[i].headers[k][0] != NULL; k++)
            headers_add(&in, cases[i].headers[k][0], cases[i].headers[k][1]);
        bool is_there = tb_trace_extract(headers_get, &in, &propagators, &got);
        assert_int_equal(is_there, cases[i].source[0] != '\0');
        check_case(i, &got);
        headers_done(&in);
    }
}

/* ---- names ---- */

static void the_names_of_propagators_are_read_as_opentelemetry_has_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int unknown;
        uint8_t n, kinds[4];
    } lists[] = {
        {" TraceContext , baggage,", 0, 2, {TB_TRACE_W3C, TB_TRACE_BAGGAGE}},
        {"b3,b3,b3multi,b3", 0, 2, {TB_TRACE_B3, TB_TRACE_B3MULTI}},
        {"xray,jaeger,ottrace,tracecontext", 2, 2, {TB_TRACE_XRAY, TB_TRACE_W3C}},
        {"tracecontext,none", 0, 0, {0}},
        {"none", 0, 0, {0}},
        {"jaeger", 1, 0, {0}},
        {"xray-lambda,xray,honeycomb,datadog",
         0,
         3,
         {TB_TRACE_XRAY, TB_TRACE_HONEYCOMB, TB_TRACE_DATADOG}},
    };
    struct tb_trace_propagators got;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        assert_int_equal(tb_trace_propagators(lists[i].text, &got), lists[i].unknown);
        assert_int_equal(got.n, lists[i].n);
        assert_memory_equal(got.kinds, lists[i].kinds, got.n);
    }
    (void)tb_trace_propagators("xray,jaeger,ottrace", &got);
    assert_int_equal(got.unknown.len, 6);
    assert_memory_equal(got.unknown.text, "jaeger", 6);
    assert_int_equal(tb_trace_propagators(NULL, &got), 0);
    assert_int_equal(got.n, TB_TRACE_KINDS);
    assert_int_equal(tb_trace_propagators("  ", &got), 0);
    assert_int_equal(got.n, TB_TRACE_KINDS);
}

static void a_header_has_one_name_in_the_environment(void **state)
{
    (void)state;
    char name[32];
    static const char *const names[][2] = {{"traceparent", "TRACEPARENT"},
                                           {"X-Amzn-Trace-Id", "X_AMZN_TRACE_ID"},
                                           {"X-B3-TraceId", "X_B3_TRACEID"},
                                           {"1st", "_1ST"},
                                           {"", "_"},
                                           {"a.b c", "A_B_C"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(tb_trace_env_name(names[i][0], name, sizeof(name)), 0);
        assert_string_equal(name, names[i][1]);
    }
    assert_int_equal(tb_trace_env_name("traceparent", name, 11), -ENOSPC);
    assert_int_equal(tb_trace_env_name("traceparent", name, 12), 0);
}

static void the_environment_carries_state_and_baggage_too(void **state)
{
    (void)state;
    char parent[] = "TRACEPARENT=" W3C;
    char tracestate[] = "TRACESTATE=a=1";
    char baggage[] = "BAGGAGE=rollbar.execution.scope.id=x1";
    char aws[] = "_X_AMZN_TRACE_ID=Root=" XRAY_B;
    char lower[] = "b3=" B "-" SPAN;
    char longer[] = "TRACEPARENTS=" W3C;
    char *env[] = {longer, lower, parent, tracestate, baggage, aws, NULL};
    struct tb_trace_propagators all;
    struct tb_trace_context got;
    char hex[TB_TRACE_ID_TEXT];
    tb_trace_propagators_default(&all);
    assert_true(tb_trace_extract_env(env, &all, &got));
    assert_string_equal(hex_of(got.trace.trace_id, 16, hex), A);
    assert_string_equal(hex_of(got.trace.xray_trace_id, 16, hex), B);
    assert_string_equal(got.state, "a=1");
    assert_string_equal(got.execution_scope_id, "x1");
    assert_int_equal(got.n_others, 0);
    assert_string_equal(tb_trace_source_name(got.source), "environment");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read_in_order_and_none_is_lost),
        cmocka_unit_test(the_names_of_propagators_are_read_as_opentelemetry_has_them),
        cmocka_unit_test(a_header_has_one_name_in_the_environment),
        cmocka_unit_test(the_environment_carries_state_and_baggage_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
