/* scrub_text.c - secrets behind names in text that is no JSON: URLs, forms, command lines, log
 * lines, dumps of data, headers; see scrub.h and docs/scrub.md 3.
 *
 * The text is gone through once, from word to word. A word that is the name of a secret masks what
 * stands behind it, when a sign stands between; scrub_value.c tells where that ends. */
#include <string.h>
#include <strings.h>

#include "agent/pipeline/scrub_value.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* How far a word's surroundings are looked at. */
enum { SHORT_BACK = 64, TAG_BYTES = 1024 };

/* The text that is gone through. */
struct scan {
    struct tb_scrub_run *run;
    const char *text;
    size_t len;
    int level;
    size_t clean_to; /* up to here nothing is hidden behind percent signs */
    size_t value_to; /* where the value ends that was looked at last */
};

/* A word; runs with percent signs are one, decoded. */
struct word {
    size_t from, to; /* in the text */
    const char *name;
    size_t len;
    char decoded[TB_SCRUB_KEY];
};

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static int is_at(const struct scan *s, size_t at, const char *what)
{
    size_t n = strlen(what);
    return at <= s->len && s->len - at >= n && strncasecmp(s->text + at, what, n) == 0;
}

/* ---- what hides behind percent signs ---- */

/* "a%20b" becomes "a b"; with is_form also "a+b". */
static void percent_decode(const char *text, size_t len, int is_form, struct tb_buf *out)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '+' && is_form)
            c = ' ';
        else if (c == '%' && tb_scrub_is_percent(text + i, len - i)) {
            c = (char)tb_scrub_hex2(text + i + 1);
            i += 2;
        }
        tb_buf_add(out, &c, 1);
    }
}

/* Is there a secret in the text when it is decoded? What cannot be looked at counts as one. */
static int hides_secret(struct scan *s, size_t from, size_t to)
{
    struct tb_buf plain;
    struct tb_buf out;
    int found = 1;
    if (to <= s->clean_to)
        return 0;
    if (memchr(s->text + from, '%', to - from) == NULL) {
        s->clean_to = to;
        return 0;
    }
    if (s->level == 0)
        return 1;
    tb_buf_init(&plain, TB_DOC_BYTES);
    tb_buf_init(&out, (size_t)2 * TB_DOC_BYTES);
    percent_decode(s->text + from, to - from, 1, &plain);
    if (!plain.err)
        found = tb_scrub_any(s->run, "", tb_buf_str(&plain), plain.len, TB_SCRUB_TEXT, s->level - 1,
                             &out) != 0;
    if (!found)
        s->clean_to = to;
    tb_buf_done(&plain);
    tb_buf_done(&out);
    return found;
}

/* The name at the end of a run: of "user%5Bpassword%5D" it is password. */
static void decode_word(const struct scan *s, struct word *word)
{
    const char *text = s->text + word->from;
    size_t len = word->to - word->from;
    size_t skipped = len > sizeof(word->decoded) ? len - sizeof(word->decoded) : 0;
    struct tb_buf plain;
    struct tb_buf again;
    tb_buf_init(&plain, TB_SCRUB_KEY);
    tb_buf_init(&again, TB_SCRUB_KEY);
    percent_decode(text + skipped, len - skipped, 0, &plain);
    percent_decode(tb_buf_str(&plain), plain.len, 0, &again);
    while (again.len > 0 && !is_word(again.data[again.len - 1]))
        again.len--;
    size_t from = again.len;
    while (from > 0 && is_word(again.data[from - 1]))
        from--;
    word->len = again.len - from;
    if (word->len >= sizeof(word->decoded))
        word->len = 0;
    memcpy(word->decoded, tb_buf_str(&again) + from, word->len);
    word->name = word->decoded;
    tb_buf_done(&plain);
    tb_buf_done(&again);
}

/* The word at `at`: an ordinary one, or a run with percent signs. */
static int read_word(const struct scan *s, size_t at, struct word *word)
{
    int has_percent = 0;
    word->from = word->to = at;
    while (word->to < s->len) {
        int is_escape = tb_scrub_is_percent(s->text + word->to, s->len - word->to);
        if (!is_escape && !is_word(s->text[word->to]))
            break;
        has_percent |= is_escape;
        word->to += is_escape ? 3 : 1;
    }
    word->name = s->text + at;
    word->len = word->to - at;
    if (has_percent)
        decode_word(s, word);
    return word->to > at;
}

/* ---- a name and its value ---- */

static size_t skip_spaces(const struct scan *s, size_t at)
{
    while (at < s->len && (s->text[at] == ' ' || s->text[at] == '\t'))
        at++;
    return at;
}

static size_t line_end(const struct scan *s, size_t at)
{
    while (at < s->len && s->text[at] != '\n' && s->text[at] != '\r')
        at++;
    return at;
}

/* What stands between a name and its value. */
enum sign { NO_SIGN, EQUALS, COLON, COMMA };

static enum sign read_sign(const struct scan *s, size_t *at)
{
    static const struct {
        const char *text;
        enum sign sign;
    } signs[] = {{"=>", EQUALS},  {"==", NO_SIGN}, {"=", EQUALS}, {":=", EQUALS},
                 {"::", NO_SIGN}, {":", COLON},    {",", COMMA}};
    for (size_t i = 0; i < N(signs); i++)
        if (is_at(s, *at, signs[i].text)) {
            *at += strlen(signs[i].text);
            return signs[i].sign;
        }
    return NO_SIGN;
}

/* "invalid token: eof" is prose, "token: 3f9a8b7c" is not: eight signs or more, with digits. */
static int is_like_secret(const struct scan *s, size_t at)
{
    int has_digit = 0;
    int has_letter = 0;
    size_t n = 0;
    for (; at + n < s->len && (is_word(s->text[at + n]) || strchr("+/=~", s->text[at + n])); n++) {
        char c = s->text[at + n];
        if (c == '\0')
            break;
        has_digit |= c >= '0' && c <= '9';
        has_letter |= (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    }
    return n >= 8 && has_digit && has_letter;
}

/* <password>x</password>, also with a prefix and attributes. */
static int find_element(const struct scan *s, const struct word *word, struct tb_scrub_span *value)
{
    size_t from = word->from;
    if (from > 0 && s->text[from - 1] == ':')
        for (from--; from > 0 && is_word(s->text[from - 1]) && word->from - from < SHORT_BACK;)
            from--;
    if (from == 0 || s->text[from - 1] != '<')
        return 0;
    size_t close = word->to;
    while (close < s->len && close - word->to < TAG_BYTES && s->text[close] != '>' &&
           s->text[close] != '<')
        close++;
    if (close == s->len || s->text[close] != '>' || s->text[close - 1] == '/')
        return 0;
    value->from = close + 1;
    const char *end = memchr(s->text + value->from, '<', s->len - value->from);
    value->to = end != NULL ? (size_t)(end - s->text) : s->len;
    /* "usage: login <user> <password> <host>" is no element. */
    int is_element = end != NULL ? is_at(s, value->to, "</") : !is_at(s, value->from, " ");
    return is_element && value->to > value->from;
}

/* A secret's name was read; found is what tb_scrub_judge said of it. What closes its quotes and
 * brackets comes behind it: is a value there? */
static int find_by_sign(const struct scan *s, const struct word *word, unsigned found,
                        struct tb_scrub_span *value)
{
    struct tb_scrub_quote quote;
    int is_quoted = tb_scrub_quoted(s->text, s->len, word->from, word->to, &quote);
    size_t at = is_quoted ? quote.end : word->to;
    at += at < s->len && s->text[at] == ']';
    size_t after = skip_spaces(s, at);
    size_t behind = after;
    enum sign sign = read_sign(s, &behind);
    if (sign == COLON && (found & TB_SCRUB_HEADER) && !is_quoted) {
        value->from = skip_spaces(s, behind);
        value->to = line_end(s, value->from);
        return value->to > value->from;
    }
    if (sign == COMMA)
        return is_quoted && tb_scrub_pair(s->text, s->len, word->from, behind,
                                          found & TB_SCRUB_HEADER ? "([" : "(", value);
    if (!(found & TB_SCRUB_SECRET) && !is_quoted)
        return 0; /* "cookie=chocolate" */
    if (sign == COLON && !is_quoted &&
        (!(found & TB_SCRUB_ENDS) ||
         ((found & TB_SCRUB_PROSE) && !is_like_secret(s, skip_spaces(s, behind)))))
        return 0;
    if (sign != NO_SIGN)
        return tb_scrub_value(s->text, s->len, skip_spaces(s, behind), is_quoted ? &quote : NULL,
                              value);
    if (word->len > 2 && word->name[0] == '-' && word->name[1] == '-' && after > at)
        return tb_scrub_value(s->text, s->len, after, NULL, value);
    return 0;
}

/* Can a value stand behind the word? Most words are not looked at for it. */
static int may_name_value(const struct scan *s, const struct word *word)
{
    if (word->to >= s->len)
        return 0;
    if (s->text[word->to] != ' ' && s->text[word->to] != '\t')
        return strchr("=:>,\"'\\&]", s->text[word->to]) != NULL;
    size_t at = skip_spaces(s, word->to);
    return s->text[word->from] == '-' || s->text[word->from] == '%' ||
           (word->from > 0 && strchr("<:", s->text[word->from - 1]) != NULL) ||
           (at < s->len && (s->text[at] == '=' || s->text[at] == ':'));
}

static int find_value(const struct scan *s, const struct word *word, struct tb_scrub_span *value)
{
    if (!may_name_value(s, word))
        return 0;
    unsigned found = tb_scrub_judge(s->run->scrub, word->name, word->len);
    if (!(found & (TB_SCRUB_SECRET | TB_SCRUB_HEADER)))
        return 0;
    return find_element(s, word, value) || find_by_sign(s, word, found, value);
}

/* name="password": the value stands farther on, in the same tag or behind the head of the part. */
static int find_named(const struct scan *s, const struct word *word, struct tb_scrub_span *value)
{
    struct tb_scrub_span name;
    if (!is_at(s, word->from, "name=") || word->to - word->from != 4 || word->to + 1 >= s->len ||
        strchr("{[(", s->text[word->to + 1]) != NULL ||
        !tb_scrub_value(s->text, s->len, word->to + 1, NULL, &name) ||
        !tb_scrub_is_secret(s->run->scrub, s->text + name.from, name.to - name.from))
        return 0;
    size_t back = word->from > SHORT_BACK ? word->from - SHORT_BACK : 0;
    for (size_t i = back; i < word->from; i++) {
        if (is_at(s, i, "form-data"))
            return tb_scrub_part(s->text, s->len, name.to, value);
    }
    size_t end = s->len - name.to > TAG_BYTES ? name.to + TAG_BYTES : s->len;
    for (size_t i = name.to; i < end && s->text[i] != '>' && s->text[i] != '\n'; i++)
        if (is_at(s, i, "value="))
            return tb_scrub_value(s->text, s->len, i + 6, NULL, value);
    return 0;
}

/* "//user:password@": where the password stands, when text has "//" at `at`. */
static int find_userinfo(const struct scan *s, size_t at, struct tb_scrub_span *value)
{
    size_t colon = 0;
    if (s->len - at < 4 || s->text[at] != '/' || s->text[at + 1] != '/')
        return 0;
    for (size_t i = at + 2; i < s->len; i++) {
        if (s->text[i] == '@' && colon > 0 && i > colon + 1) {
            value->from = colon + 1;
            value->to = i;
            return 1;
        }
        if (s->text[i] == ':' && colon == 0)
            colon = i;
        else if (strchr("/?# \t\r\n\"'<>", s->text[i]) != NULL)
            return 0;
    }
    return 0;
}

/* What stands behind "name=" up to the next one may hide a secret, and so may the word itself. */
static int find_hidden(struct scan *s, const struct word *word, struct tb_scrub_span *value)
{
    value->from = word->from;
    value->to = word->to;
    if (word->to < s->len && s->text[word->to] == '=') {
        value->from = word->to + 1;
        value->to = value->from < s->value_to ? s->value_to : value->from;
        while (value->to < s->len && strchr(" \t\r\n&\"'<>", s->text[value->to]) == NULL)
            value->to++;
        s->value_to = value->to;
    }
    return value->to > value->from && hides_secret(s, value->from, value->to);
}

/* Nothing is found in a text without one of these. */
static int may_have_secret(const char *text, size_t len)
{
    static const char signs[] = "=:>,%";
    for (size_t i = 0; i < sizeof(signs) - 1; i++)
        if (memchr(text, signs[i], len) != NULL)
            return 1;
    return memmem(text, len, "--", 2) != NULL;
}

size_t tb_scrub_keyed(struct tb_scrub_run *run, const char *text, size_t len, int level,
                      struct tb_buf *out)
{
    struct tb_scrub_splice splice = {.text = text, .len = len, .out = out};
    struct scan s = {.run = run, .text = text, .len = len, .level = level};
    struct word word;
    struct tb_scrub_span value;
    if (!may_have_secret(text, len))
        return 0;
    for (size_t at = 0; at < len;) {
        value.mask = NULL;
        int is_there = read_word(&s, at, &word);
        int found = is_there ? find_value(&s, &word, &value) || find_named(&s, &word, &value) ||
                                   find_hidden(&s, &word, &value)
                             : find_userinfo(&s, at, &value);
        if (found) {
            tb_scrub_mask_value(&splice, &value);
            at = value.to;
        } else {
            at = is_there ? word.to : at + 1;
        }
    }
    tb_scrub_splice_end(&splice);
    return splice.n;
}
