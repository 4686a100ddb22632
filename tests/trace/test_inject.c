/* What is written to others and into answers: each system its own ID, as it has it. */
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

static void read_all(struct headers *in, struct tb_trace_context *out)
{
    struct tb_trace_propagators all;
    tb_trace_propagators_default(&all);
    (void)tb_trace_extract(headers_get, in, &all, out);
}

static void what_x_ray_carries_is_passed_on(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_context context;
    struct tb_trace_propagators xray;
    headers_add(&in, "x-amzn-trace-id",
                "Self=1-67891234-12456789abcdef012345678;Root=1-5759E988-BD862E3FE1BE46A994272793"
                ";Parent=" SPAN ";Sampled=?;Lineage=a87bd80c:1|68fd508a:5;CalledFrom=app");
    read_all(&in, &context);
    assert_int_equal(context.trace.xray_sampled, TB_XRAY_ASKED);
    assert_int_equal(context.lineage.len, strlen("a87bd80c:1|68fd508a:5"));
    assert_int_equal(tb_trace_propagators("xray", &xray), 0);
    assert_int_equal(tb_trace_inject(&context, &xray, headers_put, &out), 0);
    assert_string_equal(headers_text(&out, "X-Amzn-Trace-Id"),
                        "Root=" XRAY_A ";Parent=" SPAN
                        ";Sampled=?;Lineage=a87bd80c:1|68fd508a:5;CalledFrom=app");
    headers_done(&in);
    headers_done(&out);
}

static void what_is_carried_has_a_bound_and_goes_by_whole_parts(void **state)
{
    (void)state;
    char text[1024];
    struct tb_trace trace;
    struct tb_xray_rest rest;
    (void)snprintf(text, sizeof(text), "Root=" XRAY_A ";a=1;long=%0400d;bad=\x01;b=2", 0);
    assert_int_equal(tb_xray_parse(text, strlen(text), &trace, &rest), 0);
    assert_string_equal(rest.more, "a=1;b=2");
}

/* Short and long ones are read in two ways. */
static void what_is_carried_is_printable_at_every_place(void **state)
{
    (void)state;
    enum { AT = sizeof("Root=" XRAY_A ";") - 1, LONG = 37, SHORT = 5 };
    struct tb_trace trace;
    struct tb_xray_rest rest;
    for (size_t len = SHORT; len <= LONG; len += LONG - SHORT) {
        for (size_t at = 2; at < len - 1; at++) {
            for (int c = 1; c < 256; c++) {
                char text[] = "Root=" XRAY_A ";k=0123456789abcdefghijklmnopqrstuvwxy";
                text[AT + len] = '\0';
                text[AT + at] = (char)c;
                assert_int_equal(tb_xray_parse(text, strlen(text), &trace, &rest), 0);
                bool is_kept = c >= 0x20 && c < 0x7f;
                if (c != ';')
                    assert_string_equal(rest.more, is_kept ? text + AT : "");
            }
        }
    }
}

static void the_answer_says_the_decision_only_when_asked(void **state)
{
    (void)state;
    static const struct {
        const char *header, *answer;
        enum tb_sampled decision;
    } answers[] = {
        {"Root=" XRAY_A ";Sampled=?", "Root=" XRAY_A ";Sampled=1", TB_SAMPLED_YES},
        {"Root=" XRAY_A ";Sampled=?", "Root=" XRAY_A ";Sampled=0", TB_SAMPLED_NO},
        {"Root=" XRAY_A ";Sampled=?", "Root=" XRAY_A, TB_SAMPLED_UNSAID},
        {"Root=" XRAY_A ";Sampled=1", "Root=" XRAY_A, TB_SAMPLED_YES},
        {"Root=1-00000000-000000000000000000000000;Sampled=0", "", TB_SAMPLED_NO},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct headers in = {.n = 0};
        struct tb_trace_context context;
        char text[TB_XRAY_RESPONSE_TEXT];
        headers_add(&in, "X-Amzn-Trace-Id", answers[i].header);
        read_all(&in, &context);
        context.sampled = (uint8_t)answers[i].decision;
        assert_int_equal(tb_xray_response_text(&context, text), strlen(answers[i].answer));
        assert_string_equal(text, answers[i].answer);
        headers_done(&in);
    }
}

static void server_timing_names_the_span(void **state)
{
    (void)state;
    struct tb_trace trace = {.flags = 0};
    char text[TB_SERVER_TIMING_TEXT];
    assert_int_equal(tb_server_timing_text(&trace, text), 0);
    assert_int_equal(tb_trace_parse_w3c(W3C, strlen(W3C), &trace), 0);
    assert_int_equal(tb_server_timing_text(&trace, text), strlen("trace;desc=" W3C));
    assert_string_equal(text, "trace;desc=" W3C);
}

static void one_trace_goes_out_in_every_format(void **state)
{
    (void)state;
    static const char *const want[][2] = {
        {"traceparent", W3C},
        {"tracestate", "a=1,b=2"},
        {"X-Amzn-Trace-Id", "Root=" XRAY_A ";Parent=" SPAN ";Sampled=1"},
        {"b3", A "-" SPAN "-1"},
        {"X-B3-TraceId", A},
        {"X-B3-SpanId", SPAN},
        {"X-B3-Sampled", "1"},
        {"X-Honeycomb-Trace", "1;trace_id=" A ",parent_id=" SPAN ",context=e30="},
        {"x-datadog-trace-id", "16266516598257821587"},
        {"x-datadog-parent-id", "6023947403358210776"},
        {"x-datadog-sampling-priority", "1"},
        {"x-datadog-tags", "_dd.p.tid=5759e988bd862e3f"},
        {"baggage", "rollbar.session.id=a%20b,k=v;p=1"},
    };
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    headers_add(&in, "traceparent", W3C);
    headers_add(&in, "tracestate", "a=1");
    headers_add(&in, "tracestate", " b=2 ");
    headers_add(&in, "baggage", "rollbar.session.id=a%20b");
    headers_add(&in, "baggage", "no member , k=v;p=1");
    read_all(&in, &context);
    assert_string_equal(context.session_id, "a b");
    assert_int_equal(tb_trace_inject(&context, &all, headers_put, &out), 0);
    assert_int_equal(out.n, sizeof(want) / sizeof(want[0]));
    for (size_t i = 0; i < out.n; i++) {
        assert_string_equal(out.all[i].name, want[i][0]);
        assert_string_equal(out.all[i].value, want[i][1]);
    }
    /* And all of them read again are one trace, of which nothing is other. */
    struct tb_trace_context again;
    read_all(&out, &again);
    assert_memory_equal(again.trace.trace_id, context.trace.trace_id, 16);
    assert_memory_equal(again.trace.xray_trace_id, context.trace.trace_id, 16);
    assert_string_equal(again.state, context.state);
    assert_int_equal(again.n_others, 0);
    headers_done(&in);
    headers_done(&out);
}

static void a_context_goes_out_with_a_long_dataset_too(void **state)
{
    (void)state;
    enum { LONG = 1000 };
    char want[3 * LONG];
    struct tb_trace_propagators honeycomb;
    struct tb_trace_context context = {.trace = {.trace_id = {1}, .span_id = {1}}};
    struct headers out = {.n = 0};
    char text[LONG];
    memset(text, 'e', sizeof(text));
    context.dataset = context.honeycomb_context = (struct tb_slice){text, LONG};
    (void)snprintf(want, sizeof(want), ",dataset=%.*s,context=%.*s", LONG, text, LONG, text);
    assert_int_equal(tb_trace_propagators("honeycomb", &honeycomb), 0);
    assert_int_equal(tb_trace_inject(&context, &honeycomb, headers_put, &out), 0);
    assert_non_null(strstr(headers_text(&out, "X-Honeycomb-Trace"), want));
    headers_done(&out);
}

static void each_system_is_sent_its_own_id(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    headers_add(&in, "traceparent", W3C);
    headers_add(&in, "X-Amzn-Trace-Id", "Root=" XRAY_B);
    read_all(&in, &context);
    assert_int_equal(tb_trace_inject(&context, &all, headers_put, &out), 0);
    assert_string_equal(headers_text(&out, "traceparent"), W3C);
    /* No parent and no decision of another trace. */
    assert_string_equal(headers_text(&out, "X-Amzn-Trace-Id"), "Root=" XRAY_B);
    headers_done(&in);
    headers_done(&out);
}

static void without_a_span_only_x_ray_is_told(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    headers_add(&in, "X-Amzn-Trace-Id", "Root=" XRAY_A);
    read_all(&in, &context);
    assert_int_equal(tb_trace_inject(&context, &all, headers_put, &out), 0);
    assert_int_equal(out.n, 1);
    assert_string_equal(out.all[0].value, "Root=" XRAY_A);
    headers_done(&in);
    headers_done(&out);
}

static void debug_goes_out_as_each_format_has_it(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    headers_add(&in, "b3", A "-" SPAN "-d-" OTHER_SPAN);
    read_all(&in, &context);
    assert_true(context.is_debug);
    assert_int_equal(tb_trace_inject(&context, &all, headers_put, &out), 0);
    assert_string_equal(headers_text(&out, "b3"), A "-" SPAN "-d");
    assert_string_equal(headers_text(&out, "X-B3-Flags"), "1");
    assert_string_equal(headers_text(&out, "X-B3-Sampled"), "");
    assert_string_equal(headers_text(&out, "x-datadog-sampling-priority"), "2");
    assert_string_equal(headers_text(&out, "traceparent"), W3C);
    headers_done(&in);
    headers_done(&out);
}

static int refuse(void *arg, const char *name, const char *value, size_t len)
{
    (void)name;
    (void)value;
    (void)len;
    (*(int *)arg)++;
    return -ENOSPC;
}

static void a_header_that_is_not_taken_ends_it(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    int n = 0;
    tb_trace_propagators_default(&all);
    headers_add(&in, "traceparent", W3C);
    read_all(&in, &context);
    assert_int_equal(tb_trace_inject(&context, &all, refuse, &n), -ENOSPC);
    assert_int_equal(n, 1);
    headers_done(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_x_ray_carries_is_passed_on),
        cmocka_unit_test(what_is_carried_has_a_bound_and_goes_by_whole_parts),
        cmocka_unit_test(what_is_carried_is_printable_at_every_place),
        cmocka_unit_test(the_answer_says_the_decision_only_when_asked),
        cmocka_unit_test(server_timing_names_the_span),
        cmocka_unit_test(one_trace_goes_out_in_every_format),
        cmocka_unit_test(a_context_goes_out_with_a_long_dataset_too),
        cmocka_unit_test(each_system_is_sent_its_own_id),
        cmocka_unit_test(without_a_span_only_x_ray_is_told),
        cmocka_unit_test(debug_goes_out_as_each_format_has_it),
        cmocka_unit_test(a_header_that_is_not_taken_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
