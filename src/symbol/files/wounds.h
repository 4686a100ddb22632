/* wounds.h - is a file whole: do its section headers, and what they tell of symbols and debug data,
 * lie within it? libelf and libdw pass over what does not, and say nothing. */
#ifndef TB_SYMBOL_WOUNDS_H
#define TB_SYMBOL_WOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "symbol/files/elf.h"

/* Is it cut, or are its section headers wrecked? Not so for one that has no sections, or none with
 * names, nor for sections without bytes, as separate debug files have them. */
bool tb_symbol_elf_is_wounded(Elf *elf);
/* Does a section lie within a file of len bytes? One without bytes does. */
bool tb_symbol_elf_holds(size_t len, uint32_t type, uint64_t offset, uint64_t bytes);

#endif
