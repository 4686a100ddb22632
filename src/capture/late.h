/* late.h - modules that were loaded after the table was made, found from within a crash handler.
 *
 * The loader's own lock-free index (_dl_find_object) is asked, never its list: so this is
 * signal-safe, and a plugin that crashes in its constructor is named. */
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

/* Is there a module at address that the table does not know, or knows as another one? Then its
 * place in late, where it is kept; else -1. Signal-safe. */
long tb_late_find(struct tb_late *late, const struct tb_modules *modules, struct tb_memory *memory,
                  uint64_t address);
/* Packs the process record of modules with the late ones in it, for the process pid. Returns the
 * length. Signal-safe. */
size_t tb_late_pack(const struct tb_late *late, const struct tb_modules *modules, uint32_t pid,
                    uint64_t generation, uint8_t *mem, size_t cap);

#endif
