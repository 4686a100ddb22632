/* fuzz_trace.c - trace headers: what is read can be written and read again, by every format alone
 * and by all of them together. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "trace/formats.h"
#include "trace/text.h"

enum { LINES = 24 };

static void check_round_trip(const struct tb_trace *trace)
{
    char text[TB_TRACEPARENT_TEXT];
    uint8_t image[TB_TRACE_IMAGE_BYTES];
    struct tb_trace again = {0};
    tb_trace_pack(trace, image);
    if (tb_trace_unpack(image, &again) < 0 || memcmp(&again, trace, sizeof(again)) != 0)
        abort();
    tb_traceparent_text(trace, text);
    static const uint8_t none[8];
    bool has_span = memcmp(trace->span_id, none, sizeof(none)) != 0;
    if ((tb_trace_parse_w3c(text, strlen(text), &again) == 0) != has_span)
        abort();
}

/* Each reader by itself. */
static void read_alone(const char *text, size_t size)
{
    struct tb_trace trace = {0};
    struct tb_trace_said said;
    struct tb_honeycomb h;
    struct tb_xray_rest rest;
    const struct tb_slice slice = {text, size};
    char state[TB_TRACESTATE_TEXT];
    char again[TB_TRACESTATE_TEXT];
    char decoded[64];
    uint8_t bytes[8];
    (void)tb_trace_parse_w3c(text, size, &trace);
    (void)tb_xray_parse(text, size, &trace, &rest);
    (void)tb_b3_parse(text, size, &said);
    (void)tb_grpc_parse(text, size, &said);
    (void)tb_grpc_parse_bytes((const uint8_t *)text, size, &said);
    (void)tb_honeycomb_parse(text, size, &h);
    (void)tb_honeycomb_dataset(slice, decoded, sizeof(decoded));
    (void)tb_baggage_value(slice, decoded, sizeof(decoded));
    (void)tb_base64_parse(slice, bytes, sizeof(bytes));
    if (tb_tracestate_parse(&slice, 1, state) < 0)
        return;
    const struct tb_slice whole = {state, strlen(state)};
    if (tb_tracestate_parse(&whole, 1, again) < 0 || strcmp(state, again) != 0)
        abort();
}

/* ---- a request: lines of "name: value" ---- */

struct request {
    struct tb_slice names[LINES], values[LINES];
    size_t n;
};

static bool get(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    const struct request *request = arg;
    for (size_t i = 0; i < request->n; i++) {
        if (request->names[i].len != strlen(name) ||
            strncasecmp(request->names[i].text, name, request->names[i].len) != 0 || nth-- > 0)
            continue;
        *out = request->values[i];
        return true;
    }
    return false;
}

/* What goes out is a header: no control characters, one line. */
static int put(void *arg, const char *name, const char *value, size_t len)
{
    struct request *request = arg;
    if (strlen(value) != len || request->n == LINES)
        abort();
    for (size_t i = 0; i < len; i++)
        if (value[i] < 0x20 || value[i] == 0x7f)
            if (value[i] != '\t')
                abort();
    char *copy = strdup(value);
    if (copy == NULL)
        abort();
    request->names[request->n] = (struct tb_slice){name, strlen(name)};
    request->values[request->n++] = (struct tb_slice){copy, len};
    return 0;
}

static void read_request(struct tb_slice text, struct request *out)
{
    while (text.text != NULL && out->n < LINES) {
        struct tb_slice value = tb_slice_cut(&text, '\n');
        struct tb_slice name = tb_slice_cut(&value, ':');
        if (value.text == NULL)
            continue;
        out->names[out->n] = name;
        out->values[out->n++] = value;
    }
}

/* The traces and their decisions, read of what was written, are those that were written. */
static void check_request(const struct tb_trace_context *context,
                          const struct tb_trace_propagators *kinds)
{
    struct request out = {.n = 0};
    struct tb_trace_context again;
    static const uint8_t none[16];
    if (tb_trace_inject(context, kinds, put, &out) < 0)
        abort();
    bool is_there = tb_trace_extract(get, &out, kinds, &again);
    if (is_there && context->source != TB_TRACE_FROM_NOTHING &&
        memcmp(context->trace.span_id, none, 8) != 0 &&
        memcmp(context->trace.trace_id, again.trace.trace_id, 16) != 0)
        abort();
    if (is_there && strcmp(again.state, context->state) != 0 && again.state[0] != '\0')
        abort();
    for (size_t i = 0; i < out.n; i++)
        free((char *)(uintptr_t)out.values[i].text);
}

static void read_together(const char *text, size_t size)
{
    struct request request = {.n = 0};
    struct tb_trace_propagators kinds;
    struct tb_trace_context context;
    char list[32] = "";
    struct tb_slice rest = {text, size};
    struct tb_slice first = tb_slice_cut(&rest, '\n');
    if (first.len < sizeof(list)) {
        if (first.len > 0)
            memcpy(list, first.text, first.len);
        list[first.len] = '\0';
    }
    (void)tb_trace_propagators(list, &kinds);
    read_request(rest, &request);
    (void)tb_trace_extract(get, &request, &kinds, &context);
    check_request(&context, &kinds);
    tb_trace_propagators_default(&kinds);
    (void)tb_trace_extract(get, &request, &kinds, &context);
    check_request(&context, &kinds);
}

static void read_environment(const char *text, size_t size)
{
    struct tb_trace_propagators kinds;
    struct tb_trace_context context;
    char *copy = strndup(text, size);
    char *env[LINES + 1] = {NULL};
    size_t n = 0;
    if (copy == NULL)
        return;
    for (char *at = copy; at != NULL && n < LINES;) {
        env[n++] = at;
        at = strchr(at, '\n');
        if (at != NULL)
            *at++ = '\0';
    }
    tb_trace_propagators_default(&kinds);
    (void)tb_trace_extract_env(env, &kinds, &context);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct tb_trace both = {0};
    if (tb_trace_parse(text, size, &both) == 0)
        check_round_trip(&both);
    char *copy = strndup(text, size);
    if (copy && tb_trace_parse_id(copy, both.trace_id) == 0) {
        char xray_text[TB_XRAY_ID_TEXT];
        tb_xray_id_text(both.trace_id, xray_text);
        if (tb_trace_parse_id(xray_text, both.trace_id) < 0)
            abort();
    }
    free(copy);
    read_alone(text, size);
    read_together(text, size);
    read_environment(text, size);
    return 0;
}
