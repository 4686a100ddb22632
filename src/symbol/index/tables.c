/* tables.c - see tables.h; the writing is in write.c. */
#include "symbol/index/tables.h"

#include <errno.h>
#include <gelf.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 32 << 20, ITEMS_FIRST = 256 };

void *tb_symbol_list_add(struct tb_symbol_list *list, size_t item_bytes)
{
    if (list->n == list->cap) {
        size_t cap = list->cap > 0 ? list->cap * 2 : ITEMS_FIRST;
        void *more = cap > ITEMS_MAX ? NULL : realloc(list->items, cap * item_bytes);
        if (!more)
            return NULL;
        list->items = more;
        list->cap = cap;
    }
    return memset((char *)list->items + list->n++ * item_bytes, 0, item_bytes);
}

static void find_code(struct tb_symbol_tables *tables, Elf *module)
{
    size_t n = 0;
    (void)elf_getphdrnum(module, &n);
    for (size_t i = 0; i < n && tables->n_code < TB_SYMBOL_CODE_MAX; i++) {
        GElf_Phdr header;
        if (!gelf_getphdr(module, (int)i, &header) || header.p_type != PT_LOAD ||
            !(header.p_flags & PF_X) || header.p_memsz == 0 ||
            header.p_vaddr + header.p_memsz < header.p_vaddr)
            continue;
        if (tables->n_code == 0 || header.p_vaddr < tables->base)
            tables->base = header.p_vaddr;
        tables->code[tables->n_code].lo = header.p_vaddr;
        tables->code[tables->n_code++].hi = header.p_vaddr + header.p_memsz;
    }
}

/* Of the sections, where there are any. */
static uint64_t first_code(Elf *module, uint64_t base)
{
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    uint64_t first = UINT64_MAX;
    while ((section = elf_nextscn(module, section))) {
        if (gelf_getshdr(section, &header) && (header.sh_flags & SHF_ALLOC) &&
            (header.sh_flags & SHF_EXECINSTR) && header.sh_addr >= base && header.sh_addr < first)
            first = header.sh_addr;
    }
    return first < UINT64_MAX ? first : base;
}

int tb_symbol_tables_init(struct tb_symbol_tables *tables, Elf *module)
{
    uint32_t empty;
    *tables = (struct tb_symbol_tables){0};
    find_code(tables, module);
    if (tables->n_code == 0)
        return -ENOENT;
    tables->first = first_code(module, tables->base);
    /* Number 0 of both stands for none. */
    if (tb_symbol_strings_add(&tables->strings, "", &empty) != 0 ||
        !tb_symbol_list_add(&tables->nodes, sizeof(struct tb_symbol_node)) ||
        !tb_symbol_list_add(&tables->files, sizeof(struct tb_symbol_file_name)))
        return -ENOMEM;
    return 0;
}

void tb_symbol_tables_done(struct tb_symbol_tables *tables)
{
    free(tables->ranges.items);
    free(tables->nodes.items);
    free(tables->rows.items);
    free(tables->files.items);
    free(tables->symbols.items);
    free(tables->calls.items);
    free(tables->tails.items);
    tb_symbol_strings_done(&tables->strings);
    tb_symbol_map_done(&tables->file_numbers);
    *tables = (struct tb_symbol_tables){0};
}

/* Linkers put 0 there, or -1, or -2. */
bool tb_symbol_tables_dropped(const struct tb_symbol_tables *tables, uint64_t lo)
{
    return lo == 0 || lo < tables->first || lo >= UINT64_MAX - 1;
}

bool tb_symbol_tables_in_code(const struct tb_symbol_tables *tables, uint64_t lo, uint64_t hi,
                              struct tb_symbol_range *out)
{
    for (size_t i = 0; i < tables->n_code; i++) {
        if (lo == 0 || lo < tables->first || lo >= hi || lo < tables->code[i].lo ||
            hi > tables->code[i].hi)
            continue;
        if (lo - tables->base > UINT32_MAX || hi - tables->base > UINT32_MAX)
            return false;
        out->lo = (uint32_t)(lo - tables->base);
        out->hi = (uint32_t)(hi - tables->base);
        return true;
    }
    return false;
}

int tb_symbol_tables_file(struct tb_symbol_tables *tables, uint32_t folder, uint32_t name,
                          uint32_t *out)
{
    *out = 0;
    if (name == 0)
        return 0;
    uint32_t *number = tb_symbol_map_at(&tables->file_numbers, (uint64_t)folder << 32 | name);
    if (!number)
        return -ENOMEM;
    if (*number == 0) {
        struct tb_symbol_file_name *file = tb_symbol_list_add(&tables->files, sizeof(*file));
        if (!file)
            return -ENOMEM;
        *file = (struct tb_symbol_file_name){.folder = folder, .name = name};
        *number = (uint32_t)(tables->files.n - 1);
    }
    *out = *number;
    return 0;
}
