/* sigv4_canonical.c - the one form of a request that is signed, whichever way it is written.
 *
 *   METHOD \n path \n query \n name:value \n ... \n \n names \n SHA-256 of the body
 *
 * Path: "." and ".." and repeated slashes are resolved, then every byte but A-Za-z0-9-._~/ becomes
 * %XX, the percent signs that it has already too. Query: decoded, encoded, sorted by name, then by
 * value. Headers: names in lower case, sorted; values without outer blanks, inner runs of blanks as
 * one; those of one name joined with commas in the order in which they stand. */
#include "sink/sigv4.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEADERS = 64, PARAMETERS = 64, SEGMENTS = 128 };

struct slice {
    const char *at;
    size_t len;
};

struct url {
    struct slice host, path, query; /* host with its port where that is not the usual one */
};

static bool is_unreserved(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void encode(char c, struct tb_buf *out)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    unsigned char byte = (unsigned char)c;
    const char text[3] = {'%', DIGITS[byte >> 4], DIGITS[byte & 15]};
    tb_buf_add(out, is_unreserved(c) ? &c : text, is_unreserved(c) ? 1 : 3);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The port that goes without saying is not in the Host header. */
static void cut_usual_port(struct slice *host, bool is_tls)
{
    size_t len = host->len;
    while (len > 0 && host->at[len - 1] >= '0' && host->at[len - 1] <= '9')
        len--;
    if (len == 0 || host->at[len - 1] != ':')
        return;
    unsigned long port = host->len - len <= 5 ? strtoul(host->at + len, NULL, 10) : 0;
    if (len == host->len || port == (is_tls ? 443UL : 80UL))
        host->len = len - 1;
}

static int read_url(const char *text, struct url *out)
{
    bool is_tls = strncasecmp(text, "https://", 8) == 0;
    if (!is_tls && strncasecmp(text, "http://", 7) != 0)
        return -EINVAL;
    const char *authority = text + (is_tls ? 8 : 7);
    size_t len = strcspn(authority, "/?#");
    out->path.at = authority + len;
    out->path.len = strcspn(out->path.at, "?#");
    out->query.at = out->path.at + out->path.len;
    if (*out->query.at == '?')
        out->query.at++;
    out->query.len = strcspn(out->query.at, "#");
    if (out->path.at[out->path.len] != '?')
        out->query.len = 0;
    const char *at = memrchr(authority, '@', len);
    out->host.at = at ? at + 1 : authority;
    out->host.len = len - (size_t)(out->host.at - authority);
    cut_usual_port(&out->host, is_tls);
    return out->host.len > 0 ? 0 : -EINVAL;
}

static bool is_dots(struct slice s, size_t n)
{
    return s.len == n && memcmp(s.at, "..", n) == 0;
}

static int add_path(struct slice path, struct tb_buf *out)
{
    struct slice segments[SEGMENTS];
    size_t n = 0;
    for (size_t i = 0; i < path.len;) {
        const char *slash = memchr(path.at + i, '/', path.len - i);
        size_t end = slash ? (size_t)(slash - path.at) : path.len;
        struct slice s = {path.at + i, end - i};
        i = end + 1;
        if (is_dots(s, 2)) {
            n -= n > 0;
        } else if (s.len > 0 && !is_dots(s, 1)) {
            if (n == SEGMENTS)
                return -EINVAL;
            segments[n++] = s;
        }
    }
    for (size_t i = 0; i < n; i++) {
        tb_buf_adds(out, "/");
        for (size_t k = 0; k < segments[i].len; k++)
            encode(segments[i].at[k], out);
    }
    if (n == 0 || path.at[path.len - 1] == '/')
        tb_buf_adds(out, "/");
    return out->err;
}

/* Decoded and encoded again, so that "%7e" and "~" are one. */
static void add_parameter_part(struct slice s, struct tb_buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        int high = s.at[i] == '%' && i + 2 < s.len ? hex_digit(s.at[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(s.at[i + 2]) : -1;
        char byte = s.at[i];
        if (low >= 0) {
            byte = (char)(high << 4 | low);
            i += 2;
        }
        encode(byte, out);
    }
}

static int compare_slices(const struct slice *a, const struct slice *b)
{
    size_t len = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->at, b->at, len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

struct parameter {
    size_t name_at, name_len, value_at, value_len; /* in text, encoded */
    const struct tb_buf *text;
};

static int compare_parameters(const void *left, const void *right)
{
    const struct parameter *a = left;
    const struct parameter *b = right;
    const char *text = tb_buf_str(a->text);
    int order = compare_slices(&(struct slice){text + a->name_at, a->name_len},
                               &(struct slice){text + b->name_at, b->name_len});
    if (order == 0)
        order = compare_slices(&(struct slice){text + a->value_at, a->value_len},
                               &(struct slice){text + b->value_at, b->value_len});
    return order;
}

static struct parameter encode_parameter(struct slice pair, struct tb_buf *text)
{
    const char *equals = memchr(pair.at, '=', pair.len);
    size_t name_len = equals ? (size_t)(equals - pair.at) : pair.len;
    size_t value_at = equals ? name_len + 1 : name_len;
    struct parameter p = {.name_at = text->len, .text = text};
    add_parameter_part((struct slice){pair.at, name_len}, text);
    p.value_at = text->len;
    p.name_len = p.value_at - p.name_at;
    add_parameter_part((struct slice){pair.at + value_at, pair.len - value_at}, text);
    p.value_len = text->len - p.value_at;
    return p;
}

static int add_query(struct slice query, struct tb_buf *out)
{
    struct parameter parameters[PARAMETERS];
    struct tb_buf text;
    size_t n = 0;
    int err = 0;
    tb_buf_init(&text, 3 * query.len + 1);
    for (size_t i = 0; i < query.len && err == 0;) {
        const char *and = memchr(query.at + i, '&', query.len - i);
        size_t end = and? (size_t)(and-query.at) : query.len;
        if (n == PARAMETERS)
            err = -EINVAL;
        else if (end > i)
            parameters[n++] = encode_parameter((struct slice){query.at + i, end - i}, &text);
        i = end + 1;
    }
    if (err == 0)
        err = text.err;
    if (err == 0)
        qsort(parameters, n, sizeof(parameters[0]), compare_parameters);
    for (size_t i = 0; i < n && err == 0; i++) {
        tb_buf_adds(out, i > 0 ? "&" : "");
        tb_buf_add(out, text.data + parameters[i].name_at, parameters[i].name_len);
        tb_buf_adds(out, "=");
        tb_buf_add(out, text.data + parameters[i].value_at, parameters[i].value_len);
    }
    tb_buf_done(&text);
    return err != 0 ? err : out->err;
}

struct header {
    struct slice name, value;
    size_t place; /* qsort is not stable */
};

static int compare_names(const struct header *a, const struct header *b)
{
    size_t len = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = strncasecmp(a->name.at, b->name.at, len);
    return order != 0 ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static int compare_headers(const void *left, const void *right)
{
    const struct header *a = left;
    const struct header *b = right;
    int order = compare_names(a, b);
    return order != 0 ? order : (a->place > b->place) - (a->place < b->place);
}

/* Not what is changed or taken away on the way, and not the signature itself. */
static bool is_signed(struct slice name)
{
    static const char *const unsigned_names[] = {"authorization", "connection",
                                                 "expect",        "transfer-encoding",
                                                 "user-agent",    "x-amzn-trace-id"};
    for (size_t i = 0; i < sizeof(unsigned_names) / sizeof(unsigned_names[0]); i++)
        if (name.len == strlen(unsigned_names[i]) &&
            strncasecmp(name.at, unsigned_names[i], name.len) == 0)
            return false;
    return name.len > 0;
}

static void add_lower(struct slice s, struct tb_buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        c = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        tb_buf_add(out, &c, 1);
    }
}

static void add_value(struct slice s, struct tb_buf *out)
{
    size_t from = out->len;
    for (size_t i = 0; i < s.len;) {
        size_t n = 0;
        while (i + n < s.len && s.at[i + n] != ' ')
            n++;
        if (n > 0 && out->len > from)
            tb_buf_adds(out, " ");
        tb_buf_add(out, s.at + i, n);
        i += n + 1;
    }
}

static int take_headers(const struct tb_sink_request *request, struct slice host,
                        struct header headers[HEADERS], size_t *out)
{
    static const char HOST[] = "host";
    size_t n = 0;
    headers[n++] = (struct header){.name = {HOST, sizeof(HOST) - 1}, .value = host};
    for (const char *line = NULL; (line = tb_sink_next_header(request, line)) != NULL;) {
        size_t len = strcspn(line, ":");
        const char *value = line[len] == ':' ? line + len + 1 : line + len;
        struct header header = {.name = {line, len}, .value = {value, strlen(value)}, .place = n};
        if (!is_signed(header.name))
            continue;
        if (n == HEADERS)
            return -EINVAL;
        headers[n++] = header;
    }
    qsort(headers, n, sizeof(headers[0]), compare_headers);
    *out = n;
    return 0;
}

static int add_headers(const struct tb_sink_request *request, struct slice host, struct tb_buf *out,
                       struct tb_buf *names)
{
    struct header headers[HEADERS];
    size_t n = 0;
    int err = take_headers(request, host, headers, &n);
    if (err < 0)
        return err;
    for (size_t i = 0; i < n; i++) {
        bool is_same = i > 0 && compare_names(&headers[i - 1], &headers[i]) == 0;
        if (!is_same) {
            tb_buf_adds(out, i > 0 ? "\n" : "");
            add_lower(headers[i].name, out);
            tb_buf_adds(names, i > 0 ? ";" : "");
            add_lower(headers[i].name, names);
        }
        tb_buf_adds(out, is_same ? "," : ":");
        add_value(headers[i].value, out);
    }
    tb_buf_adds(out, "\n\n");
    tb_buf_add(out, names->data, names->len);
    return names->err != 0 ? names->err : out->err;
}

static void add_hash(const struct tb_buf *body, struct tb_buf *out)
{
    unsigned char hash[TB_SIGV4_HASH];
    SHA256((const unsigned char *)tb_buf_str(body), body->len, hash);
    tb_buf_adds(out, "\n");
    for (size_t i = 0; i < sizeof(hash); i++)
        tb_buf_addf(out, "%02x", hash[i]);
}

int tb_sigv4_canonical(const struct tb_sink_request *request, struct tb_buf *out,
                       struct tb_buf *names)
{
    struct url url;
    int err = read_url(request->url, &url);
    if (err < 0)
        return err;
    tb_buf_adds(out, request->method ? request->method : "POST");
    tb_buf_adds(out, "\n");
    if ((err = add_path(url.path, out)) < 0)
        return err;
    tb_buf_adds(out, "\n");
    if ((err = add_query(url.query, out)) < 0)
        return err;
    tb_buf_adds(out, "\n");
    if ((err = add_headers(request, url.host, out, names)) < 0)
        return err;
    add_hash(&request->body, out);
    return out->err;
}
