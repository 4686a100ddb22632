/* b3.c - "b3" and X-B3-*; see formats.h. OpenZipkin, B3 propagation. */
#include <errno.h>
#include <string.h>

#include "trace/formats.h"
#include "trace/text.h"

/* 32 or 16 digits, these padded at their left; none that is all zero. */
static int read_trace_id(struct tb_slice text, uint8_t out[16])
{
    size_t bytes = text.len / 2;
    if (text.len != 32 && text.len != 16)
        return -EINVAL;
    memset(out, 0, 16);
    if (tb_unhex_lower(text.text, out + 16 - bytes, bytes) < 0 || tb_bytes_are_zero(out, 16))
        return -EINVAL;
    return 0;
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
    struct tb_slice rest = tb_slice_trim((struct tb_slice){text, len});
    if (read_sampling(rest, &said) == 0) {
        *out = said;
        return 0;
    }
    if (read_trace_id(tb_slice_cut(&rest, '-'), said.trace_id) < 0 ||
        tb_span_parse(tb_slice_cut(&rest, '-'), said.span_id) < 0)
        return -EINVAL;
    if (rest.text != NULL && read_sampling(tb_slice_cut(&rest, '-'), &said) < 0)
        return -EINVAL;
    if (rest.text != NULL && tb_span_parse(rest, said.parent_id) < 0)
        return -EINVAL;
    *out = said;
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
    if (!has_ids && said.sampled == TB_SAMPLED_UNSAID)
        return -EINVAL;
    if (has_ids && (read_trace_id(trimmed[TB_B3_TRACE_ID], said.trace_id) < 0 ||
                    tb_span_parse(trimmed[TB_B3_SPAN_ID], said.span_id) < 0))
        return -EINVAL;
    (void)tb_span_parse(trimmed[TB_B3_PARENT_ID], said.parent_id);
    *out = said;
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
