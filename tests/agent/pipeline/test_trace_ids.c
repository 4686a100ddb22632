/* The trace is found wherever the sender put it, and completed without overwriting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "agent/pipeline/trace_ids.h"

#define T "4bf92f3577b34da6a3ce929d0e0e4736"
#define S "00f067aa0ba902b7"
#define X "1-5759e988-bd862e3fe1be46a994272793"
#define X32 "5759e988bd862e3fe1be46a994272793"
#define ATTR                                                                                       \
    "\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"},"                                  \
    "{\"key\":\"span_id\",\"value\":\"" S "\"}]"
#define CUSTOM "\"custom\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"}"
#define HEAD "\"request\":{\"headers\":{\"Traceparent\":\"00-" T "-" S "-01\"}}"

static const struct {
    const char *item, *expected, *trace, *span, *xray;
} cases[] = {
    {"{}", "{}", "", "", ""},
    {"{" ATTR "}", "{" ATTR "," CUSTOM "}", T, S, ""},
    {"{" CUSTOM "}", "{" CUSTOM "," ATTR "}", T, S, ""},
    {"{" HEAD "}", "{" HEAD "," ATTR "," CUSTOM "}", T, S, ""},
    {"{" HEAD ",\"custom\":[]}", "{" HEAD "," CUSTOM "," ATTR "}", T, S, ""},
    {"{" HEAD ",\"custom\":null}", "{" HEAD "," CUSTOM "," ATTR "}", T, S, ""},
    {"{" HEAD ",\"custom\":\"text\"}", "{" HEAD ",\"custom\":\"text\"," ATTR "}", T, S, ""},
    {"{\"request\":{\"headers\":{\"X-AMZN-TRACE-ID\":\"Root=" X ";Sampled=1\"}}}",
     "{\"request\":{\"headers\":{\"X-AMZN-TRACE-ID\":\"Root=" X ";Sampled=1\"}},\"attributes\":["
     "{\"key\":\"trace_id\",\"value\":\"" X32 "\"}],\"custom\":{\"trace_id\":\"" X32
     "\",\"xray_trace_id\":\"" X "\"}}",
     X32, "", X32},
    {"{" ATTR "," CUSTOM "}", "{" ATTR "," CUSTOM "}", T, S, ""},
    {"{\"attributes\":[{\"key\":\"session_id\",\"value\":\"s\"}]," CUSTOM "}",
     "{\"attributes\":[{\"key\":\"session_id\",\"value\":\"s\"},{\"key\":\"trace_id\",\"value\":"
     "\"" T "\"},{\"key\":\"span_id\",\"value\":\"" S "\"}]," CUSTOM "}",
     T, S, ""},
    /* rollbar.js copies custom to data; its tracer option writes opentracing_*. */
    {"{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"}",
     "{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"," ATTR "," CUSTOM "}", T, S, ""},
    {"{\"custom\":{\"opentracing_trace_id\":\"" T "\"}}",
     "{\"custom\":{\"opentracing_trace_id\":\"" T "\",\"trace_id\":\"" T
     "\"},\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"}]}",
     T, "", ""},
    /* The order, and no span of another trace. */
    {"{\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}]," CUSTOM "," HEAD "}",
     "{\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}]," CUSTOM "," HEAD "}", X32, "",
     ""},
    {"{\"custom\":{\"trace_id\":\"" X32 "\"}," HEAD "}",
     "{\"custom\":{\"trace_id\":\"" X32 "\"}," HEAD
     ",\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}]}",
     X32, "", ""},
    {"{\"request\":{\"headers\":{\"tRaCePaReNt\":[\"00-" T "-" S "-01\",\"x\"]}}}",
     "{\"request\":{\"headers\":{\"tRaCePaReNt\":[\"00-" T "-" S "-01\",\"x\"]}}," ATTR "," CUSTOM
     "}",
     T, S, ""},
    /* What a sender says in another form is not overwritten and not understood. */
    {"{\"custom\":{\"trace_id\":\"job 7\"}}", "{\"custom\":{\"trace_id\":\"job 7\"}}", "", "", ""},
    {"{\"request\":{\"headers\":[]},\"attributes\":{},\"custom\":7}",
     "{\"request\":{\"headers\":[]},\"attributes\":{},\"custom\":7}", "", "", ""},
};

static void traces_are_found_and_completed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_doc *doc = NULL;
        struct tb_trace_ids ids;
        struct tb_buf out;
        char why[TB_DOC_WHY];
        tb_buf_init(&out, 10000);
        assert_int_equal(tb_doc_new(cases[i].item, strlen(cases[i].item), &doc, why), 0);
        assert_int_equal(tb_trace_ids_complete(doc, &ids), 0);
        assert_int_equal(tb_doc_render(doc, &out), 0);
        assert_string_equal(tb_buf_str(&out), cases[i].expected);
        assert_string_equal(ids.trace_id, cases[i].trace);
        assert_string_equal(ids.span_id, cases[i].span);
        assert_string_equal(ids.xray_trace_id, cases[i].xray);
        tb_buf_done(&out);
        tb_doc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(traces_are_found_and_completed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
