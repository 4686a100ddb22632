/* stack_names.h - the functions of a stack, by name, from the fault outwards. Pure. */
#ifndef TB_AGENT_STACK_NAMES_H
#define TB_AGENT_STACK_NAMES_H

#include <stddef.h>

#include "item/doc.h"

enum { TB_STACK_NAMES_MAX = 64, TB_STACK_NAME_BYTES = 160 };

struct tb_stack_names {
    char names[TB_STACK_NAMES_MAX][TB_STACK_NAME_BYTES]; /* innermost first; "" without one */
    size_t n;
};

/* The innermost frames of an item (body.trace.frames). */
void tb_stack_names_read(const struct tb_doc *item, struct tb_stack_names *out);
/* name without the underscores in front of it, and "__GI_", which only debug data have: "raise",
 * "__raise" and "__GI_raise" are one. */
const char *tb_stack_names_plain(const char *name);
/* Is it the plain name of one of the innermost n frames? */
int tb_stack_names_has(const struct tb_stack_names *stack, size_t n, const char *name);
/* The function that calls itself: one that takes up a quarter and more of at least eight frames,
 * alone or with others that are called in turn. Of these the first by alphabet, so that it is the
 * same one wherever the stack ran out; the others, if it is one, go into other (else NULL). NULL
 * when there is none. */
const char *tb_stack_names_recursive(const struct tb_stack_names *stack, const char **other);

#endif
