/* fuzz_truncate.c - items of strangers, cut to a size that the text itself chooses: what comes back
 * fits, is JSON, and has the uuid it had. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "item/doc.h"
#include "item/read.h"
#include "item/truncate.h"

static void read_item(const char *text, size_t len, struct tb_item *item)
{
    struct tb_doc *doc;
    char why[TB_DOC_WHY];
    if (tb_doc_new(text, len, &doc, why) < 0)
        abort();
    tb_item_read(doc, tb_item_data(doc), item);
    tb_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t max = tb_crc32c(0, data, size) % (size + 1);
    struct tb_item before;
    struct tb_item after;
    struct tb_buf out;
    char why[TB_DOC_WHY];
    tb_buf_init(&out, max);
    int err = tb_item_truncate(text, size, max, &out, why);
    if (err == 0) {
        if (out.len > max)
            abort();
        read_item(text, size, &before);
        read_item(tb_buf_str(&out), out.len, &after);
        if (strcmp(before.uuid, after.uuid) != 0)
            abort();
    } else if (why[0] == '\0') {
        abort();
    }
    tb_buf_done(&out);
    return 0;
}
