/* xray.c - X-Amzn-Trace-Id, and X-Ray's spelling of an ID; see trace.h and formats.h.
 *
 * Lenient, as senders differ: the root decides, parts come in any order with blanks around them,
 * keys of either case; a bad part is as good as none. */
#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum {
    ROOT_BYTES = 35, /* 1-8-24 */
    SPAN_BYTES = 16,
    EPOCH_DAYS = 30,
    DAY_SECONDS = 86400,
    AHEAD_SECONDS = 300
};

/* 1-8-24, the only known version; zeros are the X-Ray SDK's "no trace". */
static struct tb_id parse_root(struct tb_slice text)
{
    bool good = true;
    struct tb_id id = {0, 0};
    if (text.len != ROOT_BYTES || memcmp(text.text, "1-", 2) != 0 || text.text[10] != '-')
        return id;
    id.left = tb_chars_unhex(tb_chars_join(text.text + 2, text.text + 11), TB_HEX_ANY, &good);
    id.right = tb_span_unhex(text.text + 19, TB_HEX_ANY, &good);
    return good ? id : (struct tb_id){0, 0};
}

static bool is_none(struct tb_id id)
{
    return (id.left | id.right) == 0;
}

int tb_xray_root_parse(struct tb_slice text, uint8_t out[16])
{
    struct tb_id id = parse_root(text);
    if (is_none(id))
        return -EINVAL;
    tb_id_store(id, out);
    return 0;
}

struct xray {
    struct tb_id root;
    uint64_t parent;
    uint8_t sampled;
    struct tb_xray_rest *rest; /* or NULL: not asked for */
    struct tb_line more;
};

static void read_root(struct xray *x, struct tb_slice value)
{
    x->root = parse_root(value);
}

static void read_parent(struct xray *x, struct tb_slice value)
{
    bool good = true;
    uint64_t parent = value.len == SPAN_BYTES ? tb_span_unhex(value.text, TB_HEX_ANY, &good) : 0;
    x->parent = good ? parent : 0;
}

static void read_sampled(struct xray *x, struct tb_slice value)
{
    char sign = value.len == 1 ? value.text[0] : '\0';
    x->sampled = sign == '1'   ? TB_XRAY_YES
                 : sign == '0' ? TB_XRAY_NO
                 : sign == '?' ? TB_XRAY_ASKED
                               : TB_XRAY_UNKNOWN;
}

/* What is carried through must not end a header, or begin another part of it. */
static bool is_printable(struct tb_slice text)
{
    enum { FIRST = 0x20, HOW_MANY = 0x5f };
    size_t at = 0;
    tb_chars marks = ~(tb_chars){0};
    for (; at + sizeof(marks) <= text.len; at += sizeof(marks))
        marks &= (tb_chars)(tb_chars_load(text.text + at) - FIRST < HOW_MANY);
    bool good = tb_chars_are_all(marks);
    for (; at < text.len; at++)
        good &= (unsigned char)(text.text[at] - FIRST) < HOW_MANY;
    return good;
}

static void carry(struct xray *x, struct tb_slice part)
{
    struct tb_line *more = &x->more;
    size_t comma = more->len > 0 ? 1 : 0;
    if (!is_printable(part) || more->cap - more->len <= part.len + comma)
        return; /* whole parts only */
    tb_line_add(more, ";", comma);
    tb_line_add(more, part.text, part.len);
}

/* Those that say nothing of the trace. */
static void read_rest(struct xray *x, struct tb_slice key, struct tb_slice value,
                      struct tb_slice part)
{
    if (x->rest == NULL)
        return;
    if (tb_slice_equals(key, "self")) {
        x->rest->self = value;
        return;
    }
    if (tb_slice_equals(key, "lineage"))
        x->rest->lineage = value;
    carry(x, part);
}

/* One key=value; of those with the same key the last counts, as to all SDKs. */
static void read_part(struct xray *x, struct tb_slice part)
{
    size_t at = 0;
    while (at < part.len && part.text[at] != '=')
        at++;
    struct tb_slice key = tb_slice_trim((struct tb_slice){part.text, at});
    if (at == part.len || key.len == 0)
        return;
    struct tb_slice value = tb_slice_trim((struct tb_slice){part.text + at + 1, part.len - at - 1});
    if (tb_slice_equals(key, "root"))
        read_root(x, value);
    else if (tb_slice_equals(key, "parent"))
        read_parent(x, value);
    else if (tb_slice_equals(key, "sampled"))
        read_sampled(x, value);
    else
        read_rest(x, key, value, part);
}

/* Parts as they are nearly always written: that key, a value of that length. */
static const struct form {
    char key[8];
    size_t key_len, value_len;
    void (*read)(struct xray *x, struct tb_slice value);
} forms[] = {{"Root=", 5, ROOT_BYTES, read_root},
             {"Parent=", 7, SPAN_BYTES, read_parent},
             {{'S', 'a', 'm', 'p', 'l', 'e', 'd', '='}, 8, 1, read_sampled}};

static bool read_form(struct xray *x, struct tb_slice *left)
{
    if (left->len < sizeof(forms[0].key))
        return false;
    uint64_t word = tb_word_load(left->text);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const struct form *form = &forms[i];
        uint64_t other = word ^ tb_word_load(form->key);
        size_t len = form->key_len + form->value_len;
        if (other << 8 * (sizeof(other) - form->key_len) != 0)
            continue;
        if (left->len < len || (left->len > len && left->text[len] != ';'))
            return false;
        form->read(x, (struct tb_slice){left->text + form->key_len, form->value_len});
        *left = left->len > len ? (struct tb_slice){left->text + len + 1, left->len - len - 1}
                                : (struct tb_slice){.text = NULL};
        return true;
    }
    return false;
}

static int read_header(struct xray *x, struct tb_slice left)
{
    left = tb_slice_trim(left);
    while (left.text != NULL)
        if (!read_form(x, &left))
            read_part(x, tb_slice_trim(tb_slice_cut(&left, ';')));
    return is_none(x->root) ? -EINVAL : 0;
}

static void store(const struct xray *x, struct tb_trace *out)
{
    tb_id_store(x->root, out->xray_trace_id);
    memcpy(out->xray_parent_id, &x->parent, sizeof(x->parent));
    out->xray_sampled = x->sampled;
}

int tb_trace_parse_xray(const char *text, size_t len, struct tb_trace *out)
{
    struct xray x = {.sampled = TB_XRAY_UNKNOWN};
    int err = read_header(&x, (struct tb_slice){text, len});
    if (!err)
        store(&x, out);
    return err;
}

int tb_xray_parse(const char *text, size_t len, struct tb_trace *out, struct tb_xray_rest *rest)
{
    struct xray x = {.sampled = TB_XRAY_UNKNOWN,
                     .rest = rest,
                     .more = {.mem = rest->more, .cap = sizeof(rest->more)}};
    rest->self = rest->lineage = (struct tb_slice){.text = NULL};
    rest->more[0] = '\0'; /* the others are written where they are needed */
    int err = read_header(&x, (struct tb_slice){text, len});
    if (!err)
        store(&x, out);
    return err;
}

bool tb_xray_epoch_fits(const uint8_t id[16], int64_t now_seconds)
{
    int64_t epoch = 0;
    for (size_t i = 0; i < 4; i++)
        epoch = epoch << 8 | id[i];
    return epoch >= now_seconds - (int64_t)EPOCH_DAYS * DAY_SECONDS &&
           epoch <= now_seconds + AHEAD_SECONDS;
}

/* ---- written ---- */

void tb_xray_id_text(const uint8_t id[16], char out[TB_XRAY_ID_TEXT])
{
    out[0] = '1';
    out[1] = '-';
    tb_hex(id, 4, out + 2);
    out[10] = '-';
    tb_hex(id + 4, 12, out + 11);
}

const char *tb_xray_id_of(const char *id, char out[TB_XRAY_ID_TEXT])
{
    uint8_t bytes[16];
    out[0] = '\0';
    if (tb_trace_parse_id(id, bytes) == 0)
        tb_xray_id_text(bytes, out);
    return out;
}

static void add_root(struct tb_line *line, const uint8_t id[16])
{
    char text[TB_XRAY_ID_TEXT];
    tb_xray_id_text(id, text);
    tb_line_text(line, "Root=");
    tb_line_text(line, text);
}

/* The parent that belongs to the root that is sent. */
static const uint8_t *parent_of(const struct tb_trace *trace)
{
    bool is_own = !tb_bytes_are_zero(trace->xray_trace_id, 16);
    if (is_own && !tb_bytes_are_zero(trace->xray_parent_id, 8))
        return trace->xray_parent_id;
    if (is_own && memcmp(trace->xray_trace_id, trace->trace_id, 16) != 0)
        return trace->xray_parent_id;
    return trace->span_id;
}

static char sampled_sign(const struct tb_trace_context *context)
{
    static const char signs[] = {
        [TB_XRAY_UNKNOWN] = '\0', [TB_XRAY_NO] = '0', [TB_XRAY_YES] = '1', [TB_XRAY_ASKED] = '?'};
    uint8_t said = context->trace.xray_sampled;
    if (said != TB_XRAY_UNKNOWN && said < sizeof(signs))
        return signs[said];
    /* That of another trace says nothing of this one. */
    if (!tb_bytes_are_zero(context->trace.xray_trace_id, 16) &&
        memcmp(context->trace.xray_trace_id, context->trace.trace_id, 16) != 0)
        return '\0';
    enum tb_sampled sampled = tb_trace_sampled(context);
    return sampled == TB_SAMPLED_UNSAID ? '\0' : sampled == TB_SAMPLED_YES ? '1' : '0';
}

size_t tb_xray_text(const struct tb_trace_context *context, char out[TB_XRAY_TEXT])
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = TB_XRAY_TEXT};
    bool is_own = !tb_bytes_are_zero(trace->xray_trace_id, 16);
    const uint8_t *root = is_own ? trace->xray_trace_id : trace->trace_id;
    const uint8_t *parent = parent_of(trace);
    char sign = sampled_sign(context);
    out[0] = '\0';
    if (tb_bytes_are_zero(root, 16))
        return 0;
    add_root(&line, root);
    if (!tb_bytes_are_zero(parent, 8)) {
        tb_line_text(&line, ";Parent=");
        tb_line_hex(&line, parent, 8);
    }
    if (sign != '\0') {
        tb_line_text(&line, ";Sampled=");
        tb_line_add(&line, &sign, 1);
    }
    if (context->xray_more[0] != '\0') {
        tb_line_text(&line, ";");
        tb_line_text(&line, context->xray_more);
    }
    return line.len;
}

size_t tb_xray_response_text(const struct tb_trace_context *context,
                             char out[TB_XRAY_RESPONSE_TEXT])
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = TB_XRAY_RESPONSE_TEXT};
    enum tb_sampled sampled = tb_trace_sampled(context);
    out[0] = '\0';
    if (tb_bytes_are_zero(trace->xray_trace_id, 16))
        return 0;
    add_root(&line, trace->xray_trace_id);
    if (trace->xray_sampled == TB_XRAY_ASKED && sampled != TB_SAMPLED_UNSAID)
        tb_line_text(&line, sampled == TB_SAMPLED_YES ? ";Sampled=1" : ";Sampled=0");
    return line.len;
}
