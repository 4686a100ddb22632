/* fuzz_doc.c - JSON of strangers: indexed, read as an item, edited; what was JSON stays JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/native/wanted.h"
#include "base/crc.h"
#include "item/doc.h"
#include "item/read.h"

enum { EDITS = 12 };

static void read_all(const struct tb_doc *doc)
{
    struct tb_item item;
    char problems[4][TB_ITEM_PROBLEM];
    struct tb_buf out;
    tb_buf_init(&out, TB_DOC_BYTES);
    for (int i = 0; i < tb_doc_n_nodes(doc); i++) {
        char small[7];
        tb_doc_key(doc, i, &out);
        tb_doc_string(doc, i, &out);
        (void)tb_doc_copy(doc, i, small, sizeof(small));
        (void)tb_doc_int(doc, i, 0);
    }
    tb_buf_done(&out);
    int data = tb_item_data(doc);
    tb_item_read(doc, data, &item);
    if (item.title[0] == '\0' || item.level[0] == '\0')
        abort();
    (void)tb_item_problems(doc, data, problems, 4);
}

/* Edits that the text itself chooses. */
static void edit(struct tb_doc *doc, uint32_t seed)
{
    static const char *const values[] = {"1", "\"x\"", "[2]", "{\"y\":3}"};
    for (int i = 0; i < EDITS; i++) {
        seed = seed * 1664525 + 1013904223;
        int node = (int)((seed >> 8) % (uint32_t)tb_doc_n_nodes(doc));
        const char *json = values[seed >> 4 & 3];
        size_t len = strlen(json);
        switch (seed >> 29) {
        case 0:
            (void)tb_doc_replace(doc, node, json, len);
            break;
        case 1:
        case 2:
            (void)tb_doc_remove(doc, node);
            break;
        case 3:
            (void)tb_doc_push(doc, node, json, len);
            break;
        case 4:
            (void)tb_doc_add(doc, node, "added", json, len);
            break;
        default:
            (void)tb_doc_set(doc, node, "\xff\"set", json, len);
        }
    }
}

/* As an answer of the symbolizer, which may have been taken over: nothing but build ids is ever
 * asked for. */
static void read_wanted(const char *text, size_t len)
{
    struct tb_wanted wanted;
    tb_wanted_read(text, len, &wanted);
    for (size_t i = 0; i < wanted.n; i++)
        if (!tb_debuginfod_is_id(wanted.ids[i]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_doc *doc;
    struct tb_doc *again;
    struct tb_buf out;
    char why[TB_DOC_WHY];
    if (tb_doc_new((const char *)data, size, &doc, why) < 0)
        return 0;
    tb_buf_init(&out, TB_DOC_BYTES);
    read_all(doc);
    read_wanted((const char *)data, size);
    if (tb_doc_render(doc, &out) == 0 && (out.len != size || memcmp(out.data, data, size) != 0))
        abort();
    tb_buf_reset(&out);
    edit(doc, tb_crc32c(0, data, size));
    if (tb_doc_render(doc, &out) == 0) {
        int err = tb_doc_new(out.data, out.len, &again, why);
        if (err == 0)
            tb_doc_free(again);
        else if (err != -EMSGSIZE) /* edits may go over the bounds of depth and number */
            abort();
    }
    tb_buf_done(&out);
    tb_doc_free(doc);
    return 0;
}
