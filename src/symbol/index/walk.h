/* walk.h - what the DWARF data of one file say, into tables: functions, inlined calls, the calls
 * that they make, lines. */
#ifndef TB_SYMBOL_INDEX_WALK_H
#define TB_SYMBOL_INDEX_WALK_H

#include <elfutils/libdw.h>

#include "symbol/index/tables.h"

/* What was found of one file. */
struct tb_symbol_walk {
    struct tb_symbol_tables *tables;
    struct tb_symbol_map texts; /* by where libdw has them: their offsets */
    struct tb_symbol_map names; /* of functions, by where their entries are */
    bool partial;               /* something was left out */
    /* Of the unit at hand: */
    uint32_t folder;      /* where the compiler ran */
    const char *last;     /* the entry that was visited last: none before it is visited again */
    uint64_t dropped_end; /* of the code that the linker threw away, which all begins at 0 */
    Dwarf_Files *files;
    size_t n_files;
    uint32_t *file_numbers; /* owned; by number in the unit: its number + 1, 0 not yet asked for */
};

/* Adds all units of dwarf. What cannot be read is left out, and TB_SYMBOL_INDEX_PARTIAL set. 0 or
 * -ENOMEM. */
int tb_symbol_walk_all(struct tb_symbol_tables *tables, Dwarf *dwarf);

/* ---- between walk.c, entries.c and rows.c ---- */

/* 0 with the offset of a text that libdw keeps as long as its data; -ENOMEM. */
int tb_symbol_walk_text(struct tb_symbol_walk *walk, const char *text, uint32_t *out);
/* 0 with the number of a file of the unit (0: unknown); -ENOMEM. */
int tb_symbol_walk_file(struct tb_symbol_walk *walk, uint64_t number, uint32_t *out);
/* Adds what is below a unit's entry. 0 or -ENOMEM. */
int tb_symbol_walk_entries(struct tb_symbol_walk *walk, Dwarf_Die *unit);
/* Adds the lines of a unit, after its entries. 0 or -ENOMEM. */
int tb_symbol_walk_rows(struct tb_symbol_walk *walk, Dwarf_Die *unit);

#endif
