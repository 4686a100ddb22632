/* doc_scan.h - the words of a JSON text: a cursor over it, and what passes over one scalar. Private
 * to doc.c, which knows how they belong together.
 *
 * Source of the grammar: RFC 8259. */
#ifndef TB_ITEM_DOC_SCAN_H
#define TB_ITEM_DOC_SCAN_H

#include "item/doc.h"

struct tb_doc_cursor {
    const char *text;
    size_t len;
    size_t at;
    char *why; /* TB_DOC_WHY bytes */
};

/* The byte at the cursor, or 0 at the end; a NUL in the text is nowhere valid. */
static inline unsigned char tb_doc_peek(const struct tb_doc_cursor *p)
{
    return p->at < p->len ? (unsigned char)p->text[p->at] : 0;
}

static inline void tb_doc_skip_blanks(struct tb_doc_cursor *p)
{
    while (p->at < p->len && (p->text[p->at] == ' ' || p->text[p->at] == '\n' ||
                              p->text[p->at] == '\t' || p->text[p->at] == '\r'))
        p->at++;
}

static inline bool tb_doc_is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

/* -EBADMSG, and why says what is wrong at the cursor. */
int tb_doc_refuse(struct tb_doc_cursor *p, const char *what);
/* The same of what is neither said by the grammar nor the end of the text. */
int tb_doc_unexpected(struct tb_doc_cursor *p, const char *expected);

/* From the quote to behind the closing one: 0 or -EBADMSG. */
int tb_doc_scan_string(struct tb_doc_cursor *p);
/* Behind the value at the cursor, of that type (enum tb_doc_type), no array or object. */
int tb_doc_scan_scalar(struct tb_doc_cursor *p, int type);

#endif
