/* quick.c - see quick.h. */
#include "http/quick.h"

#include <string.h>
#include <strings.h>

static const char METHOD[] = "POST ";
static const char VERSION[] = " HTTP/1.1";

struct text {
    const char *at;
    size_t len;
};

static int is(const struct text *text, const char *word)
{
    return text->len == strlen(word) && strncasecmp(text->at, word, text->len) == 0;
}

static int copy(const struct text *text, char *out, size_t cap)
{
    if (text->len >= cap)
        return -1;
    memcpy(out, text->at, text->len);
    out[text->len] = '\0';
    return 0;
}

static int take_token(struct tb_quick *out, const struct text *value)
{
    if (out->has_token)
        return 0;
    out->has_token = 1;
    return copy(value, out->token, sizeof(out->token));
}

static int take_header(struct tb_quick *out, const struct text *name, const struct text *value)
{
    switch (name->len) {
    case sizeof("Host") - 1:
        return is(name, "Host") ? copy(value, out->host, sizeof(out->host)) : 0;
    case sizeof("Expect") - 1: /* and Origin */
        return is(name, "Expect") || is(name, "Origin") ? -1 : 0;
    case sizeof("Connection") - 1:
        return is(name, "Connection") && !is(value, "keep-alive") ? -1 : 0;
    case sizeof("Content-Encoding") - 1:
        return is(name, "Content-Encoding") ? -1 : 0;
    case sizeof("Transfer-Encoding") - 1:
        return is(name, "Transfer-Encoding") ? -1 : 0;
    case sizeof("X-Rollbar-Access-Token") - 1:
        return is(name, "X-Rollbar-Access-Token") ? take_token(out, value) : 0;
    default:
        return 0;
    }
}

/* The value without the blanks around it, as libevent takes them off. */
static struct text trim(const char *at, const char *end)
{
    while (at < end && *at == ' ')
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct text){.at = at, .len = (size_t)(end - at)};
}

static int read_target(const char *data, const char *line_end, struct tb_quick *out)
{
    size_t len = (size_t)(line_end - data);
    size_t method = sizeof(METHOD) - 1;
    size_t version = sizeof(VERSION) - 1;
    if (len <= method + version || memcmp(data, METHOD, method) != 0 ||
        memcmp(line_end - version, VERSION, version) != 0)
        return -1;
    out->target = data + method;
    out->target_len = len - method - version;
    return 0;
}

int tb_quick_read(const char *data, size_t head_len, size_t len, struct tb_quick *out)
{
    const char *end = data + head_len;
    const char *line_end = memchr(data, '\r', head_len);
    out->has_token = 0;
    out->host[0] = '\0';
    if (line_end == NULL || read_target(data, line_end, out) != 0)
        return -1;
    while (end - line_end > 2) {
        const char *line = line_end + 2; /* CR LF, as framing has seen */
        const char *colon = memchr(line, ':', (size_t)(end - line));
        line_end = memchr(line, '\r', (size_t)(end - line));
        if (line_end == NULL)
            return -1;
        if (line_end == line)
            break;
        if (colon == NULL || colon > line_end)
            return -1;
        struct text name = {.at = line, .len = (size_t)(colon - line)};
        struct text value = trim(colon + 1, line_end);
        if (take_header(out, &name, &value) != 0)
            return -1;
    }
    out->body = data + head_len;
    out->body_len = len - head_len;
    return 0;
}
