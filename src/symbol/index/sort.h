/* sort.h - sorts a list by a number of 32 bits; items that are equal keep their order. */
#ifndef TB_SYMBOL_INDEX_SORT_H
#define TB_SYMBOL_INDEX_SORT_H

#include "symbol/index/tables.h"

typedef uint32_t tb_symbol_key(const void *item);

/* 0 or -ENOMEM. Costs little when the list is in order. */
int tb_symbol_sort(struct tb_symbol_list *list, size_t item_bytes, tb_symbol_key *key);

#endif
