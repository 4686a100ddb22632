/* trace_more.c - see trace_more.h. */
#include "agent/pipeline/trace_more.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "trace/formats.h"

enum { SCRUBBED_BYTES = 64 << 10 };

static bool is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

void tb_trace_more_begin(struct tb_trace_more *more)
{
    memset(more, 0, offsetof(struct tb_trace_more, state));
    more->state[0] = '\0';
    more->lineage[0] = '\0';
}

/* ---- taken ---- */

/* What Honeycomb carries for its users is not for others. */
static size_t shown_len(struct tb_slice value, enum tb_trace_source from)
{
    static const char context[] = ",context=";
    const char *at = from == TB_TRACE_FROM_HONEYCOMB
                         ? memmem(value.text, value.len, context, sizeof(context) - 1)
                         : NULL;
    return at != NULL ? (size_t)(at - value.text) : value.len;
}

static void note_other(struct tb_trace_more *more, struct tb_slice value, enum tb_trace_source from,
                       const uint8_t id[16])
{
    if (value.text == NULL || more->n_others == TB_TRACE_MORE_OTHERS)
        return;
    size_t len = shown_len(value, from);
    if (len >= TB_TRACE_OTHER_TEXT)
        return;
    memcpy(more->other[more->n_others].text, value.text, len);
    more->other[more->n_others].text[len] = '\0';
    more->other[more->n_others].from = (uint8_t)from;
    memcpy(more->other[more->n_others++].id, id, 16);
}

static void take_xray(struct tb_trace_more *more, const struct tb_trace_context *context)
{
    size_t len = context->lineage.len;
    more->has_xray = true;
    more->xray_sampled = context->trace.xray_sampled;
    memcpy(more->xray_parent, context->trace.xray_parent_id, sizeof(more->xray_parent));
    if (len > 0 && len < sizeof(more->lineage)) {
        memcpy(more->lineage, context->lineage.text, len);
        more->lineage[len] = '\0';
    }
}

void tb_trace_more_take(struct tb_trace_more *more, const struct tb_trace *trace,
                        const struct tb_trace_place *place, const struct tb_trace_context *context)
{
    const struct tb_trace *named = &context->trace;
    enum tb_trace_source source = context->source;
    bool is_other = source != TB_TRACE_FROM_NOTHING && source != TB_TRACE_FROM_XRAY;
    if (!is_zero(named->xray_trace_id, 16)) {
        if (memcmp(named->xray_trace_id, trace->xray_trace_id, 16) != 0)
            note_other(more, tb_trace_place_header(place, TB_TRACE_FROM_XRAY), TB_TRACE_FROM_XRAY,
                       named->xray_trace_id);
        else if (!more->has_xray)
            take_xray(more, context);
    }
    if (is_other && memcmp(named->trace_id, trace->trace_id, 16) != 0)
        note_other(more, tb_trace_place_header(place, source), source, named->trace_id);
    else if (is_other && more->source == TB_TRACE_FROM_NOTHING) {
        more->source = (uint8_t)source;
        more->sampled = context->sampled;
        more->flags = named->flags;
        memcpy(more->state, context->state, sizeof(more->state));
    }
    for (size_t i = 0; i < context->n_others; i++)
        note_other(more, context->other[i], context->other_from[i], context->other_id[i]);
}

/* ---- settled ---- */

static bool is_secret(const struct tb_scrub *scrub, const char *name, const char *text)
{
    struct tb_buf out;
    if (scrub == NULL || text[0] == '\0')
        return false;
    if (tb_scrub_is_secret(scrub, name, strlen(name)))
        return true;
    tb_buf_init(&out, SCRUBBED_BYTES);
    bool is_one = tb_scrub_text(scrub, text, strlen(text), &out) > 0 || out.err != 0;
    tb_buf_done(&out);
    return is_one;
}

static bool is_known(const struct tb_trace_more *more, size_t i, const struct tb_trace *trace)
{
    const uint8_t *id = more->other[i].id;
    if (tb_trace_is_same(id, trace->trace_id) || tb_trace_is_same(id, trace->xray_trace_id))
        return true;
    for (size_t k = 0; k < i; k++)
        if (strcmp(more->other[k].text, more->other[i].text) == 0)
            return true;
    return false;
}

void tb_trace_more_settle(struct tb_trace_more *more, const struct tb_trace *trace,
                          const struct tb_scrub *scrub)
{
    size_t n = 0;
    if (more->source == TB_TRACE_FROM_NOTHING && more->has_xray &&
        memcmp(trace->trace_id, trace->xray_trace_id, 16) == 0)
        more->source = TB_TRACE_FROM_XRAY;
    if (is_secret(scrub, "tracestate", more->state))
        more->state[0] = '\0';
    if (is_secret(scrub, "X-Amzn-Trace-Id", more->lineage))
        more->lineage[0] = '\0';
    for (size_t i = 0; i < more->n_others; i++) {
        if (is_known(more, i, trace) ||
            is_secret(scrub, tb_trace_place_name(more->other[i].from), more->other[i].text))
            continue;
        if (i != n)
            more->other[n] = more->other[i];
        n++;
    }
    more->n_others = n;
}

/* ---- written ---- */

struct writing {
    const struct tb_doc *item;
    int node;
    struct tb_json json;
    int n;
};

static bool is_missing(const struct writing *w, const char *key)
{
    return w->node < 0 || tb_doc_member(w->item, w->node, key) < 0;
}

static void write_text(struct writing *w, const char *key, const char *text)
{
    if (text[0] == '\0' || !is_missing(w, key))
        return;
    tb_json_kstr(&w->json, key, text);
    w->n++;
}

static void write_others(struct writing *w, const struct tb_trace_more *more)
{
    if (more->n_others == 0 || !is_missing(w, "other"))
        return;
    tb_json_key(&w->json, "other");
    tb_json_array(&w->json);
    for (size_t i = 0; i < more->n_others; i++)
        tb_json_str(&w->json, more->other[i].text);
    tb_json_end(&w->json);
    w->n++;
}

int tb_trace_more_json(const struct tb_trace_more *more, const struct tb_doc *item, int node,
                       char json[TB_TRACE_MORE_JSON])
{
    static const char *const signs[] = {
        [TB_XRAY_UNKNOWN] = "", [TB_XRAY_NO] = "0", [TB_XRAY_YES] = "1", [TB_XRAY_ASKED] = "?"};
    struct writing w = {.item = item, .node = node};
    char flags[3] = "";
    char parent[TB_SPAN_ID_TEXT] = "";
    if (more->sampled != TB_SAMPLED_UNSAID)
        (void)snprintf(flags, sizeof(flags), "%02x", more->flags & 3u);
    if (more->has_xray && !is_zero(more->xray_parent, sizeof(more->xray_parent)))
        tb_span_id_text(more->xray_parent, parent);
    tb_json_init(&w.json, json, TB_TRACE_MORE_JSON);
    tb_json_object(&w.json);
    write_text(&w, "flags", flags);
    write_text(&w, "state", more->state);
    write_text(&w, "source", tb_trace_source_name(more->source));
    write_text(&w, "xray_parent_id", parent);
    write_text(&w, "xray_sampled", more->xray_sampled < 4 ? signs[more->xray_sampled] : "");
    write_text(&w, "xray_lineage", more->lineage);
    write_others(&w, more);
    tb_json_end(&w.json);
    return tb_json_finish(&w.json) == 0 ? w.n : 0;
}
