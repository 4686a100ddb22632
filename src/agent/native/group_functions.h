/* group_functions.h - which functions of a native item's stack its fingerprint is made from. Pure.
 *
 * Of the frames, as they are shown (inlined calls and those that tail calls left are frames like
 * others), count those of the program's own. The first two distinct ones do. Of a stack overflow,
 * which any function of a recursion can run into, the recursion is one, whatever it was entered by
 * and wherever it ended, and the function that entered it the other. */
#ifndef TB_AGENT_GROUP_FUNCTIONS_H
#define TB_AGENT_GROUP_FUNCTIONS_H

#include "agent/native/group_names.h"
#include "item/doc.h"

enum {
    TB_GROUP_FUNCTIONS = 2,
    TB_GROUP_CYCLE = 8,     /* functions of a recursion, the first by name */
    TB_GROUP_FRAMES = 1024, /* the newest of an item that are looked at */
    TB_GROUP_UNNAMED = '+', /* between the module and the offset of a function without a name */
};

struct tb_group_functions {
    char names[TB_GROUP_FUNCTIONS][TB_GROUP_NAME_BYTES]; /* from the fault outwards */
    size_t n;
    char cycle[TB_GROUP_CYCLE][TB_GROUP_NAME_BYTES]; /* sorted */
    size_t n_cycle;                                  /* 0: no recursion ran out of stack */
    char through[TB_GROUP_NAME_BYTES]; /* the library's function that the fault is in, or "" */
    int is_smashed;                    /* the stack was: only the first function is true */
};

/* Of a name: the length of the module, where it is that of a function without one; else all. */
size_t tb_group_module_len(const char *name);
int tb_group_is_false(const struct tb_doc *item, int node);
/* Is the frame the program's own, with a source line? */
int tb_group_has_own_line(const struct tb_doc *item, int frame);
/* 0 or -ENOMEM. */
int tb_group_functions_find(const struct tb_doc *item, struct tb_group_functions *out);

#endif
