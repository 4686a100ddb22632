/* text.c - see text.h. */
#include "trace/text.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "trace/digits.h"

/* The sums of TB_CHAR_*; 16 characters a line. */
const uint8_t tb_char_classes[256] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  /* control */
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  /* control */
    4,  28, 4,  28, 28, 28, 28, 28, 20, 20, 30, 28, 0,  30, 28, 22, /* blank to / */
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 20, 4,  20, 16, 20, 20, /* 0 to ? */
    22, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, /* @ to O */
    28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 20, 4,  20, 28, 30, /* P to _ */
    28, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, /* ` to o */
    31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 31, 20, 28, 20, 28, 0,  /* p to ~ */
};

struct tb_slice tb_slice_cut(struct tb_slice *rest, char mark)
{
    struct tb_slice first = *rest;
    const char *at = first.len > 0 ? memchr(first.text, mark, first.len) : NULL;
    if (at == NULL) {
        *rest = (struct tb_slice){.text = NULL};
        return first;
    }
    first.len = (size_t)(at - first.text);
    rest->text = at + 1;
    rest->len -= first.len + 1;
    return first;
}

/* ---- digits ---- */

static int unhex(const char *text, uint8_t *out, size_t len, enum tb_hex_case which)
{
    bool good = true;
    for (; len >= 8; len -= 8, text += 16, out += 8) {
        uint64_t bytes = tb_span_unhex(text, which, &good);
        memcpy(out, &bytes, sizeof(bytes));
    }
    for (; len > 0; len--, text += 2)
        *out++ = tb_byte_unhex(text, which, &good);
    return good ? 0 : -EINVAL;
}

int tb_unhex_lower(const char *text, uint8_t *out, size_t len)
{
    return unhex(text, out, len, TB_HEX_LOWER);
}

int tb_unhex_any(const char *text, uint8_t *out, size_t len)
{
    return unhex(text, out, len, TB_HEX_ANY);
}

void tb_hex_text(const uint8_t *bytes, size_t len, char *out)
{
    for (; len >= 4; len -= 4, bytes += 4, out += 8) {
        uint32_t four;
        memcpy(&four, bytes, sizeof(four));
        uint64_t word = htole64(tb_word_hex(le32toh(four)));
        memcpy(out, &word, sizeof(word));
    }
}

/* Eight decimal digits, by pairs, fours and all: each step joins neighbours. */
static uint64_t decimal_word(uint64_t word, bool *good)
{
    uint64_t marks = tb_word_range(word & TB_EACH(0x7f), '0', '9') & ~word & TB_EACH(0x80);
    *good &= marks == TB_EACH(0x80);
    word = (word & TB_EACH(0x0f)) * ((10 << 8) + 1) >> 8;
    word = (word & UINT64_C(0x00ff00ff00ff00ff)) * ((100 << 16) + 1) >> 16;
    return (word & UINT64_C(0x0000ffff0000ffff)) * ((UINT64_C(10000) << 32) + 1) >> 32;
}

/* The first n of up to eight digits as eight; '0' stands before them. */
static uint64_t first_digits(struct tb_slice text, size_t n)
{
    uint64_t word = TB_EACH('0');
    if (n == sizeof(word))
        return tb_word_load(text.text);
    if (text.len >= sizeof(word))
        return tb_word_load(text.text) << 8 * (sizeof(word) - n) | word >> 8 * n;
    for (size_t i = 0; i < n; i++)
        word = word >> 8 | (uint64_t)(unsigned char)text.text[i] << 56;
    return word;
}

/* Groups of eight from the right. */
int tb_decimal_parse(struct tb_slice text, uint64_t *out)
{
    enum { WORD = 8, DIGITS = 20 };
    static const uint64_t hundred_million = 100000000;
    uint64_t value = 0;
    bool good = true;
    if (text.len == 0 || text.len > DIGITS)
        return -EINVAL;
    size_t first_len = (text.len - 1) % WORD + 1;
    value = decimal_word(first_digits(text, first_len), &good);
    for (size_t at = first_len; at < text.len; at += WORD) {
        uint64_t eight = decimal_word(tb_word_load(text.text + at), &good);
        if (__builtin_mul_overflow(value, hundred_million, &value) ||
            __builtin_add_overflow(value, eight, &value))
            return -EINVAL;
    }
    if (!good || value == 0)
        return -EINVAL;
    *out = value;
    return 0;
}

/* ---- base64 ---- */

/* Marks those characters that are one, of either alphabet. */
static tb_chars base64_marks(const char *text)
{
    tb_chars chars = tb_chars_load(text);
    return (tb_chars)((chars | 0x20) - 'a' < 26) | (tb_chars)(chars - '/' < 11) | /* to '9' */
           (tb_chars)(chars == '+') | (tb_chars)(chars == '-') | (tb_chars)(chars == '_');
}

/* By sixteens; the last sixteen are looked at once more. */
bool tb_is_base64(struct tb_slice text)
{
    static const size_t step = sizeof(tb_chars);
    if (text.len >= step) {
        tb_chars marks = base64_marks(text.text + text.len - step);
        for (size_t at = 0; at + step < text.len; at += step)
            marks &= base64_marks(text.text + at);
        return tb_chars_are_all(marks);
    }
    for (size_t i = 0; i < text.len; i++)
        if (tb_base64_digit((unsigned char)text.text[i]) < 0)
            return false;
    return true;
}

long tb_base64_parse(struct tb_slice text, uint8_t *out, size_t cap)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t len = 0;
    size_t padding = 0;
    while (text.len > 0 && padding < 2 && text.text[text.len - 1] == '=') {
        text.len--;
        padding++;
    }
    if (text.len % 4 == 1 || (padding > 0 && (text.len + padding) % 4 != 0))
        return -EINVAL;
    for (size_t i = 0; i < text.len; i++) {
        int value = tb_base64_digit((unsigned char)text.text[i]);
        if (value < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        if (len < cap)
            out[len] = (uint8_t)(bits >> n_bits);
        len++;
    }
    return (long)len;
}

/* ---- percent ---- */

static size_t unpercent(struct tb_slice *text, char out[1])
{
    uint8_t byte;
    size_t n = 1;
    out[0] = text->text[0];
    if (text->text[0] == '%' && text->len >= 3 && tb_unhex_any(text->text + 1, &byte, 1) == 0) {
        out[0] = (char)byte;
        n = 3;
    }
    text->text += n;
    text->len -= n;
    return n;
}

int tb_percent_parse(struct tb_slice text, char *out, size_t cap)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t len = 0;
    while (text.len > 0) {
        char bytes[4];
        size_t n = 0;
        struct tb_slice ahead = text;
        struct tb_slice after_first = text;
        while (n < sizeof(bytes) && ahead.len > 0) {
            (void)unpercent(&ahead, &bytes[n]);
            n++;
            if (n == 1)
                after_first = ahead;
        }
        size_t good = tb_utf8_len(bytes, n);
        if (bytes[0] == '\0')
            good = 0; /* it would end the text */
        const char *from = good > 0 ? bytes : replacement;
        size_t from_len = good > 0 ? good : sizeof(replacement) - 1;
        if (len + from_len >= cap)
            return -ENOSPC;
        memcpy(out + len, from, from_len);
        len += from_len;
        text = after_first;
        for (size_t i = 1; i < good; i++)
            (void)unpercent(&text, &bytes[0]);
    }
    if (cap == 0)
        return -ENOSPC;
    out[len] = '\0';
    return 0;
}
