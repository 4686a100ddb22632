/* fuzz_group.c - an item of anybody is grouped, as ours and as a forwarded one: the same item has
 * the same fingerprint, and what it was made from is JSON. */
#include <stdlib.h>
#include <string.h>

#include "agent/native/group.h"

static void group(const struct tb_doc *item, int is_native)
{
    struct tb_group out[2];
    char name[TB_GROUP_NAME_BYTES];
    char why[TB_DOC_WHY];
    struct tb_doc *inputs = NULL;
    int err = tb_group_item(item, is_native, &out[0]) | tb_group_item(item, is_native, &out[1]);
    if (err == 0) {
        const char *text = tb_buf_str(&out[0].inputs);
        if (strcmp(out[0].fingerprint, out[1].fingerprint) != 0 ||
            tb_doc_new(text, strlen(text), &inputs, why) != 0)
            abort();
        tb_doc_free(inputs);
    }
    tb_group_done(&out[0]);
    tb_group_done(&out[1]);
    tb_group_culprit(item, name, sizeof(name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_doc *item = NULL;
    char why[TB_DOC_WHY];
    if (tb_doc_new((const char *)data, size, &item, why) != 0)
        return 0;
    group(item, 0);
    group(item, 1);
    tb_doc_free(item);
    return 0;
}
