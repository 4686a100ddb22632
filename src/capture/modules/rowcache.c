/* rowcache.c - see rowcache.h.
 *
 * An entry is two words, value and check, where check = key xor scatter(value). Two threads that
 * write one entry at once may leave a value of one with the check of the other: then the check
 * fails for every key but by a chance of 2^-64, and the entry is a miss.
 *
 *   value   kind 3 | cfa from bp 1 | bp saved 1 | 3 unused | bp offset 24 | cfa offset 32
 *   key     pc, which has 47 bits, with the low bits of the generation above it
 *
 * A pc may be in any of the N_WAYS entries of one line of the processor's cache, its home first:
 * with one place for each, a stack of 30 frames had two that drove each other out in every tenth
 * process (addresses are random), and each report made those rows again. */
#include "capture/modules/rowcache.h"

#include <errno.h>

enum { N_WAYS = 4, LINE_BYTES = 64 };
_Static_assert(sizeof(struct tb_rowcache_entry) * N_WAYS == LINE_BYTES, "they are one line");

_Alignas(LINE_BYTES) struct tb_rowcache_entry tb_rowcache_entries[1 << TB_ROWCACHE_ENTRY_BITS];
static atomic_uint n_replaced;

uint64_t tb_rowcache_find_away(uint64_t generation, uint64_t pc)
{
    uint64_t key = tb_rowcache_key(generation, pc);
    unsigned home = tb_rowcache_home(pc);
    uint64_t value = 0;
    if (pc >> TB_ROWCACHE_PC_BITS)
        return 0;
    for (unsigned i = 1; i < N_WAYS && value == 0; i++)
        value = tb_rowcache_look(home ^ i, key);
    return value;
}

/* Is there a row of that generation in the entry? */
static int is_of_generation(unsigned place, uint64_t generation)
{
    struct tb_rowcache_entry *entry = &tb_rowcache_entries[place];
    uint64_t value = atomic_load_explicit(&entry->value, memory_order_relaxed);
    uint64_t check = atomic_load_explicit(&entry->check, memory_order_relaxed);
    uint64_t key = check ^ tb_rowcache_scatter(value);
    return value != 0 &&
           key >> TB_ROWCACHE_PC_BITS == tb_rowcache_key(generation, 0) >> TB_ROWCACHE_PC_BITS;
}

/* Where a row goes: the first place that is free or of another generation, or else each in turn. */
static unsigned choose_place(uint64_t generation, uint64_t pc)
{
    unsigned home = tb_rowcache_home(pc);
    for (unsigned i = 0; i < N_WAYS; i++) {
        if (!is_of_generation(home ^ i, generation))
            return home ^ i;
    }
    return home ^ atomic_fetch_add_explicit(&n_replaced, 1, memory_order_relaxed) % N_WAYS;
}

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
    if (pc >> TB_ROWCACHE_PC_BITS)
        return;
    if (row && row->bp_saved &&
        (row->bp_offset < -TB_ROWCACHE_BP_LIMIT || row->bp_offset >= TB_ROWCACHE_BP_LIMIT))
        return;
    uint64_t value = row ? tb_rowcache_pack(row) : (uint64_t)TB_ROWCACHE_NO_ROW;
    struct tb_rowcache_entry *entry = &tb_rowcache_entries[choose_place(generation, pc)];
    atomic_store_explicit(&entry->check,
                          tb_rowcache_key(generation, pc) ^ tb_rowcache_scatter(value),
                          memory_order_relaxed);
    atomic_store_explicit(&entry->value, value, memory_order_relaxed);
}
