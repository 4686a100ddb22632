/* scrub_names.c - which names are secret; see scrub.h. Source of the names: the default lists of
 * pyrollbar, rollbar.js (server and browser), rollbar-go, rollbar-gem, rollbar-php and
 * rollbar-apple; and names of tokens and keys that frameworks and clouds send. */
#include "agent/pipeline/scrub_names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { SECRET = 1, HEADER = 2, COMPACT = 4, PATH = 8 };

struct tb_scrub_name {
    char *text;
    unsigned kinds;
};

/* Lower-case, words joined by "_"; a key that ends in "_" and one of them matches too. */
static const char *const secret_names[] = {"pw",
                                           "pass",
                                           "passwd",
                                           "password",
                                           "passphrase",
                                           "secret",
                                           "confirm_password",
                                           "password_confirmation",
                                           "access_token",
                                           "auth",
                                           "authentication",
                                           "authorization",
                                           "secret_key",
                                           "secret_token",
                                           "x_honeycomb_team",
                                           "api_key",
                                           "apikey",
                                           "private_key",
                                           "access_key",
                                           "account_key",
                                           "encryption_key",
                                           "signing_key",
                                           "jwt",
                                           "pgpassword",
                                           "authenticity_token",
                                           "oauth_token",
                                           "auth_token",
                                           "csrf_token",
                                           "csrfmiddlewaretoken",
                                           "token",
                                           "user_session_secret",
                                           "session_id",
                                           "sessionid",
                                           "jsessionid",
                                           "phpsessid",
                                           "x_amz_signature",
                                           "cc_number",
                                           "ccnumber",
                                           "cc_num",
                                           "ccnum",
                                           "cc_csc",
                                           "cc_exp",
                                           "card_number",
                                           "cardnumber",
                                           "cardnum",
                                           "card#",
                                           "card_#",
                                           "credit_card",
                                           "creditcardnumber",
                                           "creditcardno",
                                           "credit_card_no",
                                           "newcreditcardnumber",
                                           "new_credit_card",
                                           "cvc",
                                           "cvc2",
                                           "cvv",
                                           "cvv2",
                                           "ccv2",
                                           "security_code",
                                           "card_verification",
                                           "name_on_credit_card",
                                           "name_on_card",
                                           "nameoncard",
                                           "cardholder",
                                           "card_holder"};

/* By the end of the path. */
static const char *const secret_paths[] = {"session.csrf", "session._csrf", "params._csrf",
                                           "request.cookie", "request.cookies"};

/* Below an object called "headers", and with a colon in text. */
static const char *const secret_headers[] = {"cookie",
                                             "set_cookie",
                                             "set_cookie2",
                                             "authorization",
                                             "proxy_authorization",
                                             "www_authorization",
                                             "http_authorization",
                                             "omniauth.auth",
                                             "oauth_access_token",
                                             "x_access_token",
                                             "x_auth_token",
                                             "x_csrf_token",
                                             "x_xsrf_token",
                                             "http_x_csrf_token",
                                             "x_api_key",
                                             "x_amz_security_token",
                                             "x_rollbar_access_token"};

/* Secret as any word of a key: rollbar-go's default takes them anywhere. */
static const char *const strong_words[] = {"password", "passwd", "passphrase", "secret"};

static int is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static int is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

/* A capital starts a word when a small letter or digit stands before it, or, after a capital, a
 * small letter behind it. */
static int starts_word(const char *key, size_t i, size_t len)
{
    if (i == 0 || !is_upper(key[i]))
        return 0;
    char before = key[i - 1];
    return is_lower(before) || (before >= '0' && before <= '9') ||
           (is_upper(before) && i + 1 < len && is_lower(key[i + 1]));
}

/* "X-Api-Key" and "apiKey" both become x_api_key and api_key. Returns the length; longer keys lose
 * their beginning. */
static size_t plain_name(const char *key, size_t len, char out[TB_SCRUB_KEY])
{
    size_t n = 0;
    if (len > TB_SCRUB_TAIL) {
        key += len - TB_SCRUB_TAIL;
        len = TB_SCRUB_TAIL;
    }
    for (size_t i = 0; i < len; i++) {
        char c = key[i];
        if (starts_word(key, i, len))
            out[n++] = '_';
        if (is_upper(c))
            c = (char)(c - 'A' + 'a');
        out[n++] = c == '-' || c == ' ' ? '_' : c;
    }
    out[n] = '\0';
    return n;
}

/* "PaSsWoRd" and "pass_word" both become password. */
static size_t compact_name(const char *plain, char out[TB_SCRUB_KEY])
{
    size_t n = 0;
    for (; *plain != '\0'; plain++)
        if (*plain != '_')
            out[n++] = *plain;
    out[n] = '\0';
    return n;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct tb_scrub_name *)a)->text, ((const struct tb_scrub_name *)b)->text);
}

/* Of each first sign the lengths that names have: most keys are told from all names by it. */
static int may_be_name(const struct tb_scrub *scrub, const char *text, size_t len)
{
    return len < 64 && (scrub->lengths[(unsigned char)text[0]] >> len & 1) != 0;
}

static unsigned kinds_of(const struct tb_scrub *scrub, const char *text, size_t len)
{
    size_t low = 0;
    size_t high = may_be_name(scrub, text, len) ? scrub->n_names : 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(text, scrub->names[middle].text);
        if (order == 0)
            return scrub->names[middle].kinds;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return 0;
}

static int ends_with_word(const char *name, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    if (len < word_len || memcmp(name + len - word_len, word, word_len) != 0)
        return 0;
    return len == word_len || name[len - word_len - 1] == '_' || name[len - word_len - 1] == '.';
}

static int is_strong(const char *word, size_t len)
{
    while (len > 0 && word[len - 1] >= '0' && word[len - 1] <= '9')
        len--;
    for (size_t i = 0; i < N(strong_words); i++) {
        size_t n = strlen(strong_words[i]);
        if ((len == n || (len == n + 1 && word[n] == 's')) && memcmp(word, strong_words[i], n) == 0)
            return 1;
    }
    return 0;
}

static unsigned has_prose_end(const char *plain, size_t len)
{
    static const char *const words[] = {"auth", "authentication", "token", "pass"};
    for (size_t i = 0; i < N(words); i++)
        if (ends_with_word(plain, len, words[i]))
            return TB_SCRUB_PROSE;
    return 0;
}

/* What each beginning of a word says: of the end from there, and of the word itself. */
static unsigned judge_words(const struct tb_scrub *scrub, const char *plain, size_t len)
{
    unsigned found = 0;
    for (size_t at = 0; at < len;) {
        size_t end = at;
        while (end < len && plain[end] != '_' && plain[end] != '.')
            end++;
        if (kinds_of(scrub, plain + at, len - at) & SECRET)
            found |= TB_SCRUB_ENDS;
        if ((plain[at] == 'p' || plain[at] == 's') && is_strong(plain + at, end - at))
            found |= TB_SCRUB_WORD;
        at = end + 1;
    }
    return found;
}

static unsigned judge_whole(const struct tb_scrub *scrub, const char *plain, size_t len)
{
    char compact[TB_SCRUB_KEY];
    const char *dot = memrchr(plain, '.', len);
    const char *last = dot != NULL ? dot + 1 : plain;
    unsigned found = 0;
    unsigned kinds = kinds_of(scrub, plain, len);
    unsigned of_last = dot != NULL ? kinds_of(scrub, last, strlen(last)) : kinds;
    if ((kinds | of_last) & HEADER)
        found |= TB_SCRUB_HEADER;
    if (of_last & PATH)
        found |= TB_SCRUB_PATH;
    if (strncmp(plain, "http_", 5) == 0 && (kinds_of(scrub, plain + 5, len - 5) & HEADER))
        found |= TB_SCRUB_ENDS;
    size_t n = compact_name(plain, compact);
    if (kinds_of(scrub, compact, n) & COMPACT)
        found |= TB_SCRUB_ENDS;
    for (size_t i = 0; i < scrub->n_paths && dot != NULL && (found & TB_SCRUB_PATH); i++)
        if (ends_with_word(plain, len, scrub->paths[i]))
            found |= TB_SCRUB_ENDS;
    return found;
}

unsigned tb_scrub_judge(const struct tb_scrub *scrub, const char *key, size_t len)
{
    char plain[TB_SCRUB_KEY];
    size_t n = plain_name(key, len, plain);
    if (n == 0)
        return 0;
    unsigned found = judge_words(scrub, plain, n) | judge_whole(scrub, plain, n);
    return found & TB_SCRUB_ENDS ? found | has_prose_end(plain, n) : found;
}

int tb_scrub_is_secret(const struct tb_scrub *scrub, const char *key, size_t len)
{
    return (tb_scrub_judge(scrub, key, len) & TB_SCRUB_SECRET) != 0;
}

int tb_scrub_holds_headers(const char *key, size_t len)
{
    char plain[TB_SCRUB_KEY];
    if (len < 7 || (key[len - 1] | 0x20) != 's')
        return 0;
    return ends_with_word(plain, plain_name(key, len, plain), "headers");
}

/* ---- the table ---- */

static int add(struct tb_scrub *scrub, const char *name, unsigned kinds)
{
    struct tb_scrub_name *to = &scrub->names[scrub->n_names];
    to->text = strdup(name);
    to->kinds = kinds;
    scrub->n_names += to->text != NULL;
    return to->text != NULL ? 0 : -ENOMEM;
}

/* Equal names become one, with the kinds of all. */
static void sort_names(struct tb_scrub *scrub)
{
    size_t kept = 0;
    qsort(scrub->names, scrub->n_names, sizeof(*scrub->names), by_text);
    for (size_t i = 0; i < scrub->n_names; i++) {
        struct tb_scrub_name *last = kept > 0 ? &scrub->names[kept - 1] : NULL;
        if (last != NULL && strcmp(last->text, scrub->names[i].text) == 0) {
            last->kinds |= scrub->names[i].kinds;
            free(scrub->names[i].text);
        } else {
            scrub->names[kept++] = scrub->names[i];
        }
    }
    scrub->n_names = kept;
    for (size_t i = 0; i < kept; i++) {
        size_t len = strlen(scrub->names[i].text);
        if (len < 64) /* others are longer than what is looked at */
            scrub->lengths[(unsigned char)scrub->names[i].text[0]] |= UINT64_C(1) << len;
    }
}

static int add_key(struct tb_scrub *scrub, const char *key)
{
    char plain[TB_SCRUB_KEY];
    char compact[TB_SCRUB_KEY];
    if (plain_name(key, strlen(key), plain) == 0)
        return 0;
    if (strchr(plain, '.') != NULL) {
        char *path = strdup(plain);
        if (path == NULL)
            return -ENOMEM;
        scrub->paths[scrub->n_paths++] = path;
        return add(scrub, strrchr(plain, '.') + 1, PATH);
    }
    compact_name(plain, compact);
    int err = add(scrub, plain, SECRET);
    return err ? err : add(scrub, compact, COMPACT);
}

int tb_scrub_names_init(struct tb_scrub *scrub, const struct tb_scrub_rules *rules)
{
    size_t n = N(secret_names) + N(secret_paths) + rules->n_keys;
    int err = 0;
    scrub->names = calloc(2 * n + N(secret_headers), sizeof(*scrub->names));
    scrub->paths = calloc(n, sizeof(*scrub->paths));
    if (scrub->names == NULL || scrub->paths == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < N(secret_names) && !err; i++)
        err = add_key(scrub, secret_names[i]);
    for (size_t i = 0; i < N(secret_paths) && !err; i++)
        err = add_key(scrub, secret_paths[i]);
    for (size_t i = 0; i < rules->n_keys && !err; i++)
        err = add_key(scrub, rules->keys[i]);
    for (size_t i = 0; i < N(secret_headers) && !err; i++)
        err = add(scrub, secret_headers[i], HEADER);
    if (!err)
        sort_names(scrub);
    return err;
}

void tb_scrub_names_done(struct tb_scrub *scrub)
{
    for (size_t i = 0; i < scrub->n_names; i++)
        free(scrub->names[i].text);
    for (size_t i = 0; i < scrub->n_paths; i++)
        free(scrub->paths[i]);
    free(scrub->names);
    free((void *)scrub->paths);
}
