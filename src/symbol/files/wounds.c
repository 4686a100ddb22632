/* wounds.c - see wounds.h. */
#include "symbol/files/wounds.h"

#include <gelf.h>
#include <string.h>

bool tb_symbol_elf_holds(size_t len, uint32_t type, uint64_t offset, uint64_t bytes)
{
    return type == SHT_NOBITS || type == SHT_NULL || (offset <= len && bytes <= len - offset);
}

/* Are all headers there? libelf has none of those that begin behind the end. */
static bool has_headers(Elf *elf, const GElf_Ehdr *header, size_t len, size_t *out_n)
{
    size_t each = gelf_fsize(elf, ELF_T_SHDR, 1, EV_CURRENT);
    if (each == 0 || header->e_shentsize != each || header->e_shoff > len ||
        elf_getshdrnum(elf, out_n) != 0)
        return false;
    return *out_n > 0 && *out_n <= (len - header->e_shoff) / each;
}

static bool is_for_names(const GElf_Shdr *section, const char *name)
{
    return section->sh_type == SHT_SYMTAB || section->sh_type == SHT_DYNSYM ||
           section->sh_type == SHT_STRTAB || strncmp(name, ".debug_", 7) == 0 ||
           strcmp(name, ".gnu_debugdata") == 0;
}

static bool has_sections(Elf *elf, size_t n, size_t names, size_t len)
{
    GElf_Shdr section;
    if (!gelf_getshdr(elf_getscn(elf, names), &section) || section.sh_type != SHT_STRTAB)
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!gelf_getshdr(elf_getscn(elf, i), &section))
            return false;
        const char *name = elf_strptr(elf, names, section.sh_name);
        if (!name ||
            (is_for_names(&section, name) &&
             !tb_symbol_elf_holds(len, section.sh_type, section.sh_offset, section.sh_size)))
            return false;
    }
    return true;
}

bool tb_symbol_elf_is_wounded(Elf *elf)
{
    GElf_Ehdr header;
    size_t len;
    size_t n;
    size_t names;
    if (!elf_rawfile(elf, &len) || !gelf_getehdr(elf, &header))
        return true;
    if (header.e_shoff == 0 && header.e_shnum == 0)
        return false;
    if (!has_headers(elf, &header, len, &n) || elf_getshdrstrndx(elf, &names) != 0)
        return true;
    return names != SHN_UNDEF && !has_sections(elf, n, names, len);
}
