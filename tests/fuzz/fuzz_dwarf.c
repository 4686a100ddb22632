/* fuzz_dwarf.c - debug sections that are anything (made_elf.h) become an index that can be opened,
 * or none. libelf is given a file that is whole; libdw is not built for the fuzzer, and found by
 * its faults alone. */
#include <libelf.h>
#include <stdlib.h>

#include "base/pack.h"
#include "symbol/index/build.h"
#include "../symbol/made_elf.h"

enum { INDEX_MAX = 16 << 20, ADDRESSES = 64 };

static void look_up(const struct tb_symbol_index *index)
{
    static struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    for (uint32_t i = 0; i < index->n_spans && i < ADDRESSES; i++) {
        uint32_t at = tb_get32(index->spans + (size_t)i * 8);
        if (i > 0 && tb_get32(index->spans + (size_t)(i - 1) * 8) >= at)
            abort(); /* not in order */
        (void)tb_symbol_index_find(index, index->base + at, places);
    }
    for (uint32_t i = 1; i < index->n_lines; i++) {
        if (tb_get32(index->lines + (size_t)(i - 1) * 12) >=
            tb_get32(index->lines + (size_t)i * 12))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct made_elf images[2];
    static _Alignas(8) uint8_t bytes[INDEX_MAX];
    struct tb_symbol_index index;
    size_t len;
    if (size > MADE_INPUT_MAX)
        return 0;
    (void)elf_version(EV_CURRENT);
    make_elf(data, size, 0, &images[0]);
    make_elf(data, size, MADE_ALTERNATE, &images[1]);
    const struct tb_symbol_index_input input = {
        .module = elf_memory(images[0].bytes, images[0].len),
        .alternate = elf_memory(images[1].bytes, images[1].len)};
    if (!input.module || !input.alternate)
        abort();
    if (tb_symbol_index_build(&input, bytes, sizeof(bytes), &len) == 0) {
        if (tb_symbol_index_open(bytes, len, &index) != 0)
            abort();
        look_up(&index);
    }
    elf_end(input.module);
    elf_end(input.alternate);
    return 0;
}
