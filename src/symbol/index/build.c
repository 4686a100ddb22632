/* build.c - see build.h: which files give what. */
#include "symbol/index/build.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <gelf.h>
#include <string.h>

#include "symbol/files/table.h"
#include "symbol/index/nothing.h"
#include "symbol/index/tables.h"
#include "symbol/index/walk.h"

static Dwarf *begin(Elf *elf)
{
    return elf ? dwarf_begin_elf(elf, DWARF_C_READ, NULL) : NULL;
}

static int add_dwarf(struct tb_symbol_tables *tables, Elf *elf, Elf *alternate_elf)
{
    const char *name;
    const void *id;
    struct tb_symbol_nothing nothing = {0};
    int err = 0;
    Dwarf *dwarf = begin(elf);
    Dwarf *alternate = dwarf ? begin(alternate_elf) : NULL;
    if (!dwarf)
        return 0;
    /* libdw would open the file that the link names, wherever that is; of the other one too. */
    bool is_whole = dwelf_dwarf_gnu_debugaltlink(dwarf, &name, &id) == 0;
    bool is_usable = alternate && dwelf_dwarf_gnu_debugaltlink(alternate, &name, &id) == 0;
    if (!is_whole && !is_usable) {
        tables->flags |= TB_SYMBOL_INDEX_PARTIAL;
        tb_symbol_nothing_open(&nothing);
    }
    Dwarf *other = is_usable ? alternate : nothing.dwarf;
    if (other)
        dwarf_setalt(dwarf, other);
    if (is_whole || other)
        err = tb_symbol_walk_all(tables, dwarf);
    dwarf_end(dwarf);
    tb_symbol_nothing_done(&nothing);
    if (alternate)
        dwarf_end(alternate);
    return err;
}

static bool has_dwarf(const struct tb_symbol_tables *tables)
{
    return tables->ranges.n > 0 || tables->rows.n > 0;
}

/* From the module itself, or where it has none from its debug file. */
static int add_debug_data(struct tb_symbol_tables *tables,
                          const struct tb_symbol_index_input *input)
{
    int err = add_dwarf(tables, input->module, input->alternate);
    if (err || has_dwarf(tables))
        return err;
    return add_dwarf(tables, input->debug, input->alternate);
}

static int add_entries(struct tb_symbol_tables *tables, struct tb_symbol_table *table)
{
    tb_symbol_table_sort(table);
    for (size_t i = 0; i < table->n; i++) {
        const struct tb_symbol_entry *entry = &table->entries[i];
        struct tb_symbol_range at;
        if (!tb_symbol_tables_in_code(tables, entry->address, entry->address + 1, &at))
            continue;
        struct tb_symbol_sized *symbol = tb_symbol_list_add(&tables->symbols, sizeof(*symbol));
        if (!symbol)
            return -ENOMEM;
        symbol->at = at.lo;
        symbol->size = entry->size < UINT32_MAX ? (uint32_t)entry->size : UINT32_MAX;
        int err = tb_symbol_strings_add(&tables->strings, entry->name, &symbol->name);
        if (err)
            return err;
    }
    return 0;
}

/* Names from the first symbol table that there is: of the module, of its debug file; else what
 * MiniDebugInfo has, which leaves out the exported ones, and those. */
static int add_symbols(struct tb_symbol_tables *tables, const struct tb_symbol_index_input *input)
{
    Elf *const files[] = {input->module, input->debug, input->mini};
    struct tb_symbol_table table = {0};
    size_t before = tables->symbols.n;
    size_t found = 0;
    int err = -ENOENT;
    for (; found < sizeof(files) / sizeof(files[0]) && err == -ENOENT; found++) {
        if (files[found])
            err = tb_symbol_table_add(&table, files[found], SHT_SYMTAB);
    }
    bool is_full = err == 0 && files[found - 1] != input->mini;
    if (err == 0)
        tables->flags |= TB_SYMBOL_INDEX_SYMTAB;
    if ((err == 0 || err == -ENOENT) && !is_full) {
        err = tb_symbol_table_add(&table, input->module, SHT_DYNSYM);
        if (err == 0)
            tables->flags |= TB_SYMBOL_INDEX_EXPORTED;
    }
    if (err == 0 || err == -ENOENT)
        err = add_entries(tables, &table);
    tb_symbol_table_done(&table);
    if (tables->symbols.n == before)
        tables->flags &= ~(uint32_t)(TB_SYMBOL_INDEX_SYMTAB | TB_SYMBOL_INDEX_EXPORTED);
    return err;
}

int tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem, size_t cap,
                          size_t *out_len)
{
    struct tb_symbol_tables tables;
    int err = tb_symbol_tables_init(&tables, input->module);
    if (err == 0)
        err = add_symbols(&tables, input);
    if (err == 0)
        err = add_debug_data(&tables, input);
    if (err == 0)
        err = tb_symbol_tables_write(&tables, input, mem, cap, out_len);
    tb_symbol_tables_done(&tables);
    return err;
}
