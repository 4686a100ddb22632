/* layout.h - where what is in the bytes of an index, for those who read and write them; the picture
 * is in docs/symbols.md 3. */
#ifndef TB_SYMBOL_INDEX_LAYOUT_H
#define TB_SYMBOL_INDEX_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* Offsets in the header. */
enum {
    TB_SYMBOL_AT_MAGIC = 0,
    TB_SYMBOL_AT_VERSION = 4,
    TB_SYMBOL_AT_LEN = 8,
    TB_SYMBOL_AT_BASE = 16,
    TB_SYMBOL_AT_BUILD_ID_LEN = 24,
    TB_SYMBOL_AT_FLAGS = 28,
    TB_SYMBOL_AT_BUILD_ID = 32,
    TB_SYMBOL_AT_DEBUG_BYTES = 64,
    TB_SYMBOL_AT_DEBUG_MARK = 72,
    TB_SYMBOL_AT_COUNTS = 80, /* of the tables below, in their order; then the strings' length */
    TB_SYMBOL_AT_CRC = 112
};

/* In the order in which they are in the bytes. */
enum tb_symbol_index_table {
    TB_SYMBOL_SPANS,
    TB_SYMBOL_NODES,
    TB_SYMBOL_LINES,
    TB_SYMBOL_FILES,
    TB_SYMBOL_SYMBOLS,
    TB_SYMBOL_CALLS,
    TB_SYMBOL_TAILS,
    TB_SYMBOL_STRINGS,
    TB_SYMBOL_N_PARTS
};

/* How many numbers of 32 bits an entry of a table has. */
enum {
    TB_SYMBOL_SPAN_WORDS = 2,
    TB_SYMBOL_NODE_WORDS = 4,
    TB_SYMBOL_LINE_WORDS = 3,
    TB_SYMBOL_FILE_WORDS = 2,
    TB_SYMBOL_SYMBOL_WORDS = 3,
    TB_SYMBOL_CALL_WORDS = 2,
    TB_SYMBOL_TAIL_WORDS = 3,
    TB_SYMBOL_UNSIZED_BYTES_MAX = 1 << 16 /* how far a symbol of unknown size may reach */
};

/* Offsets of the parts, and the length of all, by how many entries each has. The counts are 32 bits
 * wide, so that nothing here can overflow. */
struct tb_symbol_layout {
    uint64_t at[TB_SYMBOL_N_PARTS];
    uint64_t len;
};

void tb_symbol_layout_make(const uint32_t counts[TB_SYMBOL_N_PARTS], struct tb_symbol_layout *out);

#endif
