/* text.h - text of callers into memory of fixed size, cut between characters. Signal-safe as far as
 * vsnprintf is: it takes no lock, and allocates only for conversions wider than its stack buffer.
 */
#ifndef TB_CAPTURE_TEXT_H
#define TB_CAPTURE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* Formats into out, always NUL-terminated. A format that is NULL or cannot be carried out leaves
 * itself as the text. Returns the length. */
size_t tb_text_format(char *out, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* The same for a plain text; NULL is "". */
size_t tb_text_copy(char *out, size_t cap, const char *text);

#endif
