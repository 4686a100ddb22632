/* fuzz_page.c - the body of an item, as strangers send it, on the item's page and in its twins.
 *
 * Whatever it is: the parts are made, no markup of its own is in them, and the twins hold no byte
 * that could steer a terminal. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "web/pages.h"

enum { PAGE_BYTES = 16 << 20 };

static void check(const struct tb_buf *out, int is_html)
{
    if (out->err != 0 && out->err != -EMSGSIZE)
        abort();
    for (size_t i = 0; i < out->len; i++) {
        unsigned char c = (unsigned char)out->data[i];
        if (c == '\0' || c == 0x1b || c == 0x7f)
            abort();
        if (is_html && c == '<' && out->data[i + 1] != '/' &&
            (out->data[i + 1] < 'a' || out->data[i + 1] > 'z'))
            abort();
    }
    if (is_html && (strstr(tb_buf_str(out), "<script") || strstr(tb_buf_str(out), "<img")))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_buf out;
    struct tb_view view = {.out = &out, .now_ms = 1795633200000};
    struct tb_item_view item = {.view = &view, .number = 1, .total = 1, .has_occurrence = 1};
    item.title = item.level = item.environment = item.service = item.status = "x";
    item.fingerprint = item.last_uuid = item.uuid = item.trace_id = item.xray_trace_id = "x";
    item.span_id = item.occurrence_level = "x";
    item.group_inputs = "{}";
    item.occurred_ns = item.received_ns = 1795633200000000000;
    if (tb_item_view_body(&item, (const char *)data, size) < 0)
        return 0;
    tb_buf_init(&out, PAGE_BYTES);
    tb_item_put_head(&item);
    tb_item_put_stacks(&item);
    tb_item_put_threads(&item);
    tb_item_put_more(&item);
    check(&out, 1);
    tb_buf_reset(&out);
    tb_item_put_text(&item, &out);
    check(&out, 0);
    tb_buf_reset(&out);
    tb_item_put_markdown(&item, &out);
    check(&out, 0);
    tb_buf_reset(&out);
    if (tb_item_put_json(&item, &out) != 0)
        abort();
    tb_buf_done(&out);
    tb_item_view_done(&item);
    return 0;
}
