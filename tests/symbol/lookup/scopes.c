/* scopes.c - see scopes.h. */
#include "lookup/scopes.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 200,
    DIES_MAX = 16 << 20, /* visited in one unit; a sibling reference can lead back into children */
    SPANS_MAX = 4 << 20,
};

struct builder {
    struct tb_symbol_scopes *out;
    size_t n_dies;
};

static int grow(void **items, size_t n, size_t *cap, size_t item_bytes)
{
    if (n < *cap)
        return 0;
    size_t more_cap = *cap > 0 ? *cap * 2 : 256;
    if (more_cap > SPANS_MAX)
        return -E2BIG;
    void *more = realloc(*items, more_cap * item_bytes);
    if (!more)
        return -ENOMEM;
    *items = more;
    *cap = more_cap;
    return 0;
}

static int add_span(struct tb_symbol_scopes *scopes, struct tb_symbol_span span)
{
    void *items = scopes->spans;
    int err = grow(&items, scopes->n_spans, &scopes->cap_spans, sizeof(span));
    scopes->spans = items;
    if (err == 0)
        scopes->spans[scopes->n_spans++] = span;
    return err;
}

static int add_scope(struct tb_symbol_scopes *scopes, const struct tb_symbol_scope *scope)
{
    void *items = scopes->items;
    int err = grow(&items, scopes->n_items, &scopes->cap_items, sizeof(*scope));
    scopes->items = items;
    if (err == 0)
        scopes->items[scopes->n_items++] = *scope;
    return err;
}

/* Adds die with its ranges. *added says whether it has code at all. */
static int add_function(struct tb_symbol_scopes *scopes, const struct tb_symbol_scope *scope,
                        bool *added)
{
    Dwarf_Die die = scope->die;
    Dwarf_Addr base;
    struct tb_symbol_span span = {.scope = (uint32_t)scopes->n_items};
    ptrdiff_t at = 0;
    int err;
    *added = false;
    while ((at = dwarf_ranges(&die, at, &base, &span.lo, &span.hi)) > 0) {
        /* A function that the linker threw away is left at address 0. */
        if (span.lo == 0 || span.hi <= span.lo)
            continue;
        if ((err = add_span(scopes, span)))
            return err;
        *added = true;
    }
    return *added ? add_scope(scopes, scope) : 0;
}

static bool may_hold_functions(int tag)
{
    return tag == DW_TAG_lexical_block || tag == DW_TAG_namespace || tag == DW_TAG_class_type ||
           tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_module ||
           tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

static int add_children(struct builder *b, Dwarf_Die *parent_die, uint32_t parent, unsigned depth);

static int add_die(struct builder *b, Dwarf_Die *die, uint32_t parent, unsigned depth)
{
    int tag = dwarf_tag(die);
    bool inlined = tag == DW_TAG_inlined_subroutine;
    if (!inlined && tag != DW_TAG_subprogram)
        return may_hold_functions(tag) ? add_children(b, die, parent, depth + 1) : 0;
    bool added;
    struct tb_symbol_scope scope = {.die = *die, .parent = TB_SYMBOL_NO_SCOPE, .inlined = inlined};
    if (inlined)
        scope.parent = parent;
    int err = add_function(b->out, &scope, &added);
    if (err || !added)
        return err;
    return add_children(b, die, (uint32_t)(b->out->n_items - 1), depth + 1);
}

static int add_children(struct builder *b, Dwarf_Die *parent_die, uint32_t parent, unsigned depth)
{
    Dwarf_Die die;
    if (dwarf_child(parent_die, &die) != 0)
        return 0;
    if (depth > DEPTH_MAX)
        return -E2BIG;
    do {
        if (++b->n_dies > DIES_MAX)
            return -E2BIG;
        int err = add_die(b, &die, parent, depth);
        if (err)
            return err;
    } while (dwarf_siblingof(&die, &die) == 0);
    return 0;
}

int tb_symbol_scopes_build(Dwarf_Die *unit, struct tb_symbol_scopes *out)
{
    struct builder b = {.out = out};
    return add_children(&b, unit, TB_SYMBOL_NO_SCOPE, 0);
}

uint32_t tb_symbol_scopes_find(const struct tb_symbol_scopes *scopes, Dwarf_Addr address)
{
    uint32_t found = TB_SYMBOL_NO_SCOPE;
    for (size_t i = 0; i < scopes->n_spans; i++) {
        const struct tb_symbol_span *span = &scopes->spans[i];
        /* Of those that hold the address the last is the innermost: children come later. */
        if (address >= span->lo && address < span->hi && span->scope < scopes->n_items)
            found = span->scope;
    }
    return found;
}

void tb_symbol_scopes_done(struct tb_symbol_scopes *scopes)
{
    if (!scopes)
        return;
    free(scopes->items);
    free(scopes->spans);
    *scopes = (struct tb_symbol_scopes){0};
}
