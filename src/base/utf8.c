/* utf8.c - see utf8.h. */
#include "base/utf8.h"

/* RFC 3629, table of section 4: the range of the second byte depends on the first. */
static const struct {
    unsigned char first, last, low, high, len;
} rows[] = {{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
            {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
            {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

size_t tb_utf8_len(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;
    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (p[0] < rows[i].first || p[0] > rows[i].last)
            continue;
        if (left < rows[i].len || p[1] < rows[i].low || p[1] > rows[i].high)
            return 0;
        for (size_t k = 2; k < rows[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].len;
    }
    return 0;
}

size_t tb_utf8_cut(const char *text, size_t len, size_t want)
{
    if (want >= len)
        return len;
    /* A sequence has at most three bytes after its first. */
    for (size_t back = 0; back < 4 && back <= want; back++) {
        size_t at = want - back;
        if (((unsigned char)text[at] & 0xc0) == 0x80)
            continue;
        return at + tb_utf8_len(text + at, len - at) > want ? at : want;
    }
    return want; /* no UTF-8 anyway */
}

unsigned tb_utf8_code(const char *text, size_t len)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code = (unsigned char)text[0] & masks[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3f);
    return code;
}
