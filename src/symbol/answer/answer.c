/* answer.c - the answers of the symbolizer as JSON (see worker.h). */
#include "symbol/answer/answer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "symbol/answer/answer_frame.h"
#include "symbol/answer/answer_threads.h"
#include "symbol/answer/name.h"
#include "symbol/answer/path.h"
#include "symbol/stack/frames.h"
#include "symbol/stack/modules.h"
#include "symbol/stack/offline.h"
#include "symbol/answer/source.h"
#include "symbol/stack/threads.h"

enum {
    MODULES_BYTES = 16 << 10, /* kept for modules that only threads are in */
    CODE_NOTE_BYTES = 256,
    NUMBERS_BYTES = 256 /* for what is said of threads beside their list */
};

struct answer {
    struct tb_symbol_cache *cache;
    const struct tb_symbol_config *config;
    const struct tb_process *process;
    struct tb_symbol_modules modules;
    struct tb_symbol_sources sources;
    struct tb_symbol_frames frames;
    char *exception_type;         /* demangled; NULL for none */
    const struct tb_crash *crash; /* NULL: none, or without other threads */
    struct tb_symbol_threads threads;
    bool *is_used; /* modules that threads are in, one for each of the process */
    bool by_process;
    size_t n_context;
    bool has_code; /* source lines are wanted */
};

static void write_lines(struct tb_json *j, const char *key, const struct tb_symbol_line *lines,
                        size_t n)
{
    tb_json_key(j, key);
    tb_json_array(j);
    for (size_t i = 0; i < n; i++)
        tb_json_strn(j, lines[i].text, lines[i].len);
    tb_json_end(j);
}

static int find_lines(struct answer *a, const struct tb_symbol_frame *frame,
                      struct tb_symbol_lines *out)
{
    struct tb_symbol_source_place place = {frame->file, frame->line, {0}};
    if (frame->module)
        place.built = tb_symbol_module_built(&a->modules, frame->module);
    int err = tb_symbol_source_lines(&a->sources, &place, a->n_context, out);
    /* Where a package was built its sources are no longer; of the program itself they may be below
     * a root. Others' short names could be those of other files. */
    place.path = tb_symbol_path_shown(frame->file);
    if (err && err != -ESTALE && frame->in_app)
        err = tb_symbol_source_lines(&a->sources, &place, a->n_context, out);
    return err;
}

static void write_source(struct tb_json *j, struct answer *a, const struct tb_symbol_frame *frame)
{
    struct tb_symbol_lines lines;
    char note[CODE_NOTE_BYTES];
    if (!a->has_code || !frame->file_is_whole || frame->line == 0)
        return;
    int err = find_lines(a, frame, &lines);
    if (err == -ESTALE) {
        const char *slash = strrchr(frame->file, '/');
        (void)snprintf(note, sizeof(note), "%.100s is newer than %.100s: its lines are not shown",
                       slash ? slash + 1 : frame->file, tb_symbol_module_name(frame->module));
        tb_json_kstr(j, "code_note", note);
    }
    if (err)
        return;
    tb_json_key(j, "code");
    tb_json_strn(j, lines.line.text, lines.line.len);
    if (a->n_context == 0)
        return;
    tb_json_key(j, "context");
    tb_json_object(j);
    write_lines(j, "pre", lines.before, lines.n_before);
    write_lines(j, "post", lines.after, lines.n_after);
    tb_json_end(j);
}

static void write_frame(struct tb_json *j, struct answer *a, const struct tb_symbol_frame *frame)
{
    tb_json_object(j);
    tb_symbol_answer_name(j, a->process, frame);
    write_source(j, a, frame);
    tb_symbol_answer_place(j, frame, true);
    tb_json_end(j);
}

static bool is_used(const struct answer *a, const struct tb_symbol_module *module)
{
    for (size_t i = 0; i < a->frames.n; i++) {
        if (a->frames.items[i].module == module)
            return true;
    }
    return false;
}

void tb_symbol_answer_module(struct tb_json *j, const struct tb_symbol_module *module)
{
    tb_json_object(j);
    tb_json_kstr(j, "name", tb_symbol_module_name(module));
    tb_json_key(j, "path");
    tb_json_strn(j, module->info->path, strnlen(module->info->path, TB_SYMBOL_FILENAME_BYTES));
    if (module->info->build_id_len > 0) {
        tb_json_key(j, "build_id");
        tb_json_hexstr(j, module->info->build_id, module->info->build_id_len);
    }
    tb_json_kstr(j, "symbols", tb_symbol_status_word(module->status));
    tb_json_kopt(j, "note", module->note ? module->note : "");
    if (module->missing_len > 0) {
        tb_json_key(j, "missing");
        tb_json_hexstr(j, module->missing, module->missing_len);
    }
    tb_json_end(j);
}

/* Those that the frames are in; then, as far as there is room for them, those that only threads are
 * in. */
static void write_modules(struct tb_json *j, const struct answer *a)
{
    tb_json_key(j, "modules");
    tb_json_array(j);
    for (size_t i = 0; i < a->process->n_modules; i++) {
        if (is_used(a, &a->modules.items[i]))
            tb_symbol_answer_module(j, &a->modules.items[i]);
    }
    size_t end = j->len + MODULES_BYTES;
    for (size_t i = 0; a->crash && !j->err && i < a->process->n_modules; i++) {
        struct tb_json before = *j;
        if (!a->is_used[i] || is_used(a, &a->modules.items[i]))
            continue;
        tb_symbol_answer_module(j, &a->modules.items[i]);
        if (j->err || j->len > end)
            *j = before;
    }
    tb_json_end(j);
}

/* The other threads get what the crash leaves: first its modules are measured. */
static void write_threads(struct tb_json *j, struct answer *a)
{
    const struct tb_json before = *j;
    memset(a->is_used, 0, a->process->n_modules * sizeof(*a->is_used));
    write_modules(j, a);
    if (j->err)
        return;
    size_t room = j->cap - j->len;
    *j = before;
    if (room < MODULES_BYTES + NUMBERS_BYTES)
        return;
    room -= MODULES_BYTES + NUMBERS_BYTES;
    if (room > TB_SYMBOL_THREADS_BYTES)
        room = TB_SYMBOL_THREADS_BYTES;
    size_t n_omitted =
        tb_symbol_answer_threads(j, room, &a->modules, a->crash, &a->threads, a->is_used);
    if (n_omitted > 0)
        tb_json_kint(j, "threads_omitted", (int64_t)n_omitted);
}

static void write_answer(struct tb_json *j, struct answer *a)
{
    tb_json_object(j);
    tb_json_key(j, "frames");
    tb_json_array(j);
    for (size_t i = a->frames.n; i > 0; i--)
        write_frame(j, a, &a->frames.items[i - 1]);
    tb_json_end(j);
    tb_json_kstr(j, "unwound_by", a->by_process ? "process" : "agent");
    tb_json_kbool(j, "cut", a->frames.cut);
    if (a->frames.gap > 0 && a->frames.n_left_out > 0) {
        tb_json_kint(j, "frames_omitted", (int64_t)a->frames.n_left_out);
        tb_json_kint(j, "frames_oldest", (int64_t)(a->frames.n - a->frames.gap));
    }
    tb_json_kopt(j, "exception_type", a->exception_type ? a->exception_type : "");
    if (a->crash)
        write_threads(j, a);
    write_modules(j, a);
    tb_json_end(j);
}

/* Where all of it does not fit, it is written again with less: frames count more than source. */
static int write_what_fits(struct tb_json *j, struct answer *a)
{
    struct tb_json start = *j;
    a->n_context = (size_t)a->config->context_lines;
    a->has_code = true;
    write_answer(j, a);
    if (j->err == -ENOSPC) {
        *j = start;
        a->n_context = 0;
        write_answer(j, a);
    }
    if (j->err == -ENOSPC) {
        *j = start;
        a->has_code = false;
        write_answer(j, a);
    }
    return j->err;
}

static int answer_init(struct answer *a, struct tb_symbol_cache *cache,
                       const struct tb_symbol_config *config, const struct tb_process *process)
{
    *a = (struct answer){.cache = cache, .config = config, .process = process};
    a->sources.config = config;
    a->sources.process = process;
    return tb_symbol_modules_init(cache, config, process, &a->modules);
}

static void answer_done(struct answer *a)
{
    free(a->is_used);
    free(a->exception_type);
    tb_symbol_threads_done(&a->threads);
    tb_symbol_frames_done(&a->frames);
    tb_symbol_sources_done(&a->sources);
    tb_symbol_modules_done(&a->modules);
    tb_symbol_cache_trim(a->cache);
}

int tb_symbol_answer_addresses(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                               const struct tb_process *process, const uint64_t *addresses,
                               size_t n, struct tb_json *out)
{
    struct answer a;
    struct tb_symbol_raw *raw = calloc(n + 1, sizeof(*raw));
    int err = raw ? answer_init(&a, cache, config, process) : -ENOMEM;
    if (err) {
        free(raw);
        return err;
    }
    for (size_t i = 0; i < n; i++)
        raw[i] = (struct tb_symbol_raw){.ip = addresses[i], .trust = TB_SYMBOL_TRUST_UNKNOWN};
    a.by_process = true;
    err = tb_symbol_frames_make(&a.modules, raw, n, TB_SYMBOL_STACK_REPORT, &a.frames);
    if (err == 0)
        err = write_what_fits(out, &a);
    answer_done(&a);
    free(raw);
    return err;
}

/* Without memory for them the threads are left out. */
static void unwind_threads(struct answer *a, const struct tb_crash *crash)
{
    if (crash->n_threads == 0)
        return;
    a->is_used = calloc(a->process->n_modules + 1, sizeof(*a->is_used));
    if (a->is_used &&
        tb_symbol_threads_make(&a->modules, crash, (uint64_t)TB_SYMBOL_THREADS_MS * TB_NS_PER_MS,
                               &a->threads) == 0)
        a->crash = crash;
}

int tb_symbol_answer_crash(struct tb_symbol_cache *cache, const struct tb_symbol_config *config,
                           const struct tb_process *process, const struct tb_crash *crash,
                           struct tb_json *out)
{
    struct answer a;
    struct tb_symbol_stack_found found;
    int err = answer_init(&a, cache, config, process);
    if (err)
        return err;
    tb_symbol_offline_unwind(&a.modules, crash, &found);
    a.by_process = found.by_process;
    err = tb_symbol_frames_make_far(&a.modules, found.frames, found.n, TB_SYMBOL_STACK_CRASH,
                                    found.gap.at > 0 ? &found.gap : NULL, &a.frames);
    if (crash->exception_type)
        a.exception_type = tb_symbol_type_name(crash->exception_type);
    if (err == 0) {
        a.frames.cut |= found.cut;
        unwind_threads(&a, crash);
        err = write_what_fits(out, &a);
    }
    answer_done(&a);
    return err;
}

int tb_symbol_addresses(const struct tb_symbol_config *config, const struct tb_process *process,
                        const uint64_t *addresses, size_t n, struct tb_json *out)
{
    struct tb_symbol_cache cache;
    tb_symbol_cache_init(&cache);
    int err = tb_symbol_answer_addresses(&cache, config, process, addresses, n, out);
    tb_symbol_cache_done(&cache);
    return err;
}

int tb_symbol_crash(const struct tb_symbol_config *config, const struct tb_process *process,
                    const struct tb_crash *crash, struct tb_json *out)
{
    struct tb_symbol_cache cache;
    tb_symbol_cache_init(&cache);
    int err = tb_symbol_answer_crash(&cache, config, process, crash, out);
    tb_symbol_cache_done(&cache);
    return err;
}
