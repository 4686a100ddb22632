/* rows.c - see walk.h: the lines of a unit.
 *
 * libdw gives them in the order of their addresses, those of what the linker threw away among the
 * others: they begin at address 0, or at -1, and may reach into the code. No line is better than a
 * wrong one. */
#include <errno.h>

#include "symbol/index/walk.h"

/* Of rows at one address the last counts, but an end only where no other begins. Most rows say
 * nothing new. first: of this unit. */
static int add_row(struct tb_symbol_walk *walk, size_t first, const struct tb_symbol_row *row)
{
    struct tb_symbol_list *rows = &walk->tables->rows;
    struct tb_symbol_row *last =
        rows->n > first ? (struct tb_symbol_row *)rows->items + rows->n - 1 : NULL;
    if (last && last->file == row->file && last->line == row->line)
        return 0;
    if (last && last->at == row->at) {
        if (row->file != 0 || row->line != 0)
            *last = *row;
        return 0;
    }
    struct tb_symbol_row *added = tb_symbol_list_add(rows, sizeof(*added));
    if (!added)
        return -ENOMEM;
    *added = *row;
    return 0;
}

static int add_line(struct tb_symbol_walk *walk, Dwarf_Line *line, size_t first)
{
    struct tb_symbol_row row = {0};
    struct tb_symbol_range at;
    Dwarf_Addr address;
    Dwarf_Files *files;
    size_t file;
    int number;
    bool is_end;
    if (dwarf_lineaddr(line, &address) != 0 || dwarf_lineno(line, &number) != 0 ||
        dwarf_lineendsequence(line, &is_end) != 0)
        return 0;
    address -= is_end; /* it is the first address behind */
    if (address < walk->dropped_end ||
        !tb_symbol_tables_in_code(walk->tables, address, address + 1, &at))
        return 0;
    row.at = is_end ? at.hi : at.lo;
    if (is_end)
        return add_row(walk, first, &row);
    row.line = number > 0 ? (uint32_t)number : 0;
    int err =
        dwarf_line_file(line, &files, &file) == 0 ? tb_symbol_walk_file(walk, file, &row.file) : 0;
    return err ? err : add_row(walk, first, &row);
}

int tb_symbol_walk_rows(struct tb_symbol_walk *walk, Dwarf_Die *unit)
{
    Dwarf_Lines *lines;
    size_t n;
    size_t first = walk->tables->rows.n;
    int err = 0;
    if (dwarf_getsrclines(unit, &lines, &n) != 0)
        return 0;
    for (size_t i = 0; err == 0 && i < n; i++)
        err = add_line(walk, dwarf_onesrcline(lines, i), first);
    return err;
}
