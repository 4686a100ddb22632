/* walk.c - see walk.h: units and lines; the entries are in entries.c. */
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

static int add_row(struct tb_symbol_walk *walk, uint32_t at, uint32_t file, uint32_t line)
{
    struct tb_symbol_row *row = tb_symbol_list_add(&walk->tables->rows, sizeof(*row));
    if (!row)
        return -ENOMEM;
    *row = (struct tb_symbol_row){.at = at, .file = file, .line = line};
    return 0;
}

/* The file of a row: mostly that of the row before. */
static int file_of(struct tb_symbol_walk *walk, Dwarf_Line *line, const char **last, uint32_t *out)
{
    uint32_t name;
    int err;
    const char *text = dwarf_linesrc(line, NULL, NULL);
    if (text == *last)
        return 0;
    if ((err = tb_symbol_walk_text(walk, text, &name)) ||
        (err = tb_symbol_tables_file(walk->tables, walk->folder, name, out)))
        return err;
    *last = text;
    return 0;
}

static int add_line(struct tb_symbol_walk *walk, Dwarf_Line *line, const char **last,
                    uint32_t *file)
{
    struct tb_symbol_range at;
    Dwarf_Addr address;
    int number;
    bool is_end;
    int err = 0;
    if (dwarf_lineaddr(line, &address) != 0 || dwarf_lineno(line, &number) != 0 ||
        dwarf_lineendsequence(line, &is_end) != 0)
        return 0;
    /* The end is the first address behind. */
    if (!tb_symbol_tables_in_code(walk->tables, address - is_end, address - is_end + 1, &at))
        return 0;
    if (is_end)
        return add_row(walk, at.hi, 0, 0);
    if ((err = file_of(walk, line, last, file)))
        return err;
    return add_row(walk, at.lo, *file, number > 0 ? (uint32_t)number : 0);
}

static int add_lines(struct tb_symbol_walk *walk, Dwarf_Die *unit)
{
    Dwarf_Lines *lines;
    size_t n;
    uint32_t file = 0;
    const char *last = NULL;
    if (dwarf_getsrclines(unit, &lines, &n) != 0)
        return 0;
    for (size_t i = 0; i < n; i++) {
        int err = add_line(walk, dwarf_onesrcline(lines, i), &last, &file);
        if (err)
            return err;
    }
    return 0;
}

static int add_unit(struct tb_symbol_walk *walk, Dwarf_Die *unit, bool has_entries)
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
    err = add_lines(walk, unit);
    if (err == 0 && has_entries)
        err = tb_symbol_walk_entries(walk, unit);
    free(walk->file_numbers);
    walk->file_numbers = NULL;
    if (err != -E2BIG)
        return err;
    walk->partial = true; /* what was found stays */
    return 0;
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
        /* The entries of a split unit are in a file that is not looked for. */
        if (type == DW_UT_skeleton)
            walk.partial = true;
        if (type == DW_UT_compile || type == DW_UT_skeleton)
            err = add_unit(&walk, &die, type == DW_UT_compile);
    }
    if (walk.partial || more <= 0)
        tables->flags |= TB_SYMBOL_INDEX_PARTIAL;
    tb_symbol_map_done(&walk.texts);
    tb_symbol_map_done(&walk.names);
    return err;
}
