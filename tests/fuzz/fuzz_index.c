/* fuzz_index.c - an index whose bytes are anything: no look-up reads beyond them, and each ends.
 * Its frame (magic, length, checksum) is made right, so that the rest is reached. */
#include <stdlib.h>

#include "base/crc.h"
#include "base/pack.h"
#include "symbol/index/index.h"
#include "symbol/index/layout.h"

enum { ADDRESSES = 256, INPUT_MAX = 1 << 20, HEADER = TB_SYMBOL_INDEX_HEADER_BYTES };

static volatile size_t sink;

static void use(const char *text)
{
    if (text)
        sink += strlen(text);
}

static void look_up(const struct tb_symbol_index *index, uint64_t address)
{
    static struct tb_symbol_place places[TB_SYMBOL_PLACES_MAX];
    size_t n = tb_symbol_index_find(index, address, places);
    if (n > TB_SYMBOL_PLACES_MAX)
        abort();
    for (size_t i = 0; i < n; i++) {
        use(places[i].function);
        use(places[i].folder);
        use(places[i].file);
    }
    use(tb_symbol_index_symbol(index, address));
    use(tb_symbol_index_called(index, address));
}

static void follow_tails(const struct tb_symbol_index *index)
{
    struct tb_symbol_hop hops[TB_SYMBOL_HOPS_MAX];
    for (uint32_t i = 0; i < index->n_tails && i < 16; i++) {
        uint32_t from = tb_get32(index->tails + (size_t)i * TB_SYMBOL_TAIL_WORDS * 4);
        uint32_t to = tb_get32(index->tails + (size_t)i * TB_SYMBOL_TAIL_WORDS * 4 + 4);
        if (from >= index->strings_len || to >= index->strings_len)
            continue;
        sink += tb_symbol_index_chain(index, index->strings + from, index->strings + to, hops);
        sink += tb_symbol_index_chain(index, index->strings + to, index->strings + from, hops);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_symbol_index index;
    if (size < HEADER || size > INPUT_MAX)
        return 0;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    (void)tb_symbol_index_open(bytes, size, &index); /* as it is */
    tb_put32(bytes + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(bytes + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(bytes + TB_SYMBOL_AT_LEN, size);
    tb_put32(bytes + TB_SYMBOL_AT_CRC, tb_crc32c(0, bytes + HEADER, size - HEADER));
    if (tb_symbol_index_open(bytes, size, &index) == 0) {
        for (uint64_t i = 0; i < ADDRESSES; i++)
            look_up(&index, index.base + i * i);
        look_up(&index, index.base - 1);
        look_up(&index, UINT64_MAX);
        follow_tails(&index);
    }
    free(bytes);
    return 0;
}
