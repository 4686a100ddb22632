/* write_trace.c - see write_trace.h. */
#include "item/write_trace.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"

enum { NS_PER_US = 1000, MICROS = 6, SECONDS_DIGITS = 10 };
enum { KEYS_ROOM = 64, ESCAPE_BYTES = 6 /* a byte as \u0001 */ };

static bool is_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

static void put_attribute(struct tb_json *j, const char *key, const char *value)
{
    tb_json_object(j);
    tb_json_kstr(j, "key", key);
    tb_json_kstr(j, "value", value);
    tb_json_end(j);
}

void tb_item_trace_attributes(struct tb_json *j, const struct tb_trace *trace)
{
    char text[TB_TRACE_ID_TEXT];
    if (is_zero(trace->trace_id, sizeof(trace->trace_id)))
        return;
    tb_json_key(j, "attributes");
    tb_json_array(j);
    tb_trace_id_text(trace->trace_id, text);
    put_attribute(j, "trace_id", text);
    if (!is_zero(trace->span_id, sizeof(trace->span_id))) {
        tb_span_id_text(trace->span_id, text);
        put_attribute(j, "span_id", text);
    }
    tb_json_end(j);
}

void tb_item_trace_ids(struct tb_json *j, const struct tb_trace *trace)
{
    char text[TB_XRAY_ID_TEXT];
    if (!is_zero(trace->trace_id, sizeof(trace->trace_id))) {
        tb_trace_id_text(trace->trace_id, text);
        tb_json_kstr(j, "trace_id", text);
        if (!is_zero(trace->span_id, sizeof(trace->span_id))) {
            tb_span_id_text(trace->span_id, text);
            tb_json_kstr(j, "span_id", text);
        }
    }
    if (!is_zero(trace->xray_trace_id, sizeof(trace->xray_trace_id))) {
        tb_xray_id_text(trace->xray_trace_id, text);
        tb_json_kstr(j, "xray_trace_id", text);
    }
}

/* ---- custom.trace ---- */

static void put_slice(struct tb_json *j, const char *key, const struct tb_slice *slice)
{
    if (!slice->text || slice->len == 0)
        return;
    tb_json_key(j, key);
    tb_json_strn(j, slice->text, slice->len);
}

static void put_xray(struct tb_json *j, const struct tb_trace *trace)
{
    static const char *const sampled[] = {NULL, "0", "1", "?"}; /* enum tb_xray_sampled */
    char text[TB_SPAN_ID_TEXT];
    if (is_zero(trace->xray_trace_id, sizeof(trace->xray_trace_id)))
        return;
    if (!is_zero(trace->xray_parent_id, sizeof(trace->xray_parent_id))) {
        tb_span_id_text(trace->xray_parent_id, text);
        tb_json_kstr(j, "xray_parent_id", text);
    }
    if (trace->xray_sampled < sizeof(sampled) / sizeof(sampled[0]))
        tb_json_kopt(j, "xray_sampled", sampled[trace->xray_sampled]);
}

/* Seconds with six decimals: a double keeps them. */
static void put_started(struct tb_json *j, uint64_t ns)
{
    char text[SECONDS_DIGITS + 1 + MICROS];
    uint64_t seconds = ns / TB_NS_PER_S;
    uint64_t micros = ns % TB_NS_PER_S / NS_PER_US;
    if (seconds < 1000000000 || seconds > 9999999999) /* not ten digits, or not known */
        return;
    for (int i = SECONDS_DIGITS; i-- > 0; seconds /= 10)
        text[i] = (char)('0' + seconds % 10);
    text[SECONDS_DIGITS] = '.';
    for (int i = MICROS; i-- > 0; micros /= 10)
        text[SECONDS_DIGITS + 1 + i] = (char)('0' + micros % 10);
    tb_json_key(j, "started_at");
    tb_json_raw(j, text, sizeof(text));
}

static void put_others(struct tb_json *j, const struct tb_trace_context *context)
{
    if (context->n_others == 0)
        return;
    tb_json_key(j, "other");
    tb_json_array(j);
    for (size_t i = 0; i < context->n_others && i < TB_TRACE_OTHERS; i++)
        tb_json_strn(j, context->other[i].text, context->other[i].len);
    tb_json_end(j);
}

size_t tb_item_trace_room(const struct tb_trace_context *context)
{
    size_t len = strlen(context->state) + context->lineage.len;
    for (size_t i = 0; i < context->n_others && i < TB_TRACE_OTHERS; i++)
        len += context->other[i].len + 1;
    return len > 0 ? KEYS_ROOM + ESCAPE_BYTES * len : 0;
}

void tb_item_trace_more(struct tb_json *j, const struct tb_trace_context *context,
                        uint64_t started_ns, bool has_room)
{
    const struct tb_trace *trace = &context->trace;
    char flags[2 * sizeof(trace->flags) + 1];
    if (!tb_trace_is_set(trace))
        return;
    tb_json_key(j, "trace");
    tb_json_object(j);
    tb_hex(&trace->flags, sizeof(trace->flags), flags);
    if (trace->flags != 0 || context->sampled != TB_SAMPLED_UNSAID) /* else nobody said "no" */
        tb_json_kstr(j, "flags", flags);
    tb_json_kopt(j, "source", tb_trace_source_name((enum tb_trace_source)context->source));
    if (trace->inherited)
        tb_json_kbool(j, "inherited", true);
    put_xray(j, trace);
    put_started(j, started_ns);
    if (has_room) {
        tb_json_kopt(j, "state", context->state);
        put_slice(j, "xray_lineage", &context->lineage);
        put_others(j, context);
    }
    tb_json_end(j);
}
