/* honeycomb.c - X-Honeycomb-Trace, version 1; see formats.h. */
#include <errno.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

/* 32 or 16 hex digits of either case serve other systems too. */
static void usable(struct tb_slice text, uint8_t out[16])
{
    size_t bytes = text.len / 2;
    if ((text.len != 32 && text.len != 16) || tb_unhex_any(text.text, out + 16 - bytes, bytes) < 0)
        memset(out, 0, 16);
}

static void usable_span(struct tb_slice text, uint8_t out[8])
{
    if (text.len != 16 || tb_unhex_any(text.text, out, 8) < 0)
        memset(out, 0, 8);
}

/* Base64 of a JSON object, or of null: that much can be said without a reader of JSON. */
static bool is_context(struct tb_slice text)
{
    uint8_t first = '\0';
    long len = tb_base64_parse(text, &first, 1);
    return len == 0 || (len > 0 && (first == '{' || first == 'n'));
}

static int read_clause(struct tb_honeycomb *h, struct tb_slice clause)
{
    struct tb_slice value = clause;
    struct tb_slice key = tb_slice_cut(&value, '=');
    if (value.text == NULL)
        return 0;
    if (tb_slice_equals(key, "trace_id"))
        h->trace_id = value;
    else if (tb_slice_equals(key, "parent_id"))
        h->parent_id = value;
    else if (tb_slice_equals(key, "dataset"))
        h->dataset = value;
    else if (tb_slice_equals(key, "context")) {
        h->context = value;
        return is_context(value) ? 0 : -EINVAL;
    }
    return 0;
}

int tb_honeycomb_parse(const char *text, size_t len, struct tb_honeycomb *out)
{
    struct tb_honeycomb h = {.trace_id = {.text = NULL}};
    struct tb_slice rest = tb_slice_trim((struct tb_slice){text, len});
    struct tb_slice version = tb_slice_cut(&rest, ';');
    if (!tb_slice_equals(version, "1"))
        return -EINVAL;
    while (rest.text != NULL) {
        if (read_clause(&h, tb_slice_trim(tb_slice_cut(&rest, ','))) < 0)
            return -EINVAL;
    }
    if (h.trace_id.len == 0)
        return -EINVAL;
    usable(h.trace_id, h.said.trace_id);
    if (!tb_bytes_are_zero(h.said.trace_id, 16))
        usable_span(h.parent_id, h.said.span_id);
    *out = h;
    return 0;
}

/* "+" is a blank, as in the query of an URL; a plus sign is written %2B. */
int tb_honeycomb_dataset(struct tb_slice dataset, char *out, size_t cap)
{
    size_t len = 0;
    if (cap == 0)
        return -ENOSPC;
    out[0] = '\0';
    while (dataset.text != NULL) {
        int err = tb_percent_parse(tb_slice_cut(&dataset, '+'), out + len, cap - len);
        if (err)
            return err;
        len += strlen(out + len);
        if (dataset.text != NULL && len + 1 == cap)
            return -ENOSPC;
        if (dataset.text != NULL)
            out[len++] = ' ';
    }
    return 0;
}

size_t tb_honeycomb_text(const struct tb_trace_context *context, char out[TB_HONEYCOMB_TEXT])
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = TB_HONEYCOMB_TEXT};
    out[0] = '\0';
    if (tb_bytes_are_zero(trace->trace_id, 16) || tb_bytes_are_zero(trace->span_id, 8))
        return 0;
    tb_line_text(&line, "1;trace_id=");
    tb_line_hex(&line, trace->trace_id, 16);
    tb_line_text(&line, ",parent_id=");
    tb_line_hex(&line, trace->span_id, 8);
    if (context->dataset.len > 0 && context->dataset.len < TB_BAGGAGE_ID_TEXT &&
        tb_slice_is(context->dataset, TB_CHAR_TOKEN)) {
        tb_line_text(&line, ",dataset=");
        tb_line_add(&line, context->dataset.text, context->dataset.len);
    }
    tb_line_text(&line, ",context=");
    size_t whole = line.len;
    tb_line_add(&line, context->honeycomb_context.text, context->honeycomb_context.len);
    if (line.len == whole) {
        line.is_full = false;
        tb_line_text(&line, "e30="); /* {} */
    }
    return line.len;
}
