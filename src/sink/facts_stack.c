/* facts_stack.c - see facts.h: exceptions and their frames, and identifiers made of a uuid. */
#include <stdlib.h>
#include <string.h>

#include "item/fold.h"
#include "sink/facts_impl.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Lists of frames: of body.trace, or of each of body.trace_chain; -1 where there is none. */
static size_t find_traces(const struct tb_doc *doc, int traces[TB_FACTS_EXCEPTIONS], size_t *n_all)
{
    size_t n = 0;
    *n_all = 0;
    int trace = tb_doc_find(doc, 0, "body.trace");
    int chain = tb_doc_find(doc, 0, "body.trace_chain");
    if (trace >= 0) {
        traces[n++] = trace;
        *n_all = n;
    } else if (chain >= 0 && tb_doc_at(doc, chain)->type == TB_DOC_ARRAY) {
        *n_all = (size_t)tb_doc_at(doc, chain)->n_members;
        int t = tb_doc_at(doc, chain)->first;
        for (; t >= 0 && n < TB_FACTS_EXCEPTIONS; t = tb_doc_at(doc, t)->next)
            traces[n++] = t;
    }
    return n;
}

static int frames_of(const struct tb_doc *doc, int trace)
{
    int list = tb_doc_member(doc, trace, "frames");
    return list >= 0 && tb_doc_at(doc, list)->type == TB_DOC_ARRAY ? list : -1;
}

static size_t n_frames_of(const struct tb_doc *doc, int list)
{
    return list >= 0 ? least((size_t)tb_doc_at(doc, list)->n_members, TB_FACTS_FRAMES) : 0;
}

struct tb_facts_memory *tb_facts_memory_new(const struct tb_doc *doc,
                                            const struct tb_sink_item *item)
{
    int traces[TB_FACTS_EXCEPTIONS];
    size_t n_all;
    size_t n_frames = 0;
    size_t n = find_traces(doc, traces, &n_all);
    for (size_t i = 0; i < n; i++)
        n_frames += n_frames_of(doc, frames_of(doc, traces[i]));
    size_t head = sizeof(struct tb_facts_memory) + n_frames * sizeof(struct tb_sink_frame);
    struct tb_facts_memory *memory = malloc(head + item->len + 1);
    if (!memory)
        return NULL;
    memory->doc_text = item->data;
    memory->n_frames = 0;
    memory->frames_cap = n_frames;
    memory->at = (char *)memory + head;
    memory->end = memory->at + item->len + 1;
    return memory;
}

/* The texts of a frame. */
static const struct frame_text {
    const char *key;
    size_t len, offset;
} frame_texts[] = {
#define TEXT(key, field)                                                                           \
    {                                                                                              \
        key, sizeof(key) - 1, offsetof(struct tb_sink_frame, field)                                \
    }
    TEXT("method", function), TEXT("filename", file),
    TEXT("module", module),   TEXT("module_offset", module_offset),
    TEXT("address", address), TEXT("build_id", build_id),
    TEXT("trust", trust),     TEXT("code", code),
#undef TEXT
};
enum { N_FRAME_TEXTS = sizeof(frame_texts) / sizeof(frame_texts[0]) };

static bool is_key(const char *key, size_t len, const char *name)
{
    return len == strlen(name) && memcmp(key, name, len) == 0;
}

static void read_frame_member(struct tb_facts_memory *memory, const struct tb_doc *doc, int node,
                              bool omits_source, struct tb_sink_frame *out)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    const char *key = memory->doc_text + n->key_at;
    for (size_t i = 0; n->type == TB_DOC_STRING && i < N_FRAME_TEXTS; i++) {
        const struct frame_text *text = &frame_texts[i];
        if (n->key_len != text->len || memcmp(key, text->key, text->len) != 0)
            continue;
        if (omits_source && text->offset == offsetof(struct tb_sink_frame, code))
            return;
        const char *value = tb_facts_text(memory, doc, node);
        memcpy((char *)out + text->offset, &value, sizeof(value));
        return;
    }
    if (is_key(key, n->key_len, "lineno"))
        out->line = tb_doc_int(doc, node, 0);
    else if (is_key(key, n->key_len, "colno"))
        out->column = tb_doc_int(doc, node, 0);
}

/* One pass: a frame has some twenty members, and most are not asked for. */
static void read_frame(struct tb_facts_memory *memory, const struct tb_doc *doc, int node,
                       const char *root, bool omits_source, struct tb_sink_frame *out)
{
    static const char *const none = "";
    const struct tb_doc_node *frame = tb_doc_at(doc, node);
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < N_FRAME_TEXTS; i++)
        memcpy((char *)out + frame_texts[i].offset, &none, sizeof(none));
    if (frame->type == TB_DOC_OBJECT) {
        for (int m = frame->first; m >= 0; m = tb_doc_at(doc, m)->next)
            read_frame_member(memory, doc, m, omits_source, out);
    }
    int in_app = tb_doc_member(doc, node, "in_app");
    out->is_library =
        in_app >= 0 ? !tb_facts_is_true(doc, in_app) : tb_fold_is_package(out->file, root);
}

/* The list is oldest first, and its end is what counts. */
static void read_frames(struct tb_facts_memory *memory, const struct tb_doc *doc, int list,
                        const char *root, bool omits_source, struct tb_sink_exception *out)
{
    size_t n_all = list >= 0 ? (size_t)tb_doc_at(doc, list)->n_members : 0;
    size_t n = least(n_frames_of(doc, list), memory->frames_cap - memory->n_frames);
    struct tb_sink_frame *frames = memory->frames + memory->n_frames;
    size_t i = 0;
    for (int f = n > 0 ? tb_doc_at(doc, list)->first : -1; f >= 0; f = tb_doc_at(doc, f)->next) {
        if (i >= n_all - n)
            read_frame(memory, doc, f, root, omits_source, &frames[n_all - 1 - i]);
        i++;
    }
    memory->n_frames += n;
    out->frames = frames;
    out->n_frames = n;
    out->n_omitted = n_all - n;
}

static const struct tb_sink_frame *blame(const struct tb_sink_exception *exception)
{
    struct tb_fold_frame frames[TB_FACTS_FRAMES];
    for (size_t i = 0; i < exception->n_frames; i++) {
        const struct tb_sink_frame *frame = &exception->frames[i];
        frames[i] = (struct tb_fold_frame){.method = frame->function,
                                           .file = frame->file,
                                           .module = frame->module,
                                           .line = frame->line,
                                           .is_library = frame->is_library};
    }
    return exception->n_frames > 0 ? &exception->frames[tb_fold_blamed(frames, exception->n_frames)]
                                   : NULL;
}

void tb_facts_stack(struct tb_sink_facts *out, struct tb_facts_memory *memory, bool omits_source)
{
    const struct tb_doc *doc = out->doc;
    int traces[TB_FACTS_EXCEPTIONS];
    size_t n_all;
    size_t n = find_traces(doc, traces, &n_all);
    for (size_t i = 0; i < n; i++) {
        struct tb_sink_exception *exception = &memory->exceptions[i];
        exception->type =
            tb_facts_text(memory, doc, tb_doc_find(doc, traces[i], "exception.class"));
        exception->message =
            tb_facts_text(memory, doc, tb_doc_find(doc, traces[i], "exception.message"));
        read_frames(memory, doc, frames_of(doc, traces[i]), out->root, omits_source, exception);
    }
    out->exceptions = memory->exceptions;
    out->n_exceptions = n;
    out->n_exceptions_omitted = n_all - n;
    if (n == 0) {
        int text = tb_doc_find(doc, 0, "body.message.body");
        out->message = tb_facts_text(
            memory, doc, text >= 0 ? text : tb_doc_find(doc, 0, "body.crash_report.raw"));
        return;
    }
    int64_t omitted = tb_doc_int(doc, tb_doc_find(doc, 0, "custom.native.frames_omitted"), 0);
    if (omitted > 0 && omitted < UINT32_MAX)
        memory->exceptions[0].n_omitted += (size_t)omitted;
    out->error_class = memory->exceptions[0].type;
    out->message = memory->exceptions[0].message;
    out->blamed = blame(&memory->exceptions[0]);
}

/* ---- identifiers ---- */

static uint64_t mix(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3; /* FNV-1a */
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccd; /* and MurmurHash3's end, which lets each bit change all others */
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53;
    return hash ^ hash >> 33;
}

void tb_sink_facts_id(const char *uuid, const char *use, uint8_t out[TB_FACTS_ID_BYTES])
{
    uint64_t id = mix(mix(0xcbf29ce484222325, use), uuid);
    if (id == 0)
        id = 1;
    for (size_t i = 0; i < TB_FACTS_ID_BYTES; i++)
        out[i] = (uint8_t)(id >> (56 - 8 * i));
}
