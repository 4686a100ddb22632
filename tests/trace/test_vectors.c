/* trace_headers.json: every case of every format is read as it says, and what was read is written
 * and read again as the same. */
#include <errno.h>

#include "headers.h"
#include "trace/text.h"
#include "vectors.h"

enum { PAIRS = 256 };

static void same_said(const char *id, const cJSON *expect, const struct tb_trace_said *said)
{
    same_bytes(id, expect, "trace_id", said->trace_id, 16);
    same_bytes(id, expect, "span_id", said->span_id, 8);
    same_bytes(id, expect, "parent_span_id", said->parent_id, 8);
    same_bool(id, expect, "sampled", truth(said->sampled));
    same_bool(id, expect, "debug", said->is_debug);
}

/* ---- one format each: 0 when the input is valid ---- */

struct vector {
    const char *id, *text; /* "" where the input is no text */
    const cJSON *input, *expect;
};

static int run_traceparent(const struct vector *v)
{
    struct tb_trace got = {0};
    struct tb_trace again = {0};
    char text[TB_TRACEPARENT_TEXT];
    int err = tb_trace_parse_w3c(v->text, strlen(v->text), &got);
    if (err)
        return err;
    bool is_later =
        v->text[strspn(v->text, " \t")] != '0' || v->text[strspn(v->text, " \t") + 1] != '0';
    same_bytes(v->id, v->expect, "trace_id", got.trace_id, 16);
    same_bytes(v->id, v->expect, "span_id", got.span_id, 8);
    same_bool(v->id, v->expect, "sampled", got.flags & 1);
    same_bool(v->id, v->expect, "random", is_later ? -1 : (got.flags & 2) >> 1);
    const cJSON *flags = member(v->expect, "flags"); /* as they came */
    if (cJSON_IsNumber(flags))
        assert_int_equal(got.flags, flags->valueint & (is_later ? 1 : 3));
    tb_traceparent_text(&got, text);
    assert_int_equal(tb_trace_parse_w3c(text, strlen(text), &again), 0);
    assert_memory_equal(&again, &got, sizeof(got));
    return 0;
}

static int run_xray(const struct vector *v)
{
    struct tb_trace_context got = {.n_others = 0};
    struct tb_trace again = {0};
    struct tb_xray_rest rest;
    char text[TB_XRAY_TEXT];
    int err = tb_xray_parse(v->text, strlen(v->text), &got.trace, &rest);
    if (err)
        return err;
    tb_xray_id_text(got.trace.xray_trace_id, text);
    same_text(v->id, v->expect, "xray_trace_id", text);
    same_bytes(v->id, v->expect, "trace_id", got.trace.xray_trace_id, 16);
    same_bytes(v->id, v->expect, "span_id", got.trace.xray_parent_id, 8);
    uint8_t sampled = got.trace.xray_sampled;
    same_bool(v->id, v->expect, "sampled",
              sampled == TB_XRAY_YES || sampled == TB_XRAY_NO ? sampled == TB_XRAY_YES : -1);
    same_slice(v->id, v->expect, "self", rest.self);
    same_slice(v->id, v->expect, "lineage", rest.lineage);
    memcpy(got.xray_more, rest.more, sizeof(rest.more));
    size_t len = tb_xray_text(&got, text);
    struct tb_xray_rest rest_again;
    assert_int_equal(tb_xray_parse(text, len, &again, &rest_again), 0);
    assert_memory_equal(&again, &got.trace, sizeof(again));
    assert_string_equal(rest_again.more, rest.more);
    return 0;
}

static void context_of(const struct tb_trace_said *said, struct tb_trace_context *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->trace.trace_id, said->trace_id, 16);
    memcpy(out->trace.span_id, said->span_id, 8);
    out->sampled = said->sampled;
    out->is_debug = said->is_debug;
}

static int run_b3(const struct vector *v)
{
    struct tb_trace_said said;
    struct tb_trace_said again;
    struct tb_trace_context context;
    char text[TB_B3_TEXT];
    int err = tb_b3_parse(v->text, strlen(v->text), &said);
    if (err)
        return err;
    same_said(v->id, v->expect, &said);
    context_of(&said, &context);
    size_t len = tb_b3_text(&context, text);
    assert_int_equal(tb_b3_parse(text, len, &again), 0);
    memcpy(again.parent_id, said.parent_id, 8); /* is not sent on */
    assert_memory_equal(&again, &said, sizeof(said));
    return 0;
}

/* The headers of an object, in the order of the names. */
static void pick(const cJSON *input, const char *const *names, size_t n, struct tb_slice *out)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(input, names[i]));
        out[i] = (struct tb_slice){text, text ? strlen(text) : 0};
    }
}

/* Extracted and injected by kind alone, the IDs are the same. */
static void round_trip(const struct vector *v, enum tb_trace_kind kind)
{
    const struct tb_trace_propagators only = {.kinds = {(uint8_t)kind}, .n = 1};
    struct headers in = {.n = 0};
    struct headers out = {.n = 0};
    struct tb_trace_context context;
    struct tb_trace_context again;
    const cJSON *header;
    cJSON_ArrayForEach(header, v->input)
    {
        headers_add(&in, header->string, header->valuestring);
    }
    (void)tb_trace_extract(headers_get, &in, &only, &context);
    assert_int_equal(tb_trace_inject(&context, &only, headers_put, &out), 0);
    (void)tb_trace_extract(headers_get, &out, &only, &again);
    assert_memory_equal(&again.trace, &context.trace, sizeof(again.trace));
    assert_int_equal(again.sampled, context.sampled);
    assert_int_equal(again.is_debug, context.is_debug);
    headers_done(&in);
    headers_done(&out);
}

static int run_b3multi(const struct vector *v)
{
    static const char *const names[] = {"X-B3-TraceId", "X-B3-SpanId", "X-B3-ParentSpanId",
                                        "X-B3-Sampled", "X-B3-Flags"};
    struct tb_slice headers[TB_B3_HEADERS];
    struct tb_trace_said said;
    pick(v->input, names, TB_B3_HEADERS, headers);
    int err = tb_b3multi_parse(headers, &said);
    if (err)
        return err;
    same_said(v->id, v->expect, &said);
    round_trip(v, TB_TRACE_B3MULTI);
    return 0;
}

static int run_datadog(const struct vector *v)
{
    static const char *const names[] = {"x-datadog-trace-id", "x-datadog-parent-id",
                                        "x-datadog-sampling-priority", "x-datadog-tags",
                                        "x-datadog-origin"};
    static const uint8_t none[8];
    struct tb_slice headers[TB_DATADOG_HEADERS];
    struct tb_trace_said said;
    pick(v->input, names, TB_DATADOG_HEADERS, headers);
    int err = tb_datadog_parse(headers, &said);
    if (err)
        return err;
    same_said(v->id, v->expect, &said);
    if (memcmp(said.span_id, none, 8) != 0)
        round_trip(v, TB_TRACE_DATADOG);
    return 0;
}

/* The object that the base64 holds. */
static void same_json(const struct vector *v, const char *key, struct tb_slice base64)
{
    static uint8_t json[1024];
    const cJSON *want = member(v->expect, key);
    if (cJSON_IsNull(want))
        assert_int_equal(base64.len, 0);
    if (!cJSON_IsObject(want))
        return;
    long len = tb_base64_parse(base64, json, sizeof(json));
    assert_in_range(len, 2, sizeof(json));
    cJSON *got = cJSON_ParseWithLength((const char *)json, (size_t)len);
    if (!cJSON_Compare(got, want, true))
        fail_msg("%s: another %s", v->id, key);
    cJSON_Delete(got);
}

static int run_honeycomb(const struct vector *v)
{
    struct tb_honeycomb h;
    int err = tb_honeycomb_parse(v->text, strlen(v->text), &h);
    if (err)
        return err;
    same_slice(v->id, v->expect, "raw_trace_id", h.trace_id);
    same_slice(v->id, v->expect, "raw_parent_id", h.parent_id);
    same_said(v->id, v->expect, &h.said);
    same_json(v, "context", h.context);
    /* Encoded as it came, or decoded: a vector may say either. */
    const char *want = text_of(v->expect, "dataset");
    char dataset[256];
    assert_int_equal(tb_honeycomb_dataset(h.dataset, dataset, sizeof(dataset)), 0);
    if (strcmp(want, dataset) != 0)
        same_slice(v->id, v->expect, "dataset", h.dataset);
    return 0;
}

/* Base64 as metadata has it, or the bytes in hex. */
static int run_grpc(const struct vector *v)
{
    struct tb_trace_said said;
    uint8_t bytes[64];
    size_t len = strlen(v->text);
    int err = tb_grpc_parse(v->text, len, &said);
    if (len > 0 && len % 2 == 0 && len / 2 <= sizeof(bytes) &&
        strspn(v->text, "0123456789abcdef") == len && tb_unhex_lower(v->text, bytes, len / 2) == 0)
        err = tb_grpc_parse_bytes(bytes, len / 2, &said);
    if (err == 0)
        same_said(v->id, v->expect, &said);
    return err;
}

static void same_pair(const struct vector *v, int i, struct tb_slice key, const char *value)
{
    const cJSON *pair = cJSON_GetArrayItem(v->expect, i);
    const char *want_key = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
    const char *want_value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
    if (want_key == NULL || want_value == NULL || strlen(want_key) != key.len ||
        memcmp(want_key, key.text, key.len) != 0 || strcmp(want_value, value) != 0)
        fail_msg("%s: member %d is %.*s=%s", v->id, i, (int)key.len, key.text, value);
}

static size_t values_of(const cJSON *input, struct tb_slice out[PAIRS])
{
    size_t n = 0;
    const cJSON *value;
    if (cJSON_IsString(input)) {
        out[0] = (struct tb_slice){input->valuestring, strlen(input->valuestring)};
        return 1;
    }
    cJSON_ArrayForEach(value, input)
    {
        out[n++] = (struct tb_slice){value->valuestring, strlen(value->valuestring)};
    }
    return n;
}

static bool is_key_of(const cJSON *pair, struct tb_slice key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0));
    return text != NULL && strlen(text) == key.len && memcmp(text, key.text, key.len) == 0;
}

static bool is_pair_of(const cJSON *pair, const struct tb_member *found)
{
    const char *value = cJSON_GetStringValue(cJSON_GetArrayItem(pair, 1));
    return is_key_of(pair, found->key) && value != NULL && strlen(value) == found->value.len &&
           memcmp(value, found->value.text, found->value.len) == 0;
}

static bool is_twice(const struct tb_member *all, size_t n, size_t at)
{
    int count = 0;
    for (size_t i = 0; i < n; i++)
        count += all[i].key.len == all[at].key.len &&
                 memcmp(all[i].key.text, all[at].key.text, all[i].key.len) == 0;
    return count > 1;
}

/* Before it is cut. A key that comes twice may stand there once, with either value: all are right.
 */
static int same_members(const struct vector *v, const struct tb_slice *values, size_t n_values)
{
    static struct tb_member all[PAIRS];
    size_t n = 0;
    int i = 0;
    for (size_t k = 0; k < n_values; k++) {
        struct tb_slice rest = values[k];
        while (n < PAIRS && tb_tracestate_next(&rest, &all[n]) == 1)
            n++;
    }
    for (size_t k = 0; k < n; k++) {
        bool is_next = is_pair_of(cJSON_GetArrayItem(v->expect, i), &all[k]);
        if (!is_next && !is_twice(all, n, k))
            fail_msg("%s: member %d is %.*s", v->id, i, (int)all[k].whole.len, all[k].whole.text);
        i += is_next ? 1 : 0;
    }
    return i;
}

static int run_tracestate(const struct vector *v)
{
    struct tb_slice values[PAIRS];
    char text[TB_TRACESTATE_TEXT];
    char again[TB_TRACESTATE_TEXT];
    size_t n_values = values_of(v->input, values);
    int n = tb_tracestate_parse(values, n_values, text);
    if (n < 0)
        return n;
    assert_int_equal(same_members(v, values, n_values), cJSON_GetArraySize(v->expect));
    const struct tb_slice whole = {text, strlen(text)};
    assert_in_range(tb_tracestate_parse(&whole, 1, again), 0, n);
    assert_string_equal(again, text);
    return 0;
}

static int run_baggage(const struct vector *v)
{
    struct tb_slice values[PAIRS];
    struct tb_member found;
    static char text[TB_BAGGAGE_BYTES + 1];
    static char value[TB_BAGGAGE_BYTES + 1];
    int i = 0;
    size_t n_over;
    if (tb_baggage_text(values, values_of(v->input, values), text, &n_over) == 0 || n_over > 0)
        return -EINVAL; /* what does not fit is cut; to the vectors that is not valid */
    struct tb_slice rest = {text, strlen(text)};
    while (tb_baggage_next(&rest, &found) == 1) {
        assert_int_equal(tb_baggage_value(found.value, value, sizeof(value)), 0);
        same_pair(v, i++, found.key, value);
    }
    assert_int_equal(i, cJSON_GetArraySize(v->expect));
    return 0;
}

static const struct format {
    const char *name;
    int (*run)(const struct vector *vector);
    bool is_sampled; /* the sample in tests/data has some */
} formats[] = {
    {"traceparent", run_traceparent, true}, {"tracestate", run_tracestate, true},
    {"x-amzn-trace-id", run_xray, true},    {"b3", run_b3, true},
    {"b3multi", run_b3multi, true},         {"x-honeycomb-trace", run_honeycomb, true},
    {"datadog", run_datadog, true},         {"grpc-trace-bin", run_grpc, false},
    {"baggage", run_baggage, true},
};

static const struct format *format_of(const cJSON *vector)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(text_of(vector, "format"), formats[i].name) == 0)
            return &formats[i];
    fail_msg("%s: a format that nobody reads", text_of(vector, "id"));
    return NULL;
}

/* A header that stands there by its name is its value. */
static const char *input_text(const cJSON *input)
{
    bool is_one = cJSON_IsObject(input) && cJSON_GetArraySize(input) == 1;
    const char *text = cJSON_GetStringValue(is_one ? input->child : input);
    return text ? text : "";
}

/* All that the functions above compare. */
static const char *const compared[] = {
    "trace_id",      "span_id",       "parent_span_id", "sampled", "debug",
    "random",        "flags",         "self",           "lineage", "raw_trace_id",
    "raw_parent_id", "xray_trace_id", "context",        "dataset", NULL};
/* Cases of the others are run by test_environ.c. */
static const char *const kinds[] = {"about", "count", "cases", "env_cases", "id_conversion", NULL};

static void every_vector_is_read_as_it_says(void **state)
{
    (void)state;
    cJSON *root = read_vectors();
    int counts[sizeof(formats) / sizeof(formats[0])] = {0};
    const cJSON *vector;
    cJSON_ArrayForEach(vector, member(root, "cases"))
    {
        const struct format *format = format_of(vector);
        const struct vector v = {.id = text_of(vector, "id"),
                                 .text = input_text(member(vector, "input")),
                                 .input = member(vector, "input"),
                                 .expect = member(vector, "expect")};
        if (cJSON_IsObject(v.expect))
            tell_unknown(v.id, v.expect, compared);
        int err = format->run(&v);
        if ((err == 0) != cJSON_IsTrue(member(vector, "valid")))
            fail_msg("%s: the reader says %d", v.id, err);
        counts[format - formats]++;
    }
    tell_unknown("trace_headers.json", root, kinds);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        print_message("%s: %d vectors\n", formats[i].name, counts[i]);
        assert_true(counts[i] > 0 || !formats[i].is_sampled);
    }
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_is_read_as_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
