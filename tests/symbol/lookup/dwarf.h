/* dwarf.h - file, line and functions at an address, from the DWARF data of one module.
 *
 * Units are listed once and each is walked at most once, at the first address in it: libdw's own
 * dwarf_getscopes walks the unit for every question. No file is opened from here: what libdw would
 * open by itself (split units, alternative debug files) is not asked for. */
#ifndef TB_SYMBOL_DWARF_H
#define TB_SYMBOL_DWARF_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lookup/scopes.h"
#include "symbol/index/index.h"

struct tb_symbol_unit {
    Dwarf_Die die;
    bool has_tree; /* not the skeleton of a split unit */
    bool is_built; /* scopes are there */
    struct tb_symbol_scopes scopes;
};

struct tb_symbol_unit_span {
    Dwarf_Addr lo, hi;
    size_t unit;
};

struct tb_symbol_dwarf {
    Dwarf *dwarf;     /* owned; NULL: not open */
    Dwarf *alternate; /* owned; of the file that dwz made, or NULL */
    struct tb_symbol_unit *units;
    size_t n_units, cap_units;
    struct tb_symbol_unit_span *spans;
    size_t n_spans, cap_spans;
};

/* From an open ELF file, and where dwz has moved some of its data to another, that one's (else it
 * is not looked at); both must live longer. 0; -ENOENT when it has no DWARF data that can be used
 * (also: such that need an alternate file which is not given, or needs one itself); -ENOMEM. */
int tb_symbol_dwarf_open(Elf *elf, Elf *alternate, struct tb_symbol_dwarf *out);
void tb_symbol_dwarf_done(struct tb_symbol_dwarf *dwarf);
/* The function at address and what was inlined into it there, innermost first. Returns how many, 0
 * for none. Text is borrowed from dwarf. */
size_t tb_symbol_dwarf_find(struct tb_symbol_dwarf *dwarf, uint64_t address,
                            struct tb_symbol_place out[TB_SYMBOL_PLACES_MAX]);

#endif
