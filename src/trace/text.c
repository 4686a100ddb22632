/* text.c - see text.h. */
#include "trace/text.h"

#include <errno.h>
#include <string.h>

#include "base/id.h"
#include "base/utf8.h"

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

/* A digit's value; bit 4 says that it is of upper case, bit 7 that it is none. */
enum { UPPER = 0x10, NONE = 0x80, N = NONE };
static const uint8_t digits[128] = {
    N, N,  N,  N,  N,  N,  N,  N, N, N, N, N, N, N, N, N, /* control */
    N, N,  N,  N,  N,  N,  N,  N, N, N, N, N, N, N, N, N, /* control */
    N, N,  N,  N,  N,  N,  N,  N, N, N, N, N, N, N, N, N, /* blank to / */
    0, 1,  2,  3,  4,  5,  6,  7, 8, 9, N, N, N, N, N, N, /* 0 to ? */
    N, 26, 27, 28, 29, 30, 31, N, N, N, N, N, N, N, N, N, /* @ to O */
    N, N,  N,  N,  N,  N,  N,  N, N, N, N, N, N, N, N, N, /* P to _ */
    N, 10, 11, 12, 13, 14, 15, N, N, N, N, N, N, N, N, N, /* ` to o */
    N, N,  N,  N,  N,  N,  N,  N, N, N, N, N, N, N, N, N, /* p to ~ */
};

bool tb_slice_is(struct tb_slice text, uint8_t class_bit)
{
    uint8_t all = class_bit;
    for (size_t i = 0; i < text.len; i++)
        all &= tb_char_classes[(unsigned char)text.text[i]];
    return all != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct tb_slice tb_slice_trim(struct tb_slice text)
{
    while (text.len > 0 && is_blank(text.text[0])) {
        text.text++;
        text.len--;
    }
    while (text.len > 0 && is_blank(text.text[text.len - 1]))
        text.len--;
    return text;
}

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

bool tb_slice_equals(struct tb_slice text, const char *word)
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

bool tb_bytes_are_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

/* The bits that the digits have beside their values. No branch: a header is good nearly always. */
static uint8_t unhex(const char *text, uint8_t *out, size_t len)
{
    const unsigned char *in = (const unsigned char *)text;
    uint8_t marks = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t high = digits[in[2 * i] & 127];
        uint8_t low = digits[in[2 * i + 1] & 127];
        marks |= high | low | ((in[2 * i] | in[2 * i + 1]) & NONE);
        out[i] = (uint8_t)(high << 4 | (low & 15));
    }
    return marks;
}

int tb_unhex_lower(const char *text, uint8_t *out, size_t len)
{
    return (unhex(text, out, len) & (UPPER | NONE)) != 0 ? -EINVAL : 0;
}

int tb_unhex_any(const char *text, uint8_t *out, size_t len)
{
    return (unhex(text, out, len) & NONE) != 0 ? -EINVAL : 0;
}

int tb_span_parse(struct tb_slice text, uint8_t out[8])
{
    uint8_t span[8];
    if (text.len != 2 * sizeof(span) || tb_unhex_lower(text.text, span, sizeof(span)) < 0 ||
        tb_bytes_are_zero(span, sizeof(span)))
        return -EINVAL;
    memcpy(out, span, sizeof(span));
    return 0;
}

/* ---- base64 ---- */

static int sextet(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
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
        int value = sextet((unsigned char)text.text[i]);
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

/* ---- written ---- */

void tb_line_add(struct tb_line *line, const char *text, size_t len)
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

void tb_line_text(struct tb_line *line, const char *text)
{
    tb_line_add(line, text, strlen(text));
}

void tb_line_hex(struct tb_line *line, const uint8_t *bytes, size_t len)
{
    if (line->is_full || line->cap - line->len <= 2 * len) {
        line->is_full = true;
        return;
    }
    tb_hex(bytes, len, line->mem + line->len);
    line->len += 2 * len;
}
