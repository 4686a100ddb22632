/* answer_threads.c - see answer_threads.h. */
#include "symbol/answer/answer_threads.h"

#include <string.h>

#include "base/clock.h"
#include "symbol/answer/answer_frame.h"
#include "symbol/answer/waits.h"

enum { GROUP_BYTES_LEAST = 512 /* one with a few frames takes more */ };

struct group_writer {
    struct tb_json *j;
    const struct tb_process *process;
    const struct tb_crash *crash;
    const struct tb_symbol_threads *threads;
};

static void write_members(const struct group_writer *w, const struct tb_symbol_group *group)
{
    struct tb_json *j = w->j;
    tb_json_key(j, "tids");
    tb_json_array(j);
    for (size_t i = 0; i < w->threads->n_unwound; i++) {
        if (w->threads->of[i] == group->number)
            tb_json_int(j, w->crash->threads[i].tid);
    }
    tb_json_end(j);
    tb_json_key(j, "names");
    tb_json_array(j);
    for (size_t i = 0; i < w->threads->n_unwound; i++) {
        if (w->threads->of[i] == group->number)
            tb_json_str(j, w->crash->threads[i].name);
    }
    tb_json_end(j);
}

/* Why the walk has ended where the stack may go on: "" for no reason in the files. */
static const char *why_cut(const struct tb_symbol_module *module)
{
    if (!module || module->image)
        return "";
    return module->status == TB_SYMBOLS_CHANGED
               ? "the stack goes on: the file of its last frame is not the one that ran"
               : "the stack goes on: the file of its last frame is not there, or may not be read";
}

/* With at most n_shown frames, those that are innermost. Nothing is written where it does not fit
 * below end: then false. */
static bool write_group(const struct group_writer *w, const struct tb_symbol_group *group,
                        const struct tb_symbol_frames *frames, size_t n_shown, size_t end)
{
    struct tb_json *j = w->j;
    const struct tb_json before = *j;
    char waits[TB_SYMBOL_WAIT_BYTES];
    if (n_shown > frames->n)
        n_shown = frames->n;
    if (end < j->len + GROUP_BYTES_LEAST)
        return false;
    j->cap = end;
    tb_json_object(j);
    write_members(w, group);
    if (frames->crashed)
        tb_json_kbool(j, "crashed", true);
    else if (tb_symbol_waits_in(frames->items, frames->n, waits))
        tb_json_kstr(j, "waits_in", waits);
    tb_json_key(j, "frames");
    tb_json_array(j);
    for (size_t i = n_shown; i > 0 && !j->err; i--) {
        tb_json_object(j);
        tb_symbol_answer_name(j, w->process, &frames->items[i - 1]);
        tb_symbol_answer_place(j, &frames->items[i - 1], false);
        tb_json_end(j);
    }
    tb_json_end(j);
    if (n_shown < frames->n)
        tb_json_kint(j, "frames_omitted", (int64_t)(frames->n - n_shown));
    tb_json_kbool(j, "cut", frames->cut || group->cut);
    tb_json_kopt(j, "cut_note", group->cut ? why_cut(group->lost_in) : "");
    tb_json_end(j);
    j->cap = before.cap;
    if (!j->err)
        return true;
    *j = before;
    return false;
}

static void note_modules(const struct tb_symbol_modules *modules,
                         const struct tb_symbol_frames *frames, size_t n_shown, bool *is_used)
{
    for (size_t i = 0; i < frames->n && i < n_shown; i++) {
        if (frames->items[i].module)
            is_used[frames->items[i].module - modules->items] = true;
    }
}

/* Names the frames of a group and writes it, if there is time and room. */
static bool add_group(const struct group_writer *w, struct tb_symbol_modules *modules,
                      const struct tb_symbol_group *group, const size_t ends[2], bool *is_used)
{
    static const size_t shown[2] = {SIZE_MAX, TB_SYMBOL_THREADS_INNERMOST};
    struct tb_symbol_frames frames;
    bool is_written = false;
    if (ends[1] < w->j->len + GROUP_BYTES_LEAST || tb_clock_mono_ns() >= w->threads->ends_ns)
        return false;
    if (tb_symbol_frames_make(modules, group->frames, group->n, TB_SYMBOL_STACK_CRASH, &frames) !=
        0)
        return false;
    for (size_t k = 0; k < 2 && !is_written; k++) {
        is_written = write_group(w, group, &frames, shown[k], ends[k]);
        if (is_written)
            note_modules(modules, &frames, shown[k], is_used);
    }
    tb_symbol_frames_done(&frames);
    return is_written;
}

size_t tb_symbol_answer_threads(struct tb_json *j, size_t room, struct tb_symbol_modules *modules,
                                const struct tb_crash *crash,
                                const struct tb_symbol_threads *threads, bool *is_used)
{
    const struct group_writer w = {
        .j = j, .process = modules->process, .crash = crash, .threads = threads};
    const size_t ends[2] = {j->len + room / 4 * 3, j->len + room};
    size_t n_omitted = crash->n_threads - threads->n_unwound;
    if (room < GROUP_BYTES_LEAST)
        return crash->n_threads;
    tb_json_key(j, "threads");
    tb_json_array(j);
    for (size_t i = 0; i < threads->n; i++) {
        if (!add_group(&w, modules, &threads->groups[i], ends, is_used))
            n_omitted += threads->groups[i].n_threads;
    }
    tb_json_end(j);
    return n_omitted;
}
