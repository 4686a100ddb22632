/* image.c - see image.h. */
#include "trace/image.h"

#include <errno.h>
#include <string.h>

#include "base/pack.h"
#include "trace/formats.h"

/* Offsets behind those of trace.c. */
enum {
    AT_SOURCE = 90,
    AT_SAMPLED = 91,
    AT_KINDS = 92,
    AT_CARRIER = 94,
    AT_GENERATION = 96,
    AT_STARTED = 104,
};
enum { SAMPLED_BITS = 3, IS_DEBUG = 4 };
enum { TAG_STATE = 's', TAG_XRAY = 'x', TAG_DATASET = 'd', TAG_CONTEXT = 'c', TAG_ORIGIN = 'g' };
enum { TAG_OTHER = 'o' };

void tb_trace_image_pack(const struct tb_trace *trace, const struct tb_trace_image *more,
                         uint8_t out[TB_TRACE_IMAGE_BYTES])
{
    tb_trace_pack(trace, out);
    out[AT_SOURCE] = more->source;
    out[AT_SAMPLED] = (uint8_t)((more->sampled & SAMPLED_BITS) | (more->is_debug ? IS_DEBUG : 0));
    tb_put16(out + AT_KINDS, more->kinds);
    tb_put16(out + AT_CARRIER, more->carrier);
    tb_put32(out + AT_GENERATION, more->generation);
    tb_put64(out + AT_STARTED, more->started_ns);
}

void tb_trace_image_read(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace_image *more)
{
    uint8_t sampled = in[AT_SAMPLED] & SAMPLED_BITS;
    *more = (struct tb_trace_image){
        .source = in[AT_SOURCE] <= TB_TRACE_FROM_API ? in[AT_SOURCE] : 0,
        .sampled = sampled <= TB_SAMPLED_YES ? sampled : 0,
        .is_debug = (in[AT_SAMPLED] & IS_DEBUG) != 0,
        .kinds = tb_get16(in + AT_KINDS),
        .carrier = tb_get16(in + AT_CARRIER),
        .generation = tb_get32(in + AT_GENERATION),
        .started_ns = tb_get64(in + AT_STARTED),
    };
}

int tb_trace_image_unpack(const uint8_t in[TB_TRACE_IMAGE_BYTES], struct tb_trace_context *context,
                          struct tb_trace_image *more)
{
    struct tb_trace trace;
    int err = tb_trace_unpack(in, &trace);
    if (err)
        return err;
    tb_trace_image_read(in, more);
    memset(context, 0, sizeof(*context));
    context->trace = trace;
    context->source = more->source;
    context->sampled = more->sampled;
    context->is_debug = more->is_debug;
    return 0;
}

/* ---- texts ---- */

struct texts {
    char *out;
    size_t len;
};

static void add(struct texts *texts, char tag, const char *text, size_t len)
{
    if (!text || len == 0 || memchr(text, '\0', len) ||
        len > TB_TRACE_CARRIED_BYTES - 2 - texts->len || texts->len > TB_TRACE_CARRIED_BYTES - 2)
        return;
    texts->out[texts->len++] = tag;
    memcpy(texts->out + texts->len, text, len);
    texts->len += len;
    texts->out[texts->len++] = '\0';
}

static void add_slice(struct texts *texts, char tag, const struct tb_slice *slice)
{
    add(texts, tag, slice->text, slice->len);
}

size_t tb_trace_carried_pack(const struct tb_trace_context *context,
                             char out[TB_TRACE_CARRIED_BYTES])
{
    struct texts texts = {.out = out};
    add(&texts, TAG_XRAY, context->xray_more, strnlen(context->xray_more, TB_XRAY_MORE_TEXT - 1));
    add(&texts, TAG_STATE, context->state, strnlen(context->state, TB_TRACESTATE_TEXT - 1));
    add_slice(&texts, TAG_ORIGIN, &context->datadog_origin);
    add_slice(&texts, TAG_DATASET, &context->dataset);
    for (size_t i = 0; i < context->n_others && i < TB_TRACE_OTHERS; i++) {
        const struct tb_slice *other = &context->other[i];
        add(&texts, TAG_OTHER, other->text,
            other->len < TB_TRACE_OTHER_BYTES ? other->len : TB_TRACE_OTHER_BYTES);
    }
    add_slice(&texts, TAG_CONTEXT, &context->honeycomb_context);
    return texts.len;
}

int tb_trace_carried_xray(const char *header, size_t len, struct tb_trace *out,
                          char texts[TB_TRACE_CARRIED_BYTES])
{
    struct tb_xray_rest rest;
    struct texts all = {.out = texts};
    if (tb_xray_parse(header, len, out, &rest) < 0)
        return -EINVAL;
    memcpy(out->trace_id, out->xray_trace_id, sizeof(out->trace_id));
    memcpy(out->span_id, out->xray_parent_id, sizeof(out->span_id));
    out->flags = out->xray_sampled == TB_XRAY_YES ? 1 : 0;
    add(&all, TAG_XRAY, rest.more, strnlen(rest.more, sizeof(rest.more) - 1));
    return (int)all.len;
}

static bool is_key(const char *text, const char *key, size_t len)
{
    size_t n = 0;
    while (n < len && (text[n] | 0x20) == key[n])
        n++;
    return n == len;
}

/* The value of Lineage in "k=v;Lineage=v", or none. */
static struct tb_slice lineage_of(const char *text)
{
    static const char key[] = "lineage=";
    const size_t key_len = sizeof(key) - 1;
    while (*text) {
        size_t len = strcspn(text, ";");
        if (len > key_len && is_key(text, key, key_len))
            return (struct tb_slice){text + key_len, len - key_len};
        text += len + (text[len] == ';' ? 1 : 0);
    }
    return (struct tb_slice){NULL, 0};
}

static void copy(char *out, size_t cap, const char *text, size_t len)
{
    if (len >= cap)
        return;
    memcpy(out, text, len);
    out[len] = '\0';
}

static void take(struct tb_trace_context *context, char tag, struct tb_slice text)
{
    switch (tag) {
    case TAG_STATE:
        copy(context->state, sizeof(context->state), text.text, text.len);
        break;
    case TAG_XRAY:
        copy(context->xray_more, sizeof(context->xray_more), text.text, text.len);
        context->lineage = lineage_of(text.text);
        break;
    case TAG_ORIGIN:
        context->datadog_origin = text;
        break;
    case TAG_DATASET:
        context->dataset = text;
        break;
    case TAG_CONTEXT:
        context->honeycomb_context = text;
        break;
    case TAG_OTHER:
        if (context->n_others < TB_TRACE_OTHERS)
            context->other[context->n_others++] = text;
        break;
    default: /* of a later version */
        break;
    }
}

void tb_trace_carried_unpack(const char *data, size_t len, struct tb_trace_context *context)
{
    if (len > TB_TRACE_CARRIED_BYTES)
        len = TB_TRACE_CARRIED_BYTES;
    while (len > 1) {
        const char *end = memchr(data, '\0', len);
        if (!end)
            return;
        if (end > data + 1)
            take(context, data[0], (struct tb_slice){data + 1, (size_t)(end - data) - 1});
        len -= (size_t)(end - data) + 1;
        data = end + 1;
    }
}
