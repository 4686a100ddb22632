/* spans.h - from the ranges of nodes, which lie inside one another, to which node is innermost from
 * where on. */
#ifndef TB_SYMBOL_INDEX_SPANS_H
#define TB_SYMBOL_INDEX_SPANS_H

#include "symbol/index/tables.h"

struct tb_symbol_span_from {
    uint32_t at, node; /* node 0: none from here on */
};

/* Fills out with struct tb_symbol_span_from. 0 or -ENOMEM. Of functions that a linker has made one
 * the first is named. */
int tb_symbol_spans_make(struct tb_symbol_tables *tables, struct tb_symbol_list *out);

#endif
