/* answer.c - the answers of the symbolizer as JSON (see worker.h). */
#include "symbol/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/pack.h"
#include "symbol/frames.h"
#include "symbol/modules.h"
#include "symbol/offline.h"
#include "symbol/path.h"
#include "symbol/source.h"
#include "unwind/walk.h"

enum { FILENAME_BYTES_MAX = 1024 };

struct answer {
    struct tb_symbol_cache *cache;
    const struct tb_symbol_config *config;
    const struct tb_process *process;
    struct tb_symbol_modules modules;
    struct tb_symbol_sources sources;
    struct tb_symbol_frames frames;
    bool by_process;
    size_t n_context;
    bool has_code; /* source lines are wanted */
};

static void write_filename(struct tb_json *j, const struct answer *a,
                           const struct tb_symbol_frame *frame)
{
    const char *name = "<unknown>";
    if (frame->file) {
        const char *below = tb_symbol_path_below(frame->file, a->process->root);
        name = below ? below : frame->file;
        const char *slash = strrchr(name, '/');
        if (strlen(name) > FILENAME_BYTES_MAX && slash)
            name = slash + 1;
    } else if (frame->module && tb_symbol_module_name(frame->module)[0] != '\0') {
        name = tb_symbol_module_name(frame->module);
    }
    tb_json_key(j, "filename");
    tb_json_strn(j, name, strnlen(name, FILENAME_BYTES_MAX));
}

static void write_lines(struct tb_json *j, const char *key, const struct tb_symbol_line *lines,
                        size_t n)
{
    tb_json_key(j, key);
    tb_json_array(j);
    for (size_t i = 0; i < n; i++)
        tb_json_strn(j, lines[i].text, lines[i].len);
    tb_json_end(j);
}

static void write_source(struct tb_json *j, struct answer *a, const struct tb_symbol_frame *frame)
{
    struct tb_symbol_lines lines;
    if (!a->has_code || !frame->file_is_whole || frame->line == 0)
        return;
    if (tb_symbol_source_lines(&a->sources, frame->file, frame->line, a->n_context, &lines) != 0)
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

static void write_module_keys(struct tb_json *j, const struct tb_symbol_frame *frame)
{
    const struct tb_module *info = frame->module->info;
    tb_json_kstr(j, "module", tb_symbol_module_name(frame->module));
    tb_json_khex(j, "module_offset", frame->ip - info->bias);
    if (info->build_id_len > 0) {
        tb_json_key(j, "build_id");
        tb_json_hexstr(j, info->build_id, info->build_id_len);
    }
}

static void write_frame(struct tb_json *j, struct answer *a, const struct tb_symbol_frame *frame)
{
    static const char *const trusts[] = {[TB_TRUST_CONTEXT] = "context",
                                         [TB_TRUST_CFI] = "cfi",
                                         [TB_TRUST_FP] = "fp",
                                         [TB_TRUST_SCAN] = "scan"};
    tb_json_object(j);
    write_filename(j, a, frame);
    if (frame->line > 0)
        tb_json_kint(j, "lineno", frame->line);
    tb_json_kstr(j, "method", frame->method ? frame->method : "<unknown>");
    write_source(j, a, frame);
    tb_json_khex(j, "address", frame->ip);
    if (frame->module)
        write_module_keys(j, frame);
    if (frame->inlined)
        tb_json_kbool(j, "inlined", true);
    if (frame->trust != TB_SYMBOL_TRUST_UNKNOWN)
        tb_json_kstr(j, "trust", trusts[frame->trust]);
    tb_json_kbool(j, "in_app", frame->in_app);
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

static void write_modules(struct tb_json *j, const struct answer *a)
{
    tb_json_key(j, "modules");
    tb_json_array(j);
    for (size_t i = 0; i < a->process->n_modules; i++) {
        const struct tb_symbol_module *module = &a->modules.items[i];
        if (!is_used(a, module))
            continue;
        tb_json_object(j);
        tb_json_kstr(j, "name", tb_symbol_module_name(module));
        tb_json_key(j, "path");
        tb_json_strn(j, module->info->path, strnlen(module->info->path, FILENAME_BYTES_MAX));
        if (module->info->build_id_len > 0) {
            tb_json_key(j, "build_id");
            tb_json_hexstr(j, module->info->build_id, module->info->build_id_len);
        }
        tb_json_kstr(j, "symbols", tb_symbol_status_word(module->status));
        tb_json_end(j);
    }
    tb_json_end(j);
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
    err =
        tb_symbol_frames_make(&a.modules, found.frames, found.n, TB_SYMBOL_STACK_CRASH, &a.frames);
    if (err == 0) {
        a.frames.cut |= found.cut;
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
