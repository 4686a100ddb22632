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
    for (; len >= 4; len -= 4, text += 8, out += 4) {
        uint32_t bytes = htole32((uint32_t)tb_word_unhex(tb_word_load(text), which, &good));
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

int tb_span_parse(struct tb_slice text, uint8_t out[8])
{
    bool good = true;
    if (text.len != 16)
        return -EINVAL;
    uint64_t span = tb_span_unhex(text.text, TB_HEX_LOWER, &good);
    if (!good || span == 0)
        return -EINVAL;
    memcpy(out, &span, sizeof(span));
    return 0;
}

/* ---- base64 ---- */

/* Eight characters: bit 7 of each that is one, of the usual alphabet. */
static uint64_t base64_marks(const char *text)
{
    uint64_t word = tb_word_load(text);
    uint64_t low = word & TB_EACH(0x7f);
    return ~word & (tb_word_range(low | TB_EACH(0x20), 'a', 'z') | tb_word_range(low, '/', '9') |
                    tb_word_range(low, '+', '+'));
}

/* By words first, the last eight looked at once more; one by one only where that says no. */
bool tb_is_base64(struct tb_slice text)
{
    enum { WORD = 8 };
    if (text.len >= WORD) {
        uint64_t marks = base64_marks(text.text + text.len - WORD);
        for (size_t at = 0; at + WORD < text.len; at += WORD)
            marks &= base64_marks(text.text + at);
        if ((marks & TB_EACH(0x80)) == TB_EACH(0x80))
            return true;
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
