/* What the W3C's conformance harness for Trace Context asks of a service at level 2, as a table: a
 * request with these headers comes in, a child span is made, the headers of a call go out. A trace
 * that is not continued is restarted, which here means that nothing was extracted. */
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

#define TID "12345678901234567890123456789012"
#define SID "1234567890123456"
#define PARENT "00-" TID "-" SID "-00"
#define SAMPLED "00-" TID "-" SID "-01"
#define Z16 "zzzzzzzzzzzzzzzz"
#define Z64 Z16 Z16 Z16 Z16
#define Z256 Z64 Z64 Z64 Z64
#define T16 "tttttttttttttttt"
#define T240 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16 T16
#define KEY_CHARS "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
#define VALUE_CHARS                                                                                \
    " !\"#$%&'()*+-./0123456789:;<>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz"  \
    "{|}~"
#define NINE(d)                                                                                    \
    "bar" d "1=" d "1,bar" d "2=" d "2,bar" d "3=" d "3,bar" d "4=" d "4,bar" d "5=" d "5,bar" d   \
    "6=" d "6,bar" d "7=" d "7,bar" d "8=" d "8,bar" d "9=" d "9"

enum { LINES = 6 };
enum outcome { RESTARTED, CONTINUED };

static const struct {
    const char *what;
    const char *headers[LINES][2]; /* name and value */
    enum outcome outcome;
    const char *state; /* that goes out; NULL: is not looked at */
} cases[] = {
    {"nothing at all", {{NULL}}, RESTARTED, ""},
    {"a traceparent alone", {{"traceparent", SAMPLED}}, CONTINUED, ""},
    {"two traceparents",
     {{"traceparent", "00-12345678901234567890123456789011-" SID "-01"}, {"traceparent", SAMPLED}},
     RESTARTED,
     ""},
    {"the name with a dash", {{"trace-parent", SAMPLED}}, RESTARTED, ""},
    {"the name with a dot", {{"trace.parent", SAMPLED}}, RESTARTED, ""},
    {"the name capitalised", {{"TraceParent", SAMPLED}}, CONTINUED, ""},
    {"the name in both cases", {{"TrAcEpArEnT", SAMPLED}}, CONTINUED, ""},
    {"the name in upper case", {{"TRACEPARENT", SAMPLED}}, CONTINUED, ""},
    {"version 00 with a dot behind", {{"traceparent", SAMPLED "."}}, RESTARTED, ""},
    {"version 00 with more behind", {{"traceparent", SAMPLED "-what-is-to-come"}}, RESTARTED, ""},
    {"version cc", {{"traceparent", "cc-" TID "-" SID "-01"}}, CONTINUED, ""},
    {"version cc with more", {{"traceparent", "cc-" TID "-" SID "-01-more"}}, CONTINUED, ""},
    {"version cc with a dot", {{"traceparent", "cc-" TID "-" SID "-01.more"}}, RESTARTED, ""},
    {"version ff", {{"traceparent", "ff-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a dot first in the version", {{"traceparent", ".0-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a dot last in the version", {{"traceparent", "0.-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a version of three digits", {{"traceparent", "000-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a version of four digits", {{"traceparent", "0000-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a version of one digit", {{"traceparent", "0-" TID "-" SID "-01"}}, RESTARTED, ""},
    {"a trace of zeros",
     {{"traceparent", "00-00000000000000000000000000000000-" SID "-01"}},
     RESTARTED,
     ""},
    {"a dot first in the trace",
     {{"traceparent", "00-.2345678901234567890123456789012-" SID "-01"}},
     RESTARTED,
     ""},
    {"a dot last in the trace",
     {{"traceparent", "00-1234567890123456789012345678901.-" SID "-01"}},
     RESTARTED,
     ""},
    {"a trace of 33 digits", {{"traceparent", "00-" TID "3-" SID "-01"}}, RESTARTED, ""},
    {"a trace of 31 digits",
     {{"traceparent", "00-1234567890123456789012345678901-" SID "-01"}},
     RESTARTED,
     ""},
    {"a parent of zeros", {{"traceparent", "00-" TID "-0000000000000000-01"}}, RESTARTED, ""},
    {"a dot first in the parent",
     {{"traceparent", "00-" TID "-.234567890123456-01"}},
     RESTARTED,
     ""},
    {"a dot last in the parent",
     {{"traceparent", "00-" TID "-123456789012345.-01"}},
     RESTARTED,
     ""},
    {"a parent of 17 digits", {{"traceparent", "00-" TID "-" SID "7-01"}}, RESTARTED, ""},
    {"a parent of 15 digits", {{"traceparent", "00-" TID "-123456789012345-01"}}, RESTARTED, ""},
    {"a dot first in the flags", {{"traceparent", "00-" TID "-" SID "-.0"}}, RESTARTED, ""},
    {"a dot last in the flags", {{"traceparent", "00-" TID "-" SID "-0."}}, RESTARTED, ""},
    {"flags of three digits", {{"traceparent", "00-" TID "-" SID "-001"}}, RESTARTED, ""},
    {"flags of one digit", {{"traceparent", "00-" TID "-" SID "-1"}}, RESTARTED, ""},
    {"a blank before", {{"traceparent", " " SAMPLED}}, CONTINUED, ""},
    {"a tab before", {{"traceparent", "\t" SAMPLED}}, CONTINUED, ""},
    {"a blank behind", {{"traceparent", SAMPLED " "}}, CONTINUED, ""},
    {"a tab behind", {{"traceparent", SAMPLED "\t"}}, CONTINUED, ""},
    {"blanks and tabs around", {{"traceparent", "\t " SAMPLED " \t"}}, CONTINUED, ""},
    {"a state without its parent", {{"tracestate", "foo=1"}}, RESTARTED, ""},
    {"two states without a parent", {{"tracestate", "foo=1,bar=2"}}, RESTARTED, ""},
    {"a state with its parent",
     {{"traceparent", PARENT}, {"tracestate", "foo=1,bar=2"}},
     CONTINUED,
     "foo=1,bar=2"},
    {"the state's name with a dash",
     {{"traceparent", PARENT}, {"trace-state", "foo=1"}},
     CONTINUED,
     ""},
    {"the state's name with a dot",
     {{"traceparent", PARENT}, {"trace.state", "foo=1"}},
     CONTINUED,
     ""},
    {"the state's name capitalised",
     {{"traceparent", PARENT}, {"TraceState", "foo=1"}},
     CONTINUED,
     "foo=1"},
    {"the state's name in both cases",
     {{"traceparent", PARENT}, {"TrAcEsTaTe", "foo=1"}},
     CONTINUED,
     "foo=1"},
    {"the state's name in upper case",
     {{"traceparent", PARENT}, {"TRACESTATE", "foo=1"}},
     CONTINUED,
     "foo=1"},
    {"an empty state", {{"traceparent", PARENT}, {"tracestate", ""}}, CONTINUED, ""},
    {"an empty line behind",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", ""}},
     CONTINUED,
     "foo=1"},
    {"an empty line before",
     {{"traceparent", PARENT}, {"tracestate", ""}, {"tracestate", "foo=1"}},
     CONTINUED,
     "foo=1"},
    {"three lines keep their order",
     {{"traceparent", PARENT},
      {"tracestate", "foo=1,bar=2"},
      {"tracestate", "rojo=1,congo=2"},
      {"tracestate", "baz=3"}},
     CONTINUED,
     "foo=1,bar=2,rojo=1,congo=2,baz=3"},
    {"one key twice with one value",
     {{"traceparent", PARENT}, {"tracestate", "foo=1,foo=1"}},
     CONTINUED,
     "foo=1,foo=1"},
    {"one key with two values",
     {{"traceparent", PARENT}, {"tracestate", "foo=1,foo=2"}},
     CONTINUED,
     "foo=1,foo=2"},
    {"one key in two lines",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", "foo=1"}},
     CONTINUED,
     "foo=1,foo=1"},
    {"one key in two lines with two values",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", "foo=2"}},
     CONTINUED,
     "foo=1,foo=2"},
    {"all characters of a key and of a value",
     {{"traceparent", PARENT}, {"tracestate", KEY_CHARS "=" VALUE_CHARS}},
     CONTINUED,
     KEY_CHARS "=" VALUE_CHARS},
    {"all of them with a vendor",
     {{"traceparent", PARENT}, {"tracestate", KEY_CHARS "@a-z0-9_-*/=" VALUE_CHARS}},
     CONTINUED,
     KEY_CHARS "@a-z0-9_-*/=" VALUE_CHARS},
    {"blanks around commas",
     {{"traceparent", PARENT}, {"tracestate", "foo=1 \t , \t bar=2, \t baz=3"}},
     CONTINUED,
     "foo=1,bar=2,baz=3"},
    {"tabs around commas",
     {{"traceparent", PARENT}, {"tracestate", "foo=1\t \t,\t \tbar=2,\t \tbaz=3"}},
     CONTINUED,
     "foo=1,bar=2,baz=3"},
    {"a blank before the state",
     {{"traceparent", PARENT}, {"tracestate", " foo=1"}},
     CONTINUED,
     "foo=1"},
    {"a tab before the state",
     {{"traceparent", PARENT}, {"tracestate", "\tfoo=1"}},
     CONTINUED,
     "foo=1"},
    {"a blank behind the state",
     {{"traceparent", PARENT}, {"tracestate", "foo=1 "}},
     CONTINUED,
     "foo=1"},
    {"a tab behind the state",
     {{"traceparent", PARENT}, {"tracestate", "foo=1\t"}},
     CONTINUED,
     "foo=1"},
    {"both around the state",
     {{"traceparent", PARENT}, {"tracestate", "\t foo=1 \t"}},
     CONTINUED,
     "foo=1"},
    {"a blank in the key", {{"traceparent", PARENT}, {"tracestate", "foo =1"}}, CONTINUED, ""},
    {"a key in upper case", {{"traceparent", PARENT}, {"tracestate", "FOO=1"}}, CONTINUED, ""},
    {"a dot in the key", {{"traceparent", PARENT}, {"tracestate", "foo.bar=1"}}, CONTINUED, ""},
    {"an at sign last in the key",
     {{"traceparent", PARENT}, {"tracestate", "foo@=1,bar=2"}},
     CONTINUED,
     "foo@=1,bar=2"},
    {"an at sign first in the key",
     {{"traceparent", PARENT}, {"tracestate", "@foo=1,bar=2"}},
     CONTINUED,
     ""},
    {"two at signs together",
     {{"traceparent", PARENT}, {"tracestate", "foo@@bar=1,bar=2"}},
     CONTINUED,
     "foo@@bar=1,bar=2"},
    {"two at signs apart",
     {{"traceparent", PARENT}, {"tracestate", "foo@bar@baz=1,bar=2"}},
     CONTINUED,
     "foo@bar@baz=1,bar=2"},
    {"32 members in four lines",
     {{"traceparent", PARENT},
      {"tracestate", NINE("0")},
      {"tracestate", NINE("1")},
      {"tracestate", NINE("2")},
      {"tracestate", "bar31=31,bar32=32,bar33=33,bar34=34,bar35=35"}},
     CONTINUED,
     NINE("0") "," NINE("1") "," NINE("2") ",bar31=31,bar32=32,bar33=33,bar34=34,bar35=35"},
    {"33 members in four lines",
     {{"traceparent", PARENT},
      {"tracestate", NINE("0")},
      {"tracestate", NINE("1")},
      {"tracestate", NINE("2")},
      {"tracestate", "bar31=31,bar32=32,bar33=33,bar34=34,bar35=35,bar36=36"}},
     CONTINUED,
     ""},
    {"a key of 256 characters",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", Z256 "=1"}},
     CONTINUED,
     "foo=1," Z256 "=1"},
    {"a key of 257 characters",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", Z256 "z=1"}},
     CONTINUED,
     ""},
    {"a tenant of 241 and a vendor of 14",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", T240 "t@vvvvvvvvvvvvvv=1"}},
     CONTINUED,
     "foo=1," T240 "t@vvvvvvvvvvvvvv=1"},
    {"a tenant of 242",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", T240 "tt@v=1"}},
     CONTINUED,
     "foo=1," T240 "tt@v=1"},
    {"a vendor of 15",
     {{"traceparent", PARENT}, {"tracestate", "foo=1"}, {"tracestate", "t@vvvvvvvvvvvvvvv=1"}},
     CONTINUED,
     "foo=1,t@vvvvvvvvvvvvvvv=1"},
    {"an equals sign in the value",
     {{"traceparent", PARENT}, {"tracestate", "foo=bar=baz"}},
     CONTINUED,
     ""},
    {"no value", {{"traceparent", PARENT}, {"tracestate", "foo=,bar=3"}}, CONTINUED, ""},
    {"the random flag goes on", {{"traceparent", "00-" TID "-" SID "-02"}}, CONTINUED, ""},
    {"flags that are not known yet", {{"traceparent", "00-" TID "-" SID "-ff"}}, CONTINUED, ""},
};

/* What a service does: a span of its own below the one that called. */
static void call_on(struct tb_trace_context *context, uint8_t span, struct headers *out)
{
    struct tb_trace_propagators w3c;
    assert_int_equal(tb_trace_propagators("tracecontext", &w3c), 0);
    memset(context->trace.span_id, span, sizeof(context->trace.span_id));
    assert_int_equal(tb_trace_inject(context, &w3c, headers_put, out), 0);
}

static void run_case(size_t i)
{
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    for (size_t k = 0; k < LINES && cases[i].headers[k][0] != NULL; k++)
        headers_add(&in, cases[i].headers[k][0], cases[i].headers[k][1]);
    bool is_there = tb_trace_extract(headers_get, &in, &all, &context);
    if (is_there != (cases[i].outcome == CONTINUED))
        fail_msg("%s: continued is %d", cases[i].what, is_there);
    if (is_there) {
        call_on(&context, 0xab, &out);
        const char *parent = headers_text(&out, "traceparent");
        if (strncmp(parent, "00-" TID "-abababababababab-0", 53) != 0)
            fail_msg("%s: goes out as %s", cases[i].what, parent);
    }
    if (strcmp(headers_text(&out, "tracestate"), cases[i].state) != 0)
        fail_msg("%s: the state is '%s'", cases[i].what, headers_text(&out, "tracestate"));
    headers_done(&in);
    headers_done(&out);
}

static void every_case_of_the_harness_is_answered_as_it_asks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        run_case(i);
}

static void three_calls_of_one_request_have_one_trace_and_three_parents(void **state)
{
    (void)state;
    struct headers in = {.n = 0};
    struct tb_trace_propagators all;
    struct tb_trace_context context;
    tb_trace_propagators_default(&all);
    headers_add(&in, "traceparent", SAMPLED);
    assert_true(tb_trace_extract(headers_get, &in, &all, &context));
    char last[TB_TRACEPARENT_TEXT] = "";
    for (uint8_t span = 1; span <= 3; span++) {
        struct headers out = {.n = 0};
        call_on(&context, span, &out);
        assert_memory_equal(headers_text(&out, "traceparent"), "00-" TID, 35);
        assert_string_not_equal(headers_text(&out, "traceparent"), last);
        (void)snprintf(last, sizeof(last), "%s", headers_text(&out, "traceparent"));
        headers_done(&out);
    }
    headers_done(&in);
}

static void the_flags_go_on_as_far_as_they_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } flags[] = {{"00-" TID "-" SID "-02", "02"},
                 {"00-" TID "-" SID "-03", "03"},
                 {"00-" TID "-" SID "-ff", "03"},
                 {"00-" TID "-" SID "-fc", "00"},
                 {"cc-" TID "-" SID "-03", "01"}};
    struct tb_trace_propagators all;
    tb_trace_propagators_default(&all);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        struct headers in = {.n = 0};
        struct headers out = {.n = 0};
        struct tb_trace_context context;
        headers_add(&in, "traceparent", flags[i].in);
        assert_true(tb_trace_extract(headers_get, &in, &all, &context));
        call_on(&context, 1, &out);
        assert_string_equal(headers_text(&out, "traceparent") + 53, flags[i].out);
        headers_done(&in);
        headers_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_harness_is_answered_as_it_asks),
        cmocka_unit_test(three_calls_of_one_request_have_one_trace_and_three_parents),
        cmocka_unit_test(the_flags_go_on_as_far_as_they_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
