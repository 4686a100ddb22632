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

#include "capture/crash/memory.h"
#include "capture/crash/quiet.h"
#include "capture/path.h"
#include "capture/report/late.h"

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
_Static_assert((int)TB_GONE_PATH == (int)TB_LATE_PATH, "one is filled as the other");

static struct tb_memory checked; /* of the one that has it */
static atomic_flag is_checking = ATOMIC_FLAG_INIT;

static int find(uint64_t address, struct dl_find_object *out)
{
    int is_found = _dl_find_object((void *)(uintptr_t)address, out) == 0 && out->dlfo_link_map &&
                   out->dlfo_link_map->l_name;
    return is_found ? 0 : -ENOENT;
}

int tb_gone_is(uint64_t lo, const char *path)
{
    struct dl_find_object found;
    return find(lo, &found) != 0 || !tb_path_is_of(path, found.dlfo_link_map->l_name);
}

/* Without the headers only the loader's word counts. */
static void describe(const struct dl_find_object *found, struct tb_gone *out)
{
    uint64_t lo = (uint64_t)(uintptr_t)found->dlfo_map_start;
    int is_free = !atomic_flag_test_and_set(&is_checking);
    if (is_free)
        tb_memory_reset(&checked);
    if (tb_late_describe(lo, is_free ? &checked : NULL, &out->module, &out->code, out->path) != 0)
        out->module.lo = out->module.hi = 0;
    if (is_free)
        atomic_flag_clear(&is_checking);
}

/* The handle is the loader's link_map, whose first fields are public. It is copied by the kernel,
 * as nothing says that it is one: dlclose finds out by itself. */
void tb_gone_look(void *handle, struct tb_gone *out)
{
    struct link_map map;
    struct dl_find_object found;
    out->module.lo = out->module.hi = 0;
    if (!tb_quiet_is_expected() &&
        tb_memory_copy((uint64_t)(uintptr_t)handle, &map, sizeof(map)) == sizeof(map) &&
        find((uint64_t)(uintptr_t)map.l_ld, &found) == 0 && found.dlfo_link_map == handle)
        describe(&found, out);
}

/* It is noted by both who see that it is gone. */
static int is_noted(const struct tb_gone *library)
{
    struct tb_gone other;
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        if (tb_gone_get(back, &other) == 0 && other.module.lo == library->module.lo &&
            other.module.hi == library->module.hi && strcmp(other.path, library->path) == 0)
            return 1;
    }
    return 0;
}

void tb_gone_note(const struct tb_gone *library)
{
    if (library->module.lo >= library->module.hi || library->path[0] != '/' ||
        !tb_gone_is(library->module.lo, library->path) || is_noted(library))
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

void tb_gone_note_module(const struct tb_module *module, const struct tb_code *code)
{
    struct tb_gone library = {.module = *module, .code = *code};
    size_t len = strnlen(module->path, sizeof(library.path) - 1);
    if ((module->flags & TB_MODULE_MAIN) != 0) /* whose name the loader does not say */
        return;
    memcpy(library.path, module->path, len);
    library.path[len] = '\0';
    tb_gone_note(&library);
}

int tb_gone_get(unsigned back, struct tb_gone *out)
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
    if (atomic_load(&places[i].number) != number || !tb_gone_is(out->module.lo, out->path))
        return -ENOENT;
    return 0;
}

int tb_gone_find(uint64_t address, struct tb_gone *out)
{
    for (unsigned back = 0; back < TB_GONE_MAX; back++) {
        if (tb_gone_get(back, out) == 0 && address >= out->module.lo && address < out->module.hi)
            return 0;
    }
    return -ENOENT;
}
