/* rowcache.h - unwind rows already made, shared by all threads without a lock. Signal-safe.
 *
 * 1. What get returns was put for exactly that pc and generation, or it is a miss.
 * 2. A row of an older generation is never found: the modules may have changed places. */
#ifndef TB_CAPTURE_ROWCACHE_H
#define TB_CAPTURE_ROWCACHE_H

#include <stdatomic.h>
#include <stdint.h>

#include "unwind/walk.h"

/* The parts of get, which is inline: see rowcache.c. */
enum {
    TB_ROWCACHE_ENTRY_BITS = 12,
    TB_ROWCACHE_PC_BITS = 47,
    TB_ROWCACHE_NO_ROW = 7,
    TB_ROWCACHE_BP_LIMIT = 1 << 23
};

struct tb_rowcache_entry {
    _Atomic uint64_t check, value;
};

extern struct tb_rowcache_entry tb_rowcache_entries[1 << TB_ROWCACHE_ENTRY_BITS];

/* The place that a pc looks at first. */
static inline unsigned tb_rowcache_home(uint64_t pc)
{
    return (unsigned)(pc * 0x9e3779b97f4a7c15u >> (64 - TB_ROWCACHE_ENTRY_BITS));
}

static inline uint64_t tb_rowcache_key(uint64_t generation, uint64_t pc)
{
    return pc ^ generation << TB_ROWCACHE_PC_BITS;
}

static inline uint64_t tb_rowcache_scatter(uint64_t value)
{
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 32;
}

static inline uint64_t tb_rowcache_pack(const struct tb_unwind_row *row)
{
    int32_t bp_offset = row->bp_saved ? row->bp_offset : 0;
    return (uint64_t)row->kind | (uint64_t)(row->cfa_from_bp != 0) << 3 |
           (uint64_t)(row->bp_saved != 0) << 4 |
           (uint64_t)(uint32_t)(bp_offset + TB_ROWCACHE_BP_LIMIT) << 8 |
           (uint64_t)(uint32_t)row->cfa_offset << 32;
}

static inline void tb_rowcache_unpack(uint64_t value, struct tb_unwind_row *out)
{
    out->kind = (int)(value & 7);
    out->cfa_from_bp = (int)(value >> 3 & 1);
    out->bp_saved = (int)(value >> 4 & 1);
    out->bp_offset = (int32_t)(value >> 8 & 0xffffff) - TB_ROWCACHE_BP_LIMIT;
    out->cfa_offset = (int32_t)(uint32_t)(value >> 32);
}

/* The value of the entry at place if it is of that key, else 0. */
static inline uint64_t tb_rowcache_look(unsigned place, uint64_t key)
{
    struct tb_rowcache_entry *entry = &tb_rowcache_entries[place];
    uint64_t value = atomic_load_explicit(&entry->value, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    return (check ^ tb_rowcache_scatter(value)) == key ? value : 0;
}

/* find, for one that is not at home. */
uint64_t tb_rowcache_find_away(uint64_t generation, uint64_t pc);

/* The packed row, TB_ROWCACHE_NO_ROW when it is known that there is none, 0 when nothing is known.
 */
static inline uint64_t tb_rowcache_find(uint64_t generation, uint64_t pc)
{
    uint64_t value = tb_rowcache_look(tb_rowcache_home(pc), tb_rowcache_key(generation, pc));
    return value != 0 && pc >> TB_ROWCACHE_PC_BITS == 0 ? value
                                                        : tb_rowcache_find_away(generation, pc);
}

/* 0; -ENOENT when it is known that there is no row; -EAGAIN when nothing is known. */
int tb_rowcache_get(uint64_t generation, uint64_t pc, struct tb_unwind_row *out);
/* row NULL: there is none. What cannot be packed is not kept. */
void tb_rowcache_put(uint64_t generation, uint64_t pc, const struct tb_unwind_row *row);

#endif
