/* doc.c - see doc.h: the index. One pass, no recursion: the open brackets are the chain of parents.
 */
#include "item/doc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "item/doc_impl.h"
#include "item/doc_scan.h"

struct parser {
    struct tb_doc *doc;
    struct tb_doc_cursor cursor;
    int parent; /* the innermost open object or array, or -1 */
    int last;   /* its last member so far, or -1 */
    int depth;
    uint32_t key_at, key_len; /* of the value that comes next */
};

static int too_much(struct parser *p, const char *what)
{
    (void)tb_doc_refuse(&p->cursor, what);
    return -EMSGSIZE;
}

/* The type that the byte at the cursor begins, or -1. */
static int type_here(const struct parser *p)
{
    unsigned char c = tb_doc_peek(&p->cursor);
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
        return c == '-' || tb_doc_is_digit(c) ? TB_DOC_NUMBER : -1;
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
        (void)tb_doc_refuse(&p->cursor, "out of memory");
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
                                            .at = (uint32_t)p->cursor.at,
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
    node->len = (uint32_t)p->cursor.at - node->at;
    p->last = p->parent;
    p->parent = node->parent;
    p->depth--;
}

/* A key and its colon. */
static int parse_key(struct parser *p)
{
    int err;
    tb_doc_skip_blanks(&p->cursor);
    if (tb_doc_peek(&p->cursor) != '"')
        return tb_doc_unexpected(&p->cursor, "a key in quotes");
    p->key_at = (uint32_t)p->cursor.at + 1;
    if ((err = tb_doc_scan_string(&p->cursor)))
        return err;
    p->key_len = (uint32_t)p->cursor.at - 1 - p->key_at;
    tb_doc_skip_blanks(&p->cursor);
    if (tb_doc_peek(&p->cursor) != ':')
        return tb_doc_unexpected(&p->cursor, "a colon");
    p->cursor.at++;
    return 0;
}

/* What comes behind a value: closing brackets, then a comma and perhaps a key (*more is true), or
 * the end of the text. */
static int parse_after(struct parser *p, bool *more)
{
    for (;;) {
        tb_doc_skip_blanks(&p->cursor);
        if (p->parent < 0) {
            *more = false;
            return p->cursor.at < p->cursor.len
                       ? tb_doc_refuse(&p->cursor, "more text behind the value")
                       : 0;
        }
        bool is_object = p->doc->nodes[p->parent].type == TB_DOC_OBJECT;
        if (tb_doc_peek(&p->cursor) == (is_object ? '}' : ']')) {
            p->cursor.at++;
            close_bracket(p);
            continue;
        }
        if (tb_doc_peek(&p->cursor) != ',')
            return tb_doc_unexpected(&p->cursor, is_object ? "',' or '}'" : "',' or ']'");
        p->cursor.at++;
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
    p->cursor.at++;
    tb_doc_skip_blanks(&p->cursor);
    if (tb_doc_peek(&p->cursor) == (is_object ? '}' : ']'))
        return parse_after(p, more);
    *more = true;
    return is_object ? parse_key(p) : 0;
}

static int parse(struct parser *p)
{
    int err;
    bool more = true;
    while (more) {
        tb_doc_skip_blanks(&p->cursor);
        int type = type_here(p);
        if (type < 0)
            return tb_doc_unexpected(&p->cursor, "a value");
        if ((err = grow(p)))
            return err;
        link_node(p, type);
        if (type == TB_DOC_OBJECT || type == TB_DOC_ARRAY) {
            err = parse_open(p, type == TB_DOC_OBJECT, &more);
        } else {
            struct tb_doc_node *node = &p->doc->nodes[p->last];
            if ((err = tb_doc_scan_scalar(&p->cursor, type)))
                return err;
            node->len = (uint32_t)p->cursor.at - node->at;
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
    struct parser p = {
        .doc = doc, .cursor = {.text = text, .len = len, .why = why}, .parent = -1, .last = -1};
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
