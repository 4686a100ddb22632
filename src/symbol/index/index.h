/* index.h - the symbols of one module, flat: which functions, inlined calls and lines are at an
 * address. The layout of the bytes is in docs/symbols.md 3; build.h makes them.
 *
 * 1. Pure: reads the given memory and nothing else, takes no lock, allocates nothing.
 * 2. The bytes are not trusted: whatever they are, no call reads beyond them or does not end.
 * 3. Text is borrowed from the bytes. */
#ifndef TB_SYMBOL_INDEX_INDEX_H
#define TB_SYMBOL_INDEX_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/process.h"

enum {
    TB_SYMBOL_INDEX_MAGIC = 0x31584254, /* "TBX1" */
    TB_SYMBOL_INDEX_VERSION = 2,
    TB_SYMBOL_INDEX_HEADER_BYTES = 128,
    TB_SYMBOL_PLACES_MAX = 64, /* depth of inlining that is shown */
    TB_SYMBOL_HOPS_MAX = 16    /* tail calls in a chain */
};

/* What the names in an index are from. */
enum tb_symbol_index_flag {
    TB_SYMBOL_INDEX_LINES = 1,  /* DWARF data: functions, inlined calls, lines */
    TB_SYMBOL_INDEX_SYMTAB = 2, /* a symbol table: of the file, its debug file, or MiniDebugInfo */
    TB_SYMBOL_INDEX_EXPORTED = 4, /* exported names */
    TB_SYMBOL_INDEX_PUBLIC = 8,   /* everybody could read the files that it was built from */
    TB_SYMBOL_INDEX_PARTIAL = 16, /* some of the data could not be read, or were too large */
    TB_SYMBOL_INDEX_SPLIT = 32,   /* some of them are in .dwo files, which are not read */
    TB_SYMBOL_INDEX_NO_MINI = 64  /* MiniDebugInfo was damaged or too large */
};

/* Which debug file was used, so that another one is noticed. All 0: none. */
struct tb_symbol_index_origin {
    uint64_t debug_bytes;
    uint64_t debug_mark; /* of its inode and the time of its last change, which nobody can set */
};

/* One function, or one inlined call, at an address. */
struct tb_symbol_place {
    const char *function; /* linkage name or name, as in the data; NULL unknown */
    const char *file;     /* NULL unknown */
    const char *folder;   /* where the compiler ran, which a relative file starts from; or NULL */
    uint32_t line;        /* 0 unknown */
    bool inlined;
};

struct tb_symbol_index {
    const uint8_t *bytes; /* NULL: not open */
    size_t len;
    uint64_t base; /* all addresses in it count from here */
    uint32_t flags;
    uint32_t build_id_len;
    uint8_t build_id[TB_BUILD_ID_BYTES];
    struct tb_symbol_index_origin origin;
    uint32_t n_spans, n_nodes, n_lines, n_files, n_symbols, n_calls, n_tails, strings_len;
    const uint8_t *spans, *nodes, *lines, *files, *symbols, *calls, *tails;
    const char *strings; /* ends with NUL */
};

/* Borrows bytes, which must be aligned to 8. 0; -EBADMSG when they are no index of this version, or
 * damaged. */
int tb_symbol_index_open(const void *bytes, size_t len, struct tb_symbol_index *out);
/* The function at a link-time address and what was inlined into it there, innermost first. Returns
 * how many; 0 when no DWARF data speak of it. Where they have a line but no function, as for
 * assembler, there is one place without a function. */
size_t tb_symbol_index_find(const struct tb_symbol_index *index, uint64_t address,
                            struct tb_symbol_place out[TB_SYMBOL_PLACES_MAX]);
/* The symbol that covers address, or NULL. */
const char *tb_symbol_index_symbol(const struct tb_symbol_index *index, uint64_t address);
/* Where the code of a symbol begins; 0: there is none of that name. Looks at all of them. */
uint64_t tb_symbol_index_start(const struct tb_symbol_index *index, const char *name);
/* The function that the call before return_address calls, if its data say so; or NULL. Where it is
 * not the function that is found below, that one was reached by tail calls. */
const char *tb_symbol_index_called(const struct tb_symbol_index *index, uint64_t return_address);

/* A function that is not on the stack, since it ended with a jump to another one. */
struct tb_symbol_hop {
    uint64_t at;  /* the address after the jump */
    bool is_only; /* it jumps to the next one from there alone */
};

/* The functions between from and to, from included, innermost first, where one chain of tail calls
 * leads from it to the function to. Returns how many; 0 when there is no chain, or a second one, or
 * one of them jumps to what only the running program knew. */
size_t tb_symbol_index_chain(const struct tb_symbol_index *index, const char *from, const char *to,
                             struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX]);
/* The same where there is no such chain, of a function from that was called and is not to, nor on
 * the stack: it jumped away, and so did the next one if it can jump to that alone, and so on, as
 * far as that is certain. to: NULL: a function of another module. */
size_t tb_symbol_index_begun(const struct tb_symbol_index *index, const char *from, const char *to,
                             struct tb_symbol_hop out[TB_SYMBOL_HOPS_MAX]);

#endif
