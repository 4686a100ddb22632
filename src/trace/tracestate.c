/* tracestate.c - the members of tracestate; see formats.h. W3C Trace Context level 2. */
#include <errno.h>
#include <string.h>

#include "trace/digits.h"
#include "trace/formats.h"
#include "trace/text.h"

enum { MEMBERS = 32, PART_BYTES = 256, LONG_MEMBER = 128 };

/* How many characters from there on are of a key. */
static size_t key_span(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && (tb_char_classes[(unsigned char)text[n]] & TB_CHAR_KEY) != 0)
        n++;
    return n;
}

/* The same of a value, eight at a time: 0x20 to 0x7e without "," and "=". */
static size_t value_span(const char *text, size_t len)
{
    size_t n = 0;
    for (; n + 8 <= len; n += 8) {
        uint64_t word = tb_word_load(text + n);
        uint64_t low = word & TB_EACH(0x7f);
        uint64_t good = (low + TB_EACH(0x60)) & ((low ^ TB_EACH(',')) + TB_EACH(0x7f)) &
                        ((low ^ TB_EACH('=')) + TB_EACH(0x7f)) &
                        ((low ^ TB_EACH(0x7f)) + TB_EACH(0x7f)) & ~word;
        uint64_t bad = ~good & TB_EACH(0x80);
        if (bad != 0)
            return n + (size_t)__builtin_ctzll(bad) / 8;
    }
    while (n < len && (tb_char_classes[(unsigned char)text[n]] & TB_CHAR_VALUE) != 0)
        n++;
    return n;
}

/* One pass over the member: what its characters may be tells where its parts end. */
__attribute__((always_inline)) static inline int read_member(struct tb_slice *rest,
                                                             struct tb_member *out)
{
    const char *text = rest->text;
    size_t len = rest->len;
    size_t key_len = key_span(text, len);
    if (key_len == 0 || key_len > PART_BYTES || key_len == len || text[key_len] != '=' ||
        (tb_char_classes[(unsigned char)text[0]] & TB_CHAR_KEY_START) == 0)
        return -EINVAL;
    size_t at = key_len + 1;
    size_t end = at + value_span(text + at, len - at);
    size_t value_end = end;
    while (value_end > at && text[value_end - 1] == ' ')
        value_end--;
    while (end < len && tb_is_blank(text[end])) /* a tab is no part of a value */
        end++;
    if (value_end == at || value_end - at > PART_BYTES || (end < len && text[end] != ','))
        return -EINVAL;
    *rest = end < len ? (struct tb_slice){text + end + 1, len - end - 1}
                      : (struct tb_slice){.text = NULL};
    *out = (struct tb_member){
        .key = {text, key_len}, .value = {text + at, value_end - at}, .whole = {text, value_end}};
    return 1;
}

__attribute__((always_inline)) static inline int next(struct tb_slice *rest, struct tb_member *out)
{
    while (rest->len > 0) {
        if (rest->text[0] != ',' && !tb_is_blank(rest->text[0]))
            return read_member(rest, out);
        rest->text++; /* empty members are legal */
        rest->len--;
    }
    return 0;
}

int tb_tracestate_next(struct tb_slice *rest, struct tb_member *out)
{
    return next(rest, out);
}

struct piece {
    struct tb_slice text;
    size_t header; /* which of them it stands in */
};

/* Whole members go: first those over 128 characters, then any, from the right. */
static void cut(struct piece *members, size_t n, size_t total)
{
    for (int any = 0; any < 2; any++) {
        for (size_t i = n; i-- > 0 && total > TB_TRACESTATE_TEXT;) {
            struct tb_slice *text = &members[i].text;
            if (text->len == 0 || (!any && text->len <= LONG_MEMBER))
                continue;
            total -= text->len + 1;
            text->len = 0;
        }
    }
}

/* Members that stand side by side, as they nearly always do, are one piece. */
static void join(const struct piece *members, size_t n, char out[TB_TRACESTATE_TEXT])
{
    struct tb_line line = {.mem = out, .cap = TB_TRACESTATE_TEXT};
    struct piece piece = {.text = {.text = NULL}};
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        struct tb_slice text = members[i].text;
        if (text.len == 0)
            continue;
        if (piece.text.text != NULL && members[i].header == piece.header &&
            text.text == piece.text.text + piece.text.len + 1) {
            piece.text.len += text.len + 1;
            continue;
        }
        tb_line_add(&line, piece.text.text, piece.text.len);
        tb_line_add(&line, ",", line.len > 0 ? 1 : 0);
        piece = members[i];
    }
    tb_line_add(&line, piece.text.text, piece.text.len);
}

int tb_tracestate_parse(const struct tb_slice *headers, size_t n, char out[TB_TRACESTATE_TEXT])
{
    struct piece members[MEMBERS];
    struct tb_member member;
    size_t n_members = 0;
    size_t total = 0; /* with a comma, or the NUL, behind each */
    for (size_t i = 0; i < n; i++) {
        struct tb_slice rest = headers[i];
        int found;
        while ((found = next(&rest, &member)) == 1) {
            if (n_members == MEMBERS)
                return -EINVAL;
            members[n_members++] = (struct piece){member.whole, i};
            total += member.whole.len + 1;
        }
        if (found < 0)
            return -EINVAL;
    }
    if (total > TB_TRACESTATE_TEXT)
        cut(members, n_members, total);
    join(members, n_members, out);
    return (int)n_members;
}
