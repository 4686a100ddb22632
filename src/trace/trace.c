/* trace.c - see trace.h. */
#include "trace/trace.h"

#include <errno.h>
#include <string.h>

#include "base/id.h"

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

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

bool tb_trace_is_set(const struct tb_trace *trace)
{
    return !is_zero(trace->trace_id, sizeof(trace->trace_id)) ||
           !is_zero(trace->xray_trace_id, sizeof(trace->xray_trace_id));
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && is_blank((*text)[*len - 1]))
        (*len)--;
}

/* 2 * len hex digits of lower case only. */
static int unhex_lower(const char *text, void *out, size_t len)
{
    for (size_t i = 0; i < 2 * len; i++) {
        if (text[i] >= 'A' && text[i] <= 'F')
            return -EINVAL;
    }
    return tb_unhex(text, out, len);
}

int tb_trace_parse_w3c(const char *text, size_t len, struct tb_trace *out)
{
    uint8_t version;
    uint8_t trace_id[16];
    uint8_t span_id[8];
    uint8_t flags;
    trim(&text, &len);
    if (len < W3C_BYTES || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return -EINVAL;
    if (unhex_lower(text, &version, 1) || unhex_lower(text + 3, trace_id, sizeof(trace_id)) ||
        unhex_lower(text + 36, span_id, sizeof(span_id)) || unhex_lower(text + 53, &flags, 1))
        return -EINVAL;
    if (version == 0xff || (version == 0 && len > W3C_BYTES))
        return -EINVAL;
    /* A later version may go on behind a dash. A comma would be two headers in one. */
    if (len > W3C_BYTES && (text[W3C_BYTES] != '-' || memchr(text, ',', len)))
        return -EINVAL;
    if (is_zero(trace_id, sizeof(trace_id)) || is_zero(span_id, sizeof(span_id)))
        return -EINVAL;
    memcpy(out->trace_id, trace_id, sizeof(trace_id));
    memcpy(out->span_id, span_id, sizeof(span_id));
    out->flags = flags & (version == 0 ? FLAGS_KNOWN : 1);
    return 0;
}

/* 1-8-24, the only known version; zeros are the X-Ray SDK's "no trace". */
static int parse_root(const char *text, size_t len, uint8_t out[16])
{
    uint8_t id[16];
    if (len != XRAY_ROOT_BYTES || memcmp(text, "1-", 2) != 0 || text[10] != '-')
        return -EINVAL;
    if (tb_unhex(text + 2, id, 4) || tb_unhex(text + 11, id + 4, 12))
        return -EINVAL;
    if (is_zero(id, sizeof(id)))
        return -EINVAL;
    memcpy(out, id, sizeof(id));
    return 0;
}

struct xray {
    uint8_t root[16];
    uint8_t parent[8];
    uint8_t sampled;
    bool has_root, has_parent, has_sampled;
};

static bool is_key(const char *text, size_t len, const char *key)
{
    if (len != strlen(key))
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((text[i] | 0x20) != key[i])
            return false;
    }
    return true;
}

/* One key=value; of those with the same key the first counts. A bad Parent or Sampled is as good as
 * none: the root decides. */
static int read_part(const char *part, size_t len, struct xray *x)
{
    const char *equals = memchr(part, '=', len);
    if (!equals)
        return 0;
    size_t key_len = (size_t)(equals - part);
    const char *value = equals + 1;
    size_t value_len = len - key_len - 1;
    while (key_len > 0 && is_blank(part[key_len - 1]))
        key_len--;
    trim(&value, &value_len);
    if (is_key(part, key_len, "root") && !x->has_root) {
        x->has_root = true;
        return parse_root(value, value_len, x->root);
    }
    if (is_key(part, key_len, "parent") && !x->has_parent) {
        x->has_parent = true;
        if (value_len != 2 * sizeof(x->parent) || tb_unhex(value, x->parent, sizeof(x->parent)))
            memset(x->parent, 0, sizeof(x->parent));
    }
    if (is_key(part, key_len, "sampled") && !x->has_sampled) {
        x->has_sampled = true;
        if (value_len == 1 && (value[0] == '0' || value[0] == '1'))
            x->sampled = value[0] == '1' ? TB_XRAY_YES : TB_XRAY_NO;
    }
    return 0;
}

int tb_trace_parse_xray(const char *text, size_t len, struct tb_trace *out)
{
    struct xray x = {.sampled = TB_XRAY_UNKNOWN};
    trim(&text, &len);
    x.has_root = parse_root(text, len, x.root) == 0;
    while (len > 0) {
        const char *end = memchr(text, ';', len);
        size_t part_len = end ? (size_t)(end - text) : len;
        const char *part = text;
        size_t skip = part_len + (end ? 1 : 0);
        text += skip;
        len -= skip;
        trim(&part, &part_len);
        if (read_part(part, part_len, &x) < 0)
            return -EINVAL;
    }
    if (!x.has_root)
        return -EINVAL;
    memcpy(out->xray_trace_id, x.root, sizeof(x.root));
    memcpy(out->xray_parent_id, x.parent, sizeof(x.parent));
    out->xray_sampled = x.sampled;
    return 0;
}

int tb_trace_parse(const char *text, size_t len, struct tb_trace *out)
{
    if (tb_trace_parse_w3c(text, len, out) == 0)
        return 0;
    if (tb_trace_parse_xray(text, len, out) < 0)
        return -EINVAL;
    if (is_zero(out->trace_id, sizeof(out->trace_id))) {
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
        return parse_root(text, len, out);
    if (len != 2 * sizeof(id) || tb_unhex(text, id, sizeof(id)) || is_zero(id, sizeof(id)))
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

void tb_xray_id_text(const uint8_t id[16], char out[TB_XRAY_ID_TEXT])
{
    out[0] = '1';
    out[1] = '-';
    tb_hex(id, 4, out + 2);
    out[10] = '-';
    tb_hex(id + 4, 12, out + 11);
}

void tb_traceparent_text(const struct tb_trace *trace, char out[TB_TRACEPARENT_TEXT])
{
    static const uint8_t version = 0;
    uint8_t flags = trace->flags & FLAGS_KNOWN;
    tb_hex(&version, 1, out);
    out[2] = '-';
    tb_hex(trace->trace_id, 16, out + 3);
    out[35] = '-';
    tb_hex(trace->span_id, 8, out + 36);
    out[52] = '-';
    tb_hex(&flags, 1, out + 53);
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
        in[AT_XRAY_SAMPLED] <= TB_XRAY_YES ? in[AT_XRAY_SAMPLED] : (uint8_t)TB_XRAY_UNKNOWN;
    out->inherited = in[AT_INHERITED] != 0;
    return 0;
}
