/* doc_scan.c - see doc_scan.h. */
#include "item/doc_scan.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

int tb_doc_refuse(struct tb_doc_cursor *p, const char *what)
{
    (void)snprintf(p->why, TB_DOC_WHY, "%s at byte %zu", what, p->at);
    return -EBADMSG;
}

int tb_doc_unexpected(struct tb_doc_cursor *p, const char *expected)
{
    char what[64];
    if (p->at >= p->len)
        (void)snprintf(what, sizeof(what), "text ends where %s must come,", expected);
    else
        (void)snprintf(what, sizeof(what), "%s expected", expected);
    return tb_doc_refuse(p, what);
}

static bool is_hex(unsigned char c)
{
    return tb_doc_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static int scan_digits(struct tb_doc_cursor *p)
{
    if (!tb_doc_is_digit(tb_doc_peek(p)))
        return tb_doc_unexpected(p, "a digit");
    while (tb_doc_is_digit(tb_doc_peek(p)))
        p->at++;
    return 0;
}

static int scan_number(struct tb_doc_cursor *p)
{
    int err = 0;
    if (tb_doc_peek(p) == '-')
        p->at++;
    if (tb_doc_peek(p) == '0')
        p->at++;
    else
        err = scan_digits(p);
    if (!err && tb_doc_peek(p) == '.') {
        p->at++;
        err = scan_digits(p);
    }
    if (!err && (tb_doc_peek(p) | 0x20) == 'e') {
        p->at++;
        if (tb_doc_peek(p) == '+' || tb_doc_peek(p) == '-')
            p->at++;
        err = scan_digits(p);
    }
    return err;
}

static int scan_escape(struct tb_doc_cursor *p)
{
    p->at++;
    unsigned char c = tb_doc_peek(p);
    if (c == 'u') {
        for (int i = 0; i < 4; i++) {
            p->at++;
            if (!is_hex(tb_doc_peek(p)))
                return tb_doc_unexpected(p, "a hex digit");
        }
    } else if (c == 0 || !strchr("\"\\/bfnrt", c)) {
        return tb_doc_unexpected(p, "an escape");
    }
    p->at++;
    return 0;
}

/* Where the first byte is that is no plain character of a string: a quote, a backslash, a control
 * character, or one of several bytes. Eight at a time: of a word's high bits the lowest tells which
 * byte is the first of these; those above it may be wrong, for a subtraction borrows upwards. */
static size_t skip_plain(const char *text, size_t at, size_t len)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    static const uint64_t highs = UINT64_C(0x8080808080808080);
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, text + at, sizeof(word));
        word = le64toh(word);
        uint64_t quote = word ^ ones * '"';
        uint64_t escape = word ^ ones * '\\';
        uint64_t found = (word | (word - ones * 0x20) | (quote - ones) | (escape - ones)) & highs;
        if (found != 0)
            return at + (size_t)__builtin_ctzll(found) / 8;
    }
    while (at < len && (unsigned char)text[at] >= 0x20 && (unsigned char)text[at] < 0x80 &&
           text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

int tb_doc_scan_string(struct tb_doc_cursor *p)
{
    int err;
    p->at++;
    for (;;) {
        p->at = skip_plain(p->text, p->at, p->len);
        if (p->at >= p->len)
            break;
        unsigned char c = (unsigned char)p->text[p->at];
        if (c == '"') {
            p->at++;
            return 0;
        }
        if (c >= 0x20 && c < 0x80 && c != '\\') {
            p->at++;
            continue;
        }
        if (c < 0x20)
            return tb_doc_refuse(p, "control character in a string");
        if (c == '\\') {
            if ((err = scan_escape(p)))
                return err;
            continue;
        }
        size_t wide = tb_utf8_len(p->text + p->at, p->len - p->at);
        if (wide == 0)
            return tb_doc_refuse(p, "invalid UTF-8");
        p->at += wide;
    }
    return tb_doc_refuse(p, "text ends inside a string");
}

static int scan_word(struct tb_doc_cursor *p, const char *word)
{
    size_t len = strlen(word);
    if (p->len - p->at < len || memcmp(p->text + p->at, word, len) != 0)
        return tb_doc_refuse(p, "a value expected");
    p->at += len;
    return 0;
}

int tb_doc_scan_scalar(struct tb_doc_cursor *p, int type)
{
    switch ((enum tb_doc_type)type) {
    case TB_DOC_NULL:
        return scan_word(p, "null");
    case TB_DOC_BOOL:
        return scan_word(p, tb_doc_peek(p) == 't' ? "true" : "false");
    case TB_DOC_NUMBER:
        return scan_number(p);
    case TB_DOC_STRING:
        return tb_doc_scan_string(p);
    case TB_DOC_ARRAY:
    case TB_DOC_OBJECT:
        break;
    }
    return -EINVAL;
}
