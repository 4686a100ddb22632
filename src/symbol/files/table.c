/* table.c - see table.h. */
#include "symbol/files/table.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES_MAX = 8 << 20,
    UNSIZED_BYTES_MAX = 1 << 16, /* how far a function of unknown size may reach */
};

static Elf_Scn *find_section(Elf *elf, uint32_t type, GElf_Shdr *header)
{
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section))) {
        if (gelf_getshdr(section, header) && header->sh_type == type)
            return section;
    }
    return NULL;
}

static bool is_compressed(Elf *elf, size_t section)
{
    GElf_Shdr header;
    return gelf_getshdr(elf_getscn(elf, section), &header) && (header.sh_flags & SHF_COMPRESSED);
}

static bool is_function(const GElf_Sym *symbol)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || symbol->st_value == 0)
        return false;
    return type == STT_FUNC || type == STT_GNU_IFUNC ||
           (type == STT_NOTYPE && GELF_ST_BIND(symbol->st_info) != STB_LOCAL &&
            symbol->st_shndx < SHN_LORESERVE);
}

/* Of several names for one place: what is sized before what is not, then functions, then what is
 * global, then those that do not begin with "_". */
static uint8_t rank_of(const GElf_Sym *symbol, const char *name)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    unsigned bind = GELF_ST_BIND(symbol->st_info);
    unsigned rank = symbol->st_size == 0 ? 32 : 0;
    rank += type == STT_NOTYPE ? 16 : 0;
    rank += bind == STB_GLOBAL ? 0 : bind == STB_WEAK ? 4 : 8;
    if (name[0] == '_')
        rank += name[1] == '_' ? 2 : 1;
    return (uint8_t)rank;
}

static int add_entry(struct tb_symbol_table *table, const struct tb_symbol_entry *entry)
{
    if (table->n == table->cap) {
        size_t cap = table->cap > 0 ? table->cap * 2 : 1024;
        struct tb_symbol_entry *more =
            cap > ENTRIES_MAX ? NULL : realloc(table->entries, cap * sizeof(*more));
        if (!more)
            return -ENOMEM;
        table->entries = more;
        table->cap = cap;
    }
    table->entries[table->n++] = *entry;
    return 0;
}

int tb_symbol_table_add(struct tb_symbol_table *table, Elf *elf, uint32_t section_type)
{
    GElf_Shdr header;
    Elf_Scn *section = find_section(elf, section_type, &header);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    size_t before = table->n;
    if (!data || header.sh_entsize == 0)
        return -ENOENT;
    if (is_compressed(elf, header.sh_link)) /* libdw moves what it inflates, names are borrowed */
        return -ENOENT;
    size_t n = (size_t)(header.sh_size / header.sh_entsize);
    for (size_t i = 1; i < n && i < ENTRIES_MAX; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol))
            break;
        if (!is_function(&symbol))
            continue;
        const char *name = elf_strptr(elf, header.sh_link, symbol.st_name);
        if (!name || name[0] == '\0')
            continue;
        struct tb_symbol_entry entry = {.address = symbol.st_value,
                                        .size = symbol.st_size,
                                        .name = name,
                                        .rank = rank_of(&symbol, name)};
        int err = add_entry(table, &entry);
        if (err)
            return err;
    }
    return table->n > before ? 0 : -ENOENT;
}

static int compare(const void *a, const void *b)
{
    const struct tb_symbol_entry *left = a;
    const struct tb_symbol_entry *right = b;
    if (left->address != right->address)
        return left->address < right->address ? -1 : 1;
    if (left->rank != right->rank)
        return left->rank < right->rank ? -1 : 1;
    size_t left_len = strlen(left->name);
    size_t right_len = strlen(right->name);
    if (left_len != right_len)
        return left_len < right_len ? -1 : 1;
    return strcmp(left->name, right->name);
}

void tb_symbol_table_sort(struct tb_symbol_table *table)
{
    size_t kept = 0;
    if (table->n == 0)
        return;
    qsort(table->entries, table->n, sizeof(*table->entries), compare);
    for (size_t i = 1; i < table->n; i++) {
        if (table->entries[i].address != table->entries[kept].address)
            table->entries[++kept] = table->entries[i];
    }
    table->n = kept + 1;
}

const struct tb_symbol_entry *tb_symbol_table_find(const struct tb_symbol_table *table,
                                                   uint64_t address)
{
    size_t low = 0;
    size_t high = table->n; /* entries before low begin at or below address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->entries[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct tb_symbol_entry *entry = &table->entries[low - 1];
    uint64_t reach = entry->size > 0 ? entry->size : UNSIZED_BYTES_MAX;
    return address - entry->address < reach ? entry : NULL;
}

void tb_symbol_table_done(struct tb_symbol_table *table)
{
    if (!table)
        return;
    free(table->entries);
    *table = (struct tb_symbol_table){0};
}
