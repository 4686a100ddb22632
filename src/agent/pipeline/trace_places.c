/* trace_places.c - see trace_places.h. */
#include "agent/pipeline/trace_places.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "trace/formats.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { NAME_BYTES = 40, SPAN_DIGITS = 16 };

/* Names in lower case without the signs between words; a header by the name that src/trace has,
 * else a bare ID. */
static const struct spelling {
    const char *name;
    const char *header;
    enum tb_trace_name bare;
    size_t len;
} spellings[] = {
#define BARE(name, which)                                                                          \
    {                                                                                              \
        name, NULL, TB_TRACE_NAME_##which, sizeof(name) - 1                                        \
    }
#define HEADER(name, header)                                                                       \
    {                                                                                              \
        name, header, TB_TRACE_NAMES, sizeof(name) - 1                                             \
    }
    BARE("traceid", TRACE),
    BARE("oteltraceid", TRACE),
    BARE("spanid", SPAN),
    BARE("otelspanid", SPAN),
    BARE("xraytraceid", XRAY),
    BARE("awsxraytraceid", XRAY),
    BARE("ddtraceid", DD_TRACE),
    BARE("ddspanid", DD_SPAN),
    HEADER("traceparent", "traceparent"),
    HEADER("tracestate", "tracestate"),
    HEADER("xamzntraceid", "X-Amzn-Trace-Id"),
    HEADER("b3", "b3"),
    HEADER("xb3traceid", "X-B3-TraceId"),
    HEADER("xb3spanid", "X-B3-SpanId"),
    HEADER("xb3sampled", "X-B3-Sampled"),
    HEADER("xb3flags", "X-B3-Flags"),
    HEADER("xhoneycombtrace", "X-Honeycomb-Trace"),
    HEADER("xdatadogtraceid", "x-datadog-trace-id"),
    HEADER("xdatadogparentid", "x-datadog-parent-id"),
    HEADER("xdatadogsamplingpriority", "x-datadog-sampling-priority"),
    HEADER("xdatadogtags", "x-datadog-tags"),
    HEADER("grpctracebin", "grpc-trace-bin"),
#undef BARE
#undef HEADER
};

/* Returns its length; 0 for what is longer than any of the spellings. */
static size_t plain_name(const char *name, char out[NAME_BYTES])
{
    size_t n = 0;
    for (; *name != '\0'; name++) {
        if (*name == '_' || *name == '-' || *name == '.')
            continue;
        if (n + 1 == NAME_BYTES)
            return 0;
        out[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;
    }
    out[n] = '\0';
    return n;
}

static const struct spelling *find(const char *name)
{
    char mem[NAME_BYTES];
    const char *plain = mem;
    size_t len = plain_name(name, mem);
    if (len > 4 && memcmp(mem, "http", 4) == 0) {
        plain += 4;
        len -= 4;
    }
    if (len < 2 || strchr("abdgostx", plain[0]) == NULL)
        return NULL; /* most names are none of these */
    for (size_t i = 0; i < N(spellings); i++)
        if (spellings[i].len == len && memcmp(plain, spellings[i].name, len) == 0)
            return &spellings[i];
    return NULL;
}

void tb_trace_place_begin(struct tb_trace_place *place)
{
    memset(place->names, 0, sizeof(place->names));
    place->n_headers = 0;
    place->n_bytes = 0;
}

/* A string, decoded; text NULL for what is none, or has no room. */
static struct tb_slice keep(struct tb_trace_place *place, const struct tb_doc *doc, int node)
{
    const struct tb_doc_node *value = tb_doc_at(doc, node);
    size_t room = sizeof(place->bytes) - place->n_bytes;
    char *to = place->bytes + place->n_bytes;
    if (value == NULL || value->type != TB_DOC_STRING || value->len >= room ||
        !tb_doc_copy(doc, node, to, room))
        return (struct tb_slice){.text = NULL};
    const struct tb_slice kept = {to, strlen(to)};
    place->n_bytes += kept.len + 1;
    return kept;
}

static void note_header(struct tb_trace_place *place, const char *name, const struct tb_doc *doc,
                        int node)
{
    if (place->n_headers == TB_TRACE_PLACE_HEADERS)
        return;
    struct tb_slice value = keep(place, doc, node);
    if (value.text == NULL)
        return;
    place->headers[place->n_headers].name = name;
    place->headers[place->n_headers++].value = value;
}

static void note(struct tb_trace_place *place, const struct spelling *spelling,
                 const struct tb_doc *doc, int node)
{
    const struct tb_doc_node *value = tb_doc_at(doc, node);
    bool is_list = value != NULL && value->type == TB_DOC_ARRAY;
    if (spelling->header == NULL) {
        struct tb_slice kept = keep(place, doc, is_list ? value->first : node);
        if (kept.text != NULL)
            place->names[spelling->bare] = kept;
    } else if (!is_list) {
        note_header(place, spelling->header, doc, node);
    } else {
        bool is_parent = strcmp(spelling->header, "traceparent") == 0;
        for (int i = value->first; i >= 0; i = is_parent ? -1 : tb_doc_at(doc, i)->next)
            note_header(place, spelling->header, doc, i);
    }
}

void tb_trace_place_note(struct tb_trace_place *place, const char *name, const struct tb_doc *doc,
                         int node)
{
    const struct spelling *spelling = find(name);
    if (spelling != NULL && node >= 0)
        note(place, spelling, doc, node);
}

/* {"trace":{"trace_id":..,"span_id":..,"xray_trace_id":..}}: what stands outside of it counts
 * before it. */
static void read_trace_object(struct tb_trace_place *place, const struct tb_doc *doc, int object)
{
    static const char *const members[] = {"trace_id", "span_id", "xray_trace_id"};
    for (size_t i = 0; i < N(members); i++) {
        const struct spelling *spelling = find(members[i]);
        if (spelling != NULL && place->names[spelling->bare].text == NULL)
            tb_trace_place_note(place, members[i], doc, tb_doc_member(doc, object, members[i]));
    }
}

/* {"trace":{"id":..},"span":{"id":..}}, as Elastic has them, and Datadog's {"dd":{"trace_id":..}}
 */
static void read_within(struct tb_trace_place *place, const struct tb_doc *doc, int object,
                        const char *name)
{
    static const char *const members[] = {"id", "trace_id", "span_id"};
    char path[NAME_BYTES];
    if (strcmp(name, "trace") != 0 && strcmp(name, "span") != 0 && strcmp(name, "dd") != 0)
        return;
    if (strcmp(name, "trace") == 0)
        read_trace_object(place, doc, object);
    for (size_t i = 0; i < N(members); i++) {
        snprintf(path, sizeof(path), "%s.%s", name, members[i]);
        tb_trace_place_note(place, path, doc, tb_doc_member(doc, object, members[i]));
    }
}

void tb_trace_place_read(struct tb_trace_place *place, const struct tb_doc *doc, int object)
{
    const struct tb_doc_node *node = tb_doc_at(doc, object);
    struct tb_buf name;
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
        else
            tb_trace_place_note(place, tb_buf_str(&name), doc, i);
    }
    tb_buf_done(&name);
}

/* ---- what they mean ---- */

static bool is_id(struct tb_slice text, uint8_t out[16])
{
    return text.text != NULL && tb_trace_parse_id(text.text, out) == 0;
}

/* "1-5759e988-.." is X-Ray's, wherever it stands. */
static bool read_ids(const struct tb_trace_place *place, struct tb_trace *out)
{
    struct tb_slice xray = place->names[TB_TRACE_NAME_XRAY];
    struct tb_slice trace = place->names[TB_TRACE_NAME_TRACE];
    bool found = is_id(trace, out->trace_id);
    if (found && trace.text[1] == '-')
        memcpy(out->xray_trace_id, out->trace_id, sizeof(out->trace_id));
    struct tb_slice span = place->names[TB_TRACE_NAME_SPAN];
    if (span.text != NULL && tb_span_id_parse(span.text, out->span_id) == 0)
        found = true;
    if (is_id(xray, out->xray_trace_id) ||
        (xray.text != NULL && tb_trace_parse_xray(xray.text, xray.len, out) == 0))
        found = true;
    return found;
}

/* In logs: decimal numbers of 64 bits, or 32 digits of hex. */
static bool read_datadog(const struct tb_trace_place *place, struct tb_trace *out)
{
    static const struct tb_slice any = {"1", 1};
    struct tb_slice trace = place->names[TB_TRACE_NAME_DD_TRACE];
    bool is_hex = is_id(trace, out->trace_id);
    const struct tb_slice headers[TB_DATADOG_HEADERS] = {
        [TB_DATADOG_TRACE_ID] = is_hex ? any : trace,
        [TB_DATADOG_PARENT_ID] = place->names[TB_TRACE_NAME_DD_SPAN]};
    struct tb_trace_said said;
    if (tb_datadog_parse(headers, &said) < 0)
        return false;
    if (!is_hex)
        memcpy(out->trace_id, said.trace_id, sizeof(said.trace_id));
    memcpy(out->span_id, said.span_id, sizeof(said.span_id));
    return true;
}

int tb_trace_place_bare(const struct tb_trace_place *place, struct tb_trace out[TB_TRACE_BARE])
{
    int n = 0;
    memset(out, 0, TB_TRACE_BARE * sizeof(*out));
    n += read_ids(place, &out[n]);
    if (place->names[TB_TRACE_NAME_DD_TRACE].text != NULL)
        n += read_datadog(place, &out[n]);
    return n;
}

static bool get(void *arg, const char *name, unsigned nth, struct tb_slice *out)
{
    const struct tb_trace_place *place = arg;
    for (size_t i = 0; i < place->n_headers; i++) {
        if (strcmp(place->headers[i].name, name) != 0 || nth-- > 0)
            continue;
        *out = place->headers[i].value;
        return true;
    }
    return false;
}

bool tb_trace_place_context(struct tb_trace_place *place, struct tb_trace_context *out)
{
    struct tb_trace_propagators all;
    if (place->n_headers == 0)
        return false;
    tb_trace_propagators_default(&all);
    (void)tb_trace_extract(get, place, &all, out);
    return true;
}

const char *tb_trace_place_name(enum tb_trace_source source)
{
    static const char *const names[] = {
        [TB_TRACE_FROM_NOTHING] = "",
        [TB_TRACE_FROM_TRACEPARENT] = "traceparent",
        [TB_TRACE_FROM_XRAY] = "X-Amzn-Trace-Id",
        [TB_TRACE_FROM_B3] = "b3",
        [TB_TRACE_FROM_B3MULTI] = "X-B3-TraceId",
        [TB_TRACE_FROM_HONEYCOMB] = "X-Honeycomb-Trace",
        [TB_TRACE_FROM_DATADOG] = "x-datadog-trace-id",
        [TB_TRACE_FROM_GRPC] = "grpc-trace-bin",
    };
    return (size_t)source < N(names) ? names[source] : "";
}

struct tb_slice tb_trace_place_header(const struct tb_trace_place *place,
                                      enum tb_trace_source source)
{
    const char *name = tb_trace_place_name(source);
    for (size_t i = 0; i < place->n_headers; i++)
        if (strcmp(place->headers[i].name, name) == 0)
            return place->headers[i].value;
    return (struct tb_slice){.text = NULL};
}
