/* tails.h - frames that are not on a stack: a function that ends with a call to another one may
 * jump there, and leaves no trace but in the debug data. */
#ifndef TB_SYMBOL_TAILS_H
#define TB_SYMBOL_TAILS_H

#include "symbol/stack/frames.h"

/* The functions between two addresses that follow each other on a stack, innermost first: outer's
 * call calls one, and inner is in another, which the first can reach by one chain of tail calls
 * alone. Where several lead there, or one of them jumps to what only the running program knew, the
 * functions that are on all of them from the first one on. at is an address of the process. Returns
 * how many, 0 on any doubt. */
size_t tb_symbol_tails_find(struct tb_symbol_modules *modules, const struct tb_symbol_raw *inner,
                            const struct tb_symbol_raw *outer,
                            struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX]);

#endif
