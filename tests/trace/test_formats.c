/* Each format by itself: what is refused, what is cut, and that no reader or writer leaves its
 * bounds. */
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
#include "trace/text.h"

#define A "5759e988bd862e3fe1be46a994272793"
#define SPAN "53995c3f42cd8ad8"
#define Z16 "zzzzzzzzzzzzzzzz"
#define Z64 Z16 Z16 Z16 Z16
#define Z240 Z64 Z64 Z64 Z16 Z16 Z16

static struct tb_slice slice(const char *text)
{
    return (struct tb_slice){text, strlen(text)};
}

/* ---- tracestate ---- */

static void long_members_go_first_and_then_those_at_the_right(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"a=" Z240 ",b=" Z240 ",c=1", "a=" Z240 ",b=" Z240 ",c=1"},
        {"a=" Z240 ",b=" Z240 Z16 ",c=" Z16, "a=" Z240 ",c=" Z16},
        {"a=" Z240 ",b=" Z240 ",c=" Z240, "a=" Z240 ",b=" Z240},
        {"a=" Z64 Z16 ",b=" Z64 Z16 ",c=" Z64 Z16 ",d=" Z64 Z16 ",e=" Z64 Z16 ",f=" Z64 Z16
         ",g=" Z64 Z16,
         "a=" Z64 Z16 ",b=" Z64 Z16 ",c=" Z64 Z16 ",d=" Z64 Z16 ",e=" Z64 Z16 ",f=" Z64 Z16},
        {"a=" Z64 Z16 ",l=" Z240 ",b=" Z64 Z16 ",c=" Z64 Z16 ",d=" Z64 Z16 ",e=" Z64 Z16
         ",f=" Z64 Z16 ",g=1",
         "a=" Z64 Z16 ",b=" Z64 Z16 ",c=" Z64 Z16 ",d=" Z64 Z16 ",e=" Z64 Z16 ",f=" Z64 Z16 ",g=1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tb_slice header = slice(cases[i].in);
        char text[TB_TRACESTATE_TEXT];
        assert_true(tb_tracestate_parse(&header, 1, text) > 0);
        assert_string_equal(text, cases[i].out);
    }
}

static void exactly_512_characters_are_passed_on(void **state)
{
    (void)state;
    char text[TB_TRACESTATE_TEXT];
    char in[600];
    for (int extra = 0; extra < 2; extra++) {
        (void)snprintf(in, sizeof(in), "a=%0254d,b=%0*d", 0, 252 + extra, 0);
        const struct tb_slice header = slice(in);
        assert_int_equal(header.len, 511 + extra);
        in[header.len] = '\0';
        assert_int_equal(tb_tracestate_parse(&header, 1, text), 2);
        assert_int_equal(strlen(text), header.len);
    }
    (void)snprintf(in, sizeof(in), "a=%0254d,b=%0254d", 0, 0);
    const struct tb_slice header = slice(in);
    assert_int_equal(tb_tracestate_parse(&header, 1, text), 2);
    assert_int_equal(strlen(text), 256);
}

static void a_value_may_have_256_characters(void **state)
{
    (void)state;
    char in[300];
    char text[TB_TRACESTATE_TEXT];
    (void)snprintf(in, sizeof(in), "a=%0256d", 0);
    struct tb_slice header = slice(in);
    assert_int_equal(tb_tracestate_parse(&header, 1, text), 1);
    (void)snprintf(in, sizeof(in), "a=%0257d", 0);
    header = slice(in);
    assert_int_equal(tb_tracestate_parse(&header, 1, text), -EINVAL);
}

/* Two header values that lie in memory with one byte between them. */
static void neighbours_in_memory_are_two_headers(void **state)
{
    (void)state;
    static const char text[] = "a=1\0b=2";
    const struct tb_slice headers[] = {{text, 3}, {text + 4, 3}};
    char out[TB_TRACESTATE_TEXT];
    assert_int_equal(tb_tracestate_parse(headers, 2, out), 2);
    assert_string_equal(out, "a=1,b=2");
}

/* The grammar's classes, said in another way than the table. */
static void characters_belong_where_the_grammars_say(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        bool is_alnum = is_lower || is_digit || (c >= 'A' && c <= 'Z');
        bool is_key = is_lower || is_digit || (c != 0 && strchr("_-*/@", c) != NULL);
        bool is_value = c >= 0x20 && c <= 0x7e && c != ',' && c != '=';
        bool is_token = is_alnum || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        bool is_baggage = c >= 0x21 && c <= 0x7e && strchr("\",;\\", c) == NULL;
        uint8_t want =
            (uint8_t)((is_lower || is_digit ? TB_CHAR_KEY_START : 0) | (is_key ? TB_CHAR_KEY : 0) |
                      (is_value ? TB_CHAR_VALUE : 0) | (is_token ? TB_CHAR_TOKEN : 0) |
                      (is_baggage ? TB_CHAR_BAGGAGE : 0));
        if (tb_char_classes[c] != want)
            fail_msg("character %d is %d and not %d", c, tb_char_classes[c], want);
    }
}

/* ---- the others ---- */

static void b3_in_one_header_is_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "-",
                                      "2",
                                      "dd",
                                      A,
                                      A "-",
                                      A "-" SPAN "-",
                                      A "-" SPAN "-2",
                                      A "-" SPAN "-1-",
                                      A "-" SPAN "-1-0000000000000000",
                                      A "-" SPAN "-1-" SPAN "-" SPAN,
                                      "00000000000000000000000000000000-" SPAN,
                                      "0000000000000000-" SPAN,
                                      A "-" SPAN "-D",
                                      "5759e988bd862e3fe1be46a99427279-" SPAN};
    static const char *const good[] = {"0", " d ", A "-" SPAN, A "-" SPAN "-d-" SPAN,
                                       SPAN "-" SPAN};
    struct tb_trace_said said = {.is_debug = true};
    const struct tb_trace_said before = said;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(tb_b3_parse(bad[i], strlen(bad[i]), &said), -EINVAL);
    assert_memory_equal(&said, &before, sizeof(said));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(tb_b3_parse(good[i], strlen(good[i]), &said), 0);
}

static void a_bad_decision_of_b3_does_not_cost_the_trace(void **state)
{
    (void)state;
    struct tb_slice headers[TB_B3_HEADERS] = {slice(A), slice(SPAN), slice("-"), slice("maybe"),
                                              slice("2")};
    struct tb_trace_said said;
    static const uint8_t none[8];
    assert_int_equal(tb_b3multi_parse(headers, &said), 0);
    assert_int_equal(said.sampled, TB_SAMPLED_UNSAID);
    assert_false(said.is_debug);
    assert_memory_equal(said.parent_id, none, 8);
    headers[TB_B3_SPAN_ID] = slice("0000000000000000");
    assert_int_equal(tb_b3multi_parse(headers, &said), -EINVAL);
}

static void datadog_numbers_are_of_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *trace, *tags, *priority;
        int err;
        uint8_t left, right, sampled;
    } cases[] = {
        {"18446744073709551615", "", "", 0, 0, 0xff, TB_SAMPLED_UNSAID},
        {"18446744073709551616", "", "", -EINVAL, 0, 0, 0},
        {"99999999999999999999", "", "", -EINVAL, 0, 0, 0},
        {"00000000000000000001", "", "", 0, 0, 1, TB_SAMPLED_UNSAID},
        {"+1", "", "", -EINVAL, 0, 0, 0},
        {"-1", "", "", -EINVAL, 0, 0, 0},
        {"1e3", "", "", -EINVAL, 0, 0, 0},
        {"0", "", "", -EINVAL, 0, 0, 0},
        {"", "", "", -EINVAL, 0, 0, 0},
        {"5", "_dd.p.dm=-4,_dd.p.tid=0100000000000000", "-1", 0, 1, 5, TB_SAMPLED_NO},
        {"5", "_dd.p.tid=010000000000000", "0", 0, 0, 5, TB_SAMPLED_NO},
        {"5", "_dd.p.tid=0100000000000000ab", "1", 0, 0, 5, TB_SAMPLED_YES},
        {"5", "_dd.p.tid=01000000000000AB", "2", 0, 0, 5, TB_SAMPLED_YES},
        {"5", "x_dd.p.tid=0100000000000000", "x", 0, 0, 5, TB_SAMPLED_UNSAID},
        {"5", "_dd.p.tid=0200000000000000,_dd.p.tid=0100000000000000", "", 0, 1, 5,
         TB_SAMPLED_UNSAID},
        {"5", "_dd.p.tid=0200000000000000,_dd.p.tid=zz", "", 0, 0, 5, TB_SAMPLED_UNSAID},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct tb_slice headers[TB_DATADOG_HEADERS] = {
            [TB_DATADOG_TRACE_ID] = slice(cases[i].trace),
            [TB_DATADOG_TAGS] = slice(cases[i].tags),
            [TB_DATADOG_PRIORITY] = slice(cases[i].priority)};
        struct tb_trace_said said;
        int err = tb_datadog_parse(headers, &said);
        if (err != cases[i].err)
            fail_msg("%s: %d", cases[i].trace, err);
        if (err)
            continue;
        assert_int_equal(said.trace_id[0], cases[i].left);
        assert_int_equal(said.trace_id[15], cases[i].right);
        assert_int_equal(said.sampled, cases[i].sampled);
    }
}

static void honeycomb_needs_its_version_and_a_trace(void **state)
{
    (void)state;
    static const char *const bad[] = {"1",
                                      "1;",
                                      "2;trace_id=" A,
                                      "01;trace_id=" A,
                                      "trace_id=" A,
                                      "1;trace_id=",
                                      "1;parent_id=" SPAN ",context=e30=",
                                      "1;trace_id=" A ",context=WzFd",         /* [1] */
                                      "1;trace_id=" A ",context=bm90IGpzb24=", /* not json */
                                      "1;trace_id=" A ",context=bnVs",         /* nul */
                                      "1;trace_id=" A ",context=bnVsbGw=",     /* nulll */
                                      "1;trace_id=" A ",context=ew==",         /* { */
                                      "1;trace_id=" A ",context=eyJhIjo=",     /* {"a": */
                                      "1;trace_id=" A ",context=e2JhZH0=",     /* {bad} */
                                      "1;trace_id=" A ",context=InMi",         /* "s" */
                                      "1;trace_id=" A ",context=e30=="};
    static const char *const good[] = {
        "1;trace_id=a",
        "1;context=e30=",
        "1;dataset=d",
        "1;trace_id=" A ",context=",
        "1;trace_id=" A ",context=e30",
        /* without its padding */ "1;trace_id=" A ",context=bnVsbA==", /* null */
        "1;trace_id=" A ",context=eyB9",                               /* { } */
        "1;trace_id=" A ",context=eyJhIjoxfQ==",                       /* {"a":1} */
        "1;trace_id=" A ",context=ewp9",                               /* with a line feed */
        "1;trace_id=" A ",context=eyJhIjoiw78_In0=", /* URL-safe, as of Ruby's beeline */
        "1;trace_id=" A ",context=eyJhIjoiPz8-In0=",
        "1;trace_id=" A ",context=eyJhIjoiPz8+In0=",
        "1;trace_id=" A ",context=eyJhIjoiPz8/In0=",
        "1;trace_id=" A ",context=eyJhIjoiYiJ9",   /* {"a":"b"} */
        "1;trace_id=" A ",context=eyJhIjoiYmMifQ", /* {"a":"bc"} */
        "1;trace_id=" A ",context=eyJhIjoiYmNkIn0=",
        "1; trace_id=" A " , parent_id=" SPAN ", new=1, x"};
    struct tb_honeycomb h;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(tb_honeycomb_parse(bad[i], strlen(bad[i]), &h), -EINVAL);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(tb_honeycomb_parse(good[i], strlen(good[i]), &h), 0);
    assert_int_equal(h.said.span_id[0], 0x53);
}

static void of_a_key_that_honeycomb_has_twice_the_last_counts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1;trace_id=" A ",parent_id=" SPAN ",trace_id=" SPAN SPAN ",parent_id=0000000000000007",
        "1;x,trace_id=" A ",parent_id=" SPAN ",trace_id=" SPAN SPAN ",parent_id=0000000000000007"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tb_honeycomb h;
        assert_int_equal(tb_honeycomb_parse(texts[i], strlen(texts[i]), &h), 0);
        assert_memory_equal(h.trace_id.text, SPAN SPAN, 32);
        assert_memory_equal(h.said.trace_id, "\x53\x99\x5c\x3f\x42\xcd\x8a\xd8", 8);
        assert_int_equal(h.said.span_id[7], 7);
    }
}

static void a_dataset_is_decoded_as_a_query_is(void **state)
{
    (void)state;
    char text[16];
    assert_int_equal(tb_honeycomb_dataset(slice("my%20ds+a%2Bb+"), text, sizeof(text)), 0);
    assert_string_equal(text, "my ds a+b ");
    assert_int_equal(tb_honeycomb_dataset(slice(""), text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(tb_honeycomb_dataset(slice("0123456789abcde+"), text, sizeof(text)), -ENOSPC);
}

/* Python's beeline leaves "/" as it is, JavaScript's brackets; PHP's a "+". */
static void a_dataset_is_sent_on_as_each_beeline_writes_it(void **state)
{
    static const char *const datasets[] = {"my/data%20set", "a(b)'c'!*", "my+data", "%C3%A9"};
    (void)state;
    for (size_t i = 0; i < sizeof(datasets) / sizeof(datasets[0]); i++) {
        struct tb_trace_context context = {.trace = {.trace_id = {1}, .span_id = {1}}};
        char text[TB_HONEYCOMB_TEXT];
        char want[64];
        context.dataset = slice(datasets[i]);
        (void)snprintf(want, sizeof(want), ",dataset=%s,context=e30=", datasets[i]);
        size_t len = tb_honeycomb_text(&context, text, sizeof(text));
        assert_true(len > strlen(want));
        assert_string_equal(text + len - strlen(want), want);
    }
}

static void what_would_end_a_clause_is_not_sent_on_as_a_dataset(void **state)
{
    static const char *const datasets[] = {"a,b", "a;b", "a b", "a\r\nb", "\xc3\xa9"};
    (void)state;
    for (size_t i = 0; i < sizeof(datasets) / sizeof(datasets[0]); i++) {
        struct tb_trace_context context = {.trace = {.trace_id = {1}, .span_id = {1}}};
        char text[TB_HONEYCOMB_TEXT];
        context.dataset = slice(datasets[i]);
        assert_true(tb_honeycomb_text(&context, text, sizeof(text)) > 0);
        assert_null(strstr(text, "dataset"));
    }
}

static void grpc_fields_stand_in_order_and_later_ones_are_passed_over(void **state)
{
    (void)state;
    uint8_t bytes[40] = {0, 0};
    struct tb_trace_said said;
    memset(bytes + 2, 0xaa, 16);
    bytes[18] = 1;
    memset(bytes + 19, 0xbb, 8);
    bytes[27] = 2;
    bytes[28] = 1;
    bytes[29] = 9;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        int want = len < 27 || len == 28 ? -EINVAL : 0;
        assert_int_equal(tb_grpc_parse_bytes(bytes, len, &said), want);
    }
    assert_int_equal(said.sampled, TB_SAMPLED_YES);
    bytes[0] = 1;
    assert_int_equal(tb_grpc_parse_bytes(bytes, 29, &said), -EINVAL);
    bytes[0] = 0;
    bytes[18] = 2;
    assert_int_equal(tb_grpc_parse_bytes(bytes, 29, &said), -EINVAL);
}

/* ---- bounds ---- */

static const char *const whole[][2] = {
    {"traceparent", "cc-" A "-" SPAN "-01-and-more"},
    {"tracestate", "foo=1 , tenant@vendor=b:2"},
    {"X-Amzn-Trace-Id",
     "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=" SPAN ";Sampled=1;Lineage=a:1|b:2;k=v"},
    {"b3", A "-" SPAN "-1-" SPAN},
    {"X-B3-TraceId", A},
    {"X-B3-SpanId", SPAN},
    {"X-B3-Sampled", "true"},
    {"X-Honeycomb-Trace",
     "1;trace_id=" A ",parent_id=" SPAN ",dataset=my%20ds,context=eyJoZWxsbyI6IndvcmxkIn0="},
    {"x-datadog-trace-id", "16266516598257821587"},
    {"x-datadog-parent-id", "6023947403358210776"},
    {"x-datadog-tags", "_dd.p.dm=-4,_dd.p.tid=5759e988bd862e3f"},
    {"grpc-trace-bin", "AABXWemIvYYuP+G+RqmUJyeTAVOZXD9CzYrYAgE="},
    {"baggage", "rollbar.session.id=Am%C3%A9lie;p=1, k = v"},
};
enum { WHOLE = sizeof(whole) / sizeof(whole[0]) };

/* Every header cut at every byte, beside the others: in memory of exactly that length. */
static void every_prefix_of_every_header_is_read_within_its_bounds(void **state)
{
    (void)state;
    struct tb_trace_propagators all;
    tb_trace_propagators_default(&all);
    for (size_t cut = 0; cut < WHOLE; cut++) {
        for (size_t len = 0; len <= strlen(whole[cut][1]); len++) {
            struct headers in = {.n = 0};
            struct headers out = {.n = 0};
            struct tb_trace_context context;
            for (size_t i = 0; i < WHOLE; i++)
                headers_add_n(&in, whole[i][0], whole[i][1], i == cut ? len : strlen(whole[i][1]));
            assert_true(tb_trace_extract(headers_get, &in, &all, &context));
            assert_int_equal(tb_trace_inject(&context, &all, headers_put, &out), 0);
            headers_done(&in);
            headers_done(&out);
        }
    }
}

/* format(parse(x)) read again and written again is the same. */
static void what_is_written_is_stable(void **state)
{
    (void)state;
    for (int kind = 0; kind < TB_TRACE_KINDS; kind++) {
        const struct tb_trace_propagators only = {.kinds = {(uint8_t)kind}, .n = 1};
        struct headers in = {.n = 0};
        struct headers once = {.n = 0};
        struct headers twice = {.n = 0};
        struct tb_trace_context context;
        for (size_t i = 0; i < WHOLE; i++)
            headers_add(&in, whole[i][0], whole[i][1]);
        (void)tb_trace_extract(headers_get, &in, &only, &context);
        assert_int_equal(tb_trace_inject(&context, &only, headers_put, &once), 0);
        (void)tb_trace_extract(headers_get, &once, &only, &context);
        assert_int_equal(tb_trace_inject(&context, &only, headers_put, &twice), 0);
        assert_int_equal(once.n > 0, kind != TB_TRACE_GRPC);
        assert_int_equal(once.n, twice.n);
        for (size_t i = 0; i < once.n; i++) {
            assert_string_equal(once.all[i].name, twice.all[i].name);
            assert_string_equal(once.all[i].value, twice.all[i].value);
        }
        headers_done(&in);
        headers_done(&once);
        headers_done(&twice);
    }
}

static void headers_over_8192_bytes_are_as_good_as_absent(void **state)
{
    (void)state;
    static char text[TB_TRACE_HEADER_BYTES + 1];
    struct tb_trace_propagators all;
    tb_trace_propagators_default(&all);
    memset(text, ' ', sizeof(text));
    memcpy(text, "00-" A "-" SPAN "-01", 55);
    for (size_t over = 0; over < 2; over++) {
        struct headers in = {.n = 0};
        struct tb_trace_context context;
        headers_add_n(&in, "traceparent", text, TB_TRACE_HEADER_BYTES + over);
        assert_int_equal(tb_trace_extract(headers_get, &in, &all, &context), over == 0);
        headers_done(&in);
    }
}

static void nine_lines_of_state_or_baggage_are_too_many(void **state)
{
    (void)state;
    struct tb_trace_propagators all;
    tb_trace_propagators_default(&all);
    for (unsigned lines = TB_TRACE_HEADERS; lines <= TB_TRACE_HEADERS + 1; lines++) {
        struct headers in = {.n = 0};
        struct tb_trace_context context;
        headers_add(&in, "traceparent", "00-" A "-" SPAN "-01");
        for (unsigned i = 0; i < lines; i++)
            headers_add(&in, "tracestate", "a=1");
        assert_true(tb_trace_extract(headers_get, &in, &all, &context));
        assert_int_equal(context.state[0] != '\0', lines == TB_TRACE_HEADERS);
        headers_done(&in);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_members_go_first_and_then_those_at_the_right),
        cmocka_unit_test(exactly_512_characters_are_passed_on),
        cmocka_unit_test(a_value_may_have_256_characters),
        cmocka_unit_test(neighbours_in_memory_are_two_headers),
        cmocka_unit_test(characters_belong_where_the_grammars_say),
        cmocka_unit_test(b3_in_one_header_is_strict),
        cmocka_unit_test(a_bad_decision_of_b3_does_not_cost_the_trace),
        cmocka_unit_test(datadog_numbers_are_of_64_bits),
        cmocka_unit_test(honeycomb_needs_its_version_and_a_trace),
        cmocka_unit_test(of_a_key_that_honeycomb_has_twice_the_last_counts),
        cmocka_unit_test(a_dataset_is_decoded_as_a_query_is),
        cmocka_unit_test(a_dataset_is_sent_on_as_each_beeline_writes_it),
        cmocka_unit_test(what_would_end_a_clause_is_not_sent_on_as_a_dataset),
        cmocka_unit_test(grpc_fields_stand_in_order_and_later_ones_are_passed_over),
        cmocka_unit_test(every_prefix_of_every_header_is_read_within_its_bounds),
        cmocka_unit_test(what_is_written_is_stable),
        cmocka_unit_test(headers_over_8192_bytes_are_as_good_as_absent),
        cmocka_unit_test(nine_lines_of_state_or_baggage_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
