/* inflate.h - bodies that were sent compressed. Pure; may run beside the loop. */
#ifndef TB_AGENT_INFLATE_H
#define TB_AGENT_INFLATE_H

#include <stddef.h>

#include "base/buf.h"

enum { TB_INFLATE_RATIO = 1032 }; /* what deflate makes out of one byte at the most */

enum tb_coding { TB_CODING_NONE, TB_CODING_GZIP, TB_CODING_DEFLATE, TB_CODING_UNKNOWN };

/* What a Content-Encoding header says; NULL: there is none. Several codings are unknown. */
enum tb_coding tb_coding_of(const char *header);
/* Appends the text to out, whose max is the most that is inflated. gzip may have several members;
 * deflate is with or without zlib's wrapping. 0; -EMSGSIZE: more than max; -EBADMSG: cut short, or
 * not of that coding; -ENOMEM. */
int tb_inflate(enum tb_coding coding, const char *data, size_t len, struct tb_buf *out);

#endif
