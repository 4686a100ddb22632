/* scrub_text.c - secrets in text that is no JSON: URLs, command lines, log lines; see scrub.h. */
#include <string.h>
#include <strings.h>

#include "agent/pipeline/scrub_names.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

static int is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* The end of a value that begins at `at`: its closing quote, else space, "&" or a quote. Other
 * signs can be part of a password; to mask too much is the lesser fault. */
static size_t value_end(const char *text, size_t at, size_t len)
{
    char quote = at < len && (text[at] == '"' || text[at] == '\'') ? text[at] : '\0';
    size_t end = at + (quote != '\0');
    while (end < len) {
        if (quote != '\0' && text[end] == '\\' && end + 1 < len)
            end++;
        else if (quote != '\0' ? text[end] == quote : strchr(" \t\r\n&\"'", text[end]) != NULL)
            break;
        end++;
    }
    return end;
}

static size_t skip_spaces(const char *text, size_t at, size_t len)
{
    while (at < len && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

static size_t line_end(const char *text, size_t at, size_t len)
{
    while (at < len && text[at] != '\n' && text[at] != '\r')
        at++;
    return at;
}

struct span {
    size_t from, to;
};

/* In "user%5Bpassword%5D=x" and "user[password]=x" the word is password. */
static void trim_brackets(const char *text, size_t len, struct span *word, size_t *after)
{
    size_t n = word->to - word->from;
    if (n > 2 && word->from > 0 && text[word->from - 1] == '%')
        word->from += 2;
    *after = word->to;
    if (len - word->to >= 3 && strncasecmp(text + word->to, "%5d", 3) == 0)
        *after += 3;
    else if (word->to < len && text[word->to] == ']')
        *after += 1;
}

/* "Bearer abc": the scheme is not the secret, what follows is. */
static size_t skip_scheme(const char *text, size_t at, size_t len)
{
    static const char *const schemes[] = {"bearer ", "basic ", "token ", "digest "};
    for (size_t i = 0; i < N(schemes); i++) {
        size_t n = strlen(schemes[i]);
        if (len - at > n && strncasecmp(text + at, schemes[i], n) == 0)
            return at + n;
    }
    return at;
}

/* Does the word name a secret whose value follows? Then where the value stands. */
static int find_value(const struct tb_scrub *scrub, const char *text, size_t len, struct span word,
                      struct span *value)
{
    size_t at;
    trim_brackets(text, len, &word, &at);
    const char *name = text + word.from;
    size_t name_len = word.to - word.from;
    int is_quoted = word.from > 0 && at < len && text[at] == text[word.from - 1] &&
                    (text[at] == '"' || text[at] == '\'');
    size_t after = skip_spaces(text, at + (size_t)is_quoted, len);
    char sign = after < len ? text[after] : '\0';
    char next = after + 1 < len ? text[after + 1] : '\0';
    int is_header = sign == ':' && tb_scrub_is_header(name, name_len);
    if (!is_header && !tb_scrub_is_secret(scrub, name, name_len))
        return 0;
    if (is_header && !is_quoted) {
        value->from = skip_spaces(text, after + 1, len);
        value->to = line_end(text, value->from, len);
        return value->to > value->from;
    }
    if ((sign == '=' && next != '=') ||
        (sign == ':' && next != ':' && (is_quoted || !tb_scrub_is_prose(name, name_len))))
        value->from = skip_scheme(text, skip_spaces(text, after + 1, len), len);
    else if (name_len > 2 && name[0] == '-' && name[1] == '-' && after > at)
        value->from = after;
    else
        return 0;
    value->to = value_end(text, value->from, len);
    value->from += value->from < len && (text[value->from] == '"' || text[value->from] == '\'');
    return value->to > value->from;
}

/* "//user:password@": where the password stands, when text has "//" at `at`. */
static int find_userinfo(const char *text, size_t at, size_t len, struct span *value)
{
    size_t colon = 0;
    if (len - at < 4 || text[at] != '/' || text[at + 1] != '/')
        return 0;
    for (size_t i = at + 2; i < len; i++) {
        if (text[i] == '@' && colon > 0 && i > colon + 1) {
            *value = (struct span){colon + 1, i};
            return 1;
        }
        if (text[i] == ':' && colon == 0)
            colon = i;
        else if (strchr("/?# \t\r\n\"'<>", text[i]) != NULL)
            return 0;
    }
    return 0;
}

size_t tb_scrub_text(const struct tb_scrub *scrub, const char *text, size_t len, struct tb_buf *out)
{
    size_t copied = 0;
    size_t n = 0;
    for (size_t at = 0; at < len;) {
        struct span word = {at, at};
        struct span value;
        while (word.to < len && is_word(text[word.to]))
            word.to++;
        int found = word.to > word.from ? find_value(scrub, text, len, word, &value)
                                        : find_userinfo(text, at, len, &value);
        if (found) {
            tb_buf_add(out, text + copied, value.from - copied);
            tb_buf_adds(out, TB_SCRUB_MASK);
            copied = value.to;
            at = value.to;
            n++;
        } else {
            at = word.to > word.from ? word.to : at + 1;
        }
    }
    tb_buf_add(out, text + copied, len - copied);
    return n;
}
