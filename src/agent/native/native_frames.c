/* native_frames.c - see native.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/meaning/function_name.h"
#include "agent/native/native.h"
#include "agent/native/native_common.h"
#include "base/id.h"
#include "base/path.h"
#include "unwind/walk.h"

enum { FRAME_BYTES = 8192, MODULES_SHOWN = 64, LISTS_MAX = 1 << 20 };

static void init(struct tb_native_frames *frames)
{
    memset(frames, 0, sizeof(*frames));
    tb_buf_init(&frames->json, LISTS_MAX);
    tb_buf_init(&frames->modules, LISTS_MAX);
    tb_buf_init(&frames->threads, LISTS_MAX);
}

void tb_native_frames_done(struct tb_native_frames *frames)
{
    if (frames == NULL)
        return;
    tb_buf_done(&frames->json);
    tb_buf_done(&frames->modules);
    tb_buf_done(&frames->threads);
}

/* ---- from the symbolizer's answer ---- */

/* Which frames to keep, so that what is kept fits: all, or the oldest and the newest. */
struct choice {
    size_t n, oldest, newest;
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int keeps(const struct choice *choice, size_t i)
{
    return i < choice->oldest || i + choice->newest >= choice->n;
}

static size_t kept_bytes(const struct tb_doc *doc, int list, const struct choice *choice)
{
    size_t bytes = 2;
    size_t i = 0;
    for (int f = tb_doc_at(doc, list)->first; f >= 0; f = tb_doc_at(doc, f)->next, i++)
        if (keeps(choice, i))
            bytes += tb_doc_at(doc, f)->len + 1;
    return bytes;
}

static size_t number_of(const struct tb_doc *doc, const char *name, int64_t max)
{
    int64_t n = tb_doc_int(doc, tb_doc_member(doc, 0, name), 0);
    return n > 0 && n <= max ? (size_t)n : 0;
}

/* Where the symbolizer has left out frames, more go from that place. */
static struct choice choose(const struct tb_doc *doc, int list, struct tb_native_frames *out)
{
    struct choice choice = {.n = (size_t)tb_doc_at(doc, list)->n_members};
    size_t n_oldest = number_of(doc, "frames_oldest", (int64_t)choice.n);
    choice.oldest = choice.newest = choice.n;
    if (n_oldest > 0) {
        out->n_omitted = number_of(doc, "frames_omitted", UINT32_MAX);
        choice.oldest = n_oldest;
        choice.newest = choice.n - n_oldest;
    }
    if (choice.n > TB_NATIVE_OLDEST_FRAMES + TB_NATIVE_NEWEST_FRAMES) {
        choice.oldest = least(choice.oldest, TB_NATIVE_OLDEST_FRAMES);
        choice.newest = least(choice.newest, TB_NATIVE_NEWEST_FRAMES);
    }
    return choice;
}

static void copy_frames(const struct tb_doc *doc, const char *text, int list,
                        struct tb_native_frames *out)
{
    struct choice choice = choose(doc, list, out);
    while (kept_bytes(doc, list, &choice) > TB_NATIVE_FRAMES_BYTES && choice.newest > 1) {
        choice.oldest /= 2;
        choice.newest /= 2;
    }
    size_t i = 0;
    const char *comma = "";
    tb_buf_adds(&out->json, "[");
    for (int f = tb_doc_at(doc, list)->first; f >= 0; f = tb_doc_at(doc, f)->next, i++) {
        if (!keeps(&choice, i)) {
            out->n_omitted++;
            continue;
        }
        tb_buf_adds(&out->json, comma);
        tb_buf_add(&out->json, text + tb_doc_at(doc, f)->at, tb_doc_at(doc, f)->len);
        comma = ",";
    }
    tb_buf_adds(&out->json, "]");
    out->n_oldest = choice.oldest;
}

static void copy_list(const struct tb_doc *doc, const char *text, const char *name,
                      struct tb_buf *out)
{
    int list = tb_doc_member(doc, 0, name);
    if (list >= 0 && tb_doc_at(doc, list)->type == TB_DOC_ARRAY)
        tb_buf_add(out, text + tb_doc_at(doc, list)->at, tb_doc_at(doc, list)->len);
}

int tb_native_frames_read(const char *symbols, size_t len, struct tb_native_frames *out)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    init(out);
    int err = tb_doc_new(symbols, len, &doc, why);
    if (err)
        return err == -ENOMEM ? err : -EBADMSG;
    int list = tb_doc_member(doc, 0, "frames");
    if (list < 0 || tb_doc_at(doc, list)->type != TB_DOC_ARRAY) {
        tb_doc_free(doc);
        return -EBADMSG;
    }
    copy_frames(doc, symbols, list, out);
    copy_list(doc, symbols, "modules", &out->modules);
    copy_list(doc, symbols, "threads", &out->threads);
    out->threads_omitted = number_of(doc, "threads_omitted", TB_CRASH_THREADS_MAX);
    (void)tb_doc_copy(doc, tb_doc_member(doc, 0, "unwound_by"), out->unwound_by,
                      sizeof(out->unwound_by));
    (void)tb_doc_copy(doc, tb_doc_member(doc, 0, "exception_type"), out->exception_type,
                      sizeof(out->exception_type));
    tb_type_name_short(out->exception_type);
    int cut = tb_doc_member(doc, 0, "cut");
    out->is_cut = cut >= 0 && tb_doc_at(doc, cut)->type == TB_DOC_BOOL &&
                  tb_doc_at(doc, cut)->len == strlen("true");
    tb_doc_free(doc);
    return out->json.err ? out->json.err : out->modules.err ? out->modules.err : out->threads.err;
}

/* ---- by the process record alone ---- */

static const char *trust_name(uint64_t trust)
{
    static const char *const names[] = {"context", "cfi", "fp", "scan"};
    return trust < 4 ? names[trust] : "scan";
}

void tb_native_bare_frame(struct tb_json *j, const struct tb_native_context *context,
                          uint64_t address, uint64_t inside, const char *trust)
{
    const struct tb_process *process = context->process;
    const struct tb_module *module = process != NULL ? tb_process_module(process, inside) : NULL;
    bool is_own = false;
    tb_json_object(j);
    tb_json_kstr(j, "filename", module != NULL ? tb_path_base(module->path) : "<unknown>");
    tb_json_kstr(j, "method", "<unknown>");
    tb_json_khex(j, "address", address);
    if (module != NULL) {
        const struct tb_inapp_program program = tb_inapp_program_of(process, context->rules);
        is_own = tb_inapp_is_own(&program, &(struct tb_inapp_frame){.module = module});
        tb_json_kstr(j, "module", tb_path_base(module->path));
        tb_json_khex(j, "module_offset", address - module->bias);
        if (module->build_id_len > 0) {
            tb_json_key(j, "build_id");
            tb_json_hexstr(j, module->build_id, module->build_id_len);
        }
    }
    tb_json_kopt(j, "trust", trust);
    tb_json_kbool(j, "in_app", is_own);
    tb_json_end(j);
}

static void add_frame(struct tb_buf *list, const struct tb_native_context *context,
                      uint64_t address, uint64_t inside, const char *trust)
{
    char mem[FRAME_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_native_bare_frame(&j, context, address, inside, trust);
    (void)tb_json_finish(&j); /* a path cut short is still a frame */
    if (list->len > 1)
        tb_buf_adds(list, ",");
    tb_buf_adds(list, mem);
}

static void add_module(struct tb_buf *list, const struct tb_module *module)
{
    char mem[FRAME_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kstr(&j, "name", tb_path_base(module->path));
    if (module->build_id_len > 0) {
        tb_json_key(&j, "build_id");
        tb_json_hexstr(&j, module->build_id, module->build_id_len);
    }
    tb_json_kstr(&j, "symbols", "unread");
    tb_json_end(&j);
    (void)tb_json_finish(&j);
    if (list->len > 1)
        tb_buf_adds(list, ",");
    tb_buf_adds(list, mem);
}

int tb_native_frames_make(const struct tb_native_context *context, const uint64_t *addresses,
                          const uint64_t *trust, size_t n, struct tb_native_frames *out)
{
    const struct tb_process *process = context->process;
    const struct tb_module *shown[MODULES_SHOWN];
    size_t n_shown = 0;
    init(out);
    tb_buf_adds(&out->json, "[");
    tb_buf_adds(&out->modules, "[");
    for (size_t i = n; i-- > 0;) {
        /* A return address can be the first byte behind its function, even behind its module. */
        uint64_t inside = addresses[i] - (trust == NULL || trust[i] != TB_TRUST_CONTEXT);
        const struct tb_module *module =
            process != NULL ? tb_process_module(process, inside) : NULL;
        if (n - 1 - i >= TB_NATIVE_OLDEST_FRAMES && i >= TB_NATIVE_NEWEST_FRAMES) {
            out->n_omitted++;
            continue;
        }
        add_frame(&out->json, context, addresses[i], inside,
                  trust != NULL ? trust_name(trust[i]) : NULL);
        size_t m = 0;
        while (m < n_shown && shown[m] != module)
            m++;
        if (module != NULL && m == n_shown && n_shown < MODULES_SHOWN) {
            shown[n_shown++] = module;
            add_module(&out->modules, module);
        }
    }
    tb_buf_adds(&out->json, "]");
    tb_buf_adds(&out->modules, "]");
    out->n_oldest = TB_NATIVE_OLDEST_FRAMES;
    snprintf(out->unwound_by, sizeof(out->unwound_by), "process");
    return out->json.err ? out->json.err : out->modules.err;
}
