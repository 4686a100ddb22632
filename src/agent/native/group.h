/* group.h - which occurrences are one bug: a fingerprint, and what it was made from. Pure.
 *
 * Native items: SHA-1 of the service, the exception class, the first three distinct functions of
 * the program's own from the place of the fault outwards, and for reports the format string, for
 * failed assertions the expression. Never an address, a line number or a path.
 * - Recursion counts once; the functions of the C library, the allocator and ours are passed over.
 * - Of an inlined call only the function that holds it counts. That is what the symbol table knows,
 *   so a binary groups the same with and without debug information; a build that inlines a function
 *   which another build calls can still differ when it is among the three.
 * - A frame without a name counts by its module's base name.
 * Of processes that vanished the fingerprint is that of service, signal and executable.
 * Forwarded items keep their own fingerprint, else they get what Rollbar documents as its default:
 * SHA-1 of all file names and methods and the class, or of the message without its numbers. */
#ifndef TB_AGENT_GROUP_H
#define TB_AGENT_GROUP_H

#include "base/buf.h"
#include "item/doc.h"

enum { TB_FINGERPRINT_TEXT = 41, TB_GROUP_FUNCTIONS = 3 };

struct tb_group {
    char fingerprint[TB_FINGERPRINT_TEXT];
    struct tb_buf inputs; /* JSON: {"by":"functions","class":..,"functions":[..]} */
};

/* item is the data object of an item; is_native when its frames are ours. 0 or -ENOMEM. Free with
 * tb_group_done, whatever came back. */
int tb_group_item(const struct tb_doc *item, int is_native, struct tb_group *out);
void tb_group_done(struct tb_group *group);

/* A function's name without what a compiler appends (.part.0, .isra.0, .constprop.1, .cold,
 * .llvm.123, .lto_priv.0): writes into out. */
void tb_group_clean(const char *method, char *out, size_t cap);
/* Is it a function that says nothing about the bug: abort, raise, malloc, start_thread? */
int tb_group_is_noise(const char *method);
/* The first function from the fault outwards that counts: for titles. "" when there is none. */
void tb_group_culprit(const struct tb_doc *item, char *out, size_t cap);

#endif
