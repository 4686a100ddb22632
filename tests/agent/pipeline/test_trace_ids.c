/* The trace is found wherever the sender put it, and completed without overwriting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cJSON.h>
#include <cmocka.h>

#include "agent/pipeline/trace_ids.h"
#include "base/fd.h"

#define T "4bf92f3577b34da6a3ce929d0e0e4736"
#define S "00f067aa0ba902b7"
#define X "1-5759e988-bd862e3fe1be46a994272793"
#define X32 "5759e988bd862e3fe1be46a994272793"
#define ATTR                                                                                       \
    "\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"},"                                  \
    "{\"key\":\"span_id\",\"value\":\"" S "\"}]"
#define CUSTOM "\"custom\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\"}"
#define OF_HEAD                                                                                    \
    "\"custom\":{\"trace_id\":\"" T "\",\"span_id\":\"" S                                          \
    "\",\"trace\":{\"flags\":\"01\",\"source\":\"traceparent\"}}"
#define OTHER "\"trace\":{\"other\":[\"00-" T "-" S "-01\"]}"
#define HEAD "\"request\":{\"headers\":{\"Traceparent\":\"00-" T "-" S "-01\"}}"

static const struct {
    const char *item, *expected, *trace, *span, *xray;
} cases[] = {
    {"{}", "{}", "", "", ""},
    {"{" ATTR "}", "{" ATTR "," CUSTOM "}", T, S, ""},
    {"{" CUSTOM "}", "{" CUSTOM "," ATTR "}", T, S, ""},
    {"{" HEAD "}", "{" HEAD "," ATTR "," OF_HEAD "}", T, S, ""},
    {"{" HEAD ",\"custom\":[]}", "{" HEAD "," OF_HEAD "," ATTR "}", T, S, ""},
    {"{" HEAD ",\"custom\":null}", "{" HEAD "," OF_HEAD "," ATTR "}", T, S, ""},
    {"{" HEAD ",\"custom\":\"text\"}", "{" HEAD ",\"custom\":\"text\"," ATTR "}", T, S, ""},
    {"{\"request\":{\"headers\":{\"X-AMZN-TRACE-ID\":\"Root=" X ";Sampled=1\"}}}",
     "{\"request\":{\"headers\":{\"X-AMZN-TRACE-ID\":\"Root=" X ";Sampled=1\"}},\"attributes\":["
     "{\"key\":\"trace_id\",\"value\":\"" X32 "\"}],\"custom\":{\"trace_id\":\"" X32
     "\",\"xray_trace_id\":\"" X "\",\"trace\":{\"source\":\"xray\",\"xray_sampled\":\"1\"}}}",
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
     "{\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}],\"custom\":{\"trace_id\":\"" T
     "\",\"span_id\":\"" S "\"," OTHER "}," HEAD "}",
     X32, "", ""},
    {"{\"custom\":{\"trace_id\":\"" X32 "\"}," HEAD "}",
     "{\"custom\":{\"trace_id\":\"" X32 "\"," OTHER "}," HEAD
     ",\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}]}",
     X32, "", ""},
    {"{\"request\":{\"headers\":{\"tRaCePaReNt\":[\"00-" T "-" S "-01\",\"x\"]}}}",
     "{\"request\":{\"headers\":{\"tRaCePaReNt\":[\"00-" T "-" S "-01\",\"x\"]}}," ATTR "," OF_HEAD
     "}",
     T, S, ""},
    /* Other systems' names and headers. */
    {"{\"custom\":{\"otelTraceID\":\"" T "\",\"otelSpanID\":\"" S "\"}}",
     "{\"custom\":{\"otelTraceID\":\"" T "\",\"otelSpanID\":\"" S "\",\"trace_id\":\"" T
     "\",\"span_id\":\"" S "\"}," ATTR "}",
     T, S, ""},
    {"{\"custom\":{\"otelTraceID\":\"0\",\"otelSpanID\":\"0\"}}",
     "{\"custom\":{\"otelTraceID\":\"0\",\"otelSpanID\":\"0\"}}", "", "", ""},
    {"{\"custom\":{\"trace\":{\"id\":\"" T "\"},\"span.id\":\"" S "\"}}",
     "{\"custom\":{\"trace\":{\"id\":\"" T "\"},\"span.id\":\"" S "\",\"trace_id\":\"" T
     "\",\"span_id\":\"" S "\"}," ATTR "}",
     T, S, ""},
    /* Beside what else custom.trace has; X-Ray's may differ, and what stands outside comes first.
     */
    {"{\"custom\":{\"trace\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\",\"xray_trace_id\":\"" X
     "\"}}}",
     "{\"custom\":{\"trace\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\",\"xray_trace_id\":\"" X
     "\"},\"trace_id\":\"" T "\",\"span_id\":\"" S "\",\"xray_trace_id\":\"" X "\"}," ATTR "}",
     T, S, X32},
    {"{\"custom\":{\"trace\":{\"trace_id\":\"" X32 "\"},\"trace_id\":\"" T "\"}}",
     "{\"custom\":{\"trace\":{\"trace_id\":\"" X32 "\"},\"trace_id\":\"" T
     "\"},\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"}]}",
     T, "", ""},
    {"{\"custom\":{\"trace_id\":\"" T "\",\"trace\":{\"trace_id\":\"" X32 "\"}}}",
     "{\"custom\":{\"trace_id\":\"" T "\",\"trace\":{\"trace_id\":\"" X32
     "\"}},\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"}]}",
     T, "", ""},
    {"{\"traceId\":\"" T "\",\"spanId\":\"" S "\"}",
     "{\"traceId\":\"" T "\",\"spanId\":\"" S "\"," ATTR "," CUSTOM "}", T, S, ""},
    {"{\"custom\":{\"aws_xray_trace_id\":\"" X "\"}," HEAD "}",
     "{\"custom\":{\"aws_xray_trace_id\":\"" X "\",\"trace_id\":\"" T "\",\"span_id\":\"" S
     "\",\"xray_trace_id\":\"" X "\",\"trace\":{\"flags\":\"01\",\"source\":\"traceparent\"}}," HEAD
     "," ATTR "}",
     T, S, X32},
    /* X-Ray's form under another name is X-Ray's all the same. */
    {"{\"custom\":{\"trace_id\":\"" X "\"}}",
     "{\"custom\":{\"trace_id\":\"" X "\",\"xray_trace_id\":\"" X
     "\"},\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" X32 "\"}]}",
     X32, "", X32},
    {"{\"attributes\":[{\"key\":\"trace.id\",\"value\":\"" T "\"}]}",
     "{\"attributes\":[{\"key\":\"trace.id\",\"value\":\"" T
     "\"},{\"key\":\"trace_id\",\"value\":\"" T "\"}],\"custom\":{\"trace_id\":\"" T "\"}}",
     T, "", ""},
    {"{\"custom\":{\"dd.trace_id\":\"1234567890\",\"dd.span_id\":\"5\",\"trace_id\":\"" T "\"}}",
     "{\"custom\":{\"dd.trace_id\":\"1234567890\",\"dd.span_id\":\"5\",\"trace_id\":\"" T
     "\"},\"attributes\":[{\"key\":\"trace_id\",\"value\":\"" T "\"}]}",
     T, "", ""},
    {"{\"request\":{\"env\":{\"HTTP_TRACEPARENT\":\"00-" T "-" S "-01\"}}}",
     "{\"request\":{\"env\":{\"HTTP_TRACEPARENT\":\"00-" T "-" S "-01\"}}," ATTR "," OF_HEAD "}", T,
     S, ""},
    {"{\"request\":{\"headers\":{\"traceparent\":\"00-" T "-" S "-01\",\"Traceparent\":\"00-" X32
     "-" S "-01\"}}}",
     "{\"request\":{\"headers\":{\"traceparent\":\"00-" T "-" S "-01\",\"Traceparent\":\"00-" X32
     "-" S "-01\"}}}",
     "", "", ""},
    /* Two systems, two IDs: both are kept. */
    {"{\"request\":{\"headers\":{\"X-Amzn-Trace-Id\":\"Root=" X
     ";Parent=53995c3f42cd8ad8\",\"Traceparent\":\"00-" T "-" S "-01\"}}}",
     "{\"request\":{\"headers\":{\"X-Amzn-Trace-Id\":\"Root=" X
     ";Parent=53995c3f42cd8ad8\",\"Traceparent\":\"00-" T "-" S "-01\"}}," ATTR
     ",\"custom\":{\"trace_id\":\"" T "\",\"span_id\":\"" S "\",\"xray_trace_id\":\"" X
     "\",\"trace\":{\"flags\":\"01\",\"source\":\"traceparent\",\"xray_parent_id\":"
     "\"53995c3f42cd8ad8\"}}}",
     T, S, X32},
    /* Zeros are no IDs. */
    {"{\"custom\":{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":"
     "\"0000000000000000\",\"xray_trace_id\":\"1-00000000-000000000000000000000000\"}}",
     "{\"custom\":{\"trace_id\":\"00000000000000000000000000000000\",\"span_id\":"
     "\"0000000000000000\",\"xray_trace_id\":\"1-00000000-000000000000000000000000\"}}",
     "", "", ""},
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
        assert_int_equal(tb_trace_ids_complete(doc, NULL, &ids), 0);
        assert_int_equal(tb_doc_render(doc, &out), 0);
        assert_string_equal(tb_buf_str(&out), cases[i].expected);
        assert_string_equal(ids.trace_id, cases[i].trace);
        assert_string_equal(ids.span_id, cases[i].span);
        assert_string_equal(ids.xray_trace_id, cases[i].xray);
        tb_buf_done(&out);
        tb_doc_free(doc);
    }
}

/* ---- custom.trace ---- */

static void complete(const char *text, size_t len, const struct tb_scrub *scrub,
                     struct tb_trace_ids *ids, struct tb_buf *out)
{
    struct tb_doc *doc = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, len, &doc, why) != 0)
        fail_msg("%s: %s", text, why);
    assert_int_equal(tb_trace_ids_complete(doc, scrub, ids), 0);
    assert_int_equal(tb_doc_render(doc, out), 0);
    tb_doc_free(doc);
}

#define FROM(headers) "{\"custom\":{},\"request\":{\"headers\":{" headers "}}}"
#define PARENT "\"traceparent\":\"00-" T "-" S "-03\""

static const struct {
    const char *what, *item, *trace; /* custom.trace as it is afterwards; "" for none */
} more[] = {
    {"nothing", FROM(""), ""},
    {"no header, only IDs", "{\"custom\":{\"trace_id\":\"" T "\"}}", ""},
    {"state of two lines", FROM(PARENT ",\"Tracestate\":[\"a=1\",\" b=2 \"]"),
     "{\"flags\":\"03\",\"state\":\"a=1,b=2\",\"source\":\"traceparent\"}"},
    {"an illegal state", FROM(PARENT ",\"tracestate\":\"A=1\""),
     "{\"flags\":\"03\",\"source\":\"traceparent\"}"},
    {"all of X-Ray",
     FROM("\"X-Amzn-Trace-Id\":\"Root=" X ";Parent=" S ";Sampled=?;Lineage=a:1|b:2;k=v\""),
     "{\"source\":\"xray\",\"xray_parent_id\":\"" S
     "\",\"xray_sampled\":\"?\",\"xray_lineage\":\"a:1|b:2\"}"},
    {"b3 without a decision", FROM("\"b3\":\"" T "-" S "\""), "{\"source\":\"b3\"}"},
    {"b3 that is not sampled", FROM("\"b3\":\"" T "-" S "-0\""),
     "{\"flags\":\"00\",\"source\":\"b3\"}"},
    {"a third trace, without what Honeycomb carries",
     FROM(PARENT ",\"X-Honeycomb-Trace\":\"1;trace_id=" X32 ",parent_id=" S ",context=e30=\""),
     "{\"flags\":\"03\",\"source\":\"traceparent\",\"other\":[\"1;trace_id=" X32 ",parent_id=" S
     "\"]}"},
    {"half of the same trace is no other",
     FROM(PARENT ",\"x-datadog-trace-id\":\"11803532876627986230\""),
     "{\"flags\":\"03\",\"source\":\"traceparent\"}"},
    {"what the sender wrote stays, what is missing is added",
     "{\"custom\":{\"trace\":{\"flags\":\"00\",\"xray_is_local\":true}},\"request\":{\"headers\":"
     "{" PARENT "}}}",
     "{\"flags\":\"00\",\"xray_is_local\":true,\"source\":\"traceparent\"}"},
    {"what is no object stays",
     "{\"custom\":{\"trace\":\"mine\"},\"request\":{\"headers\":{" PARENT "}}}", "\"mine\""},
    {"the environment of WSGI",
     "{\"custom\":{},\"request\":{\"environ\":{\"HTTP_X_B3_TRACEID\":\"" T
     "\",\"HTTP_X_B3_SPANID\":\"" S "\",\"HTTP_X_B3_SAMPLED\":\"1\"}}}",
     "{\"flags\":\"01\",\"source\":\"b3multi\"}"},
};

/* NULL for none; free with cJSON_free. */
static char *custom_trace(const struct tb_buf *text)
{
    cJSON *item = cJSON_Parse(tb_buf_str(text));
    char *got =
        cJSON_PrintUnformatted(cJSON_GetObjectItem(cJSON_GetObjectItem(item, "custom"), "trace"));
    cJSON_Delete(item);
    return got;
}

static void what_else_the_headers_say_is_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        struct tb_trace_ids ids;
        struct tb_buf out;
        tb_buf_init(&out, 1 << 16);
        complete(more[i].item, strlen(more[i].item), NULL, &ids, &out);
        char *got = custom_trace(&out);
        if (strcmp(got ? got : "", more[i].trace) != 0)
            fail_msg("%s: %s", more[i].what, got ? got : "");
        cJSON_free(got);
        tb_buf_done(&out);
    }
}

static void a_value_without_room_is_as_good_as_absent(void **state)
{
    (void)state;
    for (int len = 4000; len <= 10000; len += 6000) {
        struct tb_trace_ids ids;
        struct tb_buf in;
        struct tb_buf out;
        tb_buf_init(&in, 1 << 16);
        tb_buf_init(&out, 1 << 16);
        tb_buf_addf(&in, FROM("\"tracestate\":\"a=1%*s\"," PARENT), len, ",");
        complete(tb_buf_str(&in), in.len, NULL, &ids, &out);
        assert_string_equal(ids.trace_id, T);
        assert_int_equal(strstr(tb_buf_str(&out), "\"state\":\"a=1\"") != NULL, len == 4000);
        tb_buf_done(&in);
        tb_buf_done(&out);
    }
}

static void secrets_are_not_copied_out_of_headers(void **state)
{
    static const char item[] =
        FROM(PARENT ",\"tracestate\":\"a=ghp_0123456789abcdefghijklmnopqrstuvwxyzAB\","
                    "\"b3\":\"" X32 "-" S "\"");
    static char b3[] = "b3";
    static char *keys[] = {b3};
    const struct tb_scrub_rules rules = {.keys = keys, .n_keys = 1};
    struct tb_scrub scrub;
    struct tb_trace_ids ids;
    struct tb_buf out;
    char why[TB_SCRUB_WHY];
    (void)state;
    assert_int_equal(tb_scrub_init(&scrub, &rules, why), 0);
    for (int scrubbed = 0; scrubbed < 2; scrubbed++) {
        tb_buf_init(&out, 1 << 16);
        complete(item, strlen(item), scrubbed ? &scrub : NULL, &ids, &out);
        char *custom = custom_trace(&out);
        assert_non_null(strstr(custom, "\"flags\":\"03\""));
        assert_int_equal(strstr(custom, "ghp_") == NULL, scrubbed);
        assert_int_equal(strstr(custom, X32 "-" S) == NULL, scrubbed);
        cJSON_free(custom);
        tb_buf_done(&out);
    }
    tb_scrub_done(&scrub);
}

/* ---- the headers of other people's vectors ---- */

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *member = cJSON_GetObjectItem(object, key);
    return cJSON_IsString(member) ? member->valuestring : "";
}

/* {"request":{"headers":{..}}}, in the case's own spelling of names. */
static char *item_of(const cJSON *vector, const char *format)
{
    const cJSON *input = cJSON_GetObjectItem(vector, "input");
    cJSON *item = cJSON_CreateObject();
    cJSON *request = cJSON_AddObjectToObject(item, "request");
    if (cJSON_IsObject(input))
        cJSON_AddItemToObject(request, "headers", cJSON_Duplicate(input, 1));
    else
        cJSON_AddItemToObject(cJSON_AddObjectToObject(request, "headers"), format,
                              cJSON_Duplicate(input, 1));
    char *text = cJSON_PrintUnformatted(item);
    cJSON_Delete(item);
    return text;
}

static void try_vector(const cJSON *vector, const char *format)
{
    const cJSON *expect = cJSON_GetObjectItem(vector, "expect");
    char *item = item_of(vector, format);
    struct tb_trace_ids ids;
    struct tb_buf out;
    tb_buf_init(&out, 1 << 20);
    complete(item, strlen(item), NULL, &ids, &out);
    assert_string_equal(ids.trace_id, text_of(expect, "trace_id"));
    assert_string_equal(ids.span_id, text_of(expect, "span_id"));
    assert_int_equal(ids.xray_trace_id[0] != '\0', text_of(expect, "xray_trace_id")[0] != '\0');
    tb_buf_done(&out);
    cJSON_free(item);
}

static void headers_are_read_as_their_systems_say(void **state)
{
    static const char *const formats[] = {"traceparent", "x-amzn-trace-id", "b3",
                                          "b3multi",     "datadog",         "x-honeycomb-trace"};
    const char *folder = getenv("TOWBAR_VECTORS");
    char path[512];
    struct tb_buf text;
    int n = 0;
    (void)state;
    snprintf(path, sizeof(path), "%s/trace_headers.json",
             folder != NULL && folder[0] != '\0' ? folder : TEST_DATA "/vectors");
    tb_buf_init(&text, 1 << 20);
    assert_int_equal(tb_fd_slurp(-1, path, &text), 0);
    cJSON *all = cJSON_Parse(tb_buf_str(&text));
    const cJSON *vector;
    cJSON_ArrayForEach(vector, cJSON_GetObjectItem(all, "cases"))
    {
        const char *format = text_of(vector, "format");
        for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
            if (strcmp(format, formats[i]) != 0)
                continue;
            try_vector(vector, format);
            n++;
        }
    }
    assert_true(n > 50);
    cJSON_Delete(all);
    tb_buf_done(&text);
}

/* ---- nothing is overwritten, whatever is there ---- */

static unsigned roll(uint64_t *state, unsigned n)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*state >> 33) % n;
}

/* Members under names that mean a trace, with IDs, zeros and nonsense. */
static void write_members(uint64_t *state, struct tb_buf *out)
{
    static const char *const names[] = {
        "trace_id", "span_id",      "xray_trace_id", "traceId",
        "trace.id", "otelTraceID",  "otelSpanID",    "traceparent",
        "b3",       "dd.trace_id",  "dd.span_id",    "other",
        "spanId",   "X-B3-TraceId", "X-B3-SpanId",   "x-amzn-trace-id"};
    static const char *const values[] = {"\"" T "\"",
                                         "\"" X "\"",
                                         "\"" S "\"",
                                         "\"" X32 "\"",
                                         "null",
                                         "7",
                                         "\"\"",
                                         "{}",
                                         "[]",
                                         "\"00000000000000000000000000000000\"",
                                         "\"0000000000000000\"",
                                         "\"0\"",
                                         "\"nonsense\"",
                                         "\"00-" T "-" S "-01\"",
                                         "\"Root=" X ";Parent=" S "\"",
                                         "[\"" T "\"]",
                                         "\"18446744073709551615\"",
                                         "{\"id\":\"" T "\"}"};
    unsigned n = roll(state, 5);
    for (unsigned i = 0; i < n; i++)
        tb_buf_addf(out, "%s\"%s\":%s", i > 0 ? "," : "", names[roll(state, 16)],
                    values[roll(state, 18)]);
}

static void write_item(uint64_t *state, struct tb_buf *out)
{
    static const char *const shapes[] = {"", "[]", "null", "\"text\"", "[7]"};
    struct tb_buf members;
    tb_buf_init(&members, 1 << 16);
    tb_buf_adds(out, "{\"custom\":");
    write_members(state, &members);
    unsigned shape = roll(state, 8);
    if (shape == 0 || shape > 4)
        tb_buf_addf(out, "{%s}", tb_buf_str(&members));
    else
        tb_buf_adds(out, shapes[shape]);
    tb_buf_adds(out, ",\"request\":{\"headers\":{");
    write_members(state, out);
    tb_buf_adds(out, "}},\"attributes\":[");
    if (roll(state, 2) == 0)
        tb_buf_addf(out, "{\"key\":\"trace_id\",\"value\":%s}",
                    roll(state, 2) == 0 ? "\"" X32 "\"" : "\"zero\"");
    tb_buf_adds(out, "]");
    tb_buf_reset(&members);
    write_members(state, &members);
    if (members.len > 0)
        tb_buf_addf(out, ",%s", tb_buf_str(&members));
    tb_buf_adds(out, "}");
    tb_buf_done(&members);
}

/* What was in an object or a list is there, at its place and as it was, in the new one. */
static void compare(const struct tb_doc *before, int a, const char *text_a,
                    const struct tb_doc *after, int b, const char *text_b)
{
    const struct tb_doc_node *left = tb_doc_at(before, a);
    const struct tb_doc_node *right = tb_doc_at(after, b);
    int may_be_made = left->type == TB_DOC_NULL || left->n_members == 0;
    if (left->type != right->type) {
        assert_true(may_be_made); /* custom: null or the empty list of PHP */
        return;
    }
    if (left->type != TB_DOC_OBJECT && left->type != TB_DOC_ARRAY) {
        assert_int_equal(left->len, right->len);
        assert_memory_equal(text_a + left->at, text_b + right->at, left->len);
        return;
    }
    for (int i = left->first, k = right->first; i >= 0;
         i = tb_doc_at(before, i)->next, k = tb_doc_at(after, k)->next) {
        assert_true(k >= 0);
        const struct tb_doc_node *old = tb_doc_at(before, i);
        assert_int_equal(old->key_len, tb_doc_at(after, k)->key_len);
        assert_memory_equal(text_a + old->key_at, text_b + tb_doc_at(after, k)->key_at,
                            old->key_len);
        compare(before, i, text_a, after, k, text_b);
    }
}

static void nothing_that_is_there_is_overwritten(void **state)
{
    struct tb_buf text;
    struct tb_buf out;
    char why[TB_DOC_WHY];
    int n_completed = 0;
    (void)state;
    tb_buf_init(&text, 1 << 20);
    tb_buf_init(&out, 1 << 20);
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        uint64_t dice = seed;
        struct tb_trace_ids ids;
        struct tb_doc *before = NULL;
        struct tb_doc *after = NULL;
        tb_buf_reset(&text);
        tb_buf_reset(&out);
        write_item(&dice, &text);
        complete(tb_buf_str(&text), text.len, NULL, &ids, &out);
        assert_int_equal(tb_doc_new(tb_buf_str(&text), text.len, &before, why), 0);
        assert_int_equal(tb_doc_new(tb_buf_str(&out), out.len, &after, why), 0);
        compare(before, 0, tb_buf_str(&text), after, 0, tb_buf_str(&out));
        assert_string_not_equal(ids.trace_id, "00000000000000000000000000000000");
        assert_string_not_equal(ids.span_id, "0000000000000000");
        n_completed += out.len > text.len;
        tb_doc_free(before);
        tb_doc_free(after);
    }
    assert_true(n_completed > 1000);
    tb_buf_done(&text);
    tb_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_are_found_and_completed),
        cmocka_unit_test(what_else_the_headers_say_is_kept),
        cmocka_unit_test(a_value_without_room_is_as_good_as_absent),
        cmocka_unit_test(secrets_are_not_copied_out_of_headers),
        cmocka_unit_test(headers_are_read_as_their_systems_say),
        cmocka_unit_test(nothing_that_is_there_is_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
