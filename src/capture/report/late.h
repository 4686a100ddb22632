/* late.h - modules that were loaded after the table was made, found when a stack leads into them.
 *
 * The loader's own lock-free index (_dl_find_object) is asked, never its list: so this is
 * signal-safe, a plugin that crashes in its constructor is named, and one that took the place of
 * another is told apart by its name, its unwind data or its build ID. Once a library was unloaded
 * (unload.h) a module of the table that cannot prove by these that it is the same one is taken for
 * another: it is late too, until the next table. */
#ifndef TB_CAPTURE_LATE_H
#define TB_CAPTURE_LATE_H

#include <stddef.h>
#include <stdint.h>

#include "capture/crash/memory.h"
#include "capture/modules/modules.h"

enum { TB_LATE_PATH = 256 };

struct tb_late {
    struct tb_module modules[TB_LATE_MAX];
    struct tb_code code[TB_LATE_MAX];
    char paths[TB_LATE_MAX][TB_LATE_PATH];
    size_t n;
    size_t n_new;  /* of those, not even alike a module of the table */
    uint64_t mark; /* of tb_unload_mark, when the walk began */
    int is_sure;   /* nothing was unloaded since the table's mark */
};

/* Prepares for a walk with that table, or NULL. Signal-safe. */
void tb_late_begin(struct tb_late *late, const struct tb_modules *modules);

/* Who has the address now: 0 with its place in late, where it is kept; 1 with its place in the
 * table; -ENOENT when no module has it. Signal-safe. */
int tb_late_find(struct tb_late *late, const struct tb_modules *modules, struct tb_memory *memory,
                 uint64_t address, size_t *place);
/* Is the module still there, and known for sure to be the same one? Signal-safe. */
int tb_late_is_proven(const struct tb_module *module, const struct tb_code *code,
                      struct tb_memory *memory);
/* One that is gone, and that frames lead to: it is to be in the record too, unless another has its
 * place. The path is copied. Signal-safe. */
void tb_late_keep(struct tb_late *late, const struct tb_modules *modules,
                  const struct tb_module *module, const struct tb_code *code);
/* Packs the process record of modules with the late ones in it, for the process pid, without
 * making a table. Returns the length. Signal-safe. */
size_t tb_late_pack(const struct tb_late *late, const struct tb_modules *modules, uint32_t pid,
                    uint64_t generation, uint8_t *mem, size_t cap);

#endif
