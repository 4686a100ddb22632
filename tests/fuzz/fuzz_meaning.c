/* fuzz_meaning.c - the crash record of a stranger as an item: valid, with a title and a sentence.
 */
#include <stdlib.h>
#include <string.h>

#include "agent/native/native.h"
#include "record/crash.h"

static void need_text(const struct tb_doc *doc, const char *path, size_t most)
{
    char text[TB_MEANING_BYTES * 4];
    if (!tb_doc_copy(doc, tb_doc_find(doc, 0, path), text, sizeof(text)) || text[0] == '\0' ||
        strlen(text) > most)
        abort();
}

static void check(const char *item, size_t len)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    if (tb_doc_new(item, len, &doc, why) != 0)
        abort();
    need_text(doc, "title", 3 * TB_TITLE_BYTES); /* what is no UTF-8 takes three bytes */
    need_text(doc, "custom.native.meaning", 3 * TB_MEANING_BYTES);
    need_text(doc, "body.trace.exception.class", 3 * TB_CLASS_BYTES);
    tb_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t uuid[16];
    char why[TB_DOC_WHY];
    struct tb_crash crash;
    struct tb_buf item;
    struct tb_native_context context = {
        .uuid = uuid, .environment = "production", .host = "h", .symbols_note = "nobody asked"};
    if (size > 64 << 10 || tb_crash_unpack(data, size, &crash) < 0)
        return 0;
    tb_buf_init(&item, 8 << 20);
    if (tb_native_crash(&crash, &context, &item, why) == 0)
        check(tb_buf_str(&item), item.len);
    tb_buf_done(&item);
    tb_crash_done(&crash);
    return 0;
}
