/* dynsym.h - the address of a symbol that a loaded module exports, out of its memory.
 *
 * Signal-safe: no call of the loader, no lock. Every read is checked, and there is a bound on how
 * many there are, whatever the memory holds. */
#ifndef TB_CAPTURE_DYNSYM_H
#define TB_CAPTURE_DYNSYM_H

#include <stdint.h>

#include "capture/crash/memory.h"
#include "record/process.h"

struct tb_dynsym {
    struct tb_memory *memory; /* the caller's */
    uint64_t bias;
    uint64_t symbols, strings, hash; /* addresses */
};

/* 0, or -ENOENT when the module shows no table of symbols with a GNU hash. */
int tb_dynsym_open(struct tb_dynsym *table, struct tb_memory *memory,
                   const struct tb_module *module);
/* 0, or -ENOENT. Of symbols that are in several versions any. */
int tb_dynsym_find(const struct tb_dynsym *table, const char *name, uint64_t *address);

#endif
