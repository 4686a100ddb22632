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

struct tb_rowcache_entry tb_rowcache_entries[1 << TB_ROWCACHE_ENTRY_BITS];

int tb_rowcache_get(uint64_t generation, uint64_t pc, struct tb_unwind_row *out)
{
    uint64_t value = tb_rowcache_find(generation, pc);
    if (value == 0)
        return -EAGAIN;
    if (value == TB_ROWCACHE_NO_ROW)
        return -ENOENT;
    tb_rowcache_unpack(value, out);
    return 0;
}

void tb_rowcache_put(uint64_t generation, uint64_t pc, const struct tb_unwind_row *row)
{
    struct tb_rowcache_entry *entry = tb_rowcache_entry(pc);
    if (pc >> TB_ROWCACHE_PC_BITS)
        return;
    if (row && row->bp_saved &&
        (row->bp_offset < -TB_ROWCACHE_BP_LIMIT || row->bp_offset >= TB_ROWCACHE_BP_LIMIT))
        return;
    uint64_t value = row ? tb_rowcache_pack(row) : (uint64_t)TB_ROWCACHE_NO_ROW;
    atomic_store_explicit(&entry->check,
                          (pc ^ generation << TB_ROWCACHE_PC_BITS) ^ tb_rowcache_scatter(value),
                          memory_order_relaxed);
    atomic_store_explicit(&entry->value, value, memory_order_relaxed);
}
