/* walk.c - see walk.h: units and their files; entries and lines are in entries.c and rows.c. */
#include "symbol/index/walk.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

enum { UNITS_MAX = 1 << 20 };

int tb_symbol_walk_text(struct tb_symbol_walk *walk, const char *text, uint32_t *out)
{
    *out = 0;
    if (!text)
        return 0;
    uint32_t *known = tb_symbol_map_at(&walk->texts, (uintptr_t)text);
    if (!known)
        return -ENOMEM;
    if (*known == 0) {
        int err = tb_symbol_strings_add(&walk->tables->strings, text, known);
        if (err)
            return err;
    }
    *out = *known;
    return 0;
}

int tb_symbol_walk_file(struct tb_symbol_walk *walk, uint64_t number, uint32_t *out)
{
    uint32_t name;
    int err;
    *out = 0;
    if (!walk->file_numbers || number >= walk->n_files)
        return 0;
    if (walk->file_numbers[number] == 0) {
        const char *text = dwarf_filesrc(walk->files, (size_t)number, NULL, NULL);
        if ((err = tb_symbol_walk_text(walk, text, &name)) ||
            (err = tb_symbol_tables_file(walk->tables, walk->folder, name, out)))
            return err;
        walk->file_numbers[number] = *out + 1;
    }
    *out = walk->file_numbers[number] - 1;
    return 0;
}

static int add_unit(struct tb_symbol_walk *walk, Dwarf_Die *unit)
{
    Dwarf_Attribute attribute;
    int err = tb_symbol_walk_text(
        walk, dwarf_formstring(dwarf_attr(unit, DW_AT_comp_dir, &attribute)), &walk->folder);
    if (err)
        return err;
    walk->n_files = 0;
    if (dwarf_getsrcfiles(unit, &walk->files, &walk->n_files) != 0)
        walk->n_files = 0;
    walk->file_numbers = calloc(walk->n_files + 1, sizeof(*walk->file_numbers));
    if (!walk->file_numbers)
        return -ENOMEM;
    walk->dropped_end = 0;
    err = tb_symbol_walk_entries(walk, unit);
    if (err == 0)
        err = tb_symbol_walk_rows(walk, unit);
    free(walk->file_numbers);
    walk->file_numbers = NULL;
    return err;
}

int tb_symbol_walk_all(struct tb_symbol_tables *tables, Dwarf *dwarf)
{
    struct tb_symbol_walk walk = {.tables = tables};
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t type;
    int err = 0;
    int more = 1;
    for (size_t i = 0; err == 0 && i < UNITS_MAX; i++) {
        more = dwarf_get_units(dwarf, unit, &unit, NULL, &type, &die, NULL);
        if (more != 0)
            break;
        /* The entries of a split unit are in a file that is not looked for. Without them its lines
         * would be those of inlined functions under the name of another. clang may leave entries of
         * functions here that have inlined ones. */
        if (type == DW_UT_skeleton)
            walk.partial = true;
        if (type == DW_UT_compile || (type == DW_UT_skeleton && dwarf_haschildren(&die) == 1))
            err = add_unit(&walk, &die);
    }
    if (walk.partial || more <= 0)
        tables->flags |= TB_SYMBOL_INDEX_PARTIAL;
    tb_symbol_map_done(&walk.texts);
    tb_symbol_map_done(&walk.names);
    return err;
}
