/* words.h - the keywords and operators of filter expressions. Internal to src/filter. */
#ifndef TB_FILTER_WORDS_H
#define TB_FILTER_WORDS_H

#include "filter/view.h"

enum tb_word_type { TB_WORD_BOOL, TB_WORD_NUMBER, TB_WORD_STRING };

enum tb_word_place {
    TB_AT_FLAG,  /* offset is enum tb_filter_flag */
    TB_AT_FIELD, /* offset of a field of struct tb_filter_subject */
    TB_AT_LIST,  /* the same, of a list; n_offset that of its number */
    TB_AT_FIRST, /* of a list of root causes */
    TB_AT_LAST,
    TB_AT_INDEX
};

struct tb_word {
    const char *name;
    enum tb_word_type type;
    enum tb_word_place place;
    size_t offset, n_offset;
};

enum tb_op {
    TB_OP_SET, /* none: is it there, of a boolean its value */
    TB_OP_IS,
    TB_OP_IS_NOT,
    TB_OP_LESS,
    TB_OP_LESS_OR_IS,
    TB_OP_MORE,
    TB_OP_MORE_OR_IS,
    TB_OP_CONTAINS,
    TB_OP_BEGINS,
    TB_OP_ENDS,
    TB_OPS
};

extern const struct tb_word tb_words[];
extern const size_t tb_n_words;
extern const char *const tb_op_names[TB_OPS]; /* NULL for SET */
extern const char *const tb_cause_names[TB_CAUSES];
extern const char *const tb_part_names[TB_PARTS];

/* The keyword of that name, in any case; NULL when there is none. */
const struct tb_word *tb_word_find(const char *name, size_t len);
/* The keyword, or the beginning of a term, that a mistyped one was likely meant to be; or NULL. */
const char *tb_word_near(const char *name, size_t len);

#endif
