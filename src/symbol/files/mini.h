/* mini.h - MiniDebugInfo: the symbol table that a stripped module carries in .gnu_debugdata, an ELF
 * file that xz has packed.
 *
 * What is packed is a stranger's: it may be a bomb. Memory and output have a limit, and what is
 * over it is left out. Best called in a process that may die of it (index/indexer.h). */
#ifndef TB_SYMBOL_MINI_H
#define TB_SYMBOL_MINI_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TB_SYMBOL_MINI_BYTES_MAX = 64 << 20,        /* inflated */
    TB_SYMBOL_MINI_PACKED_BYTES_MAX = 16 << 20, /* as it is in the file */
    TB_SYMBOL_MINI_MEMORY_MAX = 96 << 20        /* for inflating: xz -9 asks for 65 MiB */
};

/* An ELF file in memory. Zeroed: none. */
struct tb_symbol_mini {
    Elf *elf;
    uint8_t *bytes;
    size_t len;
};

/* Inflates what module carries. 0; -ENOENT when it carries none; -EBADMSG when that is damaged or
 * no ELF file; -EFBIG over a limit; -ENOMEM. */
int tb_symbol_mini_open(Elf *module, struct tb_symbol_mini *out);
/* The same for the bytes of a section, which are borrowed for the call. */
int tb_symbol_mini_inflate(const void *packed, size_t len, struct tb_symbol_mini *out);
void tb_symbol_mini_done(struct tb_symbol_mini *mini);

#endif
