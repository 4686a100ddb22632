/* truncate_steps.c - what truncation takes away, in its order. See truncate.h and docs/ingest.md.
 *
 * A step only makes edits of the document that it is given; the next one gets the document with
 * them. So no step has to know what another has done. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "item/truncate_impl.h"

enum {
    TELEMETRY = 20,
    RAW_BYTES = 3072, /* of a crash report's text: what Rollbar's own SDK keeps */
    CLASS_BYTES = 1024,
    REMOVALS_MAX = 10000
};

/* ---- lists ---- */

static int cut_lists(struct tb_cut *c, const struct tb_cut_step *step)
{
    int ends = (int)step->arg;
    int err =
        tb_cut_keep_ends(c, tb_cut_typed(c, c->data, "body.trace_chain", TB_DOC_ARRAY), ends, ends);
    int threads = tb_cut_typed(c, c->data, "body.threads", TB_DOC_ARRAY);
    if (!err && threads >= 0 && tb_cut_at(c, threads)->n_members > TB_CUT_THREADS)
        return tb_cut_keep_ends(c, threads, TB_CUT_THREADS, 0);
    for (int t = threads < 0 ? -1 : tb_cut_at(c, threads)->first; t >= 0 && !err;
         t = tb_cut_at(c, t)->next)
        err =
            tb_cut_keep_ends(c, tb_cut_typed(c, t, "group.trace_chain", TB_DOC_ARRAY), ends, ends);
    return err;
}

static int cut_frames(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = 0;
    for (int i = 0; i < n && !err; i++)
        err = tb_cut_keep_ends(c, tb_cut_typed(c, traces[i], "frames", TB_DOC_ARRAY),
                               (int)step->arg, (int)step->arg);
    return err;
}

static int cut_telemetry(struct tb_cut *c, const struct tb_cut_step *step)
{
    return tb_cut_keep_ends(c, tb_cut_typed(c, c->data, "body.telemetry", TB_DOC_ARRAY), 0,
                            (int)step->arg);
}

/* ---- texts ---- */

/* Bytes of the character or escape at text, which is the inside of a valid JSON string. */
static size_t unit(const char *text, size_t left)
{
    if (text[0] != '\\')
        return tb_utf8_len(text, left);
    if (text[1] != 'u')
        return 2;
    int is_high = (text[2] | 0x20) == 'd' && strchr("89abAB", text[3]) != NULL;
    return is_high && left >= 12 && text[6] == '\\' && text[7] == 'u' ? 12 : 6;
}

/* max counts bytes as they stand in the JSON, without the quotes. */
static int cut_text(struct tb_cut *c, int node, size_t max)
{
    static const char end[] = "...\"";
    char json[RAW_BYTES + 8];
    const struct tb_doc_node *n = node < 0 ? NULL : tb_cut_at(c, node);
    if (n == NULL || n->type != TB_DOC_STRING || n->len - 2 <= max)
        return 0;
    const char *text = c->doc->text + n->at + 1;
    size_t len = 0;
    for (size_t next = 0; next <= max - 3; next += unit(text + next, n->len - 2 - next))
        len = next;
    json[0] = '"';
    memcpy(json + 1, text, len);
    memcpy(json + 1 + len, end, sizeof(end)); /* with a NUL, which is not counted */
    return tb_doc_replace(c->doc, node, json, len + sizeof(end));
}

/* Texts that are cut by a step of their own, or not at all. */
static int is_spared(const struct tb_cut *c, int node)
{
    static const char *const of_data[] = {"uuid",  "fingerprint", "level", "environment",
                                          "title", "timestamp",   NULL};
    int parent = tb_cut_at(c, node)->parent;
    if (parent == c->data) {
        for (const char *const *name = of_data; *name; name++)
            if (tb_cut_name_is(c, node, *name))
                return 1;
    }
    if (parent < 0)
        return 1;
    return (parent == 0 && tb_cut_name_is(c, node, "access_token")) ||
           (tb_cut_name_is(c, node, "class") && tb_cut_name_is(c, parent, "exception")) ||
           (tb_cut_name_is(c, node, "raw") && tb_cut_name_is(c, parent, "crash_report")) ||
           (tb_cut_is_trace_header(c, node) && tb_cut_name_is(c, parent, "headers"));
}

static int cut_texts(struct tb_cut *c, const struct tb_cut_step *step)
{
    int err = 0;
    for (int i = 0; i < tb_doc_n_nodes(c->doc) && !err; i++)
        if (tb_cut_at(c, i)->type == TB_DOC_STRING && tb_cut_at(c, i)->len - 2 > step->arg &&
            !is_spared(c, i))
            err = cut_text(c, i, step->arg);
    return err;
}

/* What people read, at its shortest, and no second text beside it. */
static int cut_messages(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = cut_text(c, tb_doc_find(c->doc, c->data, "body.message.body"), step->arg);
    if (!err)
        err = cut_text(c, tb_doc_find(c->doc, c->data, "body.crash_report.raw"), RAW_BYTES);
    for (int i = 0; i < n && !err; i++) {
        int exception = tb_cut_typed(c, traces[i], "exception", TB_DOC_OBJECT);
        int description = exception < 0 ? -1 : tb_doc_member(c->doc, exception, "description");
        if (exception >= 0)
            err = cut_text(c, tb_doc_member(c->doc, exception, "message"), step->arg);
        if (!err && description >= 0)
            err = tb_doc_remove(c->doc, description);
    }
    return err;
}

static int cut_classes(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = 0;
    (void)step;
    for (int i = 0; i < n && !err; i++)
        err = cut_text(c, tb_doc_find(c->doc, traces[i], "exception.class"), CLASS_BYTES);
    return err;
}

/* ---- members ---- */

/* Removes the members of each frame that only help people: their values. */
static int cut_locals(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = 0;
    for (int i = 0; i < n; i++) {
        int frames = tb_cut_typed(c, traces[i], "frames", TB_DOC_ARRAY);
        for (int f = frames < 0 ? -1 : tb_cut_at(c, frames)->first; f >= 0;
             f = tb_cut_at(c, f)->next)
            for (const char *const *name = step->keep; *name && !err; name++) {
                int node = tb_cut_typed(c, f, "", TB_DOC_OBJECT);
                node = node < 0 ? -1 : tb_doc_member(c->doc, node, *name);
                err = node < 0 ? 0 : tb_doc_remove(c->doc, node);
            }
    }
    return err;
}

struct weight {
    int node;
    size_t bytes;
};

static int heaviest_first(const void *a, const void *b)
{
    const struct weight *left = a;
    const struct weight *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return left->node - right->node;
}

/* Names are kept for what they usually hold: a list under the name of an ID is no ID. */
static int is_usual(const struct tb_cut *c, int node)
{
    static const char *const objects[] = {
        "data",       "body",  "custom",  "request",    "headers",      "server",    "notifier",
        "diagnostic", "trace", "message", "truncation", "crash_report", "exception", NULL};
    static const char *const arrays[] = {"attributes", "trace_chain", "frames", NULL};
    int type = tb_cut_at(c, node)->type;
    if (type != TB_DOC_OBJECT && type != TB_DOC_ARRAY)
        return 1;
    for (const char *const *name = type == TB_DOC_OBJECT ? objects : arrays; *name; name++)
        if (tb_cut_name_is(c, node, *name))
            return 1;
    return 0;
}

static int is_kept_largest(const struct tb_cut *c, const struct tb_cut_step *step, int node)
{
    int type = tb_cut_at(c, node)->type;
    if (type == TB_DOC_ARRAY || (type == TB_DOC_OBJECT && !tb_cut_name_is(c, node, "headers")))
        return 0;
    for (const char *const *name = step->keep; *name; name++)
        if (tb_cut_name_is(c, node, *name))
            return 1;
    return tb_cut_is_trace_header(c, node);
}

/* Removes members that the item is an item without, the largest first, until it fits. */
static int cut_largest(struct tb_cut *c, const struct tb_cut_step *step)
{
    static const char *const places[] = {"custom",      "request",          "request.headers",
                                         "client",      "body.trace.extra", "body.message.extra",
                                         "body.message"};
    enum { N_PLACES = sizeof(places) / sizeof(places[0]) };
    size_t n = 0;
    struct weight *list = calloc((size_t)tb_doc_n_nodes(c->doc), sizeof(*list));
    if (list == NULL)
        return -ENOMEM;
    for (size_t p = 0; p < N_PLACES; p++) {
        int object = tb_cut_typed(c, c->data, places[p], TB_DOC_OBJECT);
        for (int m = object < 0 ? -1 : tb_cut_at(c, object)->first; m >= 0;
             m = tb_cut_at(c, m)->next)
            if (!is_kept_largest(c, step, m))
                list[n++] = (struct weight){m, tb_cut_at(c, m)->key_len + tb_cut_at(c, m)->len};
    }
    qsort(list, n, sizeof(*list), heaviest_first);
    size_t left = c->doc->len;
    int err = 0;
    for (size_t i = 0; i < n && i < REMOVALS_MAX && left > c->max && !err; i++) {
        err = tb_doc_remove(c->doc, list[i].node);
        left -= list[i].bytes < left ? list[i].bytes : left;
    }
    free(list);
    return err;
}

/* Of an object only the named members stay, each as it is and once. */
static int keep_members(struct tb_cut *c, int object, const char *const *keep)
{
    struct tb_buf text;
    int n_kept = 0;
    if (object < 0)
        return 0;
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_add(&text, "{", 1);
    for (int m = tb_cut_at(c, object)->first; m >= 0; m = tb_cut_at(c, m)->next) {
        const struct tb_doc_node *n = tb_cut_at(c, m);
        int is_kept = keep == tb_cut_trace_headers && tb_cut_is_trace_header(c, m);
        for (const char *const *name = keep; *name && !is_kept; name++)
            is_kept = tb_cut_name_is(c, m, *name) && tb_doc_member(c->doc, object, *name) == m;
        if (!is_kept || !is_usual(c, m))
            continue;
        tb_buf_adds(&text, n_kept++ > 0 ? "," : "");
        tb_buf_add(&text, c->doc->text + n->key_at - 1, n->at + n->len - n->key_at + 1);
    }
    tb_buf_add(&text, "}", 1);
    int err = text.err;
    if (!err && n_kept < tb_cut_at(c, object)->n_members)
        err = tb_doc_replace(c->doc, object, text.data, text.len);
    tb_buf_done(&text);
    return err;
}

static int keep_path(struct tb_cut *c, const struct tb_cut_step *step)
{
    return keep_members(c, tb_cut_typed(c, c->data, step->path, TB_DOC_OBJECT), step->keep);
}

static int keep_root(struct tb_cut *c, const struct tb_cut_step *step)
{
    return c->data == 0 ? 0 : keep_members(c, 0, step->keep);
}

static int keep_traces(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = 0;
    for (int i = 0; i < n && !err; i++)
        err = keep_members(c, tb_cut_typed(c, traces[i], step->path, TB_DOC_OBJECT), step->keep);
    return err;
}

static int keep_in_frames(struct tb_cut *c, const struct tb_cut_step *step)
{
    int traces[TB_CUT_TRACES];
    int n = tb_cut_traces(c, traces);
    int err = 0;
    for (int i = 0; i < n; i++) {
        int frames = tb_cut_typed(c, traces[i], "frames", TB_DOC_ARRAY);
        for (int f = frames < 0 ? -1 : tb_cut_at(c, frames)->first; f >= 0 && !err;
             f = tb_cut_at(c, f)->next)
            err = keep_members(c, tb_cut_typed(c, f, "", TB_DOC_OBJECT), step->keep);
    }
    return err;
}

/* Of the attributes only those whose keys are known. */
static int keep_attributes(struct tb_cut *c, const struct tb_cut_step *step)
{
    struct tb_buf text;
    int list = tb_cut_typed(c, c->data, "attributes", TB_DOC_ARRAY);
    int n_kept = 0;
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_add(&text, "[", 1);
    for (int a = list < 0 ? -1 : tb_cut_at(c, list)->first; a >= 0; a = tb_cut_at(c, a)->next) {
        char key[64];
        int node = tb_cut_typed(c, a, "", TB_DOC_OBJECT);
        if (node < 0 || !tb_doc_copy(c->doc, tb_doc_member(c->doc, a, "key"), key, sizeof(key)))
            continue;
        for (const char *const *name = step->keep; *name; name++) {
            if (strcmp(*name, key) != 0)
                continue;
            tb_buf_adds(&text, n_kept++ > 0 ? "," : "");
            tb_buf_add(&text, c->doc->text + tb_cut_at(c, a)->at, tb_cut_at(c, a)->len);
        }
    }
    tb_buf_add(&text, "]", 1);
    int err = text.err;
    if (!err && list >= 0 && n_kept < tb_cut_at(c, list)->n_members)
        err = tb_doc_replace(c->doc, list, text.data, text.len);
    tb_buf_done(&text);
    return err;
}

/* ---- the order ---- */

#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define IDS                                                                                        \
    "trace_id", "span_id", "xray_trace_id", "opentracing_trace_id", "opentracing_span_id",         \
        "session_id", "service"

const struct tb_cut_step tb_cut_steps[] = {
    {"threads", tb_cut_native_threads, .arg = 10},
    {"threads", tb_cut_native_threads, .arg = 1},
    {"threads", tb_cut_native_threads, .arg = 0},
    {"chain", cut_lists, .arg = TB_CUT_CHAIN_ENDS},
    {"frames", cut_frames, .arg = 30},
    {"telemetry", cut_telemetry, .arg = TELEMETRY},
    {"strings1024", cut_texts, .arg = 1024},
    {"strings512", cut_texts, .arg = 512},
    {"strings256", cut_texts, .arg = 256},
    {"locals", cut_locals, .keep = NAMES("locals", "args", "kwargs")},
    {"message", cut_messages, .arg = 255},
    {"frames1", cut_frames, .arg = 1},
    {"largest", cut_largest, .keep = NAMES(IDS, "url", "method", "headers", "body")},
    /* What is left of an item that is hostile, or whose sender is mad. */
    {"bare", keep_root, .keep = NAMES("access_token", "data")},
    {"bare", keep_path, .path = "",
     .keep = NAMES("uuid", "fingerprint", "level", "environment", "title", "timestamp",
                   "attributes", "body", "custom", "request", "server", "notifier", "language",
                   "platform", "framework", "context", "code_version")},
    {"bare", keep_path, .path = "body",
     .keep = NAMES("trace", "trace_chain", "message", "crash_report")},
    {"bare", keep_path, .path = "body.message", .keep = NAMES("body")},
    {"bare", keep_path, .path = "body.crash_report", .keep = NAMES("raw")},
    {"bare", keep_path, .path = "custom", .keep = NAMES(IDS)},
    {"bare", keep_path, .path = "request", .keep = NAMES("url", "method", "headers")},
    {"bare", keep_path, .path = "request.headers", .keep = tb_cut_trace_headers},
    {"bare", keep_path, .path = "server", .keep = NAMES("host")},
    {"bare", keep_path, .path = "notifier",
     .keep = NAMES("name", "version", "diagnostic", "truncation")},
    {"bare", keep_path, .path = "notifier.diagnostic", .keep = NAMES("truncation")},
    {"bare", cut_lists, .arg = 1},
    {"bare", keep_traces, .path = "", .keep = NAMES("frames", "exception")},
    {"bare", keep_traces, .path = "exception", .keep = NAMES("class", "message")},
    {"bare", keep_in_frames,
     .keep = NAMES("filename", "lineno", "method", "address", "module", "module_offset")},
    {"bare", keep_attributes, .keep = NAMES(IDS, "execution_scope_id", "replay_id", "is_uncaught")},
    {"bare", cut_classes, .arg = CLASS_BYTES},
};
const size_t tb_n_cut_steps = sizeof(tb_cut_steps) / sizeof(tb_cut_steps[0]);
