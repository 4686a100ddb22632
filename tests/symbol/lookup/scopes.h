/* scopes.h - the functions of one compilation unit, flat: which of them, and which inlined calls
 * inside of it, cover an address. Built by one walk over the unit's tree. */
#ifndef TB_SYMBOL_SCOPES_H
#define TB_SYMBOL_SCOPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TB_SYMBOL_NO_SCOPE UINT32_MAX

struct tb_symbol_scope {
    Dwarf_Die die;
    uint32_t parent; /* of an inlined one: where it was inlined into; else TB_SYMBOL_NO_SCOPE */
    bool inlined;
};

struct tb_symbol_span {
    Dwarf_Addr lo, hi;
    uint32_t scope;
};

struct tb_symbol_scopes {
    struct tb_symbol_scope *items; /* a parent stands before its children */
    size_t n_items, cap_items;
    struct tb_symbol_span *spans;
    size_t n_spans, cap_spans;
};

/* 0; -ENOMEM; -E2BIG when the tree is too deep or too large to be honest: what was found stays. */
int tb_symbol_scopes_build(Dwarf_Die *unit, struct tb_symbol_scopes *out);
/* The innermost scope around address, or TB_SYMBOL_NO_SCOPE. */
uint32_t tb_symbol_scopes_find(const struct tb_symbol_scopes *scopes, Dwarf_Addr address);
void tb_symbol_scopes_done(struct tb_symbol_scopes *scopes);

#endif
