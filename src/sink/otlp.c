/* otlp.c - the sinks "otlp" (log records) and "otlp-spans" (spans): OTLP/HTTP in JSON, for
 * Honeycomb and any collector.
 *
 * 1. A request holds the items of several programs; those of one program, by all that is said of
 *    it, share a resource, and the resource is the program's that met the error, not the agent's.
 * 2. No item makes more than TB_OTLP_LONG_BYTES of a message and a stack and 4 KiB of anything
 *    else; what is left out of a list is counted. */
#include "sink/otlp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    GIVEN_MAX_BYTES = 1 << 20,
    BODY_MAX_BYTES = 16 << 20, /* what collectors take at most is 20 MiB */
    ENOUGH_BYTES = 4 << 20,    /* of JSON: what is over waits for the next request */
    LEVEL = 1,                 /* JSON packs well enough, and an item should cost microseconds */
    WINDOW_MIN = 12            /* of zlib, in bits: 4 KiB */
};

/* A request's two forms. */
struct form {
    const char *resources, *scopes, *records; /* names of the lists */
    const char *rejected;
    void (*add)(const struct tb_sink_facts *facts, const char *uuid, int64_t now_ms,
                struct tb_buf *out);
};
static const struct form logs = {"resourceLogs", "scopeLogs", "logRecords", "rejectedLogRecords",
                                 tb_otlp_log_record};
static const struct form spans = {"resourceSpans", "scopeSpans", "spans", "rejectedSpans",
                                  tb_otlp_span};

/* Where an item's parts lie in the two buffers. */
struct part {
    size_t resource, resource_len, record, record_len;
    bool is_there;
};

/* ---- items to parts ---- */

static int add_item(const struct form *form, const struct tb_sink_target *target,
                    struct tb_sink_item *item, struct tb_buf *resources, struct tb_buf *records,
                    struct part *out)
{
    struct tb_sink_facts facts;
    int err = tb_sink_facts_read(item, target->settings, &facts);
    if (!err) {
        out->resource = resources->len;
        out->record = records->len;
        tb_otlp_resource(&facts, target, resources);
        form->add(&facts, item->uuid[0] != '\0' ? item->uuid : facts.uuid, target->now_ms, records);
        out->resource_len = resources->len - out->resource;
        out->record_len = records->len - out->record;
        out->is_there = true;
    } else if (err == -EINVAL) {
        item->why = "it is no JSON object";
        err = 0;
    }
    tb_sink_facts_done(&facts);
    if (!err && (resources->err || records->err))
        err = resources->err ? resources->err : records->err;
    return err;
}

/* How many were added, or a negative errno. */
static int add_items(const struct form *form, const struct tb_sink_target *target,
                     struct tb_sink_item *items, size_t n, struct tb_buf *resources,
                     struct tb_buf *records, struct part *parts)
{
    size_t i = 0;
    while (i < n && (i == 0 || records->len < ENOUGH_BYTES)) {
        int err = add_item(form, target, &items[i], resources, records, &parts[i]);
        if (err)
            return err;
        i++;
    }
    return (int)i;
}

/* ---- parts to a body ---- */

static void open_resource(const struct form *form, const char *resource, size_t len,
                          struct tb_buf *out)
{
    tb_buf_adds(out, "{\"resource\":{\"attributes\":");
    tb_buf_add(out, resource, len);
    tb_buf_adds(out, "},\"");
    tb_buf_adds(out, form->scopes);
    tb_buf_adds(out, "\":[{\"scope\":{\"name\":\"towbar\",\"version\":\"" TOWBAR_VERSION "\"},\"");
    tb_buf_adds(out, form->records);
    tb_buf_adds(out, "\":[");
}

static void add_group(const struct form *form, const struct tb_buf *resources,
                      const struct tb_buf *records, struct part *parts, size_t first, size_t n,
                      struct tb_buf *out)
{
    const struct part group = parts[first];
    const char *resource = tb_buf_str(resources) + group.resource;
    open_resource(form, resource, group.resource_len, out);
    for (size_t i = first; i < n; i++) {
        if (!parts[i].is_there || parts[i].resource_len != group.resource_len ||
            memcmp(tb_buf_str(resources) + parts[i].resource, resource, group.resource_len) != 0)
            continue;
        if (i > first)
            tb_buf_adds(out, ",");
        tb_buf_add(out, tb_buf_str(records) + parts[i].record, parts[i].record_len);
        parts[i].is_there = false;
    }
    tb_buf_adds(out, "]}]}");
}

static void assemble(const struct form *form, const struct tb_buf *resources,
                     const struct tb_buf *records, struct part *parts, size_t n, struct tb_buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        if (!parts[i].is_there)
            continue;
        if (is_first) {
            tb_buf_adds(out, "{\"");
            tb_buf_adds(out, form->resources);
        }
        tb_buf_adds(out, is_first ? "\":[" : ",");
        add_group(form, resources, records, parts, i, n, out);
        is_first = false;
    }
    if (!is_first)
        tb_buf_adds(out, "]}");
}

/* ---- the body to a request ---- */

/* No larger than the body needs: zlib clears its tables, which costs more than a small body. */
static int window_of(size_t len)
{
    int bits = WINDOW_MIN;
    while (bits < MAX_WBITS && len > (size_t)1 << bits)
        bits++;
    return bits;
}

/* Takes the place of the plain one. */
static int squeeze(struct tb_buf *body)
{
    struct tb_buf packed;
    z_stream z;
    memset(&z, 0, sizeof(z));
    int window = window_of(body->len);
    if (deflateInit2(&z, LEVEL, Z_DEFLATED, window + 16, window - 7, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    uLong room = deflateBound(&z, (uLong)body->len);
    unsigned char *mem = malloc(room);
    tb_buf_init(&packed, body->max);
    int err = mem ? 0 : -ENOMEM;
    if (!err) {
        z.next_in = (unsigned char *)body->data;
        z.avail_in = (uInt)body->len;
        z.next_out = mem;
        z.avail_out = (uInt)room;
        err = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -EINVAL;
    }
    if (!err) {
        tb_buf_add(&packed, mem, z.total_out);
        err = packed.err;
    }
    (void)deflateEnd(&z);
    free(mem);
    if (!err) {
        tb_buf_done(body);
        *body = packed;
    } else {
        tb_buf_done(&packed);
    }
    return err;
}

static int add_headers(const struct tb_sink_settings *settings, bool is_plain,
                       struct tb_sink_request *out)
{
    int err = tb_sink_header(out, "Content-Type: application/json");
    if (!err && !is_plain)
        err = tb_sink_header(out, "Content-Encoding: gzip");
    for (size_t i = 0; settings && i < settings->n_headers && !err; i++)
        err = tb_sink_header(out, "%s", settings->headers[i]);
    return err;
}

static int finish(const struct tb_sink_target *target, struct tb_sink_request *out)
{
    bool is_plain = target->settings && target->settings->is_plain;
    if (out->body.err || out->body.len == 0)
        return out->body.err;
    int err = is_plain ? 0 : squeeze(&out->body);
    return err ? err : add_headers(target->settings, is_plain, out);
}

static int encode(const struct form *form, const struct tb_sink_target *target,
                  struct tb_sink_item *items, size_t n, struct tb_sink_request *out)
{
    struct part parts[TB_SINK_BATCH];
    struct tb_buf resources;
    struct tb_buf records;
    memset(parts, 0, sizeof(parts));
    int done = tb_sink_request_init(out, target->endpoint, BODY_MAX_BYTES);
    tb_buf_init(&resources, BODY_MAX_BYTES);
    tb_buf_init(&records, BODY_MAX_BYTES);
    if (!done)
        done = n > 0 ? add_items(form, target, items, n < TB_SINK_BATCH ? n : TB_SINK_BATCH,
                                 &resources, &records, parts)
                     : -EINVAL;
    if (done > 0) {
        assemble(form, &resources, &records, parts, (size_t)done, &out->body);
        int err = finish(target, out);
        done = err ? err : done;
    }
    tb_buf_done(&resources);
    tb_buf_done(&records);
    return done;
}

static int encode_logs(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                       struct tb_sink_request *out)
{
    return encode(&logs, target, items, n, out);
}

static int encode_spans(const struct tb_sink_target *target, struct tb_sink_item *items, size_t n,
                        struct tb_sink_request *out)
{
    return encode(&spans, target, items, n, out);
}

static void judge_logs(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                       const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    (void)items;
    tb_otlp_judge(target, logs.rejected, reply, n, out);
}

static void judge_spans(const struct tb_sink_target *target, const struct tb_sink_reply *reply,
                        const struct tb_sink_item *items, size_t n, struct tb_sink_judgement *out)
{
    (void)items;
    tb_otlp_judge(target, spans.rejected, reply, n, out);
}

const struct tb_sink_type tb_sink_otlp = {
    .name = "otlp",
    .batch = TB_SINK_BATCH,
    .max_bytes = GIVEN_MAX_BYTES,
    .encode = encode_logs,
    .judge = judge_logs,
};

const struct tb_sink_type tb_sink_otlp_spans = {
    .name = "otlp-spans",
    .batch = TB_SINK_BATCH,
    .max_bytes = GIVEN_MAX_BYTES,
    .encode = encode_spans,
    .judge = judge_spans,
};
