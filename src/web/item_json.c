/* item_json.c - an item as one JSON object: its columns, and the body of the occurrence as it is
 * stored, byte for byte. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "trace/trace.h"
#include "web/pages.h"

enum { HEAD_BYTES = 128 << 10, GROWTH = 6 /* an escaped byte: \u0001 */ };

static void put_occurrence(struct tb_item_view *item, struct tb_json *j)
{
    char xray[TB_XRAY_ID_TEXT];
    tb_json_key(j, "occurrence");
    tb_json_object(j);
    tb_json_kstr(j, "uuid", item->uuid);
    tb_json_kstr(j, "level", item->occurrence_level);
    tb_json_kopt(j, "trace_id", item->trace_id);
    tb_json_kopt(j, "xray_trace_id", tb_xray_id_of(item->xray_trace_id, xray));
    tb_json_kopt(j, "span_id", item->span_id);
    tb_json_kint(j, "occurred_ms", item->occurred_ns / 1000000);
    tb_json_kint(j, "received_ms", item->received_ns / 1000000);
    tb_json_kopt(j, "older", item->neighbours.older);
    tb_json_kopt(j, "newer", item->neighbours.newer);
    tb_json_end(j);
}

/* As it is when it is JSON, else as a text. */
static void put_value(struct tb_json *j, const char *key, const char *text, size_t len, int is_json)
{
    tb_json_key(j, key);
    if (is_json)
        tb_json_raw(j, text, len);
    else
        tb_json_strn(j, text, len);
}

int tb_item_put_json(struct tb_item_view *item, struct tb_buf *out)
{
    struct tb_event inputs;
    struct tb_json j;
    size_t inputs_len = strlen(item->group_inputs);
    size_t cap =
        HEAD_BYTES + GROWTH * inputs_len + (item->event.doc != NULL ? 1 : GROWTH) * item->event.len;
    int err = tb_event_init(&inputs, item->group_inputs, inputs_len);
    if (err < 0)
        return err;
    char *mem = malloc(cap);
    if (mem == NULL) {
        tb_event_done(&inputs);
        return -ENOMEM;
    }
    tb_json_init(&j, mem, cap);
    tb_json_object(&j);
    tb_json_kint(&j, "number", item->number);
    tb_json_kstr(&j, "title", item->title);
    tb_json_kstr(&j, "level", item->level);
    tb_json_kstr(&j, "service", item->service);
    tb_json_kstr(&j, "environment", item->environment);
    tb_json_kstr(&j, "status", item->status);
    tb_json_kint(&j, "first_ms", item->first_ms);
    tb_json_kint(&j, "last_ms", item->last_ms);
    tb_json_kint(&j, "total", item->total);
    tb_json_kstr(&j, "fingerprint", item->fingerprint);
    put_value(&j, "group_inputs", item->group_inputs, inputs_len, inputs.doc != NULL);
    if (item->has_occurrence) {
        put_occurrence(item, &j);
        tb_item_put_links_json(item, &j);
        put_value(&j, "data", item->event.data, item->event.len, item->event.doc != NULL);
    }
    tb_json_end(&j);
    err = tb_json_finish(&j);
    if (err == 0)
        tb_buf_add(out, mem, j.len);
    tb_buf_adds(out, "\n");
    free(mem);
    tb_event_done(&inputs);
    return err;
}
