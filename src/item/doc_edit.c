/* doc_edit.c - edits of a tb_doc, and the text with them. See doc.h.
 *
 * An edit only remembers what to do. Rendering turns the edits into splices (place, bytes taken
 * out, text put in), sorts them and copies the text once; what lies inside a span that is taken
 * out is passed over. The commas: a removed member takes the comma before it with it when a member
 * before it stays, else the one behind it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "item/doc_impl.h"

void tb_doc_edits_free(struct tb_doc *doc)
{
    for (int i = 0; i < doc->n_edits; i++)
        free(doc->edits[i].text);
    free(doc->edits);
    free(doc->edit_of);
    free(doc->added_to);
}

static int grow(struct tb_doc *doc)
{
    if (!doc->edit_of)
        doc->edit_of = calloc((size_t)doc->n_nodes, sizeof(*doc->edit_of));
    if (!doc->added_to)
        doc->added_to = calloc((size_t)doc->n_nodes, sizeof(*doc->added_to));
    if (!doc->edit_of || !doc->added_to)
        return -ENOMEM;
    if (doc->n_edits < doc->edits_cap)
        return 0;
    if (doc->n_edits >= 4 * TB_DOC_NODES)
        return -EMSGSIZE;
    int cap = doc->edits_cap > 0 ? doc->edits_cap * 2 : 16;
    struct tb_doc_edit *edits = realloc(doc->edits, (size_t)cap * sizeof(*edits));
    if (!edits)
        return -ENOMEM;
    doc->edits = edits;
    doc->edits_cap = cap;
    return 0;
}

static char *copy(const char *text, size_t len)
{
    char *out = malloc(len + 1);
    if (!out)
        return NULL;
    memcpy(out, text, len);
    out[len] = '\0';
    return out;
}

/* The last word on a node: replaced by json, or removed. */
static int mark(struct tb_doc *doc, int node, const char *json, size_t len)
{
    int err = grow(doc);
    if (err)
        return err;
    char *text = json ? copy(json, len) : NULL;
    if (json && !text)
        return -ENOMEM;
    if (doc->edit_of[node] == 0) {
        doc->edits[doc->n_edits++] = (struct tb_doc_edit){.node = node};
        doc->edit_of[node] = doc->n_edits;
    }
    struct tb_doc_edit *edit = &doc->edits[doc->edit_of[node] - 1];
    free(edit->text);
    edit->kind = json ? TB_DOC_EDIT_REPLACE : TB_DOC_EDIT_REMOVE;
    edit->text = text;
    edit->len = len;
    return 0;
}

int tb_doc_replace(struct tb_doc *doc, int node, const char *json, size_t len)
{
    if (!tb_doc_at(doc, node))
        return -EINVAL;
    return mark(doc, node, json, len);
}

int tb_doc_remove(struct tb_doc *doc, int node)
{
    if (node == 0 || !tb_doc_at(doc, node))
        return -EINVAL;
    return mark(doc, node, NULL, 0);
}

/* Appends an addition; consumes text, of which the first key_len bytes are the key. */
static int append(struct tb_doc *doc, int node, char *text, size_t len, size_t key_len)
{
    int err = grow(doc);
    if (err) {
        free(text);
        return err;
    }
    struct tb_doc_edit *edit = &doc->edits[doc->n_edits++];
    edit->kind = TB_DOC_EDIT_ADD;
    edit->node = node;
    edit->text = text;
    edit->len = len;
    edit->key_len = key_len;
    edit->before = doc->added_to[node];
    doc->added_to[node] = doc->n_edits;
    return 0;
}

/* "key":json in memory of its own, or NULL. */
static char *make_member(const char *key, const char *json, size_t len, size_t *key_len)
{
    size_t cap = 6 * strlen(key) + 8; /* every byte escaped, quotes, what the writer holds back */
    struct tb_json j;
    char *text = malloc(cap + 1 + len + 1);
    if (!text)
        return NULL;
    tb_json_init(&j, text, cap);
    tb_json_str(&j, key);
    (void)tb_json_finish(&j); /* cannot run out: cap is the worst case */
    text[j.len] = ':';
    memcpy(text + j.len + 1, json, len);
    *key_len = j.len;
    return text;
}

int tb_doc_add(struct tb_doc *doc, int object, const char *key, const char *json, size_t len)
{
    const struct tb_doc_node *node = tb_doc_at(doc, object);
    size_t key_len;
    if (!node || node->type != TB_DOC_OBJECT)
        return -EINVAL;
    char *text = make_member(key, json, len, &key_len);
    return text ? append(doc, object, text, key_len + 1 + len, key_len) : -ENOMEM;
}

int tb_doc_push(struct tb_doc *doc, int array, const char *json, size_t len)
{
    const struct tb_doc_node *node = tb_doc_at(doc, array);
    if (!node || node->type != TB_DOC_ARRAY)
        return -EINVAL;
    char *text = copy(json, len);
    return text ? append(doc, array, text, len, 0) : -ENOMEM;
}

/* The member that was added to object under that key, quotes included, or NULL. */
static struct tb_doc_edit *added(struct tb_doc *doc, int object, const char *key, size_t key_len)
{
    int i = doc->added_to ? doc->added_to[object] : 0;
    while (i > 0) {
        struct tb_doc_edit *edit = &doc->edits[i - 1];
        if (edit->key_len == key_len && memcmp(edit->text, key, key_len) == 0)
            return edit;
        i = edit->before;
    }
    return NULL;
}

int tb_doc_set(struct tb_doc *doc, int object, const char *key, const char *json, size_t len)
{
    const struct tb_doc_node *node = tb_doc_at(doc, object);
    size_t key_len;
    if (!node || node->type != TB_DOC_OBJECT)
        return -EINVAL;
    int member = tb_doc_member(doc, object, key);
    if (member >= 0)
        return tb_doc_replace(doc, member, json, len);
    char *text = make_member(key, json, len, &key_len);
    if (!text)
        return -ENOMEM;
    struct tb_doc_edit *edit = added(doc, object, text, key_len);
    if (!edit)
        return append(doc, object, text, key_len + 1 + len, key_len);
    free(edit->text);
    edit->text = text;
    edit->len = key_len + 1 + len;
    return 0;
}

/* ---- rendering ---- */

struct splice {
    size_t at, taken;
    const char *text;
    size_t len;
    int order; /* of the edit: additions to one object stay in their order */
    bool comma;
};

struct render {
    const struct tb_doc *doc;
    struct splice *splices; /* one for each edit at most */
    int n_splices;
    int32_t *first_kept; /* of each object and array: 0 not known yet, -1 none, else node + 1 */
};

static bool is_removed(const struct tb_doc *doc, int node)
{
    int edit = doc->edit_of[node];
    return edit > 0 && doc->edits[edit - 1].kind == TB_DOC_EDIT_REMOVE;
}

/* The first member that is not removed, or -1. */
static int first_kept(struct render *r, int parent)
{
    if (r->first_kept[parent] == 0) {
        int node = r->doc->nodes[parent].first;
        while (node >= 0 && is_removed(r->doc, node))
            node = r->doc->nodes[node].next;
        r->first_kept[parent] = node >= 0 ? node + 1 : -1;
    }
    return r->first_kept[parent] > 0 ? r->first_kept[parent] - 1 : -1;
}

/* Where a member's text begins: at its key, or at its value in an array. */
static size_t member_start(const struct tb_doc *doc, int node)
{
    const struct tb_doc_node *n = &doc->nodes[node];
    return doc->nodes[n->parent].type == TB_DOC_OBJECT ? n->key_at - 1 : n->at;
}

static struct splice removal(struct render *r, int node)
{
    const struct tb_doc *doc = r->doc;
    const struct tb_doc_node *n = &doc->nodes[node];
    size_t start = member_start(doc, node);
    size_t end = n->at + n->len;
    int kept = first_kept(r, n->parent);
    if (kept >= 0 && kept < node) {
        while (doc->text[--start] != ',') {
        }
    } else if (n->next >= 0) {
        end = member_start(doc, n->next);
    }
    return (struct splice){.at = start, .taken = end - start};
}

static struct splice addition(struct render *r, const struct tb_doc_edit *edit)
{
    const struct tb_doc_node *n = &r->doc->nodes[edit->node];
    bool comma = edit->before > 0 || first_kept(r, edit->node) >= 0;
    return (struct splice){
        .at = n->at + n->len - 1, .text = edit->text, .len = edit->len, .comma = comma};
}

static void make_splices(struct render *r)
{
    const struct tb_doc *doc = r->doc;
    for (int i = 0; i < doc->n_edits; i++) {
        const struct tb_doc_edit *edit = &doc->edits[i];
        const struct tb_doc_node *n = &doc->nodes[edit->node];
        struct splice s = {.at = n->at, .taken = n->len, .text = edit->text, .len = edit->len};
        if (edit->kind == TB_DOC_EDIT_REMOVE)
            s = removal(r, edit->node);
        if (edit->kind == TB_DOC_EDIT_ADD)
            s = addition(r, edit);
        s.order = i;
        r->splices[r->n_splices++] = s;
    }
}

static int by_place(const void *a, const void *b)
{
    const struct splice *left = a;
    const struct splice *right = b;
    if (left->at != right->at)
        return left->at < right->at ? -1 : 1;
    return left->order - right->order;
}

static void copy_spliced(const struct render *r, struct tb_buf *out)
{
    const struct tb_doc *doc = r->doc;
    size_t at = 0;
    for (int i = 0; i < r->n_splices; i++) {
        const struct splice *s = &r->splices[i];
        if (s->at < at)
            continue; /* inside what was taken out */
        tb_buf_add(out, doc->text + at, s->at - at);
        if (s->comma)
            tb_buf_add(out, ",", 1);
        tb_buf_add(out, s->text, s->len);
        at = s->at + s->taken;
    }
    tb_buf_add(out, doc->text + at, doc->len - at);
}

int tb_doc_render(const struct tb_doc *doc, struct tb_buf *out)
{
    struct render r = {.doc = doc};
    int err = -ENOMEM;
    if (doc->n_edits == 0) {
        tb_buf_add(out, doc->text, doc->len);
        return out->err;
    }
    r.splices = calloc((size_t)doc->n_edits, sizeof(*r.splices));
    r.first_kept = calloc((size_t)doc->n_nodes, sizeof(*r.first_kept));
    if (!r.splices || !r.first_kept)
        goto out;
    make_splices(&r);
    qsort(r.splices, (size_t)r.n_splices, sizeof(*r.splices), by_place);
    copy_spliced(&r, out);
    err = out->err;
out:
    free(r.first_kept);
    free(r.splices);
    return err;
}
