/* terms.h - a parsed filter expression. Internal to src/filter. */
#ifndef TB_FILTER_TERMS_H
#define TB_FILTER_TERMS_H

#include "filter/filter.h"
#include "filter/words.h"

enum tb_term_kind {
    TB_TERM_AND, /* left and right */
    TB_TERM_OR,
    TB_TERM_NOT,        /* left */
    TB_TERM_WORD,       /* word op value */
    TB_TERM_ANNOTATION, /* name op value */
    TB_TERM_SERVICE,    /* ends[0]; what it is like: left, or -1 */
    TB_TERM_EDGE,       /* ends[0] and [1]; left, or -1 */
    TB_TERM_CAUSE,      /* cause and part; left */
    TB_TERM_CAUSE_JSON, /* op; what it names is not kept, as no item of ours has such */
    TB_TERM_GROUP       /* name op */
};

struct tb_term {
    enum tb_term_kind kind;
    int left, right; /* numbers of terms; -1 none */
    enum tb_op op;
    const struct tb_word *word;
    const char *name;
    enum tb_filter_value type; /* of the value */
    double number;             /* of BOOL 0 or 1 */
    const char *text;
    struct tb_filter_end ends[2]; /* NULL: any */
    enum tb_filter_cause cause;
    enum tb_filter_part part;
};

struct tb_filter {
    struct tb_term *terms; /* owned; n of them */
    size_t n;
    int root;
    char *strings; /* owned: what the terms point to */
};

/* The group of that name, or of that ARN ("...:group/NAME/ID"): its number, or -1. */
int tb_group_find(const struct tb_filter_group *groups, size_t n_groups, const char *name);

#endif
