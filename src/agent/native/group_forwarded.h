/* group_forwarded.h - what the items of other SDKs are grouped by, as Rollbar documents its
 * default: all file names and methods of all their exceptions with their classes, or the message,
 * each without what differs from one release, host or occurrence to the next. Pure. */
#ifndef TB_AGENT_GROUP_FORWARDED_H
#define TB_AGENT_GROUP_FORWARDED_H

#include "base/buf.h"
#include "item/doc.h"

enum tb_group_by { TB_GROUP_BY_TRACE, TB_GROUP_BY_CHAIN, TB_GROUP_BY_MESSAGE };

/* Appends the text that the fingerprint is the SHA-1 of. out must take TB_DOC_BYTES. */
enum tb_group_by tb_group_forwarded_text(const struct tb_doc *item, struct tb_buf *out);

/* A file name without the folder that the project is in (root may be ""), dates and the hashes of
 * commits and builds; what a package manager installed begins with the package. Appends. */
void tb_group_plain_file(const char *name, const char *root, struct tb_buf *out);
/* A method without integers of two and more digits. Appends. */
void tb_group_plain_method(const char *name, struct tb_buf *out);
/* A message without timestamps, decimals, integers of two and more digits and hexadecimal numbers
 * of four and more. Appends. */
void tb_group_plain_message(const char *text, struct tb_buf *out);

#endif
