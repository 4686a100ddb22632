/* write.c - from what the builder found (tables.h) to the bytes of an index. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/pack.h"
#include "symbol/index/layout.h"
#include "symbol/index/sort.h"
#include "symbol/index/spans.h"
#include "symbol/index/tables.h"

static uint32_t row_key(const void *item)
{
    return ((const struct tb_symbol_row *)item)->at;
}

static uint32_t call_key(const void *item)
{
    return ((const struct tb_symbol_call *)item)->at;
}

static bool is_end(const struct tb_symbol_row *row)
{
    return row->file == 0 && row->line == 0;
}

/* Of rows at one address the last counts, but the end of a sequence only where no other begins. */
static int settle_rows(struct tb_symbol_list *list)
{
    struct tb_symbol_row *rows;
    size_t kept = 0;
    int err = tb_symbol_sort(list, sizeof(*rows), row_key);
    if (err)
        return err;
    rows = list->items;
    for (size_t i = 0; i < list->n;) {
        struct tb_symbol_row row = rows[i];
        for (i++; i < list->n && rows[i].at == row.at; i++) {
            if (!is_end(&rows[i]) || is_end(&row))
                row = rows[i];
        }
        const struct tb_symbol_row *last = kept > 0 ? &rows[kept - 1] : NULL;
        if (!last || last->file != row.file || last->line != row.line)
            rows[kept++] = row;
    }
    list->n = kept;
    return 0;
}

/* Two that call different functions from one place are of no use. */
static int settle_calls(struct tb_symbol_list *list)
{
    struct tb_symbol_call *calls;
    size_t kept = 0;
    int err = tb_symbol_sort(list, sizeof(*calls), call_key);
    if (err)
        return err;
    calls = list->items;
    for (size_t i = 0; i < list->n; i++) {
        if (kept == 0 || calls[kept - 1].at != calls[i].at)
            calls[kept++] = calls[i];
        else if (calls[kept - 1].name != calls[i].name)
            calls[kept - 1].name = 0;
    }
    list->n = kept;
    return 0;
}

static int compare_tails(const void *a, const void *b, void *arg)
{
    const struct tb_symbol_tail *left = a;
    const struct tb_symbol_tail *right = b;
    const char *strings = arg;
    int order = left->from == right->from ? 0 : strcmp(strings + left->from, strings + right->from);
    if (order != 0)
        return order;
    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return left->to < right->to ? -1 : left->to > right->to;
}

static void settle_tails(struct tb_symbol_tables *tables)
{
    struct tb_symbol_tail *tails = tables->tails.items;
    size_t kept = 0;
    if (tables->tails.n == 0)
        return;
    qsort_r(tails, tables->tails.n, sizeof(*tails), compare_tails, tables->strings.bytes);
    for (size_t i = 1; i < tables->tails.n; i++) {
        if (memcmp(&tails[kept], &tails[i], sizeof(tails[i])) != 0)
            tails[++kept] = tails[i];
    }
    tables->tails.n = kept + 1;
}

static void put_words(uint8_t *mem, const struct tb_symbol_list *list, size_t n_words)
{
    const uint32_t *words = list->items;
    for (size_t i = 0; i < list->n * n_words; i++)
        tb_put32(mem + i * sizeof(*words), words[i]);
}

static void put_header(const struct tb_symbol_tables *tables,
                       const struct tb_symbol_index_input *input,
                       const uint32_t counts[TB_SYMBOL_N_PARTS], uint64_t len, uint8_t *mem)
{
    uint32_t id_len =
        input->build_id_len < TB_BUILD_ID_BYTES ? input->build_id_len : (uint32_t)TB_BUILD_ID_BYTES;
    tb_put32(mem + TB_SYMBOL_AT_MAGIC, TB_SYMBOL_INDEX_MAGIC);
    tb_put32(mem + TB_SYMBOL_AT_VERSION, TB_SYMBOL_INDEX_VERSION);
    tb_put64(mem + TB_SYMBOL_AT_LEN, len);
    tb_put64(mem + TB_SYMBOL_AT_BASE, tables->base);
    tb_put32(mem + TB_SYMBOL_AT_BUILD_ID_LEN, id_len);
    tb_put32(mem + TB_SYMBOL_AT_FLAGS, tables->flags | input->flags);
    if (id_len > 0)
        memcpy(mem + TB_SYMBOL_AT_BUILD_ID, input->build_id, id_len);
    tb_put64(mem + TB_SYMBOL_AT_DEBUG_BYTES, input->origin.debug_bytes);
    tb_put64(mem + TB_SYMBOL_AT_DEBUG_MARK, input->origin.debug_mark);
    for (size_t i = 0; i < TB_SYMBOL_N_PARTS; i++)
        tb_put32(mem + TB_SYMBOL_AT_COUNTS + i * sizeof(uint32_t), counts[i]);
}

static int put_all(const struct tb_symbol_tables *tables, const struct tb_symbol_list *spans,
                   const struct tb_symbol_index_input *input, uint8_t *mem, size_t cap,
                   size_t *out_len)
{
    const struct {
        const struct tb_symbol_list *list;
        size_t n_words;
    } parts[] = {
        [TB_SYMBOL_SPANS] = {spans, TB_SYMBOL_SPAN_WORDS},
        [TB_SYMBOL_NODES] = {&tables->nodes, TB_SYMBOL_NODE_WORDS},
        [TB_SYMBOL_LINES] = {&tables->rows, TB_SYMBOL_LINE_WORDS},
        [TB_SYMBOL_FILES] = {&tables->files, TB_SYMBOL_FILE_WORDS},
        [TB_SYMBOL_SYMBOLS] = {&tables->symbols, TB_SYMBOL_SYMBOL_WORDS},
        [TB_SYMBOL_CALLS] = {&tables->calls, TB_SYMBOL_CALL_WORDS},
        [TB_SYMBOL_TAILS] = {&tables->tails, TB_SYMBOL_TAIL_WORDS},
    };
    uint32_t counts[TB_SYMBOL_N_PARTS];
    struct tb_symbol_layout layout;
    for (size_t i = 0; i < TB_SYMBOL_STRINGS; i++)
        counts[i] = (uint32_t)parts[i].list->n;
    counts[TB_SYMBOL_STRINGS] = (uint32_t)tables->strings.len;
    tb_symbol_layout_make(counts, &layout);
    if (layout.len > cap)
        return -ENOSPC;
    memset(mem, 0, TB_SYMBOL_INDEX_HEADER_BYTES);
    for (size_t i = 0; i < TB_SYMBOL_STRINGS; i++) {
        put_words(mem + layout.at[i], parts[i].list, parts[i].n_words);
        if (parts[i].list->n * parts[i].n_words % 2 != 0) /* up to the next multiple of 8 */
            tb_put32(mem + layout.at[i + 1] - sizeof(uint32_t), 0);
    }
    uint8_t *strings = mem + layout.at[TB_SYMBOL_STRINGS];
    memset(mem + layout.len - 8, 0, 8);
    memcpy(strings, tables->strings.bytes, tables->strings.len);
    put_header(tables, input, counts, layout.len, mem);
    tb_put32(mem + TB_SYMBOL_AT_CRC, tb_crc32c(0, mem + TB_SYMBOL_INDEX_HEADER_BYTES,
                                               layout.len - TB_SYMBOL_INDEX_HEADER_BYTES));
    *out_len = layout.len;
    return 0;
}

int tb_symbol_tables_write(struct tb_symbol_tables *tables,
                           const struct tb_symbol_index_input *input, uint8_t *mem, size_t cap,
                           size_t *out_len)
{
    struct tb_symbol_list spans = {0};
    int err;
    if ((err = tb_symbol_spans_make(tables, &spans)) || (err = settle_rows(&tables->rows)) ||
        (err = settle_calls(&tables->calls)))
        goto out;
    settle_tails(tables);
    if (spans.n > 0 || tables->rows.n > 0)
        tables->flags |= TB_SYMBOL_INDEX_LINES;
    err = -ENOENT;
    if (tables->flags & (TB_SYMBOL_INDEX_LINES | TB_SYMBOL_INDEX_SYMTAB | TB_SYMBOL_INDEX_EXPORTED))
        err = put_all(tables, &spans, input, mem, cap, out_len);
out:
    free(spans.items);
    return err;
}
