/* table.h - the symbol table of a module: which function is at an address. */
#ifndef TB_SYMBOL_TABLE_H
#define TB_SYMBOL_TABLE_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

struct tb_symbol_entry {
    uint64_t address, size; /* size 0: up to the next one */
    const char *name;       /* borrowed from the Elf */
    uint8_t rank;           /* of several at one address the lowest is named */
};

struct tb_symbol_table {
    struct tb_symbol_entry *entries; /* sorted by address, one for each */
    size_t n, cap;
};

/* Adds the functions of a section of type SHT_SYMTAB or SHT_DYNSYM. 0; -ENOENT when there are none;
 * -ENOMEM. */
int tb_symbol_table_add(struct tb_symbol_table *table, Elf *elf, uint32_t section_type);
/* Call after the last add. */
void tb_symbol_table_sort(struct tb_symbol_table *table);
/* The symbol that covers address, or NULL. */
const struct tb_symbol_entry *tb_symbol_table_find(const struct tb_symbol_table *table,
                                                   uint64_t address);
void tb_symbol_table_done(struct tb_symbol_table *table);

#endif
