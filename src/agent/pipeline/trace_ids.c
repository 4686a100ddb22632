/* trace_ids.c - see trace_ids.h. */
#include "agent/pipeline/trace_ids.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/pipeline/trace_places.h"
#include "base/json.h"

enum { VALUE_BYTES = TB_TRACE_VALUE, JSON_BYTES = 512, KEY_BYTES = 64 };

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

/* All that a place names, one system after the other. */
static void take_place(const struct tb_trace_place *place, struct tb_trace *trace)
{
    struct tb_trace read[TB_TRACE_SYSTEMS];
    int n = tb_trace_place_traces(place, read);
    for (int i = 0; i < n; i++)
        take(&read[i], trace);
}

/* The names that towbar writes itself, in an object or in data.attributes; they come before those
 * of other systems in the same place. */
static void take_own(const struct tb_doc *item, int object, const char *prefix,
                     struct tb_trace *trace)
{
    struct tb_trace_place place = {.n_traceparents = 0};
    char name[KEY_BYTES];
    char text[VALUE_BYTES];
    for (size_t k = 0; k < N_KEYS; k++) {
        snprintf(name, sizeof(name), "%s%s", prefix, keys[k]);
        int at = object >= 0 ? tb_doc_member(item, object, name) : attribute(item, keys[k]);
        if (object < 0)
            at = at >= 0 ? tb_doc_member(item, at, "value") : -1;
        if (tb_doc_copy(item, at, text, sizeof(text)))
            tb_trace_place_note(&place, keys[k], text);
    }
    take_place(&place, trace);
}

static void take_attributes(const struct tb_doc *item, struct tb_trace *trace)
{
    struct tb_trace_place place = {.n_traceparents = 0};
    int list = tb_doc_member(item, 0, "attributes");
    if (list < 0 || tb_doc_at(item, list)->type != TB_DOC_ARRAY)
        return;
    take_own(item, -1, "", trace);
    for (int i = tb_doc_at(item, list)->first; i >= 0; i = tb_doc_at(item, i)->next) {
        char name[KEY_BYTES];
        char text[VALUE_BYTES];
        if (tb_doc_copy(item, tb_doc_member(item, i, "key"), name, sizeof(name)) &&
            tb_doc_copy(item, tb_doc_member(item, i, "value"), text, sizeof(text)))
            tb_trace_place_note(&place, name, text);
    }
    take_place(&place, trace);
}

static void take_object(const struct tb_doc *item, int object, struct tb_trace *trace)
{
    struct tb_trace_place place = {.n_traceparents = 0};
    if (object < 0 || tb_doc_at(item, object)->type != TB_DOC_OBJECT)
        return;
    take_own(item, object, "", trace);
    tb_trace_place_read(&place, item, object);
    take_place(&place, trace);
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

/* custom may be missing, or the empty list that PHP makes of an empty map. */
static int add_custom(struct tb_doc *item, const char *const values[N_KEYS])
{
    char object[JSON_BYTES];
    char quoted[VALUE_BYTES];
    int custom = tb_doc_member(item, 0, "custom");
    const struct tb_doc_node *node = custom >= 0 ? tb_doc_at(item, custom) : NULL;
    int replace = node == NULL || node->type == TB_DOC_NULL ||
                  (node->type == TB_DOC_ARRAY && node->n_members == 0);
    struct tb_json j;
    int err = 0;
    int n = 0;
    if (!replace && node->type != TB_DOC_OBJECT)
        return 0;
    tb_json_init(&j, object, sizeof(object));
    tb_json_object(&j);
    for (size_t k = 0; k < N_KEYS && !err; k++) {
        if (values[k][0] == '\0' || (!replace && tb_doc_member(item, custom, keys[k]) >= 0))
            continue;
        n++;
        tb_json_kstr(&j, keys[k], values[k]);
        int len = snprintf(quoted, sizeof(quoted), "\"%s\"", values[k]);
        if (!replace)
            err = tb_doc_add(item, custom, keys[k], quoted, (size_t)len);
    }
    tb_json_end(&j);
    if (err || n == 0 || !replace)
        return err;
    err = tb_json_finish(&j);
    return err ? err : tb_doc_set(item, 0, "custom", object, j.len);
}

int tb_trace_ids_complete(struct tb_doc *item, struct tb_trace_ids *out)
{
    struct tb_trace trace;
    struct tb_trace_ids ids = {.trace_id = ""};
    char xray[TB_XRAY_ID_TEXT] = "";
    memset(&trace, 0, sizeof(trace));
    int custom = tb_doc_member(item, 0, "custom");
    take_attributes(item, &trace);
    take_object(item, custom, &trace);
    take_object(item, 0, &trace); /* where rollbar.js copies custom to */
    if (custom >= 0)
        take_own(item, custom, "opentracing_", &trace);
    take_object(item, tb_doc_find(item, 0, "body.message.extra"), &trace);
    take_object(item, tb_doc_find(item, 0, "request.headers"), &trace);
    take_object(item, tb_doc_find(item, 0, "request.env"), &trace);
    /* One system alone: its ID is the one to show. */
    if (is_zero(trace.trace_id, 16) && !is_zero(trace.xray_trace_id, 16)) {
        memcpy(trace.trace_id, trace.xray_trace_id, 16);
        if (is_zero(trace.span_id, 8))
            memcpy(trace.span_id, trace.xray_parent_id, 8);
    }
    if (!is_zero(trace.trace_id, 16))
        tb_trace_id_text(trace.trace_id, ids.trace_id);
    if (!is_zero(trace.span_id, 8))
        tb_span_id_text(trace.span_id, ids.span_id);
    if (!is_zero(trace.xray_trace_id, 16)) {
        tb_trace_id_text(trace.xray_trace_id, ids.xray_trace_id);
        tb_xray_id_text(trace.xray_trace_id, xray);
    }
    const char *const values[N_KEYS] = {ids.trace_id, ids.span_id, xray};
    int err = add_attributes(item, values);
    if (!err)
        err = add_custom(item, values);
    if (!err)
        *out = ids;
    return err;
}
