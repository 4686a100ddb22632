/* split.c - see split.h. */
#include "symbol/index/split.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stddef.h>

#include "symbol/files/elf.h"

enum { UNITS_MAX = 1 << 20 };

bool tb_symbol_index_is_split(Elf *elf)
{
    size_t len;
    Dwarf_CU *unit = NULL;
    uint8_t type = 0;
    /* Every file with split units has this section, and few others. */
    if (!elf || !tb_symbol_elf_section(elf, ".debug_addr", &len))
        return false;
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    for (size_t i = 0; dwarf && type != DW_UT_skeleton && i < UNITS_MAX; i++) {
        if (dwarf_get_units(dwarf, unit, &unit, NULL, &type, NULL, NULL) != 0)
            break;
    }
    (void)dwarf_end(dwarf);
    return type == DW_UT_skeleton;
}
