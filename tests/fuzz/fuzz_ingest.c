/* fuzz_ingest.c - bodies of strangers, JSON and forms: refused with a status and a reason, or made
 * into a record that has the uuid that was answered. */
#include <stdlib.h>
#include <string.h>

#include "agent/serve/ingest.h"
#include "item/doc.h"
#include "spool/frame.h"

static void check_record(const struct tb_ingest_item *item)
{
    char uuid[256];
    char why[TB_DOC_WHY];
    struct tb_doc *doc;
    if (item->text.len == 0 || item->text.len > TB_PAYLOAD_MAX_BYTES ||
        tb_doc_new(item->text.data, item->text.len, &doc, why) != 0)
        abort();
    (void)tb_doc_copy(doc, tb_doc_find(doc, 0, "data.uuid"), uuid, sizeof(uuid));
    if (strcmp(uuid, item->reply.uuid) != 0)
        abort();
    tb_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_ingest_item item;
    const char *token = size % 2 ? NULL : "0123456789abcdef0123456789abcdef";
    if (tb_ingest_prepare((const char *)data, size, token, 1, &item) != 0)
        abort();
    if (item.reply.status == 0)
        check_record(&item);
    else if (item.reply.status < 400 || item.reply.message[0] == '\0')
        abort();
    tb_ingest_done(&item);
    return 0;
}
