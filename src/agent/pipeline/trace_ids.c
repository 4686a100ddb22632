/* trace_ids.c - see trace_ids.h. */
#include "agent/pipeline/trace_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pipeline/trace_more.h"
#include "agent/pipeline/trace_places.h"
#include "base/json.h"

enum {
    VALUE_BYTES = 512,
    JSON_BYTES = 512,
    CUSTOM_BYTES = TB_TRACE_MORE_JSON + 1024,
    KEY_BYTES = 64
};

/* What was found so far, and the place that is being read. */
struct finding {
    const struct tb_doc *item;
    struct tb_trace trace;
    struct tb_trace_more more;
    struct tb_trace_place place;
    struct tb_trace_context context;
};

static int is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

/* Each place fills only what those before it did not say. A span belongs to the trace it came with:
 * that of another trace is not taken. */
static void take(const struct tb_trace *from, struct tb_trace *trace)
{
    if (is_zero(trace->trace_id, 16))
        memcpy(trace->trace_id, from->trace_id, 16);
    if (is_zero(trace->span_id, 8) &&
        (is_zero(from->trace_id, 16) || memcmp(trace->trace_id, from->trace_id, 16) == 0))
        memcpy(trace->span_id, from->span_id, 8);
    if (is_zero(trace->xray_trace_id, 16)) {
        memcpy(trace->xray_trace_id, from->xray_trace_id, 16);
        memcpy(trace->xray_parent_id, from->xray_parent_id, 8);
    }
}

/* The member of data.attributes with that key, or -1. */
static int attribute(const struct tb_doc *item, const char *key)
{
    int list = tb_doc_member(item, 0, "attributes");
    if (list < 0 || tb_doc_at(item, list)->type != TB_DOC_ARRAY)
        return -1;
    for (int i = tb_doc_at(item, list)->first; i >= 0; i = tb_doc_at(item, i)->next) {
        char name[32];
        if (tb_doc_at(item, i)->type == TB_DOC_OBJECT &&
            tb_doc_copy(item, tb_doc_member(item, i, "key"), name, sizeof(name)) &&
            strcmp(name, key) == 0)
            return i;
    }
    return -1;
}

static const char *const keys[] = {"trace_id", "span_id", "xray_trace_id"};
enum { N_KEYS = 3, N_ATTRIBUTES = 2 };

static void take_bare(struct finding *f)
{
    struct tb_trace read[TB_TRACE_BARE];
    int n = tb_trace_place_bare(&f->place, read);
    for (int i = 0; i < n; i++)
        take(&read[i], &f->trace);
}

/* All that a place names. X-Ray's ID is not yet the one to show: another place may have
 * OpenTelemetry's. */
static void take_place(struct finding *f)
{
    take_bare(f);
    if (!tb_trace_place_context(&f->place, &f->context))
        return;
    struct tb_trace named = f->context.trace;
    if (f->context.source == TB_TRACE_FROM_XRAY) {
        memset(named.trace_id, 0, sizeof(named.trace_id));
        memset(named.span_id, 0, sizeof(named.span_id));
    }
    take(&named, &f->trace);
    tb_trace_more_take(&f->more, &f->trace, &f->place, &f->context);
}

/* The names that towbar writes itself, in an object or in data.attributes; they come before those
 * of other systems in the same place. */
static void take_own(struct finding *f, int object, const char *prefix)
{
    char name[KEY_BYTES];
    tb_trace_place_begin(&f->place);
    for (size_t k = 0; k < N_KEYS; k++) {
        snprintf(name, sizeof(name), "%s%s", prefix, keys[k]);
        int at = object >= 0 ? tb_doc_member(f->item, object, name) : attribute(f->item, keys[k]);
        if (object < 0)
            at = at >= 0 ? tb_doc_member(f->item, at, "value") : -1;
        tb_trace_place_note(&f->place, keys[k], f->item, at);
    }
    take_bare(f);
}

static void take_attributes(struct finding *f)
{
    int list = tb_doc_member(f->item, 0, "attributes");
    if (list < 0 || tb_doc_at(f->item, list)->type != TB_DOC_ARRAY)
        return;
    take_own(f, -1, "");
    tb_trace_place_begin(&f->place);
    for (int i = tb_doc_at(f->item, list)->first; i >= 0; i = tb_doc_at(f->item, i)->next) {
        char name[KEY_BYTES];
        if (tb_doc_copy(f->item, tb_doc_member(f->item, i, "key"), name, sizeof(name)))
            tb_trace_place_note(&f->place, name, f->item, tb_doc_member(f->item, i, "value"));
    }
    take_place(f);
}

static void take_object(struct finding *f, int object)
{
    if (object < 0 || tb_doc_at(f->item, object)->type != TB_DOC_OBJECT)
        return;
    take_own(f, object, "");
    tb_trace_place_begin(&f->place);
    tb_trace_place_read(&f->place, f->item, object);
    take_place(f);
}

/* {"key":K,"value":V} or "K":V as JSON text. */
static const char *pair_json(const char *key, const char *value, char mem[JSON_BYTES])
{
    struct tb_json j;
    tb_json_init(&j, mem, JSON_BYTES);
    tb_json_object(&j);
    tb_json_kstr(&j, "key", key);
    tb_json_kstr(&j, "value", value);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* IDs are short */
    return mem;
}

static int add_attributes(struct tb_doc *item, const char *const values[N_KEYS])
{
    char list[2 * JSON_BYTES + 3] = "[";
    char mem[JSON_BYTES];
    size_t len = 1;
    int node = tb_doc_member(item, 0, "attributes");
    int err = 0;
    if (node >= 0 && tb_doc_at(item, node)->type != TB_DOC_ARRAY)
        return 0; /* its sender means something else by it */
    for (size_t k = 0; k < N_ATTRIBUTES && !err; k++) {
        if (values[k][0] == '\0' || attribute(item, keys[k]) >= 0)
            continue;
        const char *pair = pair_json(keys[k], values[k], mem);
        if (node >= 0)
            err = tb_doc_push(item, node, pair, strlen(pair));
        else
            len +=
                (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len > 1 ? "," : "", pair);
    }
    if (err || node >= 0 || len == 1)
        return err;
    list[len++] = ']';
    return tb_doc_add(item, 0, "attributes", list, len);
}

/* What is known of the trace beside its IDs, into the object that is there or a new one. */
static int add_more(struct tb_doc *item, int custom, const struct tb_trace_more *more)
{
    char json[TB_TRACE_MORE_JSON];
    int object = tb_doc_member(item, custom, "trace");
    if (object >= 0 && tb_doc_at(item, object)->type != TB_DOC_OBJECT)
        return 0; /* its sender means something else by it */
    if (tb_trace_more_json(more, item, object, json) == 0)
        return 0;
    if (object < 0)
        return tb_doc_add(item, custom, "trace", json, strlen(json));
    struct tb_doc *members = NULL;
    char why[TB_DOC_WHY];
    int err = tb_doc_new(json, strlen(json), &members, why);
    for (int i = err ? -1 : tb_doc_at(members, 0)->first; i >= 0 && !err;
         i = tb_doc_at(members, i)->next) {
        const struct tb_doc_node *member = tb_doc_at(members, i);
        char key[KEY_BYTES];
        (void)snprintf(key, sizeof(key), "%.*s", (int)member->key_len, json + member->key_at);
        err = tb_doc_add(item, object, key, json + member->at, member->len);
    }
    tb_doc_free(members);
    return err;
}

/* custom as a whole. */
static int make_custom(struct tb_doc *item, const char *const values[N_KEYS],
                       const struct tb_trace_more *more)
{
    char object[CUSTOM_BYTES];
    char json[TB_TRACE_MORE_JSON];
    struct tb_json j;
    int n = 0;
    tb_json_init(&j, object, sizeof(object));
    tb_json_object(&j);
    for (size_t k = 0; k < N_KEYS; k++) {
        if (values[k][0] == '\0')
            continue;
        tb_json_kstr(&j, keys[k], values[k]);
        n++;
    }
    if (tb_trace_more_json(more, item, -1, json) > 0) {
        tb_json_key(&j, "trace");
        tb_json_raw(&j, json, strlen(json));
        n++;
    }
    tb_json_end(&j);
    int err = n > 0 ? tb_json_finish(&j) : 0;
    return err || n == 0 ? err : tb_doc_set(item, 0, "custom", object, j.len);
}

/* custom may be missing, or the empty list that PHP makes of an empty map. */
static int add_custom(struct tb_doc *item, const char *const values[N_KEYS],
                      const struct tb_trace_more *more)
{
    char quoted[VALUE_BYTES];
    int custom = tb_doc_member(item, 0, "custom");
    const struct tb_doc_node *node = custom >= 0 ? tb_doc_at(item, custom) : NULL;
    int err = 0;
    if (node == NULL || node->type == TB_DOC_NULL ||
        (node->type == TB_DOC_ARRAY && node->n_members == 0))
        return make_custom(item, values, more);
    if (node->type != TB_DOC_OBJECT)
        return 0;
    for (size_t k = 0; k < N_KEYS && !err; k++) {
        if (values[k][0] == '\0' || tb_doc_member(item, custom, keys[k]) >= 0)
            continue;
        int len = snprintf(quoted, sizeof(quoted), "\"%s\"", values[k]);
        err = tb_doc_add(item, custom, keys[k], quoted, (size_t)len);
    }
    return err ? err : add_more(item, custom, more);
}

/* ---- the item ---- */

static void find(struct finding *f)
{
    int custom = tb_doc_member(f->item, 0, "custom");
    memset(&f->trace, 0, sizeof(f->trace));
    tb_trace_more_begin(&f->more);
    take_attributes(f);
    take_object(f, custom);
    take_object(f, 0); /* where rollbar.js copies custom to */
    if (custom >= 0)
        take_own(f, custom, "opentracing_");
    take_object(f, tb_doc_find(f->item, 0, "body.message.extra"));
    take_object(f, tb_doc_find(f->item, 0, "request.headers"));
    take_object(f, tb_doc_find(f->item, 0, "request.env"));
    take_object(f, tb_doc_find(f->item, 0, "request.environ"));
    /* One system alone: its ID is the one to show. */
    struct tb_trace *trace = &f->trace;
    if (is_zero(trace->trace_id, 16) && !is_zero(trace->xray_trace_id, 16)) {
        memcpy(trace->trace_id, trace->xray_trace_id, 16);
        if (is_zero(trace->span_id, 8))
            memcpy(trace->span_id, trace->xray_parent_id, 8);
    }
}

int tb_trace_ids_complete(struct tb_doc *item, const struct tb_scrub *scrub,
                          struct tb_trace_ids *out)
{
    struct finding f;
    struct tb_trace_ids ids = {.trace_id = ""};
    char xray[TB_XRAY_ID_TEXT] = "";
    f.item = item;
    find(&f);
    tb_trace_more_settle(&f.more, &f.trace, scrub);
    if (!is_zero(f.trace.trace_id, 16))
        tb_trace_id_text(f.trace.trace_id, ids.trace_id);
    if (!is_zero(f.trace.span_id, 8))
        tb_span_id_text(f.trace.span_id, ids.span_id);
    if (!is_zero(f.trace.xray_trace_id, 16)) {
        tb_trace_id_text(f.trace.xray_trace_id, ids.xray_trace_id);
        tb_xray_id_text(f.trace.xray_trace_id, xray);
    }
    const char *const values[N_KEYS] = {ids.trace_id, ids.span_id, xray};
    int err = add_attributes(item, values);
    if (!err)
        err = add_custom(item, values, &f.more);
    if (!err)
        *out = ids;
    return err;
}
