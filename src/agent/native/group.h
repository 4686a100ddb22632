/* group.h - which occurrences are one bug: a fingerprint, what it was made from, and why, in words.
 * docs/grouping.md is normative. Pure.
 *
 * Native items: SHA-1 of the service, the class, the functions of group_functions.h, and of what
 * else tells bugs apart: the cause (meaning.h), a report's format, a failed assertion's expression
 * and function, a forbidden system call's name. Of processes that vanished: of service, signal and
 * executable. Never an address, a line number or a path. Forwarded items: of the fingerprint that
 * they came with, else of the text of group_forwarded.h, and never the same as a native one. */
#ifndef TB_AGENT_GROUP_H
#define TB_AGENT_GROUP_H

#include "agent/native/group_names.h"
#include "base/buf.h"
#include "item/doc.h"

enum { TB_FINGERPRINT_TEXT = 41 };

struct tb_group {
    char fingerprint[TB_FINGERPRINT_TEXT];
    /* JSON: {"by":"functions","service":..,"class":..,"functions":[..],..,"why":".."} */
    struct tb_buf inputs;
};

/* item is the data object of an item; is_native when its frames are ours. 0 or -ENOMEM. Free with
 * tb_group_done, whatever came back. */
int tb_group_item(const struct tb_doc *item, int is_native, struct tb_group *out);
void tb_group_done(struct tb_group *group);
/* The SHA-1 of text, 40 hex digits. 0 or -ENOMEM. */
int tb_group_digest(const struct tb_buf *text, char out[TB_FINGERPRINT_TEXT]);

/* The first function from the fault outwards that counts: for titles. "" when there is none. */
void tb_group_culprit(const struct tb_doc *item, char *out, size_t cap);

#endif
