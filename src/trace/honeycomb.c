/* honeycomb.c - X-Honeycomb-Trace, version 1; see formats.h. */
#include <errno.h>
#include <string.h>

#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum { TRACE_BYTES = 32, SPAN_BYTES = 16, GROUP = 4 };

/* 32 or 16 hex digits of either case serve other systems too. */
static struct tb_id usable(struct tb_slice text)
{
    bool good = true;
    struct tb_id id = {0, 0};
    if (text.len == TRACE_BYTES)
        id = tb_id_unhex(text.text, TB_HEX_ANY, &good);
    else if (text.len == SPAN_BYTES)
        id.right = tb_span_unhex(text.text, TB_HEX_ANY, &good);
    return good ? id : (struct tb_id){0, 0};
}

/* Base64 of a JSON object, or of null: that much can be said without a reader of JSON. Its first
 * two characters are the first byte, "{" or "n", and four bits of the next. */
static bool is_context(struct tb_slice text)
{
    size_t padding = 0;
    if (text.len == 0)
        return true;
    while (padding < 2 && text.len > 0 && text.text[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (text.len < 2 || text.len % GROUP == 1 ||
        (padding > 0 && (text.len + padding) % GROUP != 0) || !tb_is_base64(text))
        return false;
    char second = text.text[1];
    return (text.text[0] == 'e' && (second >= 'w' || second <= '9')) ||
           (text.text[0] == 'b' && second >= 'g' && second <= 'v');
}

enum part { TRACE, PARENT, CONTEXT, DATASET, PARTS, SHORTEST = 8 };

/* A key is known by its first eight characters, and ends with "=". */
static const struct clause {
    char key[8];
    char end[3];
    size_t usual_len; /* of an ID, which has a comma behind it */
} clauses[PARTS] = {
    [TRACE] = {{'t', 'r', 'a', 'c', 'e', '_', 'i', 'd'}, "=", TRACE_BYTES},
    [PARENT] = {{'p', 'a', 'r', 'e', 'n', 't', '_', 'i'}, "d=", SPAN_BYTES},
    [CONTEXT] = {{'c', 'o', 'n', 't', 'e', 'x', 't', '='}, "", 0},
    [DATASET] = {{'d', 'a', 't', 'a', 's', 'e', 't', '='}, "", 0},
};

/* Which it is, with the value's first character in at; PARTS for none of them. */
static enum part part_of(struct tb_slice rest, size_t *at)
{
    enum part part = TRACE;
    if (rest.len < SHORTEST)
        return PARTS;
    uint64_t word = tb_word_load(rest.text);
    while (part < PARTS && word != tb_word_load(clauses[part].key))
        part++;
    if (part == PARTS)
        return PARTS;
    *at = SHORTEST;
    for (const char *end = clauses[part].end; *end != '\0'; end++, (*at)++)
        if (*at >= rest.len || rest.text[*at] != *end)
            return PARTS;
    return part;
}

/* One clause and the comma behind it. */
static void read_clause(struct tb_slice parts[PARTS], struct tb_slice *rest)
{
    size_t at = 0;
    enum part part = part_of(*rest, &at);
    if (part == PARTS) {
        (void)tb_slice_cut(rest, ',');
        return;
    }
    size_t usual = clauses[part].usual_len;
    struct tb_slice value = {rest->text + at, rest->len - at};
    if (usual > 0 && value.len > usual && value.text[usual] == ',') {
        *rest = (struct tb_slice){value.text + usual + 1, value.len - usual - 1};
        value.len = usual;
    } else {
        *rest = value;
        value = tb_slice_cut(rest, ',');
    }
    parts[part] = tb_slice_trim(value);
}

int tb_honeycomb_parse(const char *text, size_t len, struct tb_honeycomb *out)
{
    struct tb_slice parts[PARTS] = {{.text = NULL}};
    struct tb_slice rest = tb_slice_trim((struct tb_slice){text, len});
    if (rest.len < 2 || memcmp(rest.text, "1;", 2) != 0)
        return -EINVAL;
    rest = (struct tb_slice){rest.text + 2, rest.len - 2};
    while (rest.text != NULL) {
        rest = tb_slice_trim(rest);
        read_clause(parts, &rest);
    }
    if (parts[TRACE].len == 0 || !is_context(parts[CONTEXT]))
        return -EINVAL;
    struct tb_id id = usable(parts[TRACE]);
    bool good = (id.left | id.right) != 0 && parts[PARENT].len == SPAN_BYTES;
    uint64_t span = good ? tb_span_unhex(parts[PARENT].text, TB_HEX_ANY, &good) : 0;
    *out = (struct tb_honeycomb){.trace_id = parts[TRACE],
                                 .parent_id = parts[PARENT],
                                 .dataset = parts[DATASET],
                                 .context = parts[CONTEXT]};
    tb_id_store(id, out->said.trace_id);
    span = good ? span : 0;
    memcpy(out->said.span_id, &span, sizeof(span));
    return 0;
}

/* "+" is a blank, as in the query of an URL; a plus sign is written %2B. */
int tb_honeycomb_dataset(struct tb_slice dataset, char *out, size_t cap)
{
    size_t len = 0;
    if (cap == 0)
        return -ENOSPC;
    out[0] = '\0';
    while (dataset.text != NULL) {
        int err = tb_percent_parse(tb_slice_cut(&dataset, '+'), out + len, cap - len);
        if (err)
            return err;
        len += strlen(out + len);
        if (dataset.text != NULL && len + 1 == cap)
            return -ENOSPC;
        if (dataset.text != NULL)
            out[len++] = ' ';
    }
    return 0;
}

size_t tb_honeycomb_text(const struct tb_trace_context *context, char out[TB_HONEYCOMB_TEXT])
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = TB_HONEYCOMB_TEXT};
    out[0] = '\0';
    if (tb_bytes_are_zero(trace->trace_id, 16) || tb_bytes_are_zero(trace->span_id, 8))
        return 0;
    tb_line_text(&line, "1;trace_id=");
    tb_line_hex(&line, trace->trace_id, 16);
    tb_line_text(&line, ",parent_id=");
    tb_line_hex(&line, trace->span_id, 8);
    if (context->dataset.len > 0 && context->dataset.len < TB_BAGGAGE_ID_TEXT &&
        tb_slice_is(context->dataset, TB_CHAR_TOKEN)) {
        tb_line_text(&line, ",dataset=");
        tb_line_add(&line, context->dataset.text, context->dataset.len);
    }
    tb_line_text(&line, ",context=");
    size_t whole = line.len;
    tb_line_add(&line, context->honeycomb_context.text, context->honeycomb_context.len);
    if (line.len == whole) {
        line.is_full = false;
        tb_line_text(&line, "e30="); /* {} */
    }
    return line.len;
}
