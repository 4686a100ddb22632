/* late.h - modules that were loaded after the table was made, found when a stack leads into them.
 *
 * The loader's own lock-free index (_dl_find_object) is asked, never its list: so this is
 * signal-safe, a plugin that crashes in its constructor is named, and one that took the place of
 * another is told apart by its name, its unwind data or its build ID. */
#ifndef TB_CAPTURE_LATE_H
#define TB_CAPTURE_LATE_H

#include <stddef.h>
#include <stdint.h>

#include "capture/memory.h"
#include "capture/modules.h"

enum { TB_LATE_PATH = 256 };

struct tb_late {
    struct tb_module modules[TB_LATE_MAX];
    struct tb_code code[TB_LATE_MAX];
    char paths[TB_LATE_MAX][TB_LATE_PATH];
    size_t n;
};

/* Who has the address now: 0 with its place in late, where it is kept; 1 with its place in the
 * table; -ENOENT when no module has it. Signal-safe. */
int tb_late_find(struct tb_late *late, const struct tb_modules *modules, struct tb_memory *memory,
                 uint64_t address, size_t *place);
/* Packs the process record of modules with the late ones in it, for the process pid, without
 * making a table. Returns the length. Signal-safe. */
size_t tb_late_pack(const struct tb_late *late, const struct tb_modules *modules, uint32_t pid,
                    uint64_t generation, uint8_t *mem, size_t cap);

#endif
