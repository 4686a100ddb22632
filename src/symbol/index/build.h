/* build.h - makes the index of a module (index.h) by one walk over its data.
 *
 * Runs in a process of its own (indexer.h): the data may be anything, and libdw is not made for
 * that. What it cannot read it leaves out, and says TB_SYMBOL_INDEX_PARTIAL. */
#ifndef TB_SYMBOL_INDEX_BUILD_H
#define TB_SYMBOL_INDEX_BUILD_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/index/index.h"

/* Where names and lines are taken from. Borrowed. */
struct tb_symbol_index_input {
    Elf *module;    /* the file that ran; never NULL */
    Elf *debug;     /* its separate debug file, or NULL */
    Elf *alternate; /* the file that dwz has moved common data to, or NULL */
    Elf *mini;      /* the inflated .gnu_debugdata, or NULL */
    const uint8_t *build_id;
    uint32_t build_id_len;
    uint32_t flags; /* PUBLIC, SPLIT and NO_MINI; the rest is found out */
    struct tb_symbol_index_origin origin;
};

/* Writes the index into mem. 0 and its length; -ENOSPC when cap is too small; -ENOENT when there is
 * not a single name; -ENOMEM. */
int tb_symbol_index_build(const struct tb_symbol_index_input *input, uint8_t *mem, size_t cap,
                          size_t *out_len);

#endif
