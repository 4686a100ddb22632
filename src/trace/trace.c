/* trace.c - see trace.h. */
#include "trace/trace.h"

#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum {
    W3C_BYTES = 55,       /* version-traceid-spanid-flags: 2+1+32+1+16+1+2 */
    XRAY_ROOT_BYTES = 35, /* 1-8-24 */
    FLAGS_KNOWN = 3,      /* sampled, random */
};

/* Offsets of the image. */
enum {
    AT_TRACE_ID = 0,
    AT_SPAN_ID = 16,
    AT_VALID = 24,
    AT_FLAGS = 25,
    AT_XRAY_ID = 64,
    AT_XRAY_PARENT = 80,
    AT_XRAY_SAMPLED = 88,
    AT_INHERITED = 89
};

bool tb_trace_is_set(const struct tb_trace *trace)
{
    return !tb_bytes_are_zero(trace->trace_id, sizeof(trace->trace_id)) ||
           !tb_bytes_are_zero(trace->xray_trace_id, sizeof(trace->xray_trace_id));
}

int tb_trace_parse_w3c(const char *text, size_t len, struct tb_trace *out)
{
    bool good = true;
    const struct tb_slice trimmed = tb_slice_trim((struct tb_slice){text, len});
    text = trimmed.text;
    len = trimmed.len;
    if (len < W3C_BYTES || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return -EINVAL;
    uint8_t version = tb_byte_unhex(text, TB_HEX_LOWER, &good);
    struct tb_id trace_id = tb_id_unhex(text + 3, TB_HEX_LOWER, &good);
    uint64_t span_id = tb_span_unhex(text + 36, TB_HEX_LOWER, &good);
    uint8_t flags = tb_byte_unhex(text + 53, TB_HEX_LOWER, &good);
    if (!good || version == 0xff || (version == 0 && len > W3C_BYTES))
        return -EINVAL;
    /* A later version may go on behind a dash. A comma would be two headers in one. */
    if (len > W3C_BYTES && (text[W3C_BYTES] != '-' || memchr(text, ',', len)))
        return -EINVAL;
    if ((trace_id.left | trace_id.right) == 0 || span_id == 0)
        return -EINVAL;
    tb_id_store(trace_id, out->trace_id);
    memcpy(out->span_id, &span_id, sizeof(span_id));
    out->flags = flags & (version == 0 ? FLAGS_KNOWN : 1);
    return 0;
}

/* "1-..", which is no header. */
static int parse_typed(const char *text, size_t len, struct tb_trace *out)
{
    if (tb_xray_root_parse(tb_slice_trim((struct tb_slice){text, len}), out->xray_trace_id) < 0)
        return -EINVAL;
    memset(out->xray_parent_id, 0, sizeof(out->xray_parent_id));
    out->xray_sampled = TB_XRAY_UNKNOWN;
    return 0;
}

int tb_trace_parse(const char *text, size_t len, struct tb_trace *out)
{
    if (tb_trace_parse_w3c(text, len, out) == 0)
        return 0;
    if (tb_trace_parse_xray(text, len, out) < 0 && parse_typed(text, len, out) < 0)
        return -EINVAL;
    if (tb_bytes_are_zero(out->trace_id, sizeof(out->trace_id))) {
        memcpy(out->trace_id, out->xray_trace_id, sizeof(out->trace_id));
        memcpy(out->span_id, out->xray_parent_id, sizeof(out->span_id));
        out->flags = out->xray_sampled == TB_XRAY_YES ? 1 : 0;
    }
    return 0;
}

int tb_trace_parse_id(const char *text, uint8_t out[16])
{
    uint8_t id[16];
    size_t len = strnlen(text, XRAY_ROOT_BYTES + 1);
    if (len == XRAY_ROOT_BYTES)
        return tb_xray_root_parse((struct tb_slice){text, len}, out);
    if (len != 2 * sizeof(id) || tb_unhex_any(text, id, sizeof(id)) ||
        tb_bytes_are_zero(id, sizeof(id)))
        return -EINVAL;
    memcpy(out, id, sizeof(id));
    return 0;
}

int tb_span_id_parse(const char *text, uint8_t out[8])
{
    uint8_t id[8];
    if (strnlen(text, 2 * sizeof(id) + 1) != 2 * sizeof(id) || tb_unhex_any(text, id, sizeof(id)) ||
        tb_bytes_are_zero(id, sizeof(id)))
        return -EINVAL;
    memcpy(out, id, sizeof(id));
    return 0;
}

void tb_trace_id_text(const uint8_t id[16], char out[TB_TRACE_ID_TEXT])
{
    tb_hex(id, 16, out);
}

void tb_span_id_text(const uint8_t id[8], char out[TB_SPAN_ID_TEXT])
{
    tb_hex(id, 8, out);
}

void tb_traceparent_text(const struct tb_trace *trace, char out[TB_TRACEPARENT_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    memcpy(out, "00-", 3);
    tb_hex_text(trace->trace_id, 16, out + 3);
    out[35] = '-';
    tb_hex_text(trace->span_id, 8, out + 36);
    memcpy(out + 52, "-0", 2);
    out[54] = digits[trace->flags & FLAGS_KNOWN];
    out[55] = '\0';
}

void tb_trace_pack(const struct tb_trace *trace, uint8_t out[TB_TRACE_IMAGE_BYTES])
{
    memset(out, 0, TB_TRACE_IMAGE_BYTES);
    memcpy(out + AT_TRACE_ID, trace->trace_id, 16);
    memcpy(out + AT_SPAN_ID, trace->span_id, 8);
    out[AT_VALID] = tb_trace_is_set(trace) ? 1 : 0;
    out[AT_FLAGS] = trace->flags;
    memcpy(out + AT_XRAY_ID, trace->xray_trace_id, 16);
    memcpy(out + AT_XRAY_PARENT, trace->xray_parent_id, 8);
    out[AT_XRAY_SAMPLED] = trace->xray_sampled;
    out[AT_INHERITED] = trace->inherited;
}

int tb_trace_unpack(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace *out)
{
    if (in[AT_VALID] != 1)
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    memcpy(out->trace_id, in + AT_TRACE_ID, 16);
    memcpy(out->span_id, in + AT_SPAN_ID, 8);
    out->flags = in[AT_FLAGS] & FLAGS_KNOWN;
    memcpy(out->xray_trace_id, in + AT_XRAY_ID, 16);
    memcpy(out->xray_parent_id, in + AT_XRAY_PARENT, 8);
    out->xray_sampled =
        in[AT_XRAY_SAMPLED] <= TB_XRAY_ASKED ? in[AT_XRAY_SAMPLED] : (uint8_t)TB_XRAY_UNKNOWN;
    out->inherited = in[AT_INHERITED] != 0;
    return 0;
}
