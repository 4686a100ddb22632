/* link.c - see link.h. */
#include "item/link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum kind { TEXT, MILLISECONDS, SECONDS, AWS_TIME };

static const struct place {
    const char *name;
    enum kind kind;
    size_t field;
} places[] = {{"trace_id", TEXT, offsetof(struct tb_link_values, trace_id)},
              {"span_id", TEXT, offsetof(struct tb_link_values, span_id)},
              {"xray_trace_id", TEXT, offsetof(struct tb_link_values, xray_trace_id)},
              {"uuid", TEXT, offsetof(struct tb_link_values, uuid)},
              {"service", TEXT, offsetof(struct tb_link_values, service)},
              {"environment", TEXT, offsetof(struct tb_link_values, environment)},
              {"host", TEXT, offsetof(struct tb_link_values, host)},
              {"region", TEXT, offsetof(struct tb_link_values, region)},
              {"start_ms", MILLISECONDS, offsetof(struct tb_link_values, start_ms)},
              {"end_ms", MILLISECONDS, offsetof(struct tb_link_values, end_ms)},
              {"start_s", SECONDS, offsetof(struct tb_link_values, start_ms)},
              {"end_s", SECONDS, offsetof(struct tb_link_values, end_ms)},
              {"start_aws", AWS_TIME, offsetof(struct tb_link_values, start_ms)},
              {"end_aws", AWS_TIME, offsetof(struct tb_link_values, end_ms)}};
enum { N_PLACES = sizeof(places) / sizeof(places[0]) };

static size_t scheme_len(const char *url)
{
    if (strncmp(url, "https://", 8) == 0)
        return 8;
    return strncmp(url, "http://", 7) == 0 ? 7 : 0;
}

bool tb_link_is_safe(const char *url)
{
    if (scheme_len(url) == 0 || url[scheme_len(url)] == '\0')
        return false;
    for (const char *c = url; *c != '\0'; c++)
        if (*c <= ' ' || *c >= 0x7f || strchr("\"'<>\\^`|", *c) != NULL)
            return false;
    return true;
}

/* The place whose name stands between from and its "}", or NULL; *end is behind the brace. */
static const struct place *find_place(const char *from, const char **end)
{
    size_t len = strcspn(from, "{}");
    *end = from + len + (from[len] == '}');
    for (size_t i = 0; i < N_PLACES && from[len] == '}'; i++)
        if (strlen(places[i].name) == len && memcmp(places[i].name, from, len) == 0)
            return &places[i];
    return NULL;
}

static int check_places(const char *url, char why[TB_LINK_WHY])
{
    const char *path = url + scheme_len(url);
    path += strcspn(path, "/?#");
    for (const char *at = strpbrk(url, "{}"); at != NULL; at = strpbrk(at, "{}")) {
        const char *end = at + 1;
        const struct place *place = *at == '{' ? find_place(at + 1, &end) : NULL;
        if (place == NULL && (end[-1] != '}' || *at != '{')) {
            snprintf(why, TB_LINK_WHY, "has a \"%c\" without its \"%c\"", *at,
                     *at == '{' ? '}' : '{');
            return -EINVAL;
        }
        if (place == NULL) {
            snprintf(
                why, TB_LINK_WHY,
                "has %.*s, which is none of {trace_id} {span_id} {xray_trace_id} {uuid} "
                "{service} {environment} {host} {region} {start_ms} {end_ms} {start_s} {end_s}",
                (int)(end - at < 40 ? end - at : 40), at);
            return -EINVAL;
        }
        if (at < path && strcmp(place->name, "region") != 0) {
            snprintf(why, TB_LINK_WHY,
                     "has {%s} in its host, which an item could choose; only {region} may be there",
                     place->name);
            return -EINVAL;
        }
        at = end;
    }
    return 0;
}

int tb_link_check(const char *url, char why[TB_LINK_WHY])
{
    size_t len = strlen(url);
    if (len < TB_LINK_BYTES / 2 && tb_link_is_safe(url))
        return check_places(url, why);
    snprintf(why, TB_LINK_WHY, "%s",
             scheme_len(url) == 0 ? "is no address: it begins with https:// or http://"
             : len >= TB_LINK_BYTES / 2
                 ? "is longer than 1023 bytes"
                 : "has a character that addresses do not have; write it as %XX");
    return -EINVAL;
}

bool tb_link_encode(const char *text, char *out, size_t cap)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;
    for (const char *t = text; *t != '\0'; t++) {
        unsigned char c = (unsigned char)*t;
        int is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c != 0 && strchr("-._~", c) != NULL);
        if (len + (is_plain ? 1 : 3) >= cap)
            return false;
        if (is_plain) {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = digits[c >> 4];
        out[len++] = digits[c & 15];
    }
    if (cap > 0)
        out[len] = '\0';
    return cap > 0;
}

/* "2026-11-22T09*3a27*3a41.123Z" */
static int put_aws_time(int64_t ms, char *out, size_t cap)
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    if (gmtime_r(&seconds, &tm) == NULL)
        return -ENOENT;
    int len =
        snprintf(out, cap, "%04d-%02d-%02dT%02d*3a%02d*3a%02d.%03dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
    return len >= 0 && (size_t)len < cap ? 0 : -EMSGSIZE;
}

/* 0, -ENOENT or -EMSGSIZE. */
static int put_value(const struct place *place, const struct tb_link_values *values, char *out,
                     size_t cap)
{
    const char *field = (const char *)values + place->field;
    if (place->kind == TEXT) {
        const char *text = *(const char *const *)(const void *)field;
        if (text == NULL || text[0] == '\0')
            return -ENOENT;
        return tb_link_encode(text, out, cap) ? 0 : -EMSGSIZE;
    }
    int64_t ms = *(const int64_t *)(const void *)field;
    if (ms <= 0)
        return -ENOENT;
    if (place->kind == AWS_TIME)
        return put_aws_time(ms, out, cap);
    int len = snprintf(out, cap, "%" PRId64, place->kind == SECONDS ? ms / 1000 : ms);
    return len >= 0 && (size_t)len < cap ? 0 : -EMSGSIZE;
}

int tb_link_expand(const char *url, const struct tb_link_values *values, char out[TB_LINK_BYTES])
{
    size_t len = 0;
    while (*url != '\0') {
        const char *end = url + 1;
        if (len + 1 >= TB_LINK_BYTES)
            return -EMSGSIZE;
        if (*url != '{') {
            out[len++] = *url++;
            continue;
        }
        const struct place *place = find_place(url + 1, &end);
        if (place == NULL)
            return -EINVAL;
        int err = put_value(place, values, out + len, TB_LINK_BYTES - len);
        if (err)
            return err;
        len += strlen(out + len);
        url = end;
    }
    out[len] = '\0';
    return tb_link_is_safe(out) ? 0 : -EINVAL;
}
