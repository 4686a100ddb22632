/* truncate_impl.h - the steps of truncate.c: truncate_steps.c has what each one does,
 * truncate_find.c how they find it. */
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

/* ---- truncate_threads.c ---- */

/* Of each of the other threads of a crash that the agent found (custom.native.threads) the arg
 * innermost frames; with arg 0 the whole list goes. What goes is counted where it was. */
int tb_cut_native_threads(struct tb_cut *cut, const struct tb_cut_step *step);

/* ---- truncate_find.c ---- */

enum {
    TB_CUT_CHAIN_ENDS = 10,
    TB_CUT_THREADS = 50,
    TB_CUT_TRACES = 4 * (2 * TB_CUT_CHAIN_ENDS + TB_CUT_THREADS * 2 * TB_CUT_CHAIN_ENDS)
};

extern const char *const tb_cut_trace_headers[]; /* lower case, ends with NULL */

const struct tb_doc_node *tb_cut_at(const struct tb_cut *cut, int node);
/* The node at path from another when it has that type, else -1; "" is from itself. */
int tb_cut_typed(const struct tb_cut *cut, int from, const char *path, int type);
int tb_cut_name_is(const struct tb_cut *cut, int node, const char *name);
int tb_cut_is_trace_header(const struct tb_cut *cut, int node);
/* All traces, of the exception or its chain and of threads; returns how many. */
int tb_cut_traces(const struct tb_cut *cut, int out[TB_CUT_TRACES]);
/* Keeps so many values at the beginning and at the end of an array, as they are. -1 is none. */
int tb_cut_keep_ends(struct tb_cut *cut, int array, int head, int tail);

#endif
