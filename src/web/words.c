/* words.c - see words.h. */
#include "web/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "web/emit.h"

enum {
    MS_PER_S = 1000,
    S_PER_MIN = 60,
    S_PER_HOUR = 3600,
    S_PER_DAY = 86400,
    ID_HEAD = 8,
    ID_TAIL = 6
};

const char *tb_words_age(int64_t now_ms, int64_t at_ms, char out[TB_WORDS])
{
    int64_t s = now_ms > at_ms ? (now_ms - at_ms) / MS_PER_S : 0;
    if (s < S_PER_MIN)
        snprintf(out, TB_WORDS, "%" PRId64 " s", s);
    else if (s < S_PER_HOUR)
        snprintf(out, TB_WORDS, "%" PRId64 " min", s / S_PER_MIN);
    else if (s < 2 * (int64_t)S_PER_DAY)
        snprintf(out, TB_WORDS, "%" PRId64 " h", s / S_PER_HOUR);
    else
        snprintf(out, TB_WORDS, "%" PRId64 " d", s / S_PER_DAY);
    return out;
}

/* False for a time that no calendar has. */
static int to_parts(int64_t at_ms, struct tm *out)
{
    time_t at = (time_t)(at_ms / MS_PER_S);
    return gmtime_r(&at, out) != NULL && out->tm_year < 10000 - 1900;
}

const char *tb_words_stamp(int64_t at_ms, char out[TB_WORDS])
{
    struct tm parts;
    if (!to_parts(at_ms, &parts) || strftime(out, TB_WORDS, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        snprintf(out, TB_WORDS, "unknown");
    return out;
}

/* As <time> wants it. */
static const char *machine_stamp(int64_t at_ms, char out[TB_WORDS])
{
    struct tm parts;
    if (!to_parts(at_ms, &parts) || strftime(out, TB_WORDS, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        out[0] = '\0';
    return out;
}

const char *tb_words_duration(int64_t ns, char out[TB_WORDS])
{
    double ms = (double)(ns < 0 ? -ns : ns) / TB_NS_PER_MS;
    if (ms < 10 && ms != (double)(int64_t)ms)
        snprintf(out, TB_WORDS, "%.1f ms", ms);
    else if (ms < MS_PER_S)
        snprintf(out, TB_WORDS, "%.0f ms", ms);
    else if (ms < (double)S_PER_MIN * MS_PER_S)
        snprintf(out, TB_WORDS, "%.1f s", ms / MS_PER_S);
    else if (ms < (double)S_PER_HOUR * MS_PER_S)
        snprintf(out, TB_WORDS, "%.0f min", ms / MS_PER_S / S_PER_MIN);
    else
        snprintf(out, TB_WORDS, "%.0f h", ms / MS_PER_S / S_PER_HOUR);
    return out;
}

const char *tb_words_distance(int64_t ns, char out[TB_WORDS])
{
    char size[TB_WORDS];
    snprintf(out, TB_WORDS, "%s%.30s", ns < 0 ? "\xe2\x88\x92" : "+", tb_words_duration(ns, size));
    return out;
}

const char *tb_words_level(const char *level)
{
    static const char *const LEVELS[] = {"critical", "error", "warning", "info"};
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++)
        if (strcmp(level, LEVELS[i]) == 0)
            return LEVELS[i];
    return "debug";
}

const char *tb_words_short_id(const char *id, char out[TB_WORDS])
{
    size_t len = strlen(id);
    if (len <= ID_HEAD + ID_TAIL + 1)
        snprintf(out, TB_WORDS, "%s", id);
    else
        snprintf(out, TB_WORDS, "%.*s\xe2\x80\xa6%s", ID_HEAD, id, id + len - ID_TAIL);
    return out;
}

const char *tb_words_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

void tb_words_time(struct tb_buf *out, int64_t now_ms, int64_t at_ms, const char *suffix)
{
    char machine[TB_WORDS];
    char full[TB_WORDS];
    char age[TB_WORDS];
    tb_emit(out, "<time datetime=\"%a\" title=\"%a\" data-suffix=\"%a\">%h%h</time>",
            machine_stamp(at_ms, machine), tb_words_stamp(at_ms, full), suffix,
            tb_words_age(now_ms, at_ms, age), suffix);
}
