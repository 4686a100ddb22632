/* log.c - see log.h. */
#include "agent/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static atomic_int limit = TB_LOG_INFO;

void tb_log_limit(enum tb_log_level level)
{
    atomic_store(&limit, (int)level);
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
    char line[TB_LOG_LINE];
    int head = snprintf(line, sizeof(line), "level=%s msg=\"", level_names[level]);
    size_t len = (size_t)head;
    len += quote(text, line + len, sizeof(line) - len - 2);
    line[len++] = '"';
    line[len++] = '\n';
    (void)tb_fd_write_all(STDERR_FILENO, line, len); /* nobody left to tell */
    errno = saved;
}
