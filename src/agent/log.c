/* log.c - see log.h: how a line looks. How many there are is log_rate.c's. */
#include "agent/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/log_rate.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/utf8.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const int priorities[] = {3, 4, 6, 7}; /* as syslog(3) has them */
static atomic_int limit = TB_LOG_INFO;
static atomic_int form = TB_LOG_TEXT;
static atomic_int is_journal;

void tb_log_limit(enum tb_log_level level)
{
    atomic_store(&limit, (int)level);
}

/* JOURNAL_STREAM names the file that systemd gave as stderr; it may have been replaced since. */
static int stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char own[64];
    if (stream == NULL || fstat(STDERR_FILENO, &st) < 0)
        return 0;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    return strcmp(own, stream) == 0;
}

void tb_log_format(enum tb_log_format format)
{
    atomic_store(&form, (int)format);
    atomic_store(&is_journal, stderr_is_journal());
}

/* What a terminal obeys or a reader takes for the end of a line, U+0080 to U+009F, U+2028 to U+202E
 * and U+2066 to U+2069, and what is no UTF-8 becomes '?', byte by byte. */
static void tame(char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        const unsigned char *c = (const unsigned char *)text;
        size_t n = tb_utf8_len(text, left);
        int is_bad = n == 0 || (n == 2 && c[0] == 0xc2 && c[1] <= 0x9f) ||
                     (n == 3 && c[0] == 0xe2 &&
                      ((c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
                       (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)));
        n = n > 0 ? n : 1;
        if (is_bad)
            memset(text, '?', n);
        text += n;
        left -= n;
    }
}

/* Escapes text into line, which has room for cap bytes; returns the length used. */
static size_t quote(const char *text, char *line, size_t cap)
{
    size_t len = 0;
    for (const char *c = text; *c != '\0' && len + 4 < cap; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\') {
            line[len++] = '\\';
            line[len++] = *c;
        } else if (byte == '\n') {
            line[len++] = '\\';
            line[len++] = 'n';
        } else if (byte < 0x20 || byte == 0x7f) {
            line[len++] = '?';
        } else {
            line[len++] = *c;
        }
    }
    return len;
}

static size_t text_line(enum tb_log_level level, const char *text, uint64_t n_more,
                        char line[TB_LOG_LINE])
{
    char prefix[8] = "";
    char end[48] = "\"\n";
    if (atomic_load(&is_journal))
        snprintf(prefix, sizeof(prefix), "<%d>", priorities[level]);
    if (n_more > 0)
        snprintf(end, sizeof(end), "\" more=%" PRIu64 "\n", n_more);
    int head = snprintf(line, TB_LOG_LINE, "%slevel=%s msg=\"", prefix, level_names[level]);
    size_t len = (size_t)head;
    len += quote(text, line + len, TB_LOG_LINE - len - sizeof(end));
    return len + (size_t)snprintf(line + len, TB_LOG_LINE - len, "%s", end);
}

static void time_text(char out[32])
{
    uint64_t now_ns = tb_clock_wall_ns();
    time_t s = (time_t)(now_ns / TB_NS_PER_S);
    struct tm tm;
    char day[24] = "";
    if (gmtime_r(&s, &tm) != NULL)
        (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 32, "%s.%03uZ", day, (unsigned)(now_ns / TB_NS_PER_MS % 1000));
}

/* 0 when it does not fit. */
static size_t json_line(enum tb_log_level level, const char *text, size_t text_len, uint64_t n_more,
                        char line[TB_LOG_LINE])
{
    struct tb_json j;
    char when[32];
    time_text(when);
    tb_json_init(&j, line, TB_LOG_LINE - 1);
    tb_json_object(&j);
    tb_json_kstr(&j, "time", when);
    tb_json_kstr(&j, "level", level_names[level]);
    tb_json_key(&j, "msg");
    tb_json_strn(&j, text, text_len);
    if (n_more > 0)
        tb_json_kint(&j, "more", (int64_t)n_more);
    tb_json_end(&j);
    if (tb_json_finish(&j) != 0)
        return 0;
    line[j.len] = '\n';
    return j.len + 1;
}

static void write_line(enum tb_log_level level, const char *text, uint64_t n_more)
{
    char line[TB_LOG_LINE];
    size_t len = 0;
    if (atomic_load(&form) == TB_LOG_JSON) {
        /* Escapes make a text up to six times as long: what is left of it is cut. */
        for (size_t cut = strlen(text); len == 0 && cut > 0; cut /= 2)
            len = json_line(level, text, cut, n_more, line);
    }
    if (len == 0)
        len = text_line(level, text, n_more, line);
    (void)tb_fd_write_all(STDERR_FILENO, line, len); /* nobody left to tell */
}

static void write_held(void *arg, enum tb_log_level level, const char *text, uint64_t n_more)
{
    (void)arg;
    write_line(level, text, n_more);
}

void tb_log_flush(int all)
{
    tb_log_rate_due(tb_clock_mono_ns(), all, write_held, NULL);
}

void tb_log(enum tb_log_level level, const char *format, ...)
{
    if ((int)level > atomic_load(&limit))
        return;
    int saved = errno;
    char text[TB_LOG_LINE];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    tame(text);
    tb_log_flush(0);
    if (tb_log_rate_take(level, format, text, tb_clock_mono_ns()))
        write_line(level, text, 0);
    errno = saved;
}
