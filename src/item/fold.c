/* fold.c - see fold.h. */
#include "item/fold.h"

#include <stdio.h>
#include <string.h>

#include "base/library.h"

enum { TERMINATE_FRAMES = 24 };

bool tb_fold_is_package(const char *file, const char *root)
{
    size_t len = strlen(root);
    while (len > 0 && root[len - 1] == '/')
        len--;
    if (len > 0 && strncmp(file, root, len) == 0 && file[len] == '/')
        file += len + 1;
    return tb_library_is_package(file, 0);
}

static bool is_same(const struct tb_fold_frame *a, const struct tb_fold_frame *b)
{
    return a->line == b->line && strcmp(a->method, b->method) == 0 &&
           strcmp(a->file, b->file) == 0 && strcmp(a->module, b->module) == 0;
}

/* How often the cycle frames at i follow each other. */
static size_t count_times(const struct tb_fold_frame *frames, size_t n, size_t i, size_t cycle)
{
    size_t same = 0;
    while (i + cycle + same < n && is_same(&frames[i + same], &frames[i + cycle + same]))
        same++;
    return 1 + same / cycle;
}

struct tb_fold tb_fold_cycle(const struct tb_fold_frame *frames, size_t n, size_t i)
{
    for (size_t cycle = 1; cycle <= TB_FOLD_CYCLE_MAX && i + 3 * cycle <= n; cycle++) {
        size_t times = count_times(frames, n, i, cycle);
        if (times >= 3 && cycle * (times - 1) >= TB_FOLD_HIDDEN_LEAST)
            return (struct tb_fold){TB_FOLD_CYCLE, cycle * times, cycle, times};
    }
    return (struct tb_fold){.kind = TB_FOLD_NONE, .n = 1};
}

static bool has_own(const struct tb_fold_frame *frames, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!frames[i].is_library)
            return true;
    }
    return false;
}

struct tb_fold tb_fold_at(const struct tb_fold_frame *frames, size_t n, size_t i, size_t blamed)
{
    struct tb_fold fold = tb_fold_cycle(frames, n, i);
    size_t run = 0;
    /* A library that calls itself is a part of its run. */
    if (fold.kind == TB_FOLD_CYCLE &&
        (has_own(frames + i, fold.cycle) || (blamed >= i && blamed < i + fold.cycle)))
        return fold;
    while (i + run < n && frames[i + run].is_library && i + run != blamed)
        run++;
    if (run > 0)
        return (struct tb_fold){.kind = TB_FOLD_LIBRARY, .n = run};
    return (struct tb_fold){.kind = TB_FOLD_NONE, .n = 1};
}

static bool is_of_runtime(const struct tb_fold_frame *frame)
{
    return frame->module[0] != '\0' ? tb_library_is_runtime(frame->module)
                                    : strcmp(frame->method, "<unknown>") == 0;
}

static bool is_abort(const char *method)
{
    static const char internal[] = "__GI_";
    if (strncmp(method, internal, strlen(internal)) == 0)
        method += strlen(internal);
    return strcmp(method, "abort") == 0 || strcmp(method, "raise") == 0;
}

/* The frame that std::terminate returns to, if the process was aborted inside of it: its handlers
 * say how a program ends, and not why. Else 0. */
static size_t behind_terminate(const struct tb_fold_frame *frames, size_t n)
{
    bool has_abort = false;
    for (size_t i = 0; i + 1 < n && i < TERMINATE_FRAMES; i++) {
        has_abort = has_abort || (frames[i].is_library && is_abort(frames[i].method));
        if (has_abort && frames[i].is_library && strcmp(frames[i].method, "std::terminate") == 0)
            return i + 1;
    }
    return 0;
}

size_t tb_fold_blamed(const struct tb_fold_frame *frames, size_t n)
{
    for (size_t i = behind_terminate(frames, n); i < n; i++) {
        if (!frames[i].is_library)
            return i;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_of_runtime(&frames[i]))
            return i;
    }
    return 0;
}

const char *tb_fold_names(const struct tb_fold_frame *frames, size_t n,
                          char out[TB_FOLD_NAMES_TEXT])
{
    char names[TB_FOLD_NAMES][TB_LIBRARY_NAME];
    char name[TB_LIBRARY_NAME];
    size_t n_names = 0;
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        tb_library_name(frames[i].module, frames[i].file, name);
        while (k < n_names && strcmp(names[k], name) != 0)
            k++;
        if (k < n_names || name[0] == '\0')
            continue;
        if (n_names == TB_FOLD_NAMES) {
            snprintf(out + len, TB_FOLD_NAMES_TEXT - len, ", \xe2\x80\xa6");
            break;
        }
        memcpy(names[n_names++], name, sizeof(name));
        len += (size_t)snprintf(out + len, TB_FOLD_NAMES_TEXT - len, "%s%s", len > 0 ? ", " : "",
                                name);
    }
    return out;
}
