/* doc_text.c - reading a tb_doc: members by name, decoded strings, integers. See doc.h. */
#include <string.h>

#include "base/utf8.h"
#include "item/doc_impl.h"

static unsigned hex4(const char *text)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned c = (unsigned char)text[i];
        value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t encode(unsigned code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)((0xf00u >> n & 0xf0) | code);
    return n;
}

/* A \u escape at text, or two that make one character. What has no character, and NUL, which C
 * strings cannot hold, becomes U+FFFD. Returns the bytes read. */
static size_t decode_unicode(const char *text, size_t left, char out[4], size_t *n)
{
    unsigned code = hex4(text + 2);
    size_t used = 6;
    if (code >= 0xd800 && code < 0xdc00 && left >= 12 && text[6] == '\\' && text[7] == 'u') {
        unsigned low = hex4(text + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            used = 12;
        }
    }
    if (code == 0 || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    *n = encode(code, out);
    return used;
}

void tb_doc_decode(const char *text, size_t len, bool (*put)(void *arg, const char *utf8, size_t n),
                   void *arg)
{
    static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
    size_t at = 0;
    while (at < len) {
        const char *escape = memchr(text + at, '\\', len - at);
        size_t plain = escape ? (size_t)(escape - text) - at : len - at;
        if (plain > 0 && !put(arg, text + at, plain))
            return;
        at += plain;
        if (at >= len)
            return;
        char utf8[4];
        size_t n = 1;
        if (text[at + 1] == 'u') {
            at += decode_unicode(text + at, len - at, utf8, &n);
        } else {
            size_t i = 0;
            while (escapes[i] != text[at + 1])
                i += 2;
            utf8[0] = escapes[i + 1];
            at += 2;
        }
        if (!put(arg, utf8, n))
            return;
    }
}

/* ---- where decoded text goes ---- */

static bool put_buf(void *arg, const char *utf8, size_t n)
{
    struct tb_buf *out = arg;
    tb_buf_add(out, utf8, n);
    return out->err == 0;
}

struct fixed {
    char *out;
    size_t len, cap;
};

static bool put_fixed(void *arg, const char *utf8, size_t n)
{
    struct fixed *fixed = arg;
    size_t fit = tb_utf8_cut(utf8, n, fixed->cap - fixed->len);
    memcpy(fixed->out + fixed->len, utf8, fit);
    fixed->len += fit;
    return fit == n;
}

struct comparison {
    const char *left; /* what must still come */
    size_t len;
    bool is_same;
};

static bool put_comparison(void *arg, const char *utf8, size_t n)
{
    struct comparison *c = arg;
    c->is_same = n <= c->len && memcmp(c->left, utf8, n) == 0;
    if (c->is_same) {
        c->left += n;
        c->len -= n;
    }
    return c->is_same;
}

static bool key_is(const struct tb_doc *doc, const struct tb_doc_node *node, const char *key,
                   size_t len)
{
    const char *text = doc->text + node->key_at;
    /* An escape is longer than what it stands for, and most keys differ at their first byte. */
    if (node->key_len < len ||
        (node->key_len > 0 && len > 0 && text[0] != key[0] && text[0] != '\\'))
        return false;
    if (node->key_len == len)
        return memcmp(text, key, len) == 0 && !memchr(text, '\\', len);
    if (!memchr(text, '\\', node->key_len))
        return false;
    struct comparison c = {.left = key, .len = len, .is_same = true};
    tb_doc_decode(text, node->key_len, put_comparison, &c);
    return c.is_same && c.len == 0;
}

/* ---- the calls of doc.h ---- */

static int member(const struct tb_doc *doc, int object, const char *key, size_t len)
{
    const struct tb_doc_node *node = tb_doc_at(doc, object);
    int found = -1;
    if (!node || node->type != TB_DOC_OBJECT)
        return -1;
    for (int i = node->first; i >= 0; i = doc->nodes[i].next) {
        if (key_is(doc, &doc->nodes[i], key, len))
            found = i;
    }
    return found;
}

int tb_doc_member(const struct tb_doc *doc, int object, const char *key)
{
    return member(doc, object, key, strlen(key));
}

static int element(const struct tb_doc *doc, int array, const char *digits, size_t len)
{
    int want = 0;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9' || want > TB_DOC_NODES)
            return -1;
        want = want * 10 + (digits[i] - '0');
    }
    const struct tb_doc_node *node = &doc->nodes[array];
    if (len == 0 || want >= node->n_members)
        return -1;
    int found = node->first;
    while (want-- > 0)
        found = doc->nodes[found].next;
    return found;
}

int tb_doc_find(const struct tb_doc *doc, int from, const char *path)
{
    const char *part = *path ? path : NULL;
    while (part && tb_doc_at(doc, from)) {
        size_t len = strcspn(part, ".");
        if (doc->nodes[from].type == TB_DOC_ARRAY)
            from = element(doc, from, part, len);
        else
            from = member(doc, from, part, len);
        part = part[len] == '.' ? part + len + 1 : NULL;
    }
    return tb_doc_at(doc, from) ? from : -1;
}

void tb_doc_string(const struct tb_doc *doc, int node, struct tb_buf *out)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    if (n && n->type == TB_DOC_STRING)
        tb_doc_decode(doc->text + n->at + 1, n->len - 2, put_buf, out);
}

void tb_doc_key(const struct tb_doc *doc, int node, struct tb_buf *out)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    if (n)
        tb_doc_decode(doc->text + n->key_at, n->key_len, put_buf, out);
}

bool tb_doc_copy(const struct tb_doc *doc, int node, char *out, size_t cap)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    if (cap == 0)
        return false;
    out[0] = '\0';
    if (!n || n->type != TB_DOC_STRING)
        return false;
    struct fixed fixed = {.out = out, .cap = cap - 1};
    tb_doc_decode(doc->text + n->at + 1, n->len - 2, put_fixed, &fixed);
    out[fixed.len] = '\0';
    return true;
}

int64_t tb_doc_int(const struct tb_doc *doc, int node, int64_t fallback)
{
    const struct tb_doc_node *n = tb_doc_at(doc, node);
    if (!n || n->type != TB_DOC_NUMBER)
        return fallback;
    const char *text = doc->text + n->at;
    bool is_negative = text[0] == '-';
    int64_t value = 0; /* gathered below zero, where the range is wider by one */
    for (size_t i = is_negative ? 1 : 0; i < n->len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return fallback;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, text[i] - '0', &value))
            return fallback;
    }
    if (is_negative)
        return value;
    return value == INT64_MIN ? fallback : -value;
}
