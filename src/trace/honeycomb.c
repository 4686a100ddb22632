/* honeycomb.c - X-Honeycomb-Trace, version 1; see formats.h. */
#include <errno.h>
#include <string.h>

#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum { TRACE_BYTES = 32, SPAN_BYTES = 16, GROUP = 4, DATASET_BYTES = 1024 };

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

static bool is_within(char c, char from, char to)
{
    return c >= from && c <= to;
}

/* The first three characters of "{", and a quote, a brace or a blank. */
static bool begins_object(const char *text)
{
    char third = text[2];
    return text[0] == 'e' &&
           ((text[1] == 'y' && (is_within(third, 'I', 'L') || is_within(third, 'A', 'D'))) ||
            (text[1] == '3' && is_within(third, '0', '3')) ||
            (text[1] == 'w' && (is_within(third, 'k', 'r') || is_within(third, '0', '3'))));
}

/* The last two, before the padding, of "}". */
static bool ends_object(struct tb_slice text)
{
    char last = text.text[text.len - 1];
    char before = text.text[text.len - 2];
    if (text.len % GROUP == 2)
        return before == 'f' && (is_within(last, 'Q', 'Z') || is_within(last, 'a', 'f'));
    if (text.len % GROUP == 3)
        return is_within(last, '0', '3') &&
               (before == 'H' || before == 'X' || before == 'n' || before == '3');
    return last == '9' && (tb_base64_digit((unsigned char)before) & 3) == 1;
}

/* Base64 of a JSON object, or of null. A reader of JSON would cost as much as all the rest: looked
 * at is how an object must begin and end. */
static bool is_context(struct tb_slice text)
{
    size_t padding = 0;
    if (text.len == 0)
        return true;
    while (padding < 2 && text.len > 0 && text.text[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (text.len < 3 || text.len % GROUP == 1 ||
        (padding > 0 && (text.len + padding) % GROUP != 0) || !tb_is_base64(text))
        return false;
    return (begins_object(text.text) && ends_object(text)) ||
           (text.len == 6 && memcmp(text.text, "bnVsbA", 6) == 0); /* null */
}

enum part { TRACE, PARENT, DATASET, CONTEXT, PARTS };
static const struct tb_slice keys[CONTEXT] = {
    [TRACE] = {"trace_id=", 9}, [PARENT] = {"parent_id=", 10}, [DATASET] = {"dataset=", 8}};

/* How all beelines begin: trace_id=32,parent_id=16; nothing else has to be looked for then. */
static bool read_usual(struct tb_slice *rest, struct tb_slice parts[PARTS], struct tb_id *id,
                       uint64_t *span)
{
    enum {
        TRACE_AT = 9,
        MIDDLE = TRACE_AT + TRACE_BYTES,
        PARENT_AT = MIDDLE + 11,
        END = PARENT_AT + SPAN_BYTES
    };
    bool good = true;
    const char *text = rest->text;
    if (rest->len < END || memcmp(text, "trace_id=", TRACE_AT) != 0 ||
        memcmp(text + MIDDLE, ",parent_id=", PARENT_AT - MIDDLE) != 0 ||
        (rest->len > END && text[END] != ','))
        return false;
    *id = tb_id_unhex(text + TRACE_AT, TB_HEX_ANY, &good);
    *span = tb_span_unhex(text + PARENT_AT, TB_HEX_ANY, &good);
    if (!good || (id->left | id->right) == 0)
        return false;
    parts[TRACE] = (struct tb_slice){text + TRACE_AT, TRACE_BYTES};
    parts[PARENT] = (struct tb_slice){text + PARENT_AT, SPAN_BYTES};
    *rest = rest->len > END ? (struct tb_slice){text + END + 1, rest->len - END - 1}
                            : (struct tb_slice){.text = NULL};
    return true;
}

/* The context is nearly always the last: then what is base64 to the end has no comma to be looked
 * for. */
static int read_context(struct tb_slice *value, struct tb_slice *rest)
{
    *value = *rest;
    if (is_context(*value)) {
        *rest = (struct tb_slice){.text = NULL};
        return 0;
    }
    *value = tb_slice_trim(tb_slice_cut(rest, ','));
    return is_context(*value) ? 0 : -EINVAL;
}

/* One clause and the comma behind it. */
static int read_clause(struct tb_slice parts[PARTS], struct tb_slice *rest)
{
    static const char context[8] = {'c', 'o', 'n', 't', 'e', 'x', 't', '='};
    size_t part = 0;
    if (rest->len >= sizeof(context) && memcmp(rest->text, context, sizeof(context)) == 0) {
        *rest = (struct tb_slice){rest->text + sizeof(context), rest->len - sizeof(context)};
        return read_context(&parts[CONTEXT], rest);
    }
    while (part < CONTEXT &&
           (rest->len < keys[part].len || memcmp(rest->text, keys[part].text, keys[part].len) != 0))
        part++;
    if (part == CONTEXT) { /* unknown */
        (void)tb_slice_cut(rest, ',');
        return 0;
    }
    size_t key_len = keys[part].len;
    *rest = (struct tb_slice){rest->text + key_len, rest->len - key_len};
    parts[part] = tb_slice_trim(tb_slice_cut(rest, ','));
    return 0;
}

static int read_clauses(struct tb_slice parts[PARTS], struct tb_slice rest)
{
    while (rest.text != NULL) {
        while (rest.len > 0 && tb_is_blank(rest.text[0]))
            rest = (struct tb_slice){rest.text + 1, rest.len - 1};
        if (read_clause(parts, &rest) < 0)
            return -EINVAL;
    }
    return 0;
}

/* Those IDs that serve other systems too; a span only with its trace. */
static void read_ids(const struct tb_slice parts[PARTS], struct tb_id *id, uint64_t *span)
{
    bool good = true;
    *id = usable(parts[TRACE]);
    *span = 0;
    if ((id->left | id->right) != 0 && parts[PARENT].len == SPAN_BYTES)
        *span = tb_span_unhex(parts[PARENT].text, TB_HEX_ANY, &good);
    *span = good ? *span : 0;
}

int tb_honeycomb_parse(const char *text, size_t len, struct tb_honeycomb *out)
{
    struct tb_slice parts[PARTS] = {{.text = NULL}};
    struct tb_id id = {0, 0};
    uint64_t span = 0;
    struct tb_slice rest = tb_slice_trim((struct tb_slice){text, len});
    if (rest.len < 2 || memcmp(rest.text, "1;", 2) != 0)
        return -EINVAL;
    rest = (struct tb_slice){rest.text + 2, rest.len - 2};
    bool is_known = read_usual(&rest, parts, &id, &span);
    const char *const usual[] = {parts[TRACE].text, parts[PARENT].text};
    if (read_clauses(parts, rest) < 0)
        return -EINVAL;
    /* Of a key said twice the last counts. */
    is_known = is_known && parts[TRACE].text == usual[0] && parts[PARENT].text == usual[1];
    /* A parent without its trace is refused; context or dataset may stand alone. */
    if (parts[TRACE].len == 0 &&
        (parts[PARENT].len > 0 || parts[CONTEXT].len + parts[DATASET].len == 0))
        return -EINVAL;
    if (!is_known)
        read_ids(parts, &id, &span);
    *out = (struct tb_honeycomb){.trace_id = parts[TRACE],
                                 .parent_id = parts[PARENT],
                                 .dataset = parts[DATASET],
                                 .context = parts[CONTEXT]};
    tb_id_store(id, out->said.trace_id);
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

size_t tb_honeycomb_text(const struct tb_trace_context *context, char *out, size_t cap)
{
    const struct tb_trace *trace = &context->trace;
    struct tb_line line = {.mem = out, .cap = cap};
    out[0] = '\0';
    if (tb_bytes_are_zero(trace->trace_id, 16) || tb_bytes_are_zero(trace->span_id, 8))
        return 0;
    tb_line_text(&line, "1;trace_id=");
    tb_line_hex(&line, trace->trace_id, 16);
    tb_line_text(&line, ",parent_id=");
    tb_line_hex(&line, trace->span_id, 8);
    /* Beelines leave "/" and brackets as they are: the characters of a value of baggage. */
    if (context->dataset.len > 0 && context->dataset.len <= DATASET_BYTES &&
        tb_slice_is(context->dataset, TB_CHAR_BAGGAGE)) {
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
