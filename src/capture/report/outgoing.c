/* outgoing.c - what leaves of a thread's trace: headers, environments, log lines. See active.h. */
#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "capture/lib.h"
#include "capture/report/active.h"
#include "capture/report/context.h"
#include "towbar/towbar.h"

/* Without a wish: those that came in, or the two that every trace here can be said in. */
static void outgoing(uint16_t kinds, struct tb_trace_propagators *out)
{
    const struct tb_trace_propagators *propagators = tb_active_wished();
    if (propagators) {
        *out = *propagators;
        return;
    }
    *out = (struct tb_trace_propagators){.n = 0};
    if (kinds == 0)
        kinds = TB_ACTIVE_KIND(TB_TRACE_W3C) | TB_ACTIVE_KIND(TB_TRACE_XRAY);
    for (int kind = 0; kind < TB_TRACE_KINDS; kind++) {
        if (kinds & TB_ACTIVE_KIND(kind))
            out->kinds[out->n++] = (uint8_t)kind;
    }
}

/* 0, -ENOENT without a trace, or what put said first. */
static int hand_out(tb_trace_put *put, void *arg)
{
    struct tb_trace_context context;
    struct tb_trace_image image;
    struct tb_trace_propagators propagators;
    char texts[TB_TRACE_CARRIED_BYTES];
    tb_lib_touch();
    if (!tb_active_load(&context, &image, texts))
        return -ENOENT;
    outgoing(image.kinds, &propagators);
    return tb_trace_inject(&context, &propagators, put, arg);
}

struct taker {
    void (*put)(void *arg, const char *name, const char *value);
    void *arg;
    int n;
};

static int put_header(void *arg, const char *name, const char *value, size_t len)
{
    struct taker *taker = arg;
    (void)len;
    taker->put(taker->arg, name, value);
    taker->n++;
    return 0;
}

int towbar_trace_inject(void (*put)(void *arg, const char *name, const char *value), void *arg)
{
    int kept = errno;
    struct taker taker = {.put = put, .arg = arg};
    if (put)
        (void)hand_out(put_header, &taker);
    errno = kept;
    return taker.n;
}

struct entries {
    char *buffer;
    size_t size;
    char **out;
    size_t cap, n;
};

static int put_entry(struct entries *entries, const char *name, const char *value, size_t len)
{
    size_t name_len = strlen(name);
    size_t need = name_len + 1 + len + 1;
    if (entries->n == entries->cap || need > entries->size)
        return -ENOSPC;
    char *at = entries->buffer;
    memcpy(at, name, name_len);
    at[name_len] = '=';
    memcpy(at + name_len + 1, value, len);
    at[need - 1] = '\0';
    entries->out[entries->n++] = at;
    entries->buffer += need;
    entries->size -= need;
    return 0;
}

static int put_env(void *arg, const char *name, const char *value, size_t len)
{
    enum { NAME_BYTES = 64 };
    char variable[NAME_BYTES];
    struct entries *entries = arg;
    int err = tb_trace_env_name(name, variable, sizeof(variable));
    if (!err)
        err = put_entry(entries, variable, value, len);
    if (!err && tb_active_kind(name) == TB_ACTIVE_KIND(TB_TRACE_XRAY)) /* as AWS names it */
        err = put_entry(entries, "_X_AMZN_TRACE_ID", value, len);
    return err;
}

int towbar_trace_env(char *buffer, size_t size, char **entries, size_t n)
{
    int kept = errno;
    struct entries all = {.buffer = buffer, .size = size, .out = entries, .cap = n};
    int err = buffer && entries ? hand_out(put_env, &all) : -EINVAL;
    errno = kept;
    if (err == -ENOENT)
        return 0;
    return err ? err : (int)all.n;
}

/* ---- for log lines ---- */

/* Copies as much of an image as log lines need; 0 or -ENOENT. */
static int look(struct tb_trace *trace, struct tb_trace_image *image)
{
    unsigned char bytes[TB_TRACE_IMAGE_BYTES];
    tb_lib_touch();
    if (!tb_context_trace(bytes) || tb_trace_unpack(bytes, trace) < 0)
        return -ENOENT;
    tb_trace_image_read(bytes, image);
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

int towbar_trace_ids(char trace_id[33], char span_id[17])
{
    struct tb_trace trace;
    struct tb_trace_image image;
    int err = look(&trace, &image);
    if (trace_id)
        trace_id[0] = '\0';
    if (span_id)
        span_id[0] = '\0';
    if (err)
        return err;
    if (trace_id)
        tb_trace_id_text(trace.trace_id, trace_id);
    if (span_id && !is_zero(trace.span_id, sizeof(trace.span_id)))
        tb_span_id_text(trace.span_id, span_id);
    return 0;
}

struct line {
    char *out;
    size_t size, len; /* len is what it would take */
};

static void add(struct line *line, const char *key, const char *value)
{
    const char *const parts[] = {line->len > 0 ? " " : "", key, "=", value};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t n = strlen(parts[i]);
        if (line->out && line->len + n < line->size)
            memcpy(line->out + line->len, parts[i], n + 1);
        line->len += n;
    }
}

int towbar_trace_log(char *buffer, size_t size)
{
    struct line line = {.out = buffer, .size = size};
    struct tb_trace trace;
    char text[TB_XRAY_ID_TEXT];
    if (buffer && size > 0)
        buffer[0] = '\0';
    struct tb_trace_image image;
    int err = look(&trace, &image);
    if (err)
        return err;
    tb_trace_id_text(trace.trace_id, text);
    add(&line, "trace_id", text);
    if (!is_zero(trace.span_id, sizeof(trace.span_id))) {
        tb_span_id_text(trace.span_id, text);
        add(&line, "span_id", text);
    }
    tb_hex(&trace.flags, sizeof(trace.flags), text);
    if (trace.flags != 0 || image.sampled != TB_SAMPLED_UNSAID)
        add(&line, "trace_flags", text);
    if (!is_zero(trace.xray_trace_id, sizeof(trace.xray_trace_id))) {
        tb_xray_id_text(trace.xray_trace_id, text);
        add(&line, "xray_trace_id", text);
    }
    if (buffer && line.len < size)
        return (int)line.len;
    if (buffer && size > 0)
        buffer[0] = '\0';
    return -ENOSPC;
}
