/* b3.c - "b3" and X-B3-*; see formats.h. OpenZipkin, B3 propagation. */
#include <errno.h>
#include <string.h>

#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum { TRACE_BYTES = 32, SPAN_BYTES = 16 };

/* 32 or 16 digits, these padded at their left; zeros for what is none. */
static struct tb_id read_trace_id(struct tb_slice text)
{
    bool good = true;
    struct tb_id id = {0, 0};
    if (text.len == TRACE_BYTES)
        id = tb_id_unhex(text.text, TB_HEX_LOWER, &good);
    else if (text.len == SPAN_BYTES)
        id.right = tb_span_unhex(text.text, TB_HEX_LOWER, &good);
    return good ? id : (struct tb_id){0, 0};
}

static uint64_t read_span(struct tb_slice text)
{
    bool good = true;
    uint64_t span = text.len == SPAN_BYTES ? tb_span_unhex(text.text, TB_HEX_LOWER, &good) : 0;
    return good ? span : 0;
}

struct ids {
    struct tb_id trace;
    uint64_t span, parent;
};

static bool has_both(const struct ids *ids)
{
    return (ids->trace.left | ids->trace.right) != 0 && ids->span != 0;
}

static void tell(const struct ids *ids, struct tb_trace_said decision, struct tb_trace_said *out)
{
    *out = (struct tb_trace_said){.sampled = decision.sampled, .is_debug = decision.is_debug};
    tb_id_store(ids->trace, out->trace_id);
    memcpy(out->span_id, &ids->span, sizeof(ids->span));
    memcpy(out->parent_id, &ids->parent, sizeof(ids->parent));
}

/* The first len characters and the "-" behind them, if there is one; rest.text is NULL at the end.
 */
static struct tb_slice part(struct tb_slice *rest, size_t len)
{
    const struct tb_slice first = {rest->text, len};
    if (rest->len == len)
        *rest = (struct tb_slice){.text = NULL};
    else if (rest->len > len && rest->text[len] == '-')
        *rest = (struct tb_slice){rest->text + len + 1, rest->len - len - 1};
    else
        return (struct tb_slice){.text = NULL}; /* of another length */
    return first;
}

static int read_sampling(struct tb_slice text, struct tb_trace_said *said)
{
    if (text.len != 1)
        return -EINVAL;
    switch (text.text[0]) {
    case '0':
        said->sampled = TB_SAMPLED_NO;
        return 0;
    case 'd':
        said->is_debug = true;
        said->sampled = TB_SAMPLED_YES;
        return 0;
    case '1':
        said->sampled = TB_SAMPLED_YES;
        return 0;
    default:
        return -EINVAL;
    }
}

int tb_b3_parse(const char *text, size_t len, struct tb_trace_said *out)
{
    struct tb_trace_said said = {.sampled = TB_SAMPLED_UNSAID};
    struct ids ids = {.span = 0};
    struct tb_slice rest = tb_slice_trim((struct tb_slice){text, len});
    if (read_sampling(rest, &said) == 0) {
        *out = said;
        return 0;
    }
    bool is_long =
        rest.len > TRACE_BYTES && rest.text[TRACE_BYTES] == '-' && rest.text[SPAN_BYTES] != '-';
    ids.trace = read_trace_id(part(&rest, is_long ? TRACE_BYTES : SPAN_BYTES));
    if (rest.text != NULL)
        ids.span = read_span(part(&rest, SPAN_BYTES));
    if (!has_both(&ids) || (rest.text != NULL && read_sampling(part(&rest, 1), &said) < 0))
        return -EINVAL;
    bool has_parent = rest.text != NULL;
    if (has_parent)
        ids.parent = read_span(rest);
    if (has_parent && ids.parent == 0)
        return -EINVAL;
    tell(&ids, said, out);
    return 0;
}

/* "true" and "false" are what was sent before the format had a page. */
static void read_sampled_header(struct tb_slice text, struct tb_trace_said *said)
{
    if ((text.len == 1 && text.text[0] == '1') || tb_slice_equals(text, "true"))
        said->sampled = TB_SAMPLED_YES;
    else if ((text.len == 1 && text.text[0] == '0') || tb_slice_equals(text, "false"))
        said->sampled = TB_SAMPLED_NO;
}

int tb_b3multi_parse(const struct tb_slice headers[TB_B3_HEADERS], struct tb_trace_said *out)
{
    struct tb_trace_said said = {.sampled = TB_SAMPLED_UNSAID};
    struct tb_slice trimmed[TB_B3_HEADERS];
    for (size_t i = 0; i < TB_B3_HEADERS; i++)
        trimmed[i] = tb_slice_trim(headers[i]);
    read_sampled_header(trimmed[TB_B3_SAMPLED], &said);
    if (trimmed[TB_B3_FLAGS].len == 1 && trimmed[TB_B3_FLAGS].text[0] == '1') {
        said.is_debug = true;
        said.sampled = TB_SAMPLED_YES;
    }
    bool has_ids = trimmed[TB_B3_TRACE_ID].len > 0 || trimmed[TB_B3_SPAN_ID].len > 0;
    struct ids ids = {.trace = read_trace_id(trimmed[TB_B3_TRACE_ID]),
                      .span = read_span(trimmed[TB_B3_SPAN_ID]),
                      .parent = read_span(trimmed[TB_B3_PARENT_ID])};
    if (has_ids ? !has_both(&ids) : said.sampled == TB_SAMPLED_UNSAID)
        return -EINVAL;
    tell(&ids, said, out);
    return 0;
}

size_t tb_b3_text(const struct tb_trace_context *context, char out[TB_B3_TEXT])
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = TB_B3_TEXT};
    enum tb_sampled sampled = tb_trace_sampled(context);
    const char *sampling = context->is_debug ? "d" : sampled == TB_SAMPLED_YES ? "1" : "0";
    bool has_ids = !tb_bytes_are_zero(trace->trace_id, 16) && !tb_bytes_are_zero(trace->span_id, 8);
    out[0] = '\0';
    if (has_ids) {
        tb_line_hex(&line, trace->trace_id, 16);
        tb_line_text(&line, "-");
        tb_line_hex(&line, trace->span_id, 8);
    }
    if (context->is_debug || sampled != TB_SAMPLED_UNSAID) {
        tb_line_text(&line, has_ids ? "-" : "");
        tb_line_text(&line, sampling);
    }
    return line.len;
}
