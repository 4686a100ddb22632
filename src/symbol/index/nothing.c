/* nothing.c - see nothing.h. */
#include "symbol/index/nothing.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>

enum { NAMES, FRAMES, N_SECTIONS };

/* libdw wants one section that could have debug data, with a byte in it. */
struct file {
    Elf64_Ehdr header;
    Elf64_Shdr sections[1 + N_SECTIONS]; /* the first is none */
    char names[32];
    uint8_t frames[8];
};

#define NAMES_TEXT "\0.shstrtab\0.debug_frame"
enum { AT_NAMES = 1, AT_FRAMES = 11 }; /* in it */

static struct file file = {
    .header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
                           __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB,
                           EV_CURRENT},
               .e_type = ET_DYN,
               .e_version = EV_CURRENT,
               .e_shoff = offsetof(struct file, sections),
               .e_ehsize = sizeof(Elf64_Ehdr),
               .e_shentsize = sizeof(Elf64_Shdr),
               .e_shnum = 1 + N_SECTIONS,
               .e_shstrndx = 1 + NAMES},
    .sections = {[1 + NAMES] = {.sh_name = AT_NAMES,
                                .sh_type = SHT_STRTAB,
                                .sh_offset = offsetof(struct file, names),
                                .sh_size = sizeof(NAMES_TEXT)},
                 [1 + FRAMES] = {.sh_name = AT_FRAMES,
                                 .sh_type = SHT_PROGBITS,
                                 .sh_offset = offsetof(struct file, frames),
                                 .sh_size = sizeof(((struct file *)NULL)->frames)}},
    .names = NAMES_TEXT,
};

void tb_symbol_nothing_open(struct tb_symbol_nothing *out)
{
    *out = (struct tb_symbol_nothing){.elf = elf_memory((char *)&file, sizeof(file))};
    if (out->elf)
        out->dwarf = dwarf_begin_elf(out->elf, DWARF_C_READ, NULL);
}

void tb_symbol_nothing_done(struct tb_symbol_nothing *nothing)
{
    if (nothing->dwarf)
        dwarf_end(nothing->dwarf);
    if (nothing->elf)
        elf_end(nothing->elf);
    *nothing = (struct tb_symbol_nothing){0};
}
