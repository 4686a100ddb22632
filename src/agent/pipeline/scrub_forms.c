/* scrub_forms.c - tokens, keys and card numbers that are known by their form alone; docs/scrub.md 4
 * has the list. Each is checked whole (length, alphabet, checksum), so that ordinary words pass.
 *
 * One pass; a form begins where a word does. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "agent/pipeline/scrub_value.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { CARD_LEAST = 13, CARD_MOST = 19 };

/* prefix, then least to most signs of the alphabet; none may follow. */
static const struct form {
    const char *prefix;
    size_t least, most; /* most 0: no end */
    const char *extra;  /* of the alphabet, beside letters and digits */
    int only_upper;
} forms[] = {
    {"AKIA", 16, 16, "", 1},     {"ASIA", 16, 16, "", 1},        {"ghp_", 36, 0, "", 0},
    {"gho_", 36, 0, "", 0},      {"ghu_", 36, 0, "", 0},         {"ghs_", 36, 0, "", 0},
    {"ghr_", 36, 0, "", 0},      {"github_pat_", 22, 0, "_", 0}, {"glpat-", 20, 0, "_-", 0},
    {"xoxa-", 10, 0, "-", 0},    {"xoxb-", 10, 0, "-", 0},       {"xoxe-", 10, 0, "-", 0},
    {"xoxp-", 10, 0, "-", 0},    {"xoxr-", 10, 0, "-", 0},       {"xoxs-", 10, 0, "-", 0},
    {"xapp-", 10, 0, "-", 0},    {"sk_live_", 16, 0, "", 0},     {"sk_test_", 16, 0, "", 0},
    {"rk_live_", 16, 0, "", 0},  {"rk_test_", 16, 0, "", 0},     {"whsec_", 16, 0, "+/=", 0},
    {"AIza", 35, 35, "_-", 0},   {"npm_", 36, 36, "", 0},        {"pypi-AgE", 50, 0, "_-", 0},
    {"SG.", 60, 0, "_-.", 0},    {"dop_v1_", 64, 64, "", 0},     {"hvs.", 24, 0, "_-", 0},
    {"sk-ant-", 20, 0, "_-", 0}, {"sk-proj-", 20, 0, "_-", 0},
};

static int is_sign(char c, const char *extra)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr(extra, c) != NULL);
}

static int matches(const char *text, size_t left, const char *prefix)
{
    size_t n = strlen(prefix);
    return left >= n && memcmp(text, prefix, n) == 0;
}

/* The length of a form of the table at text, or 0. */
static size_t table_form(const char *text, size_t left)
{
    for (size_t i = 0; i < N(forms); i++) {
        const struct form *f = &forms[i];
        if (f->prefix[0] != text[0] || !matches(text, left, f->prefix))
            continue;
        size_t from = strlen(f->prefix);
        size_t at = from;
        while (at < left && is_sign(text[at], f->extra) &&
               !(f->only_upper && islower((unsigned char)text[at])))
            at++;
        if (at - from >= f->least && (f->most == 0 || at - from <= f->most) &&
            !(at < left && isalnum((unsigned char)text[at])))
            return at;
    }
    return 0;
}

static size_t base64url_len(const char *text, size_t left)
{
    size_t n = 0;
    while (n < left && is_sign(text[n], "_-"))
        n++;
    return n;
}

/* A JSON Web Token: three parts, of which the first two begin as a JSON object does. */
static size_t jwt(const char *text, size_t left)
{
    if (!matches(text, left, "eyJ"))
        return 0;
    size_t head = base64url_len(text, left);
    if (head < 10 || !matches(text + head, left - head, ".eyJ"))
        return 0;
    size_t at = head + 1 + base64url_len(text + head + 1, left - head - 1);
    if (at < left && text[at] == '.')
        at += 1 + base64url_len(text + at + 1, left - at - 1);
    return at;
}

/* ---- "Bearer ..." and "Basic ..." ---- */

static int sextet(char c)
{
    static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c != '\0' ? strchr(signs, c) : NULL;
    return at != NULL ? (int)(at - signs) : -1;
}

/* Is it base64 of printable text with a colon: user:password? */
static int is_basic(const char *text, size_t len)
{
    unsigned bits = 0;
    unsigned n_bits = 0;
    int has_colon = 0;
    if (len < 8 || len % 4 != 0)
        return 0;
    for (size_t i = 0; i < len && text[i] != '='; i++) {
        bits = bits << 6 | (unsigned)sextet(text[i]);
        n_bits += 6;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        unsigned char c = (unsigned char)(bits >> n_bits);
        if (c < 0x20 || c == 0x7f)
            return 0;
        has_colon |= c == ':';
    }
    return has_colon;
}

/* The scheme stays, so that one sees what was there. */
static int credentials(const char *text, size_t left, size_t *from, size_t *to)
{
    int is_bearer = left > 7 && strncasecmp(text, "bearer ", 7) == 0;
    size_t at = is_bearer ? 7 : 6;
    int has_digit = 0;
    if (!is_bearer && !(left > 6 && strncasecmp(text, "basic ", 6) == 0))
        return 0;
    *from = at;
    for (; at < left && is_sign(text[at], is_bearer ? "-._~+/=" : "+/="); at++)
        has_digit |= isdigit((unsigned char)text[at]) != 0;
    *to = at;
    return is_bearer ? at - *from >= 16 && has_digit : is_basic(text + *from, at - *from);
}

/* ---- private keys ---- */

/* From BEGIN to behind END, or to the end of the text when that is missing. */
static size_t private_key(const char *text, size_t left)
{
    static const char begin[] = "-----BEGIN ";
    static const char end[] = "-----END ";
    if (!matches(text, left, begin))
        return 0;
    size_t at = sizeof(begin) - 1;
    size_t line = left - at > 64 ? at + 64 : left;
    const char *word = memmem(text + at, line - at, "PRIVATE KEY", 11);
    if (word == NULL || memmem(text + at, (size_t)(word - text) - at, "-----", 5) != NULL)
        return 0;
    const char *last = memmem(word, left - (size_t)(word - text), end, sizeof(end) - 1);
    if (last == NULL)
        return left;
    at = (size_t)(last - text) + sizeof(end) - 1;
    const char *dashes = memmem(text + at, left - at, "-----", 5);
    return dashes != NULL ? (size_t)(dashes - text) + 5 : left;
}

/* ---- card numbers ---- */

static int has_luhn_sum(const char *digits, size_t n)
{
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digits[n - 1 - i] - '0';
        if (i % 2 == 1)
            d = d > 4 ? 2 * d - 9 : 2 * d;
        sum += d;
    }
    return sum % 10 == 0;
}

/* Begin and length as Visa, Mastercard, American Express, Discover, JCB and Diners have them. */
static int is_issued(const char *d, size_t n)
{
    int four = (d[0] - '0') * 1000 + (d[1] - '0') * 100 + (d[2] - '0') * 10 + (d[3] - '0');
    int two = four / 100;
    if (n == 15)
        return two == 34 || two == 37;
    if (n == 14)
        return two == 36 || two == 38 || (four >= 3000 && four <= 3059);
    if (d[0] == '4')
        return n == 13 || n == 16 || n == 19;
    return n == 16 && ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) || four == 6011 ||
                       two == 65 || (four >= 3528 && four <= 3589));
}

/* Digits in a row, or in groups of four (4-6-5 for 15 of them, 4-6-4 for 14) with one sign between.
 */
static size_t card(const char *text, size_t left)
{
    char digits[CARD_MOST + 1];
    size_t n = 0;
    size_t at = 0;
    size_t group = 0; /* digits since the last sign */
    char between = '\0';
    for (; at < left && n < sizeof(digits); at++) {
        if (isdigit((unsigned char)text[at])) {
            digits[n++] = text[at];
            group++;
        } else if ((text[at] == ' ' || text[at] == '-') && at + 1 < left &&
                   isdigit((unsigned char)text[at + 1]) && group >= 4 && group <= 6 &&
                   (between == '\0' ? n == 4 : text[at] == between)) {
            between = text[at];
            group = 0;
        } else {
            break;
        }
    }
    if (n < CARD_LEAST || n > CARD_MOST || (at < left && is_sign(text[at], "_")) ||
        (at + 1 < left && text[at] == '.' && isdigit((unsigned char)text[at + 1])))
        return 0;
    return is_issued(digits, n) && has_luhn_sum(digits, n) ? at : 0;
}

/* ---- all of them ---- */

/* A form begins behind what is no letter or digit, behind an escape ("\nAKIA") and behind a percent
 * sign with its digits. */
static int starts_word(const char *text, size_t at)
{
    if (at == 0 || !isalnum((unsigned char)text[at - 1]))
        return 1;
    if (at >= 2 && text[at - 2] == '\\' && strchr("nrt", text[at - 1]) != NULL)
        return 1;
    return at >= 3 && tb_scrub_is_percent(text + at - 3, 3);
}

static int find_form(const char *text, size_t at, size_t len, struct tb_scrub_span *value)
{
    size_t left = len - at;
    size_t found = 0;
    size_t from = 0;
    const char *t = text + at;
    char before = at > 0 ? text[at - 1] : '\0';
    switch (t[0]) {
    case 'B':
    case 'b':
        if (!credentials(t, left, &from, &found))
            found = 0;
        break;
    case 'e':
        found = jwt(t, left);
        break;
    case '-':
        found = private_key(t, left);
        break;
    default:
        if (isdigit((unsigned char)t[0]))
            found = before != '.' && before != '_' && before != '-' ? card(t, left) : 0;
        else
            found = table_form(t, left);
    }
    *value = (struct tb_scrub_span){.from = at + from, .to = at + found};
    return found > 0;
}

/* The signs that a form begins with. */
static const char begins[256] = {
    ['-'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1,
    ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['S'] = 1,
    ['b'] = 1, ['d'] = 1, ['e'] = 1, ['g'] = 1, ['h'] = 1, ['n'] = 1, ['p'] = 1,
    ['r'] = 1, ['s'] = 1, ['w'] = 1, ['x'] = 1};

size_t tb_scrub_forms(const char *text, size_t len, struct tb_buf *out)
{
    struct tb_scrub_splice splice = {.text = text, .len = len, .out = out};
    struct tb_scrub_span value;
    for (size_t at = 0; at < len;) {
        if (begins[(unsigned char)text[at]] && starts_word(text, at) &&
            find_form(text, at, len, &value)) {
            tb_scrub_mask_value(&splice, &value);
            at = value.to;
            continue;
        }
        at++;
    }
    tb_scrub_splice_end(&splice);
    return splice.n;
}
