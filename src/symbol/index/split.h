/* split.h - are debug data split (gcc -gsplit-dwarf): do their entries lie in .dwo files? */
#ifndef TB_SYMBOL_INDEX_SPLIT_H
#define TB_SYMBOL_INDEX_SPLIT_H

#include <libelf.h>
#include <stdbool.h>

/* elf may be NULL. Reads debug data: call it in a process that may die of them (indexer.h). */
bool tb_symbol_index_is_split(Elf *elf);

#endif
