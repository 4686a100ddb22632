/* stack_names.h - the functions of a stack, by name, from the fault outwards. Pure. */
#ifndef TB_AGENT_STACK_NAMES_H
#define TB_AGENT_STACK_NAMES_H

#include <stddef.h>

#include "item/doc.h"

enum { TB_STACK_NAMES_MAX = 64, TB_STACK_NAME_BYTES = 160 };

/* Whose a frame is. */
enum tb_stack_owner { TB_STACK_LIBRARY, TB_STACK_C_LIBRARY, TB_STACK_OWN };

struct tb_stack_names {
    char names[TB_STACK_NAMES_MAX][TB_STACK_NAME_BYTES]; /* innermost first; "" without one */
    /* The program's own, and no noise (group_names.h); the C library's; any other's. */
    enum tb_stack_owner owners[TB_STACK_NAMES_MAX];
    size_t n;
};

/* The innermost frames of an item (body.trace.frames). */
void tb_stack_names_read(const struct tb_doc *item, struct tb_stack_names *out);
/* The same of a list of frames in doc. */
void tb_stack_names_read_list(const struct tb_doc *doc, int list, struct tb_stack_names *out);
/* name without the underscores in front of it, and "__GI_", which only debug data have: "raise",
 * "__raise" and "__GI_raise" are one. */
const char *tb_stack_names_plain(const char *name);
/* Is it the plain name of one of the innermost n frames? */
int tb_stack_names_has(const struct tb_stack_names *stack, size_t n, const char *name);
/* Does the name of one of them begin so? */
int tb_stack_names_begins(const struct tb_stack_names *stack, size_t n, const char *with);
/* The function that calls itself, in at least eight frames: one of the program's own that takes up
 * a twelfth of them, as others are called in between; else any that takes up a quarter. Of several
 * that are called in turn the first by alphabet, so that it is the same one wherever the stack ran
 * out; the others, if it is one, go into other (else NULL). NULL when there is none. */
const char *tb_stack_names_recursive(const struct tb_stack_names *stack, const char **other);

#endif
