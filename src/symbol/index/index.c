/* index.c - see index.h. */
#include "symbol/index/index.h"

#include <errno.h>
#include <string.h>

#include "base/crc.h"
#include "base/pack.h"
#include "symbol/index/layout.h"

enum { WORD_BYTES = 4, ROWS_BACK_MAX = 256 };

void tb_symbol_layout_make(const uint32_t counts[TB_SYMBOL_N_PARTS], struct tb_symbol_layout *out)
{
    static const uint8_t entry_bytes[] = {
        [TB_SYMBOL_SPANS] = TB_SYMBOL_SPAN_WORDS * WORD_BYTES,
        [TB_SYMBOL_NODES] = TB_SYMBOL_NODE_WORDS * WORD_BYTES,
        [TB_SYMBOL_LINES] = TB_SYMBOL_LINE_WORDS * WORD_BYTES,
        [TB_SYMBOL_FILES] = TB_SYMBOL_FILE_WORDS * WORD_BYTES,
        [TB_SYMBOL_SYMBOLS] = TB_SYMBOL_SYMBOL_WORDS * WORD_BYTES,
        [TB_SYMBOL_CALLS] = TB_SYMBOL_CALL_WORDS * WORD_BYTES,
        [TB_SYMBOL_TAILS] = TB_SYMBOL_TAIL_WORDS * WORD_BYTES,
        [TB_SYMBOL_STRINGS] = 1,
    };
    uint64_t at = TB_SYMBOL_INDEX_HEADER_BYTES;
    for (size_t i = 0; i < TB_SYMBOL_N_PARTS; i++) {
        out->at[i] = at;
        at += (uint64_t)counts[i] * entry_bytes[i];
        at = (at + 7) & ~UINT64_C(7);
    }
    out->len = at;
}

static void set_tables(struct tb_symbol_index *index, const uint32_t counts[TB_SYMBOL_N_PARTS],
                       const struct tb_symbol_layout *layout)
{
    index->n_spans = counts[TB_SYMBOL_SPANS];
    index->n_nodes = counts[TB_SYMBOL_NODES];
    index->n_lines = counts[TB_SYMBOL_LINES];
    index->n_files = counts[TB_SYMBOL_FILES];
    index->n_symbols = counts[TB_SYMBOL_SYMBOLS];
    index->n_calls = counts[TB_SYMBOL_CALLS];
    index->n_tails = counts[TB_SYMBOL_TAILS];
    index->strings_len = counts[TB_SYMBOL_STRINGS];
    index->spans = index->bytes + layout->at[TB_SYMBOL_SPANS];
    index->nodes = index->bytes + layout->at[TB_SYMBOL_NODES];
    index->lines = index->bytes + layout->at[TB_SYMBOL_LINES];
    index->files = index->bytes + layout->at[TB_SYMBOL_FILES];
    index->symbols = index->bytes + layout->at[TB_SYMBOL_SYMBOLS];
    index->calls = index->bytes + layout->at[TB_SYMBOL_CALLS];
    index->tails = index->bytes + layout->at[TB_SYMBOL_TAILS];
    index->strings = (const char *)(index->bytes + layout->at[TB_SYMBOL_STRINGS]);
}

int tb_symbol_index_open(const void *bytes, size_t len, struct tb_symbol_index *out)
{
    struct tb_symbol_index index = {.bytes = bytes, .len = len};
    uint32_t counts[TB_SYMBOL_N_PARTS];
    struct tb_symbol_layout layout;
    if (len < TB_SYMBOL_INDEX_HEADER_BYTES ||
        tb_get32(index.bytes + TB_SYMBOL_AT_MAGIC) != TB_SYMBOL_INDEX_MAGIC ||
        tb_get32(index.bytes + TB_SYMBOL_AT_VERSION) != TB_SYMBOL_INDEX_VERSION ||
        tb_get64(index.bytes + TB_SYMBOL_AT_LEN) != len)
        return -EBADMSG;
    for (size_t i = 0; i < TB_SYMBOL_N_PARTS; i++)
        counts[i] = tb_get32(index.bytes + TB_SYMBOL_AT_COUNTS + i * WORD_BYTES);
    tb_symbol_layout_make(counts, &layout);
    index.build_id_len = tb_get32(index.bytes + TB_SYMBOL_AT_BUILD_ID_LEN);
    if (layout.len != len || counts[TB_SYMBOL_STRINGS] == 0 ||
        index.build_id_len > TB_BUILD_ID_BYTES)
        return -EBADMSG;
    set_tables(&index, counts, &layout);
    if (index.strings[0] != '\0' || index.strings[index.strings_len - 1] != '\0' ||
        tb_get32(index.bytes + TB_SYMBOL_AT_CRC) !=
            tb_crc32c(0, index.bytes + TB_SYMBOL_INDEX_HEADER_BYTES,
                      len - TB_SYMBOL_INDEX_HEADER_BYTES))
        return -EBADMSG;
    index.base = tb_get64(index.bytes + TB_SYMBOL_AT_BASE);
    index.flags = tb_get32(index.bytes + TB_SYMBOL_AT_FLAGS);
    memcpy(index.build_id, index.bytes + TB_SYMBOL_AT_BUILD_ID, sizeof(index.build_id));
    index.origin.debug_bytes = tb_get64(index.bytes + TB_SYMBOL_AT_DEBUG_BYTES);
    index.origin.debug_mark = tb_get64(index.bytes + TB_SYMBOL_AT_DEBUG_MARK);
    *out = index;
    return 0;
}

/* ---- look-ups: an offset is checked where it is followed ---- */

static uint32_t word(const uint8_t *entry, size_t number)
{
    return tb_get32(entry + number * WORD_BYTES);
}

/* The last of n entries whose first word is not above at; NULL: none. */
static const uint8_t *last_at(const uint8_t *table, uint32_t n, size_t n_words, uint32_t at)
{
    const size_t bytes = n_words * WORD_BYTES;
    uint32_t low = 0;
    while (n > 0) { /* those before low are not above, those from low + n are */
        uint32_t half = n / 2;
        if (word(table + (low + (size_t)half) * bytes, 0) <= at) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low > 0 ? table + (low - (size_t)1) * bytes : NULL;
}

static bool to_offset(const struct tb_symbol_index *index, uint64_t address, uint32_t *out)
{
    uint64_t offset = address - index->base;
    *out = (uint32_t)offset;
    return index->bytes && address >= index->base && offset <= UINT32_MAX;
}

/* NULL for offset 0, and for one that leads out of the strings. */
static const char *text_at(const struct tb_symbol_index *index, uint32_t offset)
{
    return offset > 0 && offset < index->strings_len ? index->strings + offset : NULL;
}

static void set_file(const struct tb_symbol_index *index, uint32_t number,
                     struct tb_symbol_place *out)
{
    if (number == 0 || number >= index->n_files)
        return;
    const uint8_t *file = index->files + (size_t)number * TB_SYMBOL_FILE_WORDS * WORD_BYTES;
    out->folder = text_at(index, word(file, 0));
    out->file = text_at(index, word(file, 1));
}

static uint32_t node_at(const struct tb_symbol_index *index, uint32_t at)
{
    const uint8_t *span = last_at(index->spans, index->n_spans, TB_SYMBOL_SPAN_WORDS, at);
    return span ? word(span, 1) : 0;
}

/* The row that has the file of an address. One without a line is of code that a compiler made or
 * moved, and has the file of anything that was inlined nearby: the last row before it of the same
 * function has the function's. NULL: the file is not known. */
static const uint8_t *row_of_file(const struct tb_symbol_index *index, const uint8_t *row,
                                  uint32_t node)
{
    if (!row || node == 0 || word(row, 1) == 0 || word(row, 2) > 0)
        return row;
    for (size_t i = 0; i < ROWS_BACK_MAX && row > index->lines; i++) {
        row -= (size_t)TB_SYMBOL_LINE_WORDS * WORD_BYTES;
        if (word(row, 2) > 0 && node_at(index, word(row, 0)) == node)
            return row;
    }
    return NULL;
}

size_t tb_symbol_index_find(const struct tb_symbol_index *index, uint64_t address,
                            struct tb_symbol_place out[TB_SYMBOL_PLACES_MAX])
{
    uint32_t at;
    size_t n = 0;
    if (!to_offset(index, address, &at))
        return 0;
    out[0] = (struct tb_symbol_place){0};
    uint32_t number = node_at(index, at);
    const uint8_t *row = last_at(index->lines, index->n_lines, TB_SYMBOL_LINE_WORDS, at);
    if (row)
        out[0].line = word(row, 2);
    row = row_of_file(index, row, number);
    if (row)
        set_file(index, word(row, 1), &out[0]);
    while (number > 0 && number < index->n_nodes) {
        const uint8_t *node = index->nodes + (size_t)number * TB_SYMBOL_NODE_WORDS * WORD_BYTES;
        uint32_t parent = word(node, 1);
        out[n].function = text_at(index, word(node, 0));
        out[n].inlined = parent > 0;
        n++;
        if (parent == 0 || parent >= number || n == TB_SYMBOL_PLACES_MAX)
            return n; /* a parent comes first, or this would go round in circles */
        out[n] = (struct tb_symbol_place){0};
        set_file(index, word(node, 2), &out[n]);
        out[n].line = word(node, 3);
        number = parent;
    }
    return out[0].file ? 1 : 0;
}

const char *tb_symbol_index_symbol(const struct tb_symbol_index *index, uint64_t address)
{
    uint32_t at;
    if (!to_offset(index, address, &at))
        return NULL;
    const uint8_t *symbol = last_at(index->symbols, index->n_symbols, TB_SYMBOL_SYMBOL_WORDS, at);
    if (!symbol)
        return NULL;
    uint32_t reach = word(symbol, 1) > 0 ? word(symbol, 1) : TB_SYMBOL_UNSIZED_BYTES_MAX;
    return at - word(symbol, 0) < reach ? text_at(index, word(symbol, 2)) : NULL;
}

uint64_t tb_symbol_index_start(const struct tb_symbol_index *index, const char *name)
{
    for (uint32_t i = 0; i < index->n_symbols; i++) {
        const uint8_t *symbol = index->symbols + (size_t)i * TB_SYMBOL_SYMBOL_WORDS * WORD_BYTES;
        const char *text = text_at(index, word(symbol, 2));
        if (text && strcmp(text, name) == 0)
            return index->base + word(symbol, 0);
    }
    return 0;
}

const char *tb_symbol_index_called(const struct tb_symbol_index *index, uint64_t return_address)
{
    uint32_t at;
    if (!to_offset(index, return_address, &at))
        return NULL;
    const uint8_t *call = last_at(index->calls, index->n_calls, TB_SYMBOL_CALL_WORDS, at);
    return call && word(call, 0) == at ? text_at(index, word(call, 1)) : NULL;
}
