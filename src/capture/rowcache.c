/* rowcache.c - see rowcache.h.
 *
 * An entry is two words, value and check, where check = key xor scatter(value). Two threads that
 * write one entry at once may leave a value of one with the check of the other: then the check
 * fails for every key but by a chance of 2^-64, and the entry is a miss.
 *
 *   value   kind 3 | cfa from bp 1 | bp saved 1 | 3 unused | bp offset 24 | cfa offset 32
 *   key     pc, which has 47 bits, with the low bits of the generation above it */
#include "capture/rowcache.h"

#include <errno.h>
#include <stdatomic.h>

enum { ENTRY_BITS = 12, PC_BITS = 47, NO_ROW = 7, BP_OFFSET_LIMIT = 1 << 23 };

struct entry {
    _Atomic uint64_t check, value;
};

static struct entry entries[1 << ENTRY_BITS];

static uint64_t scatter(uint64_t value)
{
    value *= 0x9e3779b97f4a7c15u;
    return value ^ value >> 32;
}

static struct entry *entry_of(uint64_t pc)
{
    return &entries[pc * 0x9e3779b97f4a7c15u >> (64 - ENTRY_BITS)];
}

int tb_rowcache_get(uint64_t generation, uint64_t pc, struct tb_unwind_row *out)
{
    struct entry *entry = entry_of(pc);
    uint64_t key = pc ^ generation << PC_BITS;
    uint64_t value = atomic_load_explicit(&entry->value, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    if (pc >> PC_BITS || value == 0 || (check ^ scatter(value)) != key)
        return -EAGAIN;
    int kind = (int)(value & 7);
    if (kind == NO_ROW)
        return -ENOENT;
    out->kind = kind;
    out->cfa_from_bp = (int)(value >> 3 & 1);
    out->bp_saved = (int)(value >> 4 & 1);
    out->bp_offset = (int32_t)(value >> 8 & 0xffffff) - BP_OFFSET_LIMIT;
    out->cfa_offset = (int32_t)(uint32_t)(value >> 32);
    return 0;
}

void tb_rowcache_put(uint64_t generation, uint64_t pc, const struct tb_unwind_row *row)
{
    struct entry *entry = entry_of(pc);
    uint64_t value = NO_ROW;
    if (pc >> PC_BITS)
        return;
    if (row) {
        int32_t bp_offset = row->bp_saved ? row->bp_offset : 0;
        if (bp_offset < -BP_OFFSET_LIMIT || bp_offset >= BP_OFFSET_LIMIT)
            return;
        value = (uint64_t)row->kind | (uint64_t)(row->cfa_from_bp != 0) << 3 |
                (uint64_t)(row->bp_saved != 0) << 4 |
                (uint64_t)(uint32_t)(bp_offset + BP_OFFSET_LIMIT) << 8 |
                (uint64_t)(uint32_t)row->cfa_offset << 32;
    }
    atomic_store_explicit(&entry->check, (pc ^ generation << PC_BITS) ^ scatter(value),
                          memory_order_relaxed);
    atomic_store_explicit(&entry->value, value, memory_order_relaxed);
}
