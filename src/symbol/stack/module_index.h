/* module_index.h - the index of a module: from the shelf, from the folder that keeps indexes, or
 * built now (docs/symbols.md 3).
 *
 * Who may have it:
 * 1. A module whose file is there and readable by the reporter has an index of its build ID and the
 *    owner of that file, of nobody else: a file with a build ID that its maker has copied names
 *    the functions of its maker's modules alone.
 * 2. A module whose file is gone, changed or unreadable has one of root's file, or of the
 *    reporter's.
 * 3. Of either kind, one that not everybody could have built is for its owner and root. */
#ifndef TB_SYMBOL_MODULE_INDEX_H
#define TB_SYMBOL_MODULE_INDEX_H

#include "symbol/stack/modules.h"

enum { TB_SYMBOL_INDEX_TOTAL_MS = 6000 /* of the 10 s that a question has */ };

/* Sets module->index, its status and its note; where there is none, from what else names may be
 * taken. Once for each answer. */
void tb_symbol_module_load_index(struct tb_symbol_modules *modules,
                                 struct tb_symbol_module *module);

#endif
