/* text.h - the small readers that all trace formats share: blanks, hex, base64, percent.
 * Signal-safe, private to src/trace. */
#ifndef TB_TRACE_TEXT_H
#define TB_TRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/slice.h"

/* What a character may be part of; those above 127 may be part of nothing. */
enum {
    TB_CHAR_KEY_START = 1, /* of a tracestate key */
    TB_CHAR_KEY = 2,
    TB_CHAR_VALUE = 4,   /* of a tracestate value */
    TB_CHAR_TOKEN = 8,   /* RFC 7230 */
    TB_CHAR_BAGGAGE = 16 /* of a baggage value */
};
extern const uint8_t tb_char_classes[256];
/* Whether all characters are of that class. */
bool tb_slice_is(struct tb_slice text, uint8_t class_bit);

/* Without the spaces and tabs at both ends. */
struct tb_slice tb_slice_trim(struct tb_slice text);
/* What stands before the first mark, or all; rest is what follows it, text NULL when there is no
 * mark. */
struct tb_slice tb_slice_cut(struct tb_slice *rest, char mark);
/* Without regard to case; word is in lower case. */
bool tb_slice_equals(struct tb_slice text, const char *word);

bool tb_bytes_are_zero(const uint8_t *bytes, size_t len);
/* text holds 2 * len hex digits, of lower case only: 0 or -EINVAL, out is written in any case. */
int tb_unhex_lower(const char *text, uint8_t *out, size_t len);
/* The same, of either case. */
int tb_unhex_any(const char *text, uint8_t *out, size_t len);
/* 16 hex digits of lower case that are not all zero: 0, or -EINVAL with out untouched. */
int tb_span_parse(struct tb_slice text, uint8_t out[8]);

/* Base64 of RFC 4648, padded or not. The first cap bytes are kept, all are checked: how many there
 * are, or -EINVAL. */
long tb_base64_parse(struct tb_slice text, uint8_t *out, size_t cap);
/* Replaces %xx; what is no UTF-8 afterwards becomes U+FFFD. Ends with NUL; 0, or -ENOSPC. */
int tb_percent_parse(struct tb_slice text, char *out, size_t cap);

/* Text written into memory of fixed size: what does not fit sets full and is not written. */
struct tb_line {
    char *mem;
    size_t cap, len;
    bool is_full;
};
void tb_line_add(struct tb_line *line, const char *text, size_t len);
void tb_line_text(struct tb_line *line, const char *text);
void tb_line_hex(struct tb_line *line, const uint8_t *bytes, size_t len);

#endif
