/* doc.c - see doc.h: the index. One pass, no recursion: the open brackets are the chain of parents.
 *
 * Source of the grammar: RFC 8259. */
#include "item/doc.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "item/doc_impl.h"

struct parser {
    struct tb_doc *doc;
    const char *text;
    size_t len;
    size_t at;
    int parent; /* the innermost open object or array, or -1 */
    int last;   /* its last member so far, or -1 */
    int depth;
    uint32_t key_at, key_len; /* of the value that comes next */
    char *why;
};

static int refuse(struct parser *p, const char *what)
{
    (void)snprintf(p->why, TB_DOC_WHY, "%s at byte %zu", what, p->at);
    return -EBADMSG;
}

static int too_much(struct parser *p, const char *what)
{
    (void)refuse(p, what);
    return -EMSGSIZE;
}

/* The byte at the cursor, or 0 at the end; a NUL in the text is nowhere valid. */
static unsigned char peek(const struct parser *p)
{
    return p->at < p->len ? (unsigned char)p->text[p->at] : 0;
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->len && (p->text[p->at] == ' ' || p->text[p->at] == '\n' ||
                              p->text[p->at] == '\t' || p->text[p->at] == '\r'))
        p->at++;
}

/* What is neither said by the grammar nor the end of the text. */
static int unexpected(struct parser *p, const char *expected)
{
    char what[64];
    if (p->at >= p->len)
        (void)snprintf(what, sizeof(what), "text ends where %s must come,", expected);
    else
        (void)snprintf(what, sizeof(what), "%s expected", expected);
    return refuse(p, what);
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(unsigned char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static int scan_digits(struct parser *p)
{
    if (!is_digit(peek(p)))
        return unexpected(p, "a digit");
    while (is_digit(peek(p)))
        p->at++;
    return 0;
}

static int scan_number(struct parser *p)
{
    int err = 0;
    if (peek(p) == '-')
        p->at++;
    if (peek(p) == '0')
        p->at++;
    else
        err = scan_digits(p);
    if (!err && peek(p) == '.') {
        p->at++;
        err = scan_digits(p);
    }
    if (!err && (peek(p) | 0x20) == 'e') {
        p->at++;
        if (peek(p) == '+' || peek(p) == '-')
            p->at++;
        err = scan_digits(p);
    }
    return err;
}

static int scan_escape(struct parser *p)
{
    p->at++;
    unsigned char c = peek(p);
    if (c == 'u') {
        for (int i = 0; i < 4; i++) {
            p->at++;
            if (!is_hex(peek(p)))
                return unexpected(p, "a hex digit");
        }
    } else if (c == 0 || !strchr("\"\\/bfnrt", c)) {
        return unexpected(p, "an escape");
    }
    p->at++;
    return 0;
}

/* Where the first byte is that is no plain character of a string: a quote, a backslash, a control
 * character, or one of several bytes. Eight at a time: of a word's high bits the lowest tells which
 * byte is the first of these; those above it may be wrong, for a subtraction borrows upwards. */
static size_t skip_plain(const char *text, size_t at, size_t len)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    static const uint64_t highs = UINT64_C(0x8080808080808080);
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof(word));
        word = le64toh(word);
        uint64_t quote = word ^ ones * '"';
        uint64_t escape = word ^ ones * '\\';
        uint64_t found = (word | (word - ones * 0x20) | (quote - ones) | (escape - ones)) & highs;
        if (found != 0)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    while (at < len && (unsigned char)text[at] >= 0x20 && (unsigned char)text[at] < 0x80 &&
           text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* From the quote to behind the closing one. */
static int scan_string(struct parser *p)
{
    int err;
    p->at++;
    for (;;) {
        p->at = skip_plain(p->text, p->at, p->len);
        if (p->at >= p->len)
            break;
        unsigned char c = (unsigned char)p->text[p->at];
        if (c == '"') {
            p->at++;
            return 0;
        }
        if (c >= 0x20 && c < 0x80 && c != '\\') {
            p->at++;
            continue;
        }
        if (c < 0x20)
            return refuse(p, "control character in a string");
        if (c == '\\') {
            if ((err = scan_escape(p)))
                return err;
            continue;
        }
        size_t wide = tb_utf8_len(p->text + p->at, p->len - p->at);
        if (wide == 0)
            return refuse(p, "invalid UTF-8");
        p->at += wide;
    }
    return refuse(p, "text ends inside a string");
}

static int scan_word(struct parser *p, const char *word)
{
    size_t len = strlen(word);
    if (p->len - p->at < len || memcmp(p->text + p->at, word, len) != 0)
        return refuse(p, "a value expected");
    p->at += len;
    return 0;
}

static int scan_scalar(struct parser *p, int type)
{
    switch ((enum tb_doc_type)type) {
    case TB_DOC_NULL:
        return scan_word(p, "null");
    case TB_DOC_BOOL:
        return scan_word(p, peek(p) == 't' ? "true" : "false");
    case TB_DOC_NUMBER:
        return scan_number(p);
    case TB_DOC_STRING:
        return scan_string(p);
    case TB_DOC_ARRAY:
    case TB_DOC_OBJECT:
        break;
    }
    return -EINVAL;
}

/* The type that the byte at the cursor begins, or -1. */
static int type_here(const struct parser *p)
{
    unsigned char c = peek(p);
    switch (c) {
    case '{':
        return TB_DOC_OBJECT;
    case '[':
        return TB_DOC_ARRAY;
    case '"':
        return TB_DOC_STRING;
    case 'n':
        return TB_DOC_NULL;
    case 't':
    case 'f':
        return TB_DOC_BOOL;
    default:
        return c == '-' || is_digit(c) ? TB_DOC_NUMBER : -1;
    }
}

/* Memory for one more node: 0, -EMSGSIZE or -ENOMEM. */
static int grow(struct parser *p)
{
    struct tb_doc *doc = p->doc;
    if (doc->n_nodes < doc->nodes_cap)
        return 0;
    if (doc->n_nodes == doc->nodes_max) {
        char what[64];
        (void)snprintf(what, sizeof(what), "more than %d values", doc->nodes_max);
        return too_much(p, what);
    }
    int cap = doc->nodes_cap > 0 ? doc->nodes_cap * 2 : 256;
    if (cap > doc->nodes_max)
        cap = doc->nodes_max;
    struct tb_doc_node *nodes = realloc(doc->nodes, (size_t)cap * sizeof(*nodes));
    if (!nodes) {
        (void)refuse(p, "out of memory");
        return -ENOMEM;
    }
    doc->nodes = nodes;
    doc->nodes_cap = cap;
    return 0;
}

static void link_node(struct parser *p, int type)
{
    struct tb_doc *doc = p->doc;
    int node = doc->n_nodes++;
    doc->nodes[node] = (struct tb_doc_node){.type = type,
                                            .key_at = p->key_at,
                                            .key_len = p->key_len,
                                            .at = (uint32_t)p->at,
                                            .parent = p->parent,
                                            .next = -1,
                                            .first = -1};
    if (p->parent >= 0) {
        struct tb_doc_node *parent = &doc->nodes[p->parent];
        parent->n_members++;
        if (p->last >= 0)
            doc->nodes[p->last].next = node;
        else
            parent->first = node;
    }
    p->last = node;
    p->key_at = p->key_len = 0;
}

/* The cursor is behind the closing bracket of the innermost object or array. */
static void close_bracket(struct parser *p)
{
    struct tb_doc_node *node = &p->doc->nodes[p->parent];
    node->len = (uint32_t)p->at - node->at;
    p->last = p->parent;
    p->parent = node->parent;
    p->depth--;
}

/* A key and its colon. */
static int parse_key(struct parser *p)
{
    int err;
    skip_blanks(p);
    if (peek(p) != '"')
        return unexpected(p, "a key in quotes");
    p->key_at = (uint32_t)p->at + 1;
    if ((err = scan_string(p)))
        return err;
    p->key_len = (uint32_t)p->at - 1 - p->key_at;
    skip_blanks(p);
    if (peek(p) != ':')
        return unexpected(p, "a colon");
    p->at++;
    return 0;
}

/* What comes behind a value: closing brackets, then a comma and perhaps a key (*more is true), or
 * the end of the text. */
static int parse_after(struct parser *p, bool *more)
{
    for (;;) {
        skip_blanks(p);
        if (p->parent < 0) {
            *more = false;
            return p->at < p->len ? refuse(p, "more text behind the value") : 0;
        }
        bool is_object = p->doc->nodes[p->parent].type == TB_DOC_OBJECT;
        if (peek(p) == (is_object ? '}' : ']')) {
            p->at++;
            close_bracket(p);
            continue;
        }
        if (peek(p) != ',')
            return unexpected(p, is_object ? "',' or '}'" : "',' or ']'");
        p->at++;
        *more = true;
        return is_object ? parse_key(p) : 0;
    }
}

/* The cursor is on an opening bracket. *more: a member comes next. */
static int parse_open(struct parser *p, bool is_object, bool *more)
{
    if (p->depth == TB_DOC_DEPTH)
        return too_much(p, "nested deeper than 64 levels");
    p->depth++;
    p->parent = p->last;
    p->last = -1;
    p->at++;
    skip_blanks(p);
    if (peek(p) == (is_object ? '}' : ']'))
        return parse_after(p, more);
    *more = true;
    return is_object ? parse_key(p) : 0;
}

static int parse(struct parser *p)
{
    int err;
    bool more = true;
    while (more) {
        skip_blanks(p);
        int type = type_here(p);
        if (type < 0)
            return unexpected(p, "a value");
        if ((err = grow(p)))
            return err;
        link_node(p, type);
        if (type == TB_DOC_OBJECT || type == TB_DOC_ARRAY) {
            err = parse_open(p, type == TB_DOC_OBJECT, &more);
        } else {
            struct tb_doc_node *node = &p->doc->nodes[p->last];
            if ((err = scan_scalar(p, type)))
                return err;
            node->len = (uint32_t)p->at - node->at;
            err = parse_after(p, &more);
        }
        if (err)
            return err;
    }
    return 0;
}

static int new_with(const char *text, size_t len, int nodes_max, struct tb_doc **out,
                    char why[TB_DOC_WHY])
{
    why[0] = '\0';
    if (len > TB_DOC_BYTES) {
        (void)snprintf(why, TB_DOC_WHY, "%zu bytes, more than %d", len, TB_DOC_BYTES);
        return -EMSGSIZE;
    }
    struct tb_doc *doc = calloc(1, sizeof(*doc));
    if (!doc) {
        (void)snprintf(why, TB_DOC_WHY, "out of memory");
        return -ENOMEM;
    }
    doc->text = text;
    doc->len = len;
    doc->nodes_max = nodes_max;
    struct parser p = {.doc = doc, .text = text, .len = len, .parent = -1, .last = -1, .why = why};
    int err = parse(&p);
    if (err) {
        tb_doc_free(doc);
        return err;
    }
    *out = doc;
    return 0;
}

int tb_doc_new(const char *text, size_t len, struct tb_doc **out, char why[TB_DOC_WHY])
{
    return new_with(text, len, TB_DOC_NODES, out, why);
}

int tb_doc_new_large(const char *text, size_t len, struct tb_doc **out, char why[TB_DOC_WHY])
{
    return new_with(text, len, TB_DOC_NODES_LARGE, out, why);
}

/* What is in a value comes right behind it, up to the first node that begins beyond its end. */
static int n_in_part(const struct tb_doc *doc, int node)
{
    uint32_t end = doc->nodes[node].at + doc->nodes[node].len;
    int last = node + 1;
    while (last < doc->n_nodes && doc->nodes[last].at < end)
        last++;
    return last - node;
}

int tb_doc_part(const struct tb_doc *doc, int node, const char *text, struct tb_doc **out)
{
    if (!tb_doc_at(doc, node))
        return -EINVAL;
    const struct tb_doc_node *from = &doc->nodes[node];
    struct tb_doc *part = calloc(1, sizeof(*part));
    int n = n_in_part(doc, node);
    if (part)
        part->nodes = malloc((size_t)n * sizeof(*part->nodes));
    if (!part || !part->nodes) {
        free(part);
        return -ENOMEM;
    }
    part->text = text;
    part->len = from->len;
    part->n_nodes = part->nodes_cap = n;
    part->nodes_max = doc->nodes_max;
    for (int i = 0; i < n; i++) {
        struct tb_doc_node *to = &part->nodes[i];
        *to = from[i];
        to->at -= from->at;
        to->key_at -= to->key_at > 0 ? from->at : 0;
        to->parent -= node;
        to->next -= to->next >= 0 ? node : 0;
        to->first -= to->first >= 0 ? node : 0;
    }
    part->nodes[0].key_at = part->nodes[0].key_len = 0;
    part->nodes[0].parent = part->nodes[0].next = -1;
    *out = part;
    return 0;
}

void tb_doc_free(struct tb_doc *doc)
{
    if (!doc)
        return;
    tb_doc_edits_free(doc);
    free(doc->nodes);
    free(doc);
}

const struct tb_doc_node *tb_doc_at(const struct tb_doc *doc, int node)
{
    return node >= 0 && node < doc->n_nodes ? &doc->nodes[node] : NULL;
}

int tb_doc_n_nodes(const struct tb_doc *doc)
{
    return doc->n_nodes;
}

bool tb_doc_is_edited(const struct tb_doc *doc)
{
    return doc->n_edits > 0;
}
