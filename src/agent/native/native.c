/* native.c - see native.h: the item of a crash. */
#include "agent/native/native.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/meaning/meaning.h"
#include "agent/native/group.h"
#include "agent/native/native_common.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"
#include "item/write.h"
#include "item/write_trace.h"

enum { CRITICAL = 4 /* enum towbar_level */ };

void tb_native_time(uint64_t wall_ns, char out[32])
{
    time_t seconds = (time_t)(wall_ns / TB_NS_PER_S);
    struct tm utc;
    char text[24] = "1970-01-01T00:00:00";
    if (gmtime_r(&seconds, &utc) != NULL && utc.tm_year < 8100)
        (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out, 32, "%s.%03uZ", text, (unsigned)(wall_ns % TB_NS_PER_S / TB_NS_PER_MS));
}

void tb_native_server(struct tb_json *j, const struct tb_native_context *context, uint32_t pid)
{
    const struct tb_process *p = context->process;
    tb_json_object(j);
    tb_json_kopt(j, "host", p != NULL && p->host[0] != '\0' ? p->host : context->host);
    tb_json_kopt(j, "root", p != NULL ? p->root : "");
    if (pid != 0)
        tb_json_kint(j, "pid", pid);
    tb_json_end(j);
}

const char *tb_native_environment(const struct tb_native_context *context)
{
    const struct tb_process *p = context->process;
    return p != NULL && p->environment[0] != '\0' ? p->environment : context->environment;
}

/* C++ when its library is there and the newest of our frames is C++ source. */
const char *tb_native_language(const struct tb_process *process, const struct tb_doc *data)
{
    static const char *const endings[] = {".cc", ".cpp", ".cxx", ".c++",
                                          ".C",  ".hpp", ".hh",  ".hxx"};
    int has_library = 0;
    for (size_t i = 0; process != NULL && i < process->n_modules && !has_library; i++)
        has_library = strstr(process->modules[i].path, "libstdc++") != NULL;
    int frames = tb_doc_find(data, 0, "body.trace.frames");
    if (!has_library || frames < 0)
        return "c";
    int is_cpp = 0;
    for (int f = tb_doc_at(data, frames)->first; f >= 0; f = tb_doc_at(data, f)->next) {
        char name[512];
        int in_app = tb_doc_member(data, f, "in_app");
        if (in_app < 0 || tb_doc_at(data, in_app)->len != strlen("true") ||
            !tb_doc_copy(data, tb_doc_member(data, f, "filename"), name, sizeof(name)))
            continue;
        const char *dot = strrchr(name, '.');
        is_cpp = 0;
        for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
            is_cpp |= strcmp(dot, endings[i]) == 0;
    }
    return is_cpp ? "cpp" : "c";
}

void tb_native_facts(struct tb_json *j, const struct tb_native_frames *frames,
                     const struct tb_native_context *context)
{
    if (frames->modules.len > 0) {
        tb_json_key(j, "modules");
        tb_json_raw(j, tb_buf_str(&frames->modules), frames->modules.len);
    }
    tb_json_kopt(j, "unwound_by", frames->unwound_by);
    if (frames->n_omitted > 0)
        tb_json_kint(j, "frames_omitted", (int64_t)frames->n_omitted);
    if (frames->n_omitted > 0 && frames->n_oldest > 0)
        tb_json_kint(j, "frames_oldest", (int64_t)frames->n_oldest);
    if (frames->is_cut)
        tb_json_kbool(j, "frames_cut", true);
    if (context->symbols == NULL)
        tb_json_kopt(j, "symbols", context->symbols_note);
    if (context->process == NULL)
        tb_json_kstr(j, "process", "no process record was found: modules are unknown");
}

/* ---- the parts of a crash item ---- */

static void write_thread(struct tb_json *j, const struct tb_crash_fixed *fixed)
{
    tb_json_key(j, "thread");
    tb_json_object(j);
    tb_json_kint(j, "tid", fixed->tid);
    size_t len = strnlen(fixed->thread_name, sizeof(fixed->thread_name));
    if (len > 0) {
        tb_json_key(j, "name");
        tb_json_strn(j, fixed->thread_name, len);
    }
    tb_json_end(j);
}

static void write_native(struct tb_json *j, const struct tb_why *why,
                         const struct tb_native_frames *frames,
                         const struct tb_native_context *context)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    char number[24];
    tb_json_object(j);
    tb_json_kstr(j, "kind", "crash");
    tb_native_death_write(j, why);
    write_thread(j, fixed);
    tb_json_kint(j, "pid", fixed->pid);
    tb_native_facts(j, frames, context);
    tb_native_threads_write(j, crash, frames);
    if (crash->handler_ns > 0) {
        snprintf(number, sizeof(number), "%" PRIu64, crash->handler_ns);
        tb_json_kstr(j, "handler_ns", number);
    }
    if (crash->n_nested > 0)
        tb_json_kint(j, "nested_faults", crash->n_nested);
    if (crash->is_cut || context->is_truncated)
        tb_json_kbool(j, "truncated", true);
    if (crash->end_flags & TB_CRASH_STACK_CUT)
        tb_json_kbool(j, "stack_cut", true);
    tb_json_end(j);
}

/* key, NUL, value, NUL, ...; tb_crash_unpack saw to the last NUL. */
static void write_scope(struct tb_json *j, const struct tb_crash *crash)
{
    if (crash->scope_len == 0)
        return;
    tb_json_key(j, "scope");
    tb_json_object(j);
    for (size_t at = 0; at < crash->scope_len;) {
        const char *key = crash->scope + at;
        at += strnlen(key, crash->scope_len - at) + 1;
        if (at >= crash->scope_len)
            break;
        const char *value = crash->scope + at;
        at += strnlen(value, crash->scope_len - at) + 1;
        if (key[0] != '\0')
            tb_json_kstr(j, key, value);
    }
    tb_json_end(j);
}

void tb_native_telemetry(struct tb_json *j, const struct tb_crash *crash)
{
    if (crash->n_notes == 0)
        return;
    tb_json_key(j, "telemetry");
    tb_json_array(j);
    for (size_t i = 0; i < crash->n_notes; i++) {
        const struct tb_crash_note *note = &crash->notes[i];
        tb_json_object(j);
        tb_json_kstr(j, "type", "log");
        tb_json_kstr(j, "source", "server");
        tb_json_kint(j, "timestamp_ms", (int64_t)(note->wall_ns / TB_NS_PER_MS));
        tb_json_kstr(j, "level", tb_level_name((int)note->level));
        tb_json_key(j, "body");
        tb_json_object(j);
        tb_json_key(j, "message");
        tb_json_strn(j, note->text, note->len);
        tb_json_end(j);
        tb_json_end(j);
    }
    tb_json_end(j);
}

void tb_native_body(struct tb_json *j, const struct tb_crash *crash, const char *class_,
                    const char *message, const struct tb_buf *frames)
{
    tb_json_object(j);
    tb_json_key(j, "trace");
    tb_json_object(j);
    tb_json_key(j, "exception");
    tb_json_object(j);
    tb_json_kstr(j, "class", class_);
    if (message != NULL)
        tb_json_kstr(j, "message", message);
    tb_json_end(j);
    tb_json_key(j, "frames"); /* Rollbar wants the list */
    if (frames != NULL) {
        tb_json_raw(j, tb_buf_str(frames), frames->len);
    } else {
        tb_json_array(j);
        tb_json_end(j);
    }
    tb_json_end(j);
    tb_native_telemetry(j, crash);
    tb_json_end(j);
}

static void write_custom(struct tb_json *j, const struct tb_why *why, uint64_t wall_ns,
                         const struct tb_native_frames *frames,
                         const struct tb_native_context *context)
{
    const struct tb_crash *crash = why->crash;
    char when[32];
    tb_json_object(j);
    if (crash->has_trace) {
        tb_item_trace_ids(j, &crash->context.trace);
        tb_item_trace_more(j, &crash->context, crash->trace_started_ns, true);
    }
    tb_native_time(wall_ns, when);
    tb_json_kstr(j, "occurred_at", when);
    tb_json_kopt(j, "service", context->process != NULL ? context->process->service : "");
    write_scope(j, crash);
    tb_json_key(j, "native");
    write_native(j, why, frames, context);
    tb_json_end(j);
}

static int write_item(const struct tb_why *why, const struct tb_native_context *context,
                      const struct tb_native_frames *frames, struct tb_json *j)
{
    const struct tb_crash *crash = why->crash;
    char class_[TB_CLASS_BYTES];
    char uuid[TB_UUID_TEXT];
    uint64_t wall_ns = crash->fixed.wall_ns != 0 ? crash->fixed.wall_ns : context->time_ns;
    tb_id_uuid_text(context->uuid, uuid);
    tb_json_object(j);
    tb_json_kstr(j, "uuid", uuid);
    tb_json_kint(j, "timestamp", (int64_t)(wall_ns / TB_NS_PER_S));
    tb_json_kstr(j, "environment", tb_native_environment(context));
    tb_json_kstr(j, "level", tb_level_name(CRITICAL));
    tb_json_kstr(j, "platform", "linux");
    tb_json_kopt(j, "code_version", context->process != NULL ? context->process->version : "");
    tb_json_key(j, "server");
    tb_native_server(j, context, crash->fixed.pid);
    tb_json_key(j, "notifier");
    tb_json_object(j);
    tb_json_kstr(j, "name", "towbar");
    tb_json_kstr(j, "version", TOWBAR_VERSION);
    tb_json_end(j);
    tb_json_key(j, "custom");
    write_custom(j, why, wall_ns, frames, context);
    tb_json_key(j, "body");
    tb_native_body(j, crash, tb_why_class(why, class_), NULL, &frames->json);
    tb_json_end(j);
    return tb_json_finish(j);
}

static int add_string(struct tb_doc *doc, int object, const char *key, const char *text)
{
    char json[TB_MEANING_BYTES * 6 + 3];
    size_t n = tb_native_string(text, json, sizeof(json));
    return tb_doc_add(doc, object, key, json, n);
}

/* What needs an index of the frames: language, title and the sentence. */
static int finish(const char *item, size_t len, struct tb_why *about, struct tb_buf *out,
                  char why[TB_DOC_WHY])
{
    struct tb_doc *doc = NULL;
    char culprit[TB_TITLE_BYTES];
    char title[TB_TITLE_BYTES];
    char meaning[TB_MEANING_BYTES];
    char cause[TB_CAUSE_BYTES];
    int err = tb_doc_new(item, len, &doc, why);
    if (err)
        return err;
    tb_group_culprit(doc, culprit, sizeof(culprit));
    about->culprit = culprit;
    tb_why_title(about, title);
    tb_why_meaning(about, meaning);
    tb_why_cause(about, cause);
    about->culprit = NULL;
    err = add_string(doc, 0, "title", title);
    if (!err)
        err = add_string(doc, 0, "language", tb_native_language(about->process, doc));
    if (!err)
        err = add_string(doc, tb_doc_find(doc, 0, "custom.native"), "meaning", meaning);
    if (!err && cause[0] != '\0') /* group.c asks for it */
        err = add_string(doc, tb_doc_find(doc, 0, "custom.native"), "cause", cause);
    if (!err)
        err = add_string(doc, tb_doc_find(doc, 0, "body.trace.exception"), "message", meaning);
    if (!err)
        err = tb_doc_render(doc, out);
    tb_doc_free(doc);
    return err;
}

size_t tb_native_string(const char *text, char *json, size_t cap)
{
    struct tb_json j;
    tb_json_init(&j, json, cap);
    tb_json_str(&j, text);
    if (tb_json_finish(&j) != 0)
        return (size_t)snprintf(json, cap, "\"\"");
    return j.len;
}

/* The frames the process found itself, by module and offset. */
static int own_frames(const struct tb_crash *crash, const struct tb_native_context *context,
                      struct tb_native_frames *out)
{
    size_t n_inner = crash->n_frames;
    size_t n = n_inner + crash->n_outer;
    uint64_t *addresses = calloc(2 * n + 2, sizeof(*addresses));
    if (addresses == NULL)
        return -ENOMEM;
    uint64_t *trust = addresses + n + 1;
    for (size_t i = 0; i < n; i++) {
        const struct tb_crash_frame *frame =
            i < n_inner ? &crash->frames[i] : &crash->outer[n - 1 - i];
        addresses[i] = frame->ip;
        trust[i] = frame->trust;
    }
    size_t n_between = crash->depth > n ? (size_t)crash->depth - n : 0;
    if (n == 0) { /* the place of the fault, at least */
        addresses[n++] = crash->fixed.regs[TB_RIP];
        trust[0] = 0;
    }
    int err = tb_native_frames_make(context, addresses, trust, n, out);
    if (out->n_omitted > 0)
        out->n_omitted += n_between;
    free(addresses);
    return err;
}

/* 0 or -ENOMEM; of what is no list, no names. */
static int read_names(const struct tb_buf *frames, struct tb_stack_names *out)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    out->n = 0;
    int err = tb_doc_new(tb_buf_str(frames), frames->len, &doc, why);
    if (err)
        return err == -ENOMEM ? err : 0;
    tb_stack_names_read_list(doc, 0, out);
    tb_doc_free(doc);
    return 0;
}

int tb_native_crash(const struct tb_crash *crash, const struct tb_native_context *context,
                    struct tb_buf *out, char why[TB_DOC_WHY])
{
    struct tb_native_frames frames;
    struct tb_native_context c = *context;
    memset(&frames, 0, sizeof(frames));
    char *mem = malloc(TB_NATIVE_ITEM_BYTES);
    if (mem == NULL)
        return -ENOMEM;
    int err = c.symbols != NULL ? tb_native_frames_read(c.symbols, c.symbols_len, &frames) : 0;
    if (err == -EBADMSG || c.symbols == NULL) {
        tb_native_frames_done(&frames);
        c.symbols_note = err ? "the symbolizer's answer made no sense" : c.symbols_note;
        c.symbols = NULL;
        err = own_frames(crash, &c, &frames);
    }
    if (!err && frames.threads.len == 0)
        err = tb_native_threads_make(crash, &c, &frames);
    struct tb_stack_names stack;
    if (!err)
        err = read_names(&frames.json, &stack);
    if (!err) {
        struct tb_json j;
        struct tb_why about = {.crash = crash,
                               .process = c.process,
                               .exception_type = frames.exception_type,
                               .stack = &stack};
        tb_json_init(&j, mem, TB_NATIVE_ITEM_BYTES);
        (void)write_item(&about, &c, &frames, &j); /* cut short it lacks only its newest notes */
        err = finish(mem, j.len, &about, out, why);
    }
    tb_native_frames_done(&frames);
    free(mem);
    return err;
}
