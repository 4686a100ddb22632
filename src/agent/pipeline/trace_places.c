/* trace_places.c - see trace_places.h. */
#include "agent/pipeline/trace_places.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { NAME_BYTES = 40, B3_PARTS = 4 };
#define NOWHERE SIZE_MAX

/* Names in lower case without the signs between words. */
static const struct {
    const char *name;
    size_t place; /* of the text in struct tb_trace_place */
} names[] = {
#define AT(member) offsetof(struct tb_trace_place, member)
    {"traceid", AT(trace_id)},
    {"oteltraceid", AT(trace_id)},
    {"spanid", AT(span_id)},
    {"otelspanid", AT(span_id)},
    {"xraytraceid", AT(xray_trace_id)},
    {"awsxraytraceid", AT(xray_trace_id)},
    {"traceparent", AT(traceparent)},
    {"xamzntraceid", AT(xray)},
    {"b3", AT(b3)},
    {"xb3traceid", AT(b3_trace_id)},
    {"xb3spanid", AT(b3_span_id)},
    {"ddtraceid", AT(dd_trace_id)},
    {"ddspanid", AT(dd_span_id)},
    {"xdatadogtraceid", AT(dd_trace_id)},
    {"xdatadogparentid", AT(dd_span_id)},
    {"xdatadogtags", AT(dd_tags)},
#undef AT
};

static const char *plain_name(const char *name, char out[NAME_BYTES])
{
    size_t n = 0;
    for (; *name != '\0' && n + 1 < NAME_BYTES; name++) {
        if (*name == '_' || *name == '-' || *name == '.')
            continue;
        out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
    }
    out[*name == '\0' ? n : 0] = '\0'; /* none of the names is as long */
    return strncmp(out, "http", 4) == 0 ? out + 4 : out;
}

/* Where in a place the text under that name belongs, or NOWHERE. */
static size_t slot(const char *name)
{
    char mem[NAME_BYTES] = "";
    const char *plain = plain_name(name, mem);
    if (plain[0] == '\0' || strchr("abdostx", plain[0]) == NULL)
        return NOWHERE; /* most names are none of these */
    for (size_t i = 0; i < N(names); i++)
        if (strcmp(plain, names[i].name) == 0)
            return names[i].place;
    return NOWHERE;
}

void tb_trace_place_note(struct tb_trace_place *place, const char *name, const char *text)
{
    size_t at = slot(name);
    if (at == NOWHERE)
        return;
    place->n_traceparents += at == offsetof(struct tb_trace_place, traceparent);
    snprintf((char *)place + at, TB_TRACE_VALUE, "%s", text);
}

/* {"trace":{"id":..},"span":{"id":..}}, as Elastic has them, and Datadog's {"dd":{"trace_id":..}}
 */
static void read_within(struct tb_trace_place *place, const struct tb_doc *doc, int object,
                        const char *name)
{
    static const char *const members[] = {"id", "trace_id", "span_id"};
    char text[TB_TRACE_VALUE];
    char path[NAME_BYTES];
    if (strcmp(name, "trace") != 0 && strcmp(name, "span") != 0 && strcmp(name, "dd") != 0)
        return;
    for (size_t i = 0; i < N(members); i++) {
        if (!tb_doc_copy(doc, tb_doc_member(doc, object, members[i]), text, sizeof(text)))
            continue;
        snprintf(path, sizeof(path), "%s.%s", name, members[i]);
        tb_trace_place_note(place, path, text);
    }
}

void tb_trace_place_read(struct tb_trace_place *place, const struct tb_doc *doc, int object)
{
    const struct tb_doc_node *node = tb_doc_at(doc, object);
    struct tb_buf name;
    char text[TB_TRACE_VALUE];
    if (node == NULL || node->type != TB_DOC_OBJECT)
        return;
    tb_buf_init(&name, TB_DOC_BYTES);
    for (int i = node->first; i >= 0; i = tb_doc_at(doc, i)->next) {
        const struct tb_doc_node *member = tb_doc_at(doc, i);
        if (member->key_len < 2 || member->key_len >= 6 * NAME_BYTES)
            continue;
        tb_buf_reset(&name);
        tb_doc_key(doc, i, &name);
        if (member->type == TB_DOC_OBJECT)
            read_within(place, doc, i, tb_buf_str(&name));
        else if (slot(tb_buf_str(&name)) != NOWHERE &&
                 tb_doc_copy(doc, member->type == TB_DOC_ARRAY ? member->first : i, text,
                             sizeof(text)))
            tb_trace_place_note(place, tb_buf_str(&name), text);
    }
    tb_buf_done(&name);
}

/* ---- what they mean ---- */

static int is_zero(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}

static int read_span(const char *text, uint8_t out[8])
{
    uint8_t span[8];
    if (strlen(text) != 16 || tb_unhex(text, span, sizeof(span)) || is_zero(span, sizeof(span)))
        return 0;
    memcpy(out, span, sizeof(span));
    return 1;
}

/* Bare IDs as people and systems write them. "1-5759e988-.." is X-Ray's, wherever it stands. */
static int read_ids(const struct tb_trace_place *place, struct tb_trace *out)
{
    int found = tb_trace_parse_id(place->trace_id, out->trace_id) == 0;
    if (found && place->trace_id[1] == '-')
        memcpy(out->xray_trace_id, out->trace_id, sizeof(out->trace_id));
    found |= read_span(place->span_id, out->span_id);
    if (tb_trace_parse_id(place->xray_trace_id, out->xray_trace_id) == 0 ||
        tb_trace_parse_xray(place->xray_trace_id, strlen(place->xray_trace_id), out) == 0)
        found = 1;
    return found;
}

static int is_lower_hex(const char *text, size_t len)
{
    return strspn(text, "0123456789abcdef") >= len;
}

/* Both IDs, or none; a trace of 64 bits is padded at its left. */
static int read_b3_ids(const char *trace, size_t trace_len, const char *span, size_t span_len,
                       struct tb_trace *out)
{
    uint8_t trace_id[16] = {0};
    uint8_t span_id[8];
    size_t bytes = trace_len / 2;
    if ((trace_len != 32 && trace_len != 16) || span_len != 16 || !is_lower_hex(trace, trace_len) ||
        !is_lower_hex(span, span_len))
        return 0;
    if (tb_unhex(trace, trace_id + sizeof(trace_id) - bytes, bytes) ||
        tb_unhex(span, span_id, sizeof(span_id)) || is_zero(trace_id, sizeof(trace_id)) ||
        is_zero(span_id, sizeof(span_id)))
        return 0;
    memcpy(out->trace_id, trace_id, sizeof(trace_id));
    memcpy(out->span_id, span_id, sizeof(span_id));
    return 1;
}

/* TRACE-SPAN[-SAMPLED[-PARENT]] */
static int read_b3(const char *text, struct tb_trace *out)
{
    const char *parts[B3_PARTS] = {text};
    size_t lens[B3_PARTS];
    size_t n = 0;
    for (;;) {
        lens[n] = strcspn(parts[n], "-");
        const char *end = parts[n] + lens[n];
        n++;
        if (*end == '\0')
            break;
        if (n == B3_PARTS)
            return 0;
        parts[n] = end + 1;
    }
    if (n < 2 || (n > 2 && (lens[2] != 1 || strchr("01d", parts[2][0]) == NULL)) ||
        (n > 3 && (lens[3] != 16 || !is_lower_hex(parts[3], 16))))
        return 0;
    return read_b3_ids(parts[0], lens[0], parts[1], lens[1], out);
}

static int read_decimal(const char *text, uint8_t out[8])
{
    uint64_t value = 0;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 20 || text[n] != '\0')
        return 0;
    for (size_t i = 0; i < n; i++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return 0;
    for (size_t i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
    return value != 0;
}

/* Datadog: decimal numbers of 64 bits, the upper half of the trace among the tags; in logs also 32
 * digits of hex. */
static int read_datadog(const struct tb_trace_place *place, struct tb_trace *out)
{
    uint8_t trace_id[16] = {0};
    uint8_t span_id[8];
    const char *tid = strstr(place->dd_tags, "_dd.p.tid=");
    if (tb_trace_parse_id(place->dd_trace_id, trace_id) != 0) {
        if (!read_decimal(place->dd_trace_id, trace_id + 8))
            return 0;
        if (tid != NULL && is_lower_hex(tid + 10, 16))
            (void)tb_unhex(tid + 10, trace_id, 8);
    }
    memcpy(out->trace_id, trace_id, sizeof(trace_id));
    if (read_decimal(place->dd_span_id, span_id))
        memcpy(out->span_id, span_id, sizeof(span_id));
    return 1;
}

int tb_trace_place_traces(const struct tb_trace_place *place, struct tb_trace out[TB_TRACE_SYSTEMS])
{
    int n = 0;
    memset(out, 0, TB_TRACE_SYSTEMS * sizeof(*out));
    if (read_ids(place, &out[n]))
        n++;
    if (place->n_traceparents == 1 &&
        tb_trace_parse_w3c(place->traceparent, strlen(place->traceparent), &out[n]) == 0)
        n++;
    if (tb_trace_parse_xray(place->xray, strlen(place->xray), &out[n]) == 0)
        n++;
    if (read_b3(place->b3, &out[n]))
        n++;
    if (read_b3_ids(place->b3_trace_id, strlen(place->b3_trace_id), place->b3_span_id,
                    strlen(place->b3_span_id), &out[n]))
        n++;
    if (read_datadog(place, &out[n]))
        n++;
    return n;
}
