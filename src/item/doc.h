/* doc.h - a JSON text as it came, an index of its values, and edits that are spliced into it.
 *
 * 1. What is not edited stays byte for byte: numbers, nulls, key order, white space.
 * 2. The index is bounded: at most TB_DOC_NODES values, TB_DOC_DEPTH levels, TB_DOC_BYTES bytes;
 *    whoever has the memory (40 bytes a value) and the time may ask for TB_DOC_NODES_LARGE values.
 * 3. Only valid JSON in valid UTF-8 gets an index; why says what is wrong and at which byte.
 * cJSON cannot do this: it turns 9007199254740993 into 9.00719925474099e+15. */
#ifndef TB_ITEM_DOC_H
#define TB_ITEM_DOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum {
    TB_DOC_NODES = 50000,
    TB_DOC_NODES_LARGE = 1000000,
    TB_DOC_DEPTH = 64,
    TB_DOC_BYTES = 8 << 20,
    TB_DOC_WHY = 160
};
enum tb_doc_type {
    TB_DOC_NULL,
    TB_DOC_BOOL,
    TB_DOC_NUMBER,
    TB_DOC_STRING,
    TB_DOC_ARRAY,
    TB_DOC_OBJECT
};

struct tb_doc_node {
    int type;
    uint32_t key_at, key_len;    /* inside the quotes, escaped; 0, 0 for array members */
    uint32_t at, len;            /* the value's text, quotes and brackets included */
    int32_t parent, next, first; /* node numbers; -1 none */
    int32_t n_members;
};

struct tb_doc; /* borrows the text it was made from */

/* 0; -EBADMSG: no JSON; -EMSGSIZE: over a bound of 2; -ENOMEM. why is "" on success. */
int tb_doc_new(const char *text, size_t len, struct tb_doc **out, char why[TB_DOC_WHY]);
/* The same with up to TB_DOC_NODES_LARGE values. */
int tb_doc_new_large(const char *text, size_t len, struct tb_doc **out, char why[TB_DOC_WHY]);
/* The value at a node as a document of its own, without its edits. text is a copy of the bytes of
 * that value, which the new document borrows; they are not read again. 0, -EINVAL or -ENOMEM. */
int tb_doc_part(const struct tb_doc *doc, int node, const char *text, struct tb_doc **out);
void tb_doc_free(struct tb_doc *doc);
/* Node 0 is the root. */
const struct tb_doc_node *tb_doc_at(const struct tb_doc *doc, int node);
int tb_doc_n_nodes(const struct tb_doc *doc);
/* Is there an edit? */
bool tb_doc_is_edited(const struct tb_doc *doc);
/* The member of an object; its last one when repeated; -1 when there is none. */
int tb_doc_member(const struct tb_doc *doc, int object, const char *key);
/* "body.trace.frames" from a node: dots separate keys, digits index arrays. -1 when not there.
 * A key with a dot in it cannot be named this way. */
int tb_doc_find(const struct tb_doc *doc, int from, const char *path);
/* The decoded text of a string value (or of any node's key). Appends to out. \u0000 and the
 * halves of a surrogate pair become U+FFFD. */
void tb_doc_string(const struct tb_doc *doc, int node, struct tb_buf *out);
void tb_doc_key(const struct tb_doc *doc, int node, struct tb_buf *out);
/* A string decoded into fixed memory, cut to fit at a UTF-8 boundary, always NUL-terminated. False
 * when node is -1 or no string; then out is "". */
bool tb_doc_copy(const struct tb_doc *doc, int node, char *out, size_t cap);
/* An integer that fits, else fallback. */
int64_t tb_doc_int(const struct tb_doc *doc, int node, int64_t fallback);

/* Edits take effect in tb_doc_render; the index keeps showing the original. json is copied, and
 * must be one complete JSON value: it is not checked. The last edit of a node counts. -EINVAL for
 * a node that is not there or of the wrong type. */
int tb_doc_replace(struct tb_doc *doc, int node, const char *json, size_t len);
/* Removes a member of an object or array with its comma. Node 0 cannot be removed. */
int tb_doc_remove(struct tb_doc *doc, int node);
/* Adds a member at the end of an object (even one with edits inside). */
int tb_doc_add(struct tb_doc *doc, int object, const char *key, const char *json, size_t len);
/* Adds a value at the end of an array. */
int tb_doc_push(struct tb_doc *doc, int array, const char *json, size_t len);
/* Replaces the member if there (or if added before), else adds it. */
int tb_doc_set(struct tb_doc *doc, int object, const char *key, const char *json, size_t len);
/* The text with all edits. Edits inside a replaced or removed value are dropped. 0, -ENOMEM,
 * -EMSGSIZE. */
int tb_doc_render(const struct tb_doc *doc, struct tb_buf *out);

#endif
