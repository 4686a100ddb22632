/* frames.c - see frames.h. */
#include "symbol/stack/frames.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/answer/inapp.h"
#include "symbol/answer/name.h"
#include "symbol/answer/path.h"
#include "symbol/stack/module_index.h"
#include "symbol/stack/tails.h"

enum {
    PATH_BYTES_MAX = 4096,
    HANDLER_FRAMES = 32,
    START_BYTES = 64, /* of _start, from the entry point of a program */
};

static int add_frame(struct tb_symbol_frames *frames, const struct tb_symbol_frame *frame)
{
    if (frames->n == frames->cap) {
        size_t cap = frames->cap > 0 ? frames->cap * 2 : 64;
        struct tb_symbol_frame *more = realloc(frames->items, cap * sizeof(*more));
        if (!more)
            return -ENOMEM;
        frames->items = more;
        frames->cap = cap;
    }
    frames->items[frames->n++] = *frame;
    return 0;
}

static void drop_frames(struct tb_symbol_frames *frames, size_t from, size_t n)
{
    if (n == 0)
        return;
    for (size_t i = from; i < from + n; i++) {
        free(frames->items[i].method);
        free(frames->items[i].file);
    }
    memmove(frames->items + from, frames->items + from + n,
            (frames->n - from - n) * sizeof(*frames->items));
    frames->n -= n;
    if (frames->gap > from)
        frames->gap = frames->gap >= from + n ? frames->gap - n : from;
}

void tb_symbol_frames_done(struct tb_symbol_frames *frames)
{
    if (!frames)
        return;
    drop_frames(frames, 0, frames->n);
    free(frames->items);
    *frames = (struct tb_symbol_frames){0};
}

/* ---- names ---- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_towbar(const struct tb_symbol_module *module)
{
    return module && starts_with(tb_symbol_module_name(module), "libtowbar");
}

static bool is_in_app(const struct tb_symbol_modules *modules, const struct tb_symbol_frame *frame)
{
    const struct tb_inapp_program program =
        tb_inapp_program_of(modules->process, &modules->config->rules);
    const struct tb_inapp_frame names = {.module = frame->module ? frame->module->info : NULL,
                                         .file = frame->file,
                                         .function = frame->method};
    return tb_inapp_is_own(&program, &names);
}

static void set_file(struct tb_symbol_frame *frame, const struct tb_symbol_place *place)
{
    char joined[PATH_BYTES_MAX];
    char path[PATH_BYTES_MAX];
    bool is_relative = place->file[0] != '/' && place->folder && place->folder[0] != '\0' &&
                       !tb_symbol_path_is_told_whole(place->folder, place->file);
    int len = snprintf(joined, sizeof(joined), "%s%s%s", is_relative ? place->folder : "",
                       is_relative ? "/" : "", place->file);
    bool fits = len >= 0 && (size_t)len < sizeof(joined);
    frame->file_is_whole =
        tb_symbol_path_normalise(fits ? joined : place->file, path, sizeof(path)) && fits;
    frame->file = strdup(path);
}

/* entry: name in the symbol table, or NULL. It says more than a short name in the debug data does:
 * C++ functions that only their file knows have no linkage name there. */
static char *clean_name(const struct tb_symbol_place *place, const char *entry)
{
    const char *name = place->function;
    bool is_mangled = entry && (starts_with(entry, "_Z") || starts_with(entry, "_R"));
    if (!place->inlined && (!name || (is_mangled && !starts_with(name, "_Z"))))
        name = entry;
    return name ? tb_symbol_name_clean(name) : NULL;
}

static int add_places(const struct tb_symbol_modules *modules, struct tb_symbol_frames *frames,
                      const struct tb_symbol_frame *model, const struct tb_symbol_place *places,
                      size_t n, const char *entry)
{
    for (size_t i = 0; i < n; i++) {
        struct tb_symbol_frame frame = *model;
        frame.method = clean_name(&places[i], entry);
        if (places[i].file) {
            set_file(&frame, &places[i]);
            frame.line = places[i].line;
        }
        frame.inlined = places[i].inlined;
        frame.in_app = is_in_app(modules, &frame);
        if (add_frame(frames, &frame) != 0) {
            free(frame.method);
            free(frame.file);
            return -ENOMEM;
        }
    }
    return 0;
}

static size_t find_indexed(const struct tb_symbol_module *module, uint64_t address,
                           struct tb_symbol_place *places, const char **symbol)
{
    *symbol = tb_symbol_index_symbol(module->index, address);
    return tb_symbol_index_find(module->index, address, places);
}

static void find_in_file(const struct tb_symbol_modules *modules, struct tb_symbol_module *module,
                         uint64_t address, const char **symbol)
{
    if (!module->uses_table)
        return;
    tb_symbol_module_load_table(modules, module);
    const struct tb_symbol_entry *entry =
        module->table ? tb_symbol_table_find(module->table, address) : NULL;
    *symbol = entry ? entry->name : NULL;
}

/* mov $__NR_rt_sigreturn, %rax or %eax; syscall */
static bool is_sigreturn(struct tb_symbol_modules *modules, uint64_t address)
{
    static const uint8_t long_form[] = {0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05};
    static const uint8_t short_form[] = {0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05};
    uint8_t bytes[sizeof(long_form)];
    const struct tb_symbol_module *module = tb_symbol_modules_find(modules, address);
    return module && module->image &&
           tb_symbol_elf_read(&module->image->elf, address - module->info->bias, bytes,
                              sizeof(bytes)) == 0 &&
           (memcmp(bytes, long_form, sizeof(long_form)) == 0 ||
            memcmp(bytes, short_form, sizeof(short_form)) == 0);
}

void tb_symbol_frames_mark(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                           struct tb_symbol_raw *raw)
{
    raw->is_return = is_sigreturn(modules, raw->ip);
    raw->is_exact |= raw->is_return || (inner && inner->is_return);
}

int tb_symbol_frames_add(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                         struct tb_symbol_frames *frames)
{
    struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX] = {0};
    const char *symbol = NULL;
    uint64_t pc = raw->ip - (raw->is_exact ? 0 : 1);
    struct tb_symbol_module *module = tb_symbol_modules_find(modules, pc);
    struct tb_symbol_frame model = {.ip = raw->ip, .trust = raw->trust, .module = module};
    size_t n = 0;
    if (module) {
        uint64_t address = pc - module->info->bias;
        tb_symbol_module_load_index(modules, module);
        if (module->index)
            n = find_indexed(module, address, places, &symbol);
        else
            find_in_file(modules, module, address, &symbol);
    }
    if (raw->is_return && !symbol) /* the C library exports no name for it */
        symbol = "__restore_rt";
    return add_places(modules, frames, &model, places, n > 0 ? n : 1, symbol);
}

/* The frames between two addresses that jumped away. Of one that has several places to jump from
 * the line is not known, nor what was inlined there. */
static int add_tails(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                     const struct tb_symbol_raw *outer, struct tb_symbol_frames *frames)
{
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    size_t n = tb_symbol_tails_find(modules, inner, outer, hops);
    for (size_t i = 0; i < n; i++) {
        const struct tb_symbol_raw raw = {.ip = hops[i].at, .trust = TB_SYMBOL_TRUST_TAIL};
        size_t first = frames->n;
        int err = tb_symbol_frames_add(modules, &raw, frames);
        if (err)
            return err;
        if (hops[i].is_only)
            continue;
        drop_frames(frames, first, frames->n - 1 - first);
        frames->items[first].line = 0;
    }
    return 0;
}

/* ---- what is left out ---- */

static bool is_named(const struct tb_symbol_frame *frame, const char *const *names, size_t n)
{
    for (size_t i = 0; frame->method && i < n; i++) {
        if (strcmp(frame->method, names[i]) == 0)
            return true;
    }
    return false;
}

/* Of the library itself, linked in either way. */
static bool is_own(const struct tb_symbol_frame *frame)
{
    if (is_towbar(frame->module))
        return true;
    return frame->method &&
           (starts_with(frame->method, "towbar_") || starts_with(frame->method, "tb_"));
}

static bool is_trampoline(const struct tb_symbol_frame *frame)
{
    static const char *const names[] = {"__restore_rt", "__kernel_rt_sigreturn"};
    return is_named(frame, names, sizeof(names) / sizeof(names[0]));
}

/* How many of the innermost are the crash handler's, and what it returns to; 0: none. It may be in
 * a call of the C library; of one linked statically not all names tell that they are its own. */
static size_t count_handler(const struct tb_symbol_frames *frames)
{
    static const char *const call[] = {"syscall"};
    static const char *const waits[] = {"wait_for_claim"};
    bool is_waiting = false;
    bool is_ours = true;
    size_t n_ours = 0;
    for (size_t i = 0; i < frames->n && i < HANDLER_FRAMES; i++) {
        const struct tb_symbol_frame *frame = &frames->items[i];
        if (is_trampoline(frame))
            return n_ours > 0 && (is_ours || is_waiting) ? i + 1 : 0;
        is_waiting |= is_named(frame, waits, 1);
        n_ours += is_own(frame);
        is_ours &= is_own(frame) || (i == 0 && !frame->in_app && is_named(frame, call, 1));
    }
    return 0;
}

static void drop_own(struct tb_symbol_frames *frames, enum tb_symbol_stack stack)
{
    size_t n = 0;
    if (stack == TB_SYMBOL_STACK_CRASH) {
        n = count_handler(frames);
        frames->crashed = n > 0;
        if (n == frames->n)
            return;
    } else {
        while (n < frames->n && is_own(&frames->items[n]))
            n++;
    }
    drop_frames(frames, 0, n);
}

/* Where a program's or a thread's first instructions are, by name. */
static bool is_named_start(const struct tb_symbol_frame *frame)
{
    static const char *const names[] = {
        "_start",   "__libc_start_main",      "__libc_start_main_impl",
        "__clone",  "__libc_start_call_main", "clone3",
        "__clone3", "start_thread",           "clone"};
    return is_named(frame, names, sizeof(names) / sizeof(names[0]));
}

static bool is_at_entry(const struct tb_symbol_frame *frame)
{
    uint64_t entry = frame->module->image ? frame->module->image->elf.entry : 0;
    uint64_t address = frame->ip - frame->module->info->bias;
    return entry != 0 && address >= entry && address - entry < START_BYTES;
}

/* The same, names or not: the C library exports few of them. */
static bool is_start(const struct tb_symbol_frame *frame)
{
    if (is_named_start(frame))
        return true;
    if (!frame->module || frame->method)
        return false;
    const char *name = tb_symbol_module_name(frame->module);
    if (starts_with(name, "libc.so") || starts_with(name, "libc-") ||
        starts_with(name, "libpthread") || starts_with(name, "ld-linux"))
        return true;
    return is_at_entry(frame);
}

static void drop_starts(struct tb_symbol_frames *frames)
{
    size_t n = frames->n;
    /* _start of a program whose file cannot be had. */
    if (n > 1 && !frames->items[n - 1].method && is_named_start(&frames->items[n - 2]))
        n--;
    while (n > 0 && is_start(&frames->items[n - 1]))
        n--;
    /* The library's own start of a thread stands between those and the program's. */
    while (n > 0 && n < frames->n && is_own(&frames->items[n - 1]))
        n--;
    if (n > 0)
        drop_frames(frames, n, frames->n - n);
}

/* What goes is next to the gap, so that there is only one. */
static void keep_both_ends(struct tb_symbol_frames *frames)
{
    if (frames->n <= TB_SYMBOL_FRAMES_SHOWN)
        return;
    size_t n_dropped = frames->n - TB_SYMBOL_FRAMES_SHOWN;
    size_t n_outer = TB_SYMBOL_FRAMES_SHOWN / 2;
    if (frames->gap > 0 && frames->n - frames->gap < n_outer)
        n_outer = frames->n - frames->gap;
    if (frames->gap > 0 && frames->gap < TB_SYMBOL_FRAMES_SHOWN - n_outer)
        n_outer = TB_SYMBOL_FRAMES_SHOWN - frames->gap;
    drop_frames(frames, TB_SYMBOL_FRAMES_SHOWN - n_outer, n_dropped);
    frames->gap = TB_SYMBOL_FRAMES_SHOWN - n_outer;
    frames->n_left_out += n_dropped;
    frames->cut = true;
}

/* ---- all of them ---- */

int tb_symbol_frames_make_far(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                              size_t n_raw, enum tb_symbol_stack stack,
                              const struct tb_symbol_gap *gap, struct tb_symbol_frames *out)
{
    struct tb_symbol_frames frames = {.cut = n_raw > TB_SYMBOL_RAW_MAX,
                                      .n_left_out = gap ? gap->n_left_out : 0};
    struct tb_symbol_raw inner = {0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < n_raw; i++) {
        bool is_next = i > 0;
        if (n_raw > TB_SYMBOL_RAW_MAX && i == TB_SYMBOL_RAW_MAX / 2) {
            i = n_raw - TB_SYMBOL_RAW_MAX / 2;
            is_next = false;
        }
        if (gap && i == gap->at) {
            frames.gap = frames.n;
            is_next = false;
        }
        struct tb_symbol_raw at = raw[i];
        tb_symbol_frames_mark(modules, is_next ? &inner : NULL, &at);
        if (is_next)
            err = add_tails(modules, &inner, &at, &frames);
        if (err == 0)
            err = tb_symbol_frames_add(modules, &at, &frames);
        inner = at;
    }
    if (err) {
        tb_symbol_frames_done(&frames);
        return err;
    }
    drop_own(&frames, stack);
    drop_starts(&frames);
    keep_both_ends(&frames);
    *out = frames;
    return 0;
}

int tb_symbol_frames_make(struct tb_symbol_modules *modules, const struct tb_symbol_raw *raw,
                          size_t n_raw, enum tb_symbol_stack stack, struct tb_symbol_frames *out)
{
    return tb_symbol_frames_make_far(modules, raw, n_raw, stack, NULL, out);
}
