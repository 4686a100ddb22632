/* truncate_impl.h - the steps of truncate.c: truncate_steps.c has what each one does. */
#ifndef TB_ITEM_TRUNCATE_IMPL_H
#define TB_ITEM_TRUNCATE_IMPL_H

#include "item/doc_impl.h"

struct tb_cut {
    struct tb_doc *doc; /* edits go here */
    int data;           /* its data object */
    size_t max;         /* bytes that the text shall have */
};

struct tb_cut_step {
    const char *name; /* in the note; consecutive steps may share one */
    /* arg or keep is the step's own. 0 or a negative errno. */
    int (*run)(struct tb_cut *cut, const struct tb_cut_step *step);
    size_t arg;
    const char *const *keep; /* names of members, ends with NULL */
    const char *path;        /* of the object they are members of, from data; "" data itself */
};

extern const struct tb_cut_step tb_cut_steps[];
extern const size_t tb_n_cut_steps;

#endif
