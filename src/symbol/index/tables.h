/* tables.h - what the builder has found so far, and how it becomes the bytes of an index.
 *
 * Addresses are offsets from base. Only those in code of the module are taken: what a linker threw
 * away is left at address 0 or near it. */
#ifndef TB_SYMBOL_INDEX_TABLES_H
#define TB_SYMBOL_INDEX_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/index/build.h"
#include "symbol/index/strings.h"

enum { TB_SYMBOL_CODE_MAX = 64 };

/* Code of a node: a function, or a call that was inlined. */
struct tb_symbol_range {
    uint32_t lo, hi; /* hi exclusive */
    uint32_t node;
};

struct tb_symbol_node {
    uint32_t name;
    uint32_t parent; /* below its own number; 0: a function */
    uint32_t call_file, call_line;
};

struct tb_symbol_row {
    uint32_t at, file, line; /* 0, 0: the end of a sequence */
};

struct tb_symbol_file_name {
    uint32_t folder, name;
};

struct tb_symbol_sized {
    uint32_t at, size, name;
};

struct tb_symbol_call {
    uint32_t at, name;
};

struct tb_symbol_tail {
    uint32_t from, to, at;
};

/* Any of the above, grown by tb_symbol_list_add. */
struct tb_symbol_list {
    void *items; /* owned */
    size_t n, cap;
};

struct tb_symbol_tables {
    uint64_t base;
    uint64_t first; /* where code begins: headers may be in the same segment, before it */
    struct {
        uint64_t lo, hi;
    } code[TB_SYMBOL_CODE_MAX];
    size_t n_code;
    struct tb_symbol_list ranges, nodes, rows, files, symbols, calls, tails;
    struct tb_symbol_strings strings;
    struct tb_symbol_map file_numbers; /* by folder and name */
    uint32_t flags;                    /* enum tb_symbol_index_flag */
};

/* Room for one item more, which is zeroed; NULL without memory, or when there are far too many. */
void *tb_symbol_list_add(struct tb_symbol_list *list, size_t item_bytes);

/* Takes base and code from the segments of the module. 0; -ENOENT when it has no code; -ENOMEM. */
int tb_symbol_tables_init(struct tb_symbol_tables *tables, Elf *module);
void tb_symbol_tables_done(struct tb_symbol_tables *tables);
/* Whether lo to hi (exclusive) is code, and as offsets. */
bool tb_symbol_tables_in_code(const struct tb_symbol_tables *tables, uint64_t lo, uint64_t hi,
                              struct tb_symbol_range *out);
/* Whether what begins at lo was thrown away by the linker. */
bool tb_symbol_tables_dropped(const struct tb_symbol_tables *tables, uint64_t lo);
/* 0 with the number of a file (0 without a name); -ENOMEM. */
int tb_symbol_tables_file(struct tb_symbol_tables *tables, uint32_t folder, uint32_t name,
                          uint32_t *out);
/* Sorts what there is, and writes it as docs/symbols.md 3 says. As tb_symbol_index_build. */
int tb_symbol_tables_write(struct tb_symbol_tables *tables,
                           const struct tb_symbol_index_input *input, uint8_t *mem, size_t cap,
                           size_t *out_len);

#endif
