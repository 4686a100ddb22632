/* gone.c - see gone.h.
 *
 * Each place has the number of the library that it holds, which is BUSY while that changes: a
 * reader that finds the same number before and after has read one library. Its bytes are words
 * then, that threads may store and load at once. */
#include "capture/modules/gone.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "capture/path.h"
#include "capture/modules/loader.h"

#define BUSY UINT64_MAX

union library {
    struct tb_gone library;
    uint64_t words[sizeof(struct tb_gone) / sizeof(uint64_t)];
};
enum { N_WORDS = sizeof(union library) / sizeof(uint64_t) };

static struct {
    _Atomic uint64_t number; /* counts from 1; 0: none yet */
    _Atomic uint64_t words[N_WORDS];
} places[TB_GONE_MAX];
static _Atomic uint64_t n_noted;

enum { ASK_SEGMENTS = 11 }; /* RTLD_DI_PHDR, which headers of before 2.36 do not have */

/* ---- the places ---- */

/* The one noted back places before the last, whether it is there again or not. */
static int get(unsigned back, struct tb_gone *out)
{
    uint64_t n = atomic_load(&n_noted);
    union library from;
    if (back >= TB_GONE_MAX || back >= n)
        return -ENOENT;
    uint64_t number = n - back;
    size_t i = number % TB_GONE_MAX;
    if (atomic_load(&places[i].number) != number)
        return -ENOENT;
    for (int k = 0; k < N_WORDS; k++)
        from.words[k] = atomic_load_explicit(&places[i].words[k], memory_order_acquire);
    *out = from.library;
    out->module.path = out->path;
    return atomic_load(&places[i].number) == number ? 0 : -ENOENT;
}

/* It is noted by both who see that it is gone. */
static int is_noted(const struct tb_gone *library)
{
    struct tb_gone other;
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        if (get(back, &other) == 0 && other.module.lo == library->module.lo &&
            other.module.hi == library->module.hi && strcmp(other.path, library->path) == 0)
            return 1;
    }
    return 0;
}

static void note(const struct tb_gone *library)
{
    if (library->module.lo >= library->module.hi || library->path[0] != '/' || is_noted(library))
        return;
    union library from = {.library = *library};
    uint64_t number = atomic_fetch_add(&n_noted, 1) + 1;
    size_t i = number % TB_GONE_MAX;
    if (atomic_exchange(&places[i].number, BUSY) == BUSY)
        return;
    for (int k = 0; k < N_WORDS; k++)
        atomic_store_explicit(&places[i].words[k], from.words[k], memory_order_release);
    atomic_store(&places[i].number, number);
}

/* ---- what is gone ---- */

/* Is it not in memory any more? What takes its place all the time is not known, and not told. Of
 * one whose end was seen (was_closed) the name is asked too: another build of it, or a stripped
 * one, has its place, its size and often its link_map. */
static int is_gone(const struct tb_gone *library, int was_closed)
{
    struct tb_loaded loaded;
    struct tb_loaded_name name;
    if (tb_loader_find(library->module.lo, &loaded) != 0)
        return 1;
    if (!was_closed && loaded.map == library->code.map && loaded.lo == library->module.lo &&
        loaded.eh_frame_hdr == library->module.eh_frame_hdr)
        return 0;
    int err = tb_loader_read(library->module.lo, &loaded, &name);
    return err == -ENOENT || (err == 0 && !tb_path_is_of(library->path, name.name));
}

/* ---- before a dlclose: the caller has a reference to what it closes ---- */

static const ElfW(Phdr) * find_load(const ElfW(Phdr) * segments, int n, uint64_t at, uint64_t len)
{
    for (int i = 0; i < n; i++) {
        const ElfW(Phdr) *load = &segments[i];
        if (load->p_type == PT_LOAD && (load->p_flags & PF_R) && at >= load->p_vaddr &&
            len <= load->p_filesz && at - load->p_vaddr <= load->p_filesz - len)
            return load;
    }
    return NULL;
}

/* The loader read the segments when it loaded the library. Notes count only in its first page: what
 * a file that was cut loses last. */
static void read_segments(const ElfW(Phdr) * segments, int n, struct tb_gone *out)
{
    enum { PAGE_BYTES = 4096 };
    for (int i = 0; i < n; i++) {
        const ElfW(Phdr) *segment = &segments[i];
        uint64_t low = out->module.bias + segment->p_vaddr;
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_X)) {
            out->code.low = low;
            out->code.high = low + segment->p_memsz;
        }
        if (segment->p_type != PT_NOTE || out->module.build_id_len > 0 ||
            segment->p_filesz > PAGE_BYTES || low < out->module.lo ||
            low + segment->p_filesz > out->module.lo + PAGE_BYTES ||
            !find_load(segments, n, segment->p_vaddr, segment->p_filesz))
            continue;
        size_t id_at =
            tb_modules_build_id((const uint8_t *)(uintptr_t)low, segment->p_filesz, &out->module);
        out->code.build_id_at = id_at > 0 ? low + id_at : 0;
    }
}

/* A C library of before 2.36 does not know the question. */
static void ask_segments(void *handle, struct tb_gone *out)
{
    const ElfW(Phdr) *segments = NULL;
    int n = dlinfo(handle, ASK_SEGMENTS, &segments);
    if (n > 0 && segments)
        read_segments(segments, n, out);
}

/* The handle is the loader's link_map. dlclose loads from it whatever it is; we follow what is in
 * it only when the loader's index says that it is one. */
void tb_gone_look(void *handle, struct tb_gone *out)
{
    enum { LOWEST = 4096 };
    const struct link_map *map = handle;
    struct tb_loaded loaded;
    int kept = errno;
    out->module.lo = out->module.hi = 0;
    if ((uintptr_t)handle < LOWEST || (uintptr_t)handle % _Alignof(struct link_map) != 0 ||
        tb_loader_find((uint64_t)(uintptr_t)map->l_ld, &loaded) != 0 || loaded.map != handle)
        return;
    *out = (struct tb_gone){.module = {.lo = loaded.lo,
                                       .hi = loaded.hi,
                                       .bias = map->l_addr,
                                       .eh_frame_hdr = loaded.eh_frame_hdr},
                            .code = {.low = loaded.lo, .high = loaded.hi, .map = handle}};
    (void)tb_path_make_whole(map->l_name, out->path, sizeof(out->path));
    ask_segments(handle, out);
    errno = kept;
}

/* After it: with no look at another library, which may go at this moment. */
void tb_gone_note(const struct tb_gone *library)
{
    struct tb_loaded loaded;
    if (library->module.lo < library->module.hi &&
        (tb_loader_find(library->module.lo, &loaded) != 0 || loaded.map != library->code.map ||
         loaded.lo != library->module.lo))
        note(library);
}

void tb_gone_note_module(const struct tb_module *module, const struct tb_code *code)
{
    struct tb_gone library = {.module = *module, .code = *code};
    size_t len = strnlen(module->path, sizeof(library.path) - 1);
    if ((module->flags & TB_MODULE_MAIN) != 0) /* whose name the loader does not say */
        return;
    memcpy(library.path, module->path, len);
    library.path[len] = '\0';
    if (is_gone(&library, 0))
        note(&library);
}

int tb_gone_get(unsigned back, struct tb_gone *out)
{
    return get(back, out) == 0 && is_gone(out, 1) ? 0 : -ENOENT;
}

int tb_gone_find(uint64_t address, struct tb_gone *out)
{
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        if (get(back, out) == 0 && address >= out->module.lo && address < out->module.hi &&
            is_gone(out, 1))
            return 0;
    }
    return -ENOENT;
}
