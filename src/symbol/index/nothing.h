/* nothing.h - debug data that hold nothing: given to libdw as the file that dwz made where that is
 * missing, so that libdw does not open the one that a link names. What was moved there is then not
 * found; all else is. */
#ifndef TB_SYMBOL_INDEX_NOTHING_H
#define TB_SYMBOL_INDEX_NOTHING_H

#include <elfutils/libdw.h>
#include <libelf.h>

struct tb_symbol_nothing {
    Elf *elf;
    Dwarf *dwarf; /* NULL: there was no memory */
};

void tb_symbol_nothing_open(struct tb_symbol_nothing *out);
/* Accepts what is zeroed. */
void tb_symbol_nothing_done(struct tb_symbol_nothing *nothing);

#endif
