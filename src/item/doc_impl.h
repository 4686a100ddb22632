/* doc_impl.h - the insides of struct tb_doc, shared by doc.c (index), doc_text.c (strings) and
 * doc_edit.c (edits). */
#ifndef TB_ITEM_DOC_IMPL_H
#define TB_ITEM_DOC_IMPL_H

#include "item/doc.h"

enum tb_doc_edit_kind { TB_DOC_EDIT_REPLACE = 1, TB_DOC_EDIT_REMOVE, TB_DOC_EDIT_ADD };

struct tb_doc_edit {
    int kind;       /* enum tb_doc_edit_kind */
    int node;       /* replaced or removed; of an addition the object or array */
    char *text;     /* owned: what is put there, an added member with its key */
    size_t len;     /* of text */
    size_t key_len; /* of text: the added member's key with its quotes; 0 in arrays */
    int before;     /* the addition to the same node before this one, + 1; 0 for none */
};

struct tb_doc {
    const char *text; /* borrowed */
    size_t len;
    struct tb_doc_node *nodes; /* in the order of the text: a parent before its members */
    int n_nodes, nodes_cap, nodes_max;
    struct tb_doc_edit *edits; /* in the order they were asked for */
    int n_edits, edits_cap;
    /* Of each node its REPLACE or REMOVE edit, and its newest ADD, + 1; NULL before the first edit.
     */
    int32_t *edit_of, *added_to;
};

/* Decodes the inside of a JSON string, which is known to be valid, into pieces of UTF-8. put says
 * whether it wants more. */
void tb_doc_decode(const char *text, size_t len, bool (*put)(void *arg, const char *utf8, size_t n),
                   void *arg);
void tb_doc_edits_free(struct tb_doc *doc);

#endif
