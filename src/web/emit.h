/* emit.h - text into pages, escaped by construction.
 *
 * The format is HTML (or plain text) that we wrote; everything else goes in through a directive:
 *
 *   %h   text between tags            %a   text within a quoted attribute
 *   %u   one part of a URL            %t   one line of plain text      %m   one line of Markdown
 *   %d   int                          %l   int64_t                     %n   int64_t, as 1,234,567
 *   %r   HTML that we wrote ourselves, chosen at run time: the only one that is not escaped
 *   %%   a percent sign
 *
 * 1. All of the text directives take const char *; NULL counts as "". "%.200h" shows at most 200
 *    bytes, cut between characters, and then says so with an ellipsis.
 * 2. What could steer a reader's eyes or a terminal is made visible or harmless: control
 *    characters, marks that turn the direction of text, bytes that are not UTF-8.
 * 3. An unknown directive is our own mistake: the buffer's error becomes -EINVAL. */
#ifndef TB_WEB_EMIT_H
#define TB_WEB_EMIT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/buf.h"

void tb_emit(struct tb_buf *out, const char *format, ...);
void tb_emit_v(struct tb_buf *out, const char *format, va_list args);
/* len bytes as %h would show them. */
void tb_emit_text(struct tb_buf *out, const char *text, size_t len);

#endif
