/* propagators.c - OTEL_PROPAGATORS; see context.h. */
#include <string.h>

#include "trace/context.h"
#include "trace/text.h"

enum { NAMES_BYTES = 1024, NO_KIND = TB_TRACE_KINDS };

static const struct {
    const char *name;
    enum tb_trace_kind kind;
} names[] = {
    {"tracecontext", TB_TRACE_W3C},
    {"xray", TB_TRACE_XRAY},
    {"xray-lambda", TB_TRACE_XRAY}, /* the environment is read by the same name */
    {"b3", TB_TRACE_B3},
    {"b3multi", TB_TRACE_B3MULTI},
    {"honeycomb", TB_TRACE_HONEYCOMB},
    {"datadog", TB_TRACE_DATADOG},
    {"grpc", TB_TRACE_GRPC},
    {"baggage", TB_TRACE_BAGGAGE},
};

void tb_trace_propagators_default(struct tb_trace_propagators *out)
{
    memset(out, 0, sizeof(*out));
    for (int kind = 0; kind < TB_TRACE_KINDS; kind++)
        out->kinds[out->n++] = (uint8_t)kind;
}

static int kind_of(struct tb_slice name)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (tb_slice_equals(name, names[i].name))
            return (int)names[i].kind;
    return NO_KIND;
}

static void add(struct tb_trace_propagators *out, struct tb_slice name)
{
    int kind = kind_of(name);
    if (kind == NO_KIND) {
        if (out->n_unknown == 0)
            out->unknown = name;
        if (out->n_unknown < UINT8_MAX)
            out->n_unknown++;
        return;
    }
    for (size_t i = 0; i < out->n; i++)
        if (out->kinds[i] == kind)
            return;
    out->kinds[out->n++] = (uint8_t)kind;
}

int tb_trace_propagators(const char *text, struct tb_trace_propagators *out)
{
    struct tb_slice rest = {text, text != NULL ? strnlen(text, NAMES_BYTES) : 0};
    bool is_none = false;
    memset(out, 0, sizeof(*out));
    if (tb_slice_trim(rest).len == 0) {
        tb_trace_propagators_default(out);
        return 0;
    }
    while (rest.text != NULL) {
        struct tb_slice name = tb_slice_trim(tb_slice_cut(&rest, ','));
        if (tb_slice_equals(name, "none"))
            is_none = true;
        else if (name.len > 0)
            add(out, name);
    }
    if (is_none)
        out->n = 0;
    return out->n_unknown;
}
