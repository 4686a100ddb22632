/* unpacked.h - an ELF file in memory whose debug sections were compressed with zstd, which elfutils
 * 0.188 cannot read, and are not any more.
 *
 * The file is a stranger's: what it says of its size is checked before, and memory has a limit.
 * Call it in a process that may die of it (index/indexer.h). Files of 64 bits in the byte order of
 * this machine alone. */
#ifndef TB_SYMBOL_UNPACKED_H
#define TB_SYMBOL_UNPACKED_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_SYMBOL_UNPACKED_BYTES_MAX = 768 << 20 /* of the file and what is inflated, together */ };

/* Zeroed: none. */
struct tb_symbol_unpacked {
    Elf *elf;
    uint8_t *bytes;
    size_t len;
};

/* 0; -ENOENT when no debug section of elf is compressed with zstd; -EBADMSG when one is damaged, or
 * the file is of another kind; -EFBIG; -ENOMEM. */
int tb_symbol_unpacked_open(Elf *elf, struct tb_symbol_unpacked *out);
void tb_symbol_unpacked_done(struct tb_symbol_unpacked *unpacked);

#endif
