/* scrub_value.c - see scrub_value.h. */
#include "agent/pipeline/scrub_value.h"

#include <string.h>
#include <strings.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { ESCAPES_MAX = 64, HEAD_BYTES = 1024 };

static int is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

int tb_scrub_is_percent(const char *text, size_t left)
{
    return left >= 3 && text[0] == '%' && is_hex(text[1]) && is_hex(text[2]);
}

static unsigned digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

unsigned tb_scrub_hex2(const char *digits)
{
    return digit(digits[0]) << 4 | digit(digits[1]);
}

/* ---- quotes ---- */

static const char *const quote_signs[] = {"\"", "'", "&quot;", "&#34;", "&#39;", "&#x27;"};

static size_t backslashes(const char *text, size_t len, size_t at)
{
    size_t n = 0;
    while (at + n < len && text[at + n] == '\\' && n < ESCAPES_MAX)
        n++;
    return n;
}

static int quote_at(const char *text, size_t len, size_t at, struct tb_scrub_quote *quote)
{
    size_t n = backslashes(text, len, at);
    for (size_t i = 0; i < N(quote_signs); i++) {
        size_t sign_len = strlen(quote_signs[i]);
        if (len - at - n >= sign_len && memcmp(text + at + n, quote_signs[i], sign_len) == 0) {
            *quote = (struct tb_scrub_quote){quote_signs[i], sign_len, n, at + n + sign_len};
            return 1;
        }
    }
    return 0;
}

int tb_scrub_quoted(const char *text, size_t len, size_t from, size_t to,
                    struct tb_scrub_quote *quote)
{
    return quote_at(text, len, to, quote) && from >= quote->sign_len &&
           memcmp(text + from - quote->sign_len, quote->sign, quote->sign_len) == 0;
}

/* Where the quote is closed. A quote within has more backslashes: each level of quoting doubles
 * them and adds one. */
static size_t quote_end(const char *text, size_t len, const struct tb_scrub_quote *quote)
{
    size_t period = 2 * (quote->n_escapes + 1);
    size_t n = 0;
    for (size_t i = quote->end; i < len; i++) {
        if (text[i] == '\\') {
            n++;
        } else if (len - i >= quote->sign_len &&
                   memcmp(text + i, quote->sign, quote->sign_len) == 0 &&
                   (n % period == quote->n_escapes || n < quote->n_escapes)) {
            return i - (n < quote->n_escapes ? n : quote->n_escapes);
        } else {
            n = 0;
        }
    }
    return len;
}

/* ---- values ---- */

/* The end of what an opening bracket at `at` begins; quotes hide brackets. */
static size_t brackets_end(const char *text, size_t len, size_t at)
{
    struct tb_scrub_quote quote;
    size_t depth = 0;
    while (at < len) {
        if ((text[at] == '"' || text[at] == '\'' || text[at] == '\\' || text[at] == '&') &&
            quote_at(text, len, at, &quote)) {
            size_t end = quote_end(text, len, &quote);
            at = end < len ? end + quote.n_escapes + quote.sign_len : len;
            continue;
        }
        if (strchr("{[(", text[at]) != NULL && text[at] != '\0')
            depth++;
        else if (strchr("}])", text[at]) != NULL && text[at] != '\0')
            depth--;
        at++;
        if (depth == 0)
            break;
    }
    return at;
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

/* b'..', u"..", rb'..' of Python. */
static size_t skip_prefix(const char *text, size_t at, size_t len)
{
    struct tb_scrub_quote quote;
    size_t n = 0;
    while (n < 2 && at + n < len && text[at + n] != '\0' &&
           strchr("bBuUrRfF", text[at + n]) != NULL)
        n++;
    return n > 0 && quote_at(text, len, at + n, &quote) ? at + n : at;
}

/* JSON's null says that there is none. */
static int is_null(const char *text, size_t from, size_t to)
{
    return (to - from == 4 &&
            (memcmp(text + from, "null", 4) == 0 || memcmp(text + from, "None", 4) == 0)) ||
           (to - from == 3 && memcmp(text + from, "nil", 3) == 0);
}

/* Space, "&" or a quote ends it, and behind a name in quotes what ends a member. Other signs can be
 * part of a password; to mask too much is the lesser fault. */
static int find_bare(const char *text, size_t len, size_t at,
                     const struct tb_scrub_quote *name_quote, struct tb_scrub_span *value)
{
    const char *ends = name_quote != NULL ? " \t\r\n&\"',}])\\" : " \t\r\n&\"'";
    value->from = value->to = at;
    while (value->to < len && (text[value->to] == '\0' || strchr(ends, text[value->to]) == NULL))
        value->to++;
    if (name_quote != NULL) {
        value->quote = *name_quote;
        value->mask = &value->quote;
    }
    return value->to > value->from &&
           !(name_quote != NULL && is_null(text, value->from, value->to));
}

int tb_scrub_value(const char *text, size_t len, size_t at, const struct tb_scrub_quote *name_quote,
                   struct tb_scrub_span *value)
{
    struct tb_scrub_quote quote;
    value->mask = NULL;
    at = skip_prefix(text, at, len);
    if (at >= len)
        return 0;
    if (quote_at(text, len, at, &quote)) {
        value->from = quote.end;
        value->to = quote_end(text, len, &quote);
        return value->to > value->from;
    }
    if (text[at] == '{' || text[at] == '[' || text[at] == '(') {
        value->from = at;
        value->to = brackets_end(text, len, at);
        if (name_quote != NULL) {
            value->quote = *name_quote;
            value->mask = &value->quote;
        }
        return 1;
    }
    return find_bare(text, len, name_quote != NULL ? at : skip_scheme(text, at, len), name_quote,
                     value);
}

int tb_scrub_pair(const char *text, size_t len, size_t from, size_t at, const char *brackets,
                  struct tb_scrub_span *value)
{
    struct tb_scrub_quote quote;
    while (from > 0 && strchr("\"'\\;&quotx2739340#bBuUrR", text[from - 1]) != NULL)
        from--;
    if (from == 0 || text[from - 1] == '\0' || strchr(brackets, text[from - 1]) == NULL)
        return 0;
    while (at < len && (text[at] == ' ' || text[at] == '\t'))
        at++;
    at = skip_prefix(text, at, len);
    return quote_at(text, len, at, &quote) && tb_scrub_value(text, len, at, NULL, value);
}

/* ---- multipart/form-data ---- */

static const char *find(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what));
}

int tb_scrub_part(const char *text, size_t len, size_t at, struct tb_scrub_span *value)
{
    /* As it is, with line ends alone, and as a dump shows it. */
    static const char *const forms[][2] = {
        {"\r\n\r\n", "\r\n--"}, {"\n\n", "\n--"}, {"\\r\\n\\r\\n", "\\r\\n--"}};
    size_t head = len - at < HEAD_BYTES ? len - at : HEAD_BYTES;
    value->mask = NULL;
    for (size_t i = 0; i < N(forms); i++) {
        const char *body = find(text + at, head, forms[i][0]);
        if (body == NULL)
            continue;
        value->from = (size_t)(body - text) + strlen(forms[i][0]);
        const char *end = find(text + value->from, len - value->from, forms[i][1]);
        value->to = end != NULL ? (size_t)(end - text) : len;
        return value->to > value->from;
    }
    return 0;
}

/* ---- masks ---- */

static void add_quote(struct tb_buf *out, const struct tb_scrub_quote *quote)
{
    for (size_t i = 0; i < quote->n_escapes; i++)
        tb_buf_add(out, "\\", 1);
    tb_buf_add(out, quote->sign, quote->sign_len);
}

void tb_scrub_mask_value(struct tb_scrub_splice *splice, const struct tb_scrub_span *value)
{
    struct tb_buf mask;
    tb_buf_init(&mask, (size_t)4 * ESCAPES_MAX);
    if (value->mask != NULL)
        add_quote(&mask, value->mask);
    tb_buf_adds(&mask, TB_SCRUB_MASK);
    if (value->mask != NULL)
        add_quote(&mask, value->mask);
    tb_scrub_mask_span(splice, value->from, value->to, tb_buf_str(&mask), mask.len);
    if (mask.err)
        splice->out->err = mask.err; /* the whole text is masked then */
    tb_buf_done(&mask);
}

void tb_scrub_mask_span(struct tb_scrub_splice *splice, size_t from, size_t to, const char *mask,
                        size_t mask_len)
{
    tb_buf_add(splice->out, splice->text + splice->copied, from - splice->copied);
    tb_buf_add(splice->out, mask, mask_len);
    splice->copied = to;
    splice->n++;
}

void tb_scrub_splice_end(struct tb_scrub_splice *splice)
{
    if (splice->n > 0)
        tb_buf_add(splice->out, splice->text + splice->copied, splice->len - splice->copied);
}
