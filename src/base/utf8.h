/* utf8.h - what is a well-formed UTF-8 sequence (RFC 3629). Signal-safe. */
#ifndef TB_BASE_UTF8_H
#define TB_BASE_UTF8_H

#include <stddef.h>

/* Length of the well-formed sequence at text, 1 to 4 bytes, or 0 when there is none in the left
 * bytes. A NUL byte is a sequence of one. */
size_t tb_utf8_len(const char *text, size_t left);

/* The largest n <= want at which text of len bytes can be cut without splitting a sequence. */
size_t tb_utf8_cut(const char *text, size_t len, size_t want);

/* The character of the well-formed sequence of len bytes at text. */
unsigned tb_utf8_code(const char *text, size_t len);

#endif
