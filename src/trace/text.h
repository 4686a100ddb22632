/* text.h - the small readers that all trace formats share: blanks, hex, base64, percent.
 * Signal-safe, private to src/trace. */
#ifndef TB_TRACE_TEXT_H
#define TB_TRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
static inline bool tb_slice_is(struct tb_slice text, uint8_t class_bit)
{
    uint8_t all = class_bit;
    for (size_t i = 0; i < text.len; i++)
        all &= tb_char_classes[(unsigned char)text.text[i]];
    return all != 0;
}

static inline bool tb_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the spaces and tabs at both ends. */
static inline struct tb_slice tb_slice_trim(struct tb_slice text)
{
    while (text.len > 0 && tb_is_blank(text.text[0])) {
        text.text++;
        text.len--;
    }
    while (text.len > 0 && tb_is_blank(text.text[text.len - 1]))
        text.len--;
    return text;
}

/* len is 8 or 16: an ID. */
static inline bool tb_bytes_are_zero(const uint8_t *bytes, size_t len)
{
    uint64_t left = 0;
    uint64_t right = 0;
    memcpy(&left, bytes, sizeof(left));
    if (len > sizeof(left))
        memcpy(&right, bytes + sizeof(left), sizeof(right));
    return (left | right) == 0;
}

/* What stands before the first mark, or all; rest is what follows it, text NULL when there is no
 * mark. */
struct tb_slice tb_slice_cut(struct tb_slice *rest, char mark);
/* Without regard to case; word is in lower case. */
static inline bool tb_slice_equals(struct tb_slice text, const char *word)
{
    if (text.len != strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.text[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != word[i])
            return false;
    }
    return true;
}

/* text holds 2 * len hex digits, of lower case only: 0 or -EINVAL, out is written in any case. */
int tb_unhex_lower(const char *text, uint8_t *out, size_t len);
/* The same, of either case. */
int tb_unhex_any(const char *text, uint8_t *out, size_t len);
/* A decimal number of 64 bits, not 0: 0, or -EINVAL with out untouched. */
int tb_decimal_parse(struct tb_slice text, uint64_t *out);

/* Writes 2 * len lower-case digits, no NUL; len is a multiple of 4. */
void tb_hex_text(const uint8_t *bytes, size_t len, char *out);

/* The six bits of a character of base64, also of the URL-safe one; -1 where it is none. */
static inline int tb_base64_digit(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}
/* Whether all are characters of base64, without padding. */
bool tb_is_base64(struct tb_slice text);
/* Base64 of RFC 4648, of either alphabet, padded or not. The first cap bytes are kept, all are
 * checked: how many there are, or -EINVAL. */
long tb_base64_parse(struct tb_slice text, uint8_t *out, size_t cap);
/* Replaces %xx; what is no UTF-8 afterwards becomes U+FFFD. Ends with NUL; 0, or -ENOSPC. */
int tb_percent_parse(struct tb_slice text, char *out, size_t cap);

/* Text written into memory of fixed size: what does not fit sets full and is not written. */
struct tb_line {
    char *mem;
    size_t cap, len;
    bool is_full;
};
static inline void tb_line_add(struct tb_line *line, const char *text, size_t len)
{
    if (len == 0)
        return;
    if (line->is_full || line->cap - line->len <= len) {
        line->is_full = true;
        return;
    }
    memcpy(line->mem + line->len, text, len);
    line->len += len;
    line->mem[line->len] = '\0';
}

static inline void tb_line_text(struct tb_line *line, const char *text)
{
    tb_line_add(line, text, strlen(text));
}

/* len is a multiple of 4. */
static inline void tb_line_hex(struct tb_line *line, const uint8_t *bytes, size_t len)
{
    if (line->is_full || line->cap - line->len <= 2 * len) {
        line->is_full = true;
        return;
    }
    tb_hex_text(bytes, len, line->mem + line->len);
    line->len += 2 * len;
    line->mem[line->len] = '\0';
}

#endif
