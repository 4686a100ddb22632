/* elf.h - one ELF file, mapped: its segments, its build id, its bytes by address.
 *
 * Addresses are those of the file's own view (link-time). The file may be anything: every offset is
 * checked against its length. It may also shrink while it is mapped, which ends the worker. */
#ifndef TB_SYMBOL_ELF_H
#define TB_SYMBOL_ELF_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/process.h"

#if !defined(ELFCOMPRESS_ZSTD)
#define ELFCOMPRESS_ZSTD 2 /* System V ABI, "Section Compression" */
#endif

enum { TB_SYMBOL_SEGMENTS_MAX = 64 };

struct tb_symbol_segment {
    uint64_t address, offset, file_bytes, mem_bytes;
    uint32_t flags; /* PF_X and others */
};

struct tb_symbol_elf {
    Elf *elf;             /* NULL: not open */
    const uint8_t *bytes; /* borrowed from elf */
    size_t len;
    uint64_t entry;
    struct tb_symbol_segment segments[TB_SYMBOL_SEGMENTS_MAX]; /* PT_LOAD */
    size_t n_segments;
    uint8_t build_id[TB_BUILD_ID_BYTES];
    uint32_t build_id_len; /* 0: none */
};

/* Consumes fd. 0, or -EBADMSG when it is no ELF file. */
int tb_symbol_elf_open(int fd, struct tb_symbol_elf *out);
void tb_symbol_elf_done(struct tb_symbol_elf *elf);
/* Bytes that a running process has at address too: segments that are not written to. 0 or -EFAULT.
 */
int tb_symbol_elf_read(const struct tb_symbol_elf *elf, uint64_t address, void *out, size_t len);
/* In a segment that the process, or its loader, writes to. */
bool tb_symbol_elf_is_written(const struct tb_symbol_elf *elf, uint64_t address);
bool tb_symbol_elf_is_code(const struct tb_symbol_elf *elf, uint64_t address);
/* The bytes of the section of that name as they are in the file, borrowed from elf; or NULL when
 * there is none, or nothing in it. */
const void *tb_symbol_elf_section(Elf *elf, const char *name, size_t *out_len);
/* Is there a debug section that elfutils 0.188 cannot read, because zstd compressed it? */
bool tb_symbol_elf_has_zstd(Elf *elf);

#endif
