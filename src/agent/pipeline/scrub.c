/* scrub.c - see scrub.h. Source of the names: the default lists of pyrollbar, rollbar.js,
 * rollbar-go, rollbar-gem, rollbar-php and rollbar-apple. */
#include "agent/pipeline/scrub_names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

enum { KEY_BYTES = 128, TAIL_BYTES = KEY_BYTES / 2 - 1, PATH_LEVELS = 3 };

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
                                           "api_key",
                                           "apikey",
                                           "private_key",
                                           "access_key",
                                           "authenticity_token",
                                           "oauth_token",
                                           "auth_token",
                                           "csrf_token",
                                           "token",
                                           "user_session_secret",
                                           "session_id",
                                           "sessionid",
                                           "session.csrf"};

/* Below an object called "headers", and with a colon in text. */
static const char *const secret_headers[] = {"cookie",
                                             "set_cookie",
                                             "authorization",
                                             "proxy_authorization",
                                             "www_authorization",
                                             "http_authorization",
                                             "omniauth.auth",
                                             "oauth_access_token",
                                             "x_access_token",
                                             "x_csrf_token",
                                             "http_x_csrf_token",
                                             "x_api_key",
                                             "x_rollbar_access_token"};

/* Strings under these keys of a frame are program text, where "password = read()" is no secret. */
static const char *const code_keys[] = {"code", "filename", "method", "module", "build_id"};

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* "X-Api-Key" and "apiKey" both become x_api_key and api_key. A capital starts a word when a small
 * letter or digit stands before it. Returns the length; longer keys lose their beginning. */
static size_t plain_name(const char *key, size_t len, char out[KEY_BYTES])
{
    size_t n = 0;
    if (len > TAIL_BYTES) {
        key += len - TAIL_BYTES;
        len = TAIL_BYTES;
    }
    for (size_t i = 0; i < len; i++) {
        char c = key[i];
        if (c >= 'A' && c <= 'Z') {
            char before = i > 0 ? key[i - 1] : '_';
            if ((before >= 'a' && before <= 'z') || (before >= '0' && before <= '9'))
                out[n++] = '_';
            c = (char)(c - 'A' + 'a');
        }
        out[n++] = c == '-' || c == ' ' ? '_' : c;
    }
    out[n] = '\0';
    return n;
}

static int ends_with_word(const char *name, size_t len, const char *word)
{
    size_t word_len = strlen(word);
    if (len < word_len || memcmp(name + len - word_len, word, word_len) != 0)
        return 0;
    return len == word_len || name[len - word_len - 1] == '_' || name[len - word_len - 1] == '.';
}

static int is_in(const char *name, size_t len, const char *const *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ends_with_word(name, len, table[i]))
            return 1;
    return 0;
}

int tb_scrub_is_secret(const struct tb_scrub *scrub, const char *key, size_t len)
{
    char name[KEY_BYTES];
    size_t n = plain_name(key, len, name);
    return n > 0 && (is_in(name, n, secret_names, N(secret_names)) ||
                     is_in(name, n, (const char *const *)scrub->names, scrub->n_names));
}

int tb_scrub_is_header(const char *key, size_t len)
{
    char name[KEY_BYTES];
    size_t n = plain_name(key, len, name);
    for (size_t i = 0; i < N(secret_headers); i++)
        if (strcmp(name, secret_headers[i]) == 0)
            return n > 0;
    return 0;
}

/* These stand before a colon in plain sentences: "error in auth: refused". */
int tb_scrub_is_prose(const char *name, size_t len)
{
    static const char *const words[] = {"auth", "authentication", "token", "pass", "session_id"};
    char plain[KEY_BYTES];
    size_t n = plain_name(name, len, plain);
    return is_in(plain, n, words, N(words));
}

int tb_scrub_init(struct tb_scrub *scrub, char *const *keys, size_t n_keys)
{
    memset(scrub, 0, sizeof(*scrub));
    scrub->names = calloc(n_keys + 1, sizeof(*scrub->names));
    if (scrub->names == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < n_keys; i++) {
        char name[KEY_BYTES];
        if (plain_name(keys[i], strlen(keys[i]), name) == 0)
            continue;
        scrub->names[scrub->n_names] = strdup(name);
        if (scrub->names[scrub->n_names] == NULL) {
            tb_scrub_done(scrub);
            return -ENOMEM;
        }
        scrub->n_names++;
    }
    return 0;
}

void tb_scrub_done(struct tb_scrub *scrub)
{
    if (scrub == NULL)
        return;
    for (size_t i = 0; i < scrub->n_names; i++)
        free(scrub->names[i]);
    free((void *)scrub->names);
    memset(scrub, 0, sizeof(*scrub));
}

/* ---- items ---- */

/* The keys above the node that is looked at, the root's first. Each is decoded once, when the walk
 * comes by, and only its end is kept: the members of an object with a long key cost no more. */
struct level {
    int node;
    size_t len; /* of the whole key */
    char tail[TAIL_BYTES + 1];
};

struct walk {
    const struct tb_scrub *scrub;
    struct tb_doc *item;
    struct level levels[TB_DOC_DEPTH + 1];
    int depth; /* the last one in use */
    struct tb_buf key;
    size_t n; /* secrets found */
};

/* Nodes come in the order of the text, so what is above the last one is still there. */
static int enter(struct walk *walk, int node)
{
    const struct tb_doc_node *at = tb_doc_at(walk->item, node);
    while (walk->depth > 0 && walk->levels[walk->depth].node != at->parent)
        walk->depth--;
    if (walk->depth >= TB_DOC_DEPTH)
        return -EMSGSIZE; /* tb_doc does not let it come to that */
    struct level *level = &walk->levels[++walk->depth];
    tb_buf_reset(&walk->key);
    if (at->key_len > 0)
        tb_doc_key(walk->item, node, &walk->key);
    if (walk->key.err)
        return walk->key.err;
    size_t cut = walk->key.len > TAIL_BYTES ? walk->key.len - TAIL_BYTES : 0;
    level->node = node;
    level->len = walk->key.len;
    memcpy(level->tail, tb_buf_str(&walk->key) + cut, level->len - cut);
    level->tail[level->len - cut] = '\0';
    return 0;
}

/* up: 0 is the node itself, 1 its parent. */
static int key_is(const struct walk *walk, int up, const char *key)
{
    const struct level *level = up < walk->depth ? &walk->levels[walk->depth - up] : NULL;
    return level != NULL && level->len == strlen(key) && strcmp(level->tail, key) == 0;
}

/* By "grandparent.parent.key". */
static int is_secret_member(const struct walk *walk)
{
    char path[PATH_LEVELS * (TAIL_BYTES + 1)];
    size_t len = 0;
    int up = walk->depth < PATH_LEVELS ? walk->depth : PATH_LEVELS;
    while (up-- > 0) {
        for (const char *c = walk->levels[walk->depth - up].tail; *c != '\0'; c++)
            path[len++] = *c;
        if (up > 0)
            path[len++] = '.';
    }
    const char *key = walk->levels[walk->depth].tail;
    const char *dot = strrchr(key, '.');
    key = dot != NULL ? dot + 1 : key;
    return tb_scrub_is_secret(walk->scrub, path, len) ||
           (key_is(walk, 1, "headers") && tb_scrub_is_header(key, strlen(key)));
}

/* Program text: the code, names and context lines of a frame. */
static int is_code(const struct walk *walk)
{
    if (key_is(walk, 1, "pre") || key_is(walk, 1, "post"))
        return 1;
    if (!key_is(walk, 2, "frames"))
        return 0;
    for (size_t i = 0; i < N(code_keys); i++)
        if (key_is(walk, 0, code_keys[i]))
            return 1;
    return 0;
}

static int replace_string(struct tb_doc *item, int node, const struct tb_buf *text)
{
    size_t cap = text->len * 6 + 16; /* every byte may become \u00xx */
    char *mem = malloc(cap);
    if (mem == NULL)
        return -ENOMEM;
    struct tb_json j;
    tb_json_init(&j, mem, cap);
    tb_json_strn(&j, tb_buf_str(text), text->len);
    int err = tb_json_finish(&j);
    if (!err)
        err = tb_doc_replace(item, node, mem, j.len);
    free(mem);
    return err;
}

static int mask(struct walk *walk, int node)
{
    static const char masked[] = "\"" TB_SCRUB_MASK "\"";
    walk->n++;
    return tb_doc_replace(walk->item, node, masked, sizeof(masked) - 1);
}

/* A mask is longer than a short secret: Rollbar would refuse these texts for it. */
static size_t most_characters(const struct walk *walk)
{
    static const struct {
        const char *parent, *key; /* parent "": the item itself */
        size_t most;
    } caps[] = {{"", "title", 255},          {"", "environment", 255}, {"", "context", 255},
                {"", "framework", 255},      {"", "platform", 255},    {"", "language", 255},
                {"", "code_version", 40},    {"server", "host", 255},  {"person", "id", 40},
                {"person", "username", 255}, {"person", "email", 255}};
    for (size_t i = 0; i < N(caps); i++)
        if (walk->depth == 1 + (caps[i].parent[0] != '\0') && key_is(walk, 0, caps[i].key) &&
            (walk->depth == 1 || key_is(walk, 1, caps[i].parent)))
            return caps[i].most;
    return SIZE_MAX;
}

static void cut(struct tb_buf *text, size_t most)
{
    const char *mem = tb_buf_str(text);
    size_t at = 0;
    for (size_t n = 0; n < most && at < text->len; n++) {
        size_t len = tb_utf8_len(mem + at, text->len - at);
        at += len > 0 ? len : 1;
    }
    text->len = at;
}

static int scrub_string(struct walk *walk, int node)
{
    struct tb_buf text;
    struct tb_buf clean;
    tb_buf_init(&text, TB_DOC_BYTES);
    tb_buf_init(&clean, (size_t)2 * TB_DOC_BYTES);
    int err = 0;
    tb_doc_string(walk->item, node, &text);
    size_t found = tb_scrub_text(walk->scrub, tb_buf_str(&text), text.len, &clean);
    if (text.err || clean.err)
        err = mask(walk, node); /* what cannot be scrubbed is replaced whole */
    else if (found > 0 && !is_code(walk)) {
        walk->n += found;
        cut(&clean, most_characters(walk));
        err = replace_string(walk->item, node, &clean);
    }
    tb_buf_done(&text);
    tb_buf_done(&clean);
    return err;
}

/* ["prog", "--password", "x"]: the member after such a flag. Returns it, or -1. */
static int after_flag(const struct tb_scrub *scrub, const struct tb_doc *item, int node)
{
    char flag[KEY_BYTES];
    int next = tb_doc_at(item, node)->next;
    if (next < 0 || tb_doc_at(item, tb_doc_at(item, node)->parent)->type != TB_DOC_ARRAY ||
        tb_doc_at(item, next)->type != TB_DOC_STRING)
        return -1;
    if (!tb_doc_copy(item, node, flag, sizeof(flag)) || strncmp(flag, "--", 2) != 0 ||
        strchr(flag, '=') != NULL)
        return -1;
    return tb_scrub_is_secret(scrub, flag, strlen(flag)) ? next : -1;
}

static int scrub_all(struct walk *walk)
{
    int err = 0;
    int after = -1;
    for (int i = 1; i < tb_doc_n_nodes(walk->item) && !err; i++) {
        const struct tb_doc_node *node = tb_doc_at(walk->item, i);
        err = enter(walk, i);
        if (err)
            break;
        if (i == after ||
            (node->key_len > 0 && node->type != TB_DOC_NULL && is_secret_member(walk))) {
            err = mask(walk, i);
        } else if (node->type == TB_DOC_STRING) {
            int flagged = after_flag(walk->scrub, walk->item, i);
            after = flagged >= 0 ? flagged : after;
            err = scrub_string(walk, i);
        }
    }
    return err;
}

int tb_scrub_item(const struct tb_scrub *scrub, struct tb_doc *item, size_t *n_scrubbed)
{
    struct walk *walk = calloc(1, sizeof(*walk));
    if (walk == NULL)
        return -ENOMEM;
    walk->scrub = scrub;
    walk->item = item;
    tb_buf_init(&walk->key, TB_DOC_BYTES);
    int err = scrub_all(walk);
    if (!err)
        *n_scrubbed = walk->n;
    tb_buf_done(&walk->key);
    free(walk);
    return err;
}
