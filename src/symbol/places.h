/* places.h - single addresses that somebody wants to have named: the body of TB_SYMBOL_PLACES. One
 * after the other, each
 *   u64 address   u32 flags   u32 length of a name   the name
 * With a name the address is that of the module's first byte plus an offset from the function of
 * that name in it.
 *
 * The answer: {"places":[{"frames":[...]}],"modules":[...]}, a place for each that was asked, its
 * frames innermost first: none of them is dropped. */
#ifndef TB_SYMBOL_PLACES_H
#define TB_SYMBOL_PLACES_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_SYMBOL_PLACES_ASKED_MAX = 256,
    TB_SYMBOL_ASKED_BYTES = 16,
    TB_SYMBOL_ASKED_NAME_MAX = 4096
};
enum { TB_SYMBOL_ASKED_EXACT = 1 /* the instruction itself, not the one after a call */ };

struct tb_symbol_asked {
    uint64_t address;
    uint32_t flags;
    const char *name; /* borrowed, name_len bytes without a NUL */
    size_t name_len;  /* 0: none */
};

/* Returns the bytes written to out, 0 when they are more than cap. */
size_t tb_symbol_asked_pack(const struct tb_symbol_asked *asked, uint8_t *out, size_t cap);
/* Reads the one at *at, and moves it behind. 0; -ENODATA at the end; -EBADMSG. */
int tb_symbol_asked_next(const uint8_t *body, size_t body_len, size_t *at,
                         struct tb_symbol_asked *out);

#endif
