/* made_elf.h - a whole ELF file with debug sections that are anything, for tests and fuzz targets.
 * The input is sections, each {u8 number (enum made_section), u24 length, bytes}; those with
 * 0x80 in their number are of the alternate file. */
#ifndef TB_TESTS_MADE_ELF_H
#define TB_TESTS_MADE_ELF_H

#include <elf.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/pack.h"

enum made_section {
    MADE_INFO,
    MADE_ABBREV,
    MADE_STR,
    MADE_LINE,
    MADE_LINE_STR,
    MADE_RANGES,
    MADE_RNGLISTS,
    MADE_ADDR,
    MADE_STR_OFFSETS,
    MADE_ALT_LINK,
    MADE_N
};

enum {
    MADE_INPUT_MAX = 1 << 20,
    MADE_FILE_MAX = MADE_INPUT_MAX + 4096,
    MADE_ALTERNATE = 0x80,
    MADE_CODE = 0x1000 /* where its code begins */
};

struct made_elf {
    _Alignas(8) char bytes[MADE_FILE_MAX];
    size_t len;
};

static const char *const made_names[MADE_N] = {
    ".debug_info",   ".debug_abbrev",   ".debug_str",  ".debug_line",        ".debug_line_str",
    ".debug_ranges", ".debug_rnglists", ".debug_addr", ".debug_str_offsets", ".gnu_debugaltlink"};

/* A file with one segment of code, and the sections of the input that are which. */
static inline void make_elf(const uint8_t *data, size_t size, unsigned which, struct made_elf *out)
{
    Elf64_Shdr headers[MADE_N + 2] = {{0}};
    Elf64_Phdr code = {
        .p_type = PT_LOAD, .p_flags = PF_X | PF_R, .p_vaddr = MADE_CODE, .p_memsz = 0x1000000};
    Elf64_Ehdr file = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_DYN,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(file),
        .e_ehsize = sizeof(file),
        .e_phentsize = sizeof(code),
        .e_phnum = 1,
        .e_shentsize = sizeof(headers[0]),
        .e_shnum = MADE_N + 2,
        .e_shstrndx = MADE_N + 1};
    memcpy(out->bytes + sizeof(file), &code, sizeof(code));
    out->len = sizeof(file) + sizeof(code);
    for (size_t at = 0; size - at >= 4;) {
        unsigned number = data[at];
        size_t len = tb_get32(data + at) >> 8;
        at += 4;
        if (len > size - at)
            len = size - at;
        if ((number & MADE_ALTERNATE) == which && (number & 0x7f) < MADE_N) {
            Elf64_Shdr *header = &headers[1 + (number & 0x7f)];
            header->sh_type = SHT_PROGBITS;
            header->sh_offset = out->len;
            header->sh_size = len;
            memcpy(out->bytes + out->len, data + at, len);
            out->len += len;
        }
        at += len;
    }
    Elf64_Shdr *strings = &headers[MADE_N + 1];
    strings->sh_type = SHT_STRTAB;
    strings->sh_offset = out->len;
    out->bytes[out->len++] = '\0';
    for (size_t i = 0; i < MADE_N; i++) {
        headers[1 + i].sh_name = (uint32_t)(out->len - strings->sh_offset);
        out->len += (size_t)sprintf(out->bytes + out->len, "%s", made_names[i]) + 1;
    }
    strings->sh_size = out->len - strings->sh_offset;
    out->len = (out->len + 7) & ~(size_t)7;
    file.e_shoff = out->len;
    memcpy(out->bytes + out->len, headers, sizeof(headers));
    out->len += sizeof(headers);
    memcpy(out->bytes, &file, sizeof(file));
}

#endif
