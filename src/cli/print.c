/* print.c - see print.h. Stacks are in stack.c. */
#include "cli/print.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t YEAR_10000_MS = 253402300800000;

static int colours(void)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return (no == NULL || *no == '\0') && isatty(STDOUT_FILENO) && term != NULL &&
           strcmp(term, "dumb") != 0;
}

const char *tb_ink(enum tb_ink ink)
{
    static const char *const escapes[] = {
        [TB_INK_NONE] = "\x1b[0m", [TB_INK_BOLD] = "\x1b[1m",   [TB_INK_DIM] = "\x1b[2m",
        [TB_INK_RED] = "\x1b[31m", [TB_INK_GREEN] = "\x1b[32m", [TB_INK_YELLOW] = "\x1b[33m"};
    return colours() ? escapes[ink] : "";
}

enum tb_ink tb_ink_of(const char *level)
{
    static const struct {
        const char *level;
        enum tb_ink ink;
    } known[] = {{"critical", TB_INK_RED}, {"error", TB_INK_RED}, {"warning", TB_INK_YELLOW},
                 {"warn", TB_INK_YELLOW},  {"FAIL", TB_INK_RED},  {"ok", TB_INK_GREEN},
                 {"debug", TB_INK_DIM}};
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(level, known[i].level) == 0)
            return known[i].ink;
    return TB_INK_NONE;
}

const char *tb_print_clean(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    if (text == NULL)
        text = "";
    for (; *text != '\0' && n + 1 < cap; text++) {
        unsigned char c = (unsigned char)*text;
        /* C2 80 to C2 9F are the control characters that some terminals take for escapes. */
        int is_c1 = c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;
        out[n++] = c < 0x20 || c == 0x7f || is_c1 ? '?' : (char)c;
        text += is_c1;
    }
    out[n] = '\0';
    if (*text == '\0' || cap < 8)
        return out;
    n -= 3;
    while (n > 0 && ((unsigned char)out[n] & 0xc0) == 0x80)
        n--;
    memcpy(out + n, "...", 4);
    return out;
}

void tb_print_text(const char *text)
{
    char piece[1024];
    /* Long texts (a note, a message) are cut: --json has all of it. */
    fputs(tb_print_clean(text, piece, sizeof(piece)), stdout);
}

void tb_print_json(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t plain = 0; /* start of what is not yet printed */
    size_t end = isatty(STDOUT_FILENO) ? len : 0;
    for (size_t i = 0; i < end; i++) {
        bool is_c1 = p[i] == 0xc2 && i + 1 < len && p[i + 1] >= 0x80 && p[i + 1] < 0xa0;
        if (!is_c1 && p[i] != 0x7f && (p[i] >= 0x20 || p[i] == '\t'))
            continue;
        fwrite(text + plain, 1, i - plain, stdout);
        i += is_c1;
        printf("\\u%04x", p[i]);
        plain = i + 1;
    }
    fwrite(text + plain, 1, len - plain, stdout);
}

const char *tb_print_age(int64_t now_ms, int64_t at_ms, char out[TB_AGE_TEXT])
{
    int64_t s = (now_ms - at_ms) / 1000;
    if (at_ms == 0)
        snprintf(out, TB_AGE_TEXT, "never");
    else if (s < 1)
        snprintf(out, TB_AGE_TEXT, "now");
    else if (s < 120)
        snprintf(out, TB_AGE_TEXT, "%lld s ago", (long long)s);
    else if (s < 7200)
        snprintf(out, TB_AGE_TEXT, "%lld min ago", (long long)(s / 60));
    else if (s < 172800)
        snprintf(out, TB_AGE_TEXT, "%lld h ago", (long long)(s / 3600));
    else
        snprintf(out, TB_AGE_TEXT, "%lld days ago", (long long)(s / 86400));
    return out;
}

const char *tb_print_stamp(int64_t at_ms, char out[TB_STAMP_TEXT])
{
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm parts;
    if (at_ms <= 0 || at_ms >= YEAR_10000_MS || gmtime_r(&seconds, &parts) == NULL ||
        strftime(out, TB_STAMP_TEXT, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
        snprintf(out, TB_STAMP_TEXT, "unknown");
    return out;
}

const char *tb_print_short_id(const char *id, char out[TB_SHORT_ID_TEXT + 4])
{
    char clean[64];
    size_t len = strlen(tb_print_clean(id, clean, sizeof(clean)));
    if (len < 32)
        snprintf(out, TB_SHORT_ID_TEXT + 4, "%s", "-");
    else
        snprintf(out, TB_SHORT_ID_TEXT + 4, "%.8s...%.6s", clean, clean + len - 6);
    return out;
}

const cJSON *tb_json_at(const cJSON *from, const char *path)
{
    char key[64];
    while (from != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");
        if (len >= sizeof(key))
            return NULL;
        memcpy(key, path, len);
        key[len] = '\0';
        from = cJSON_GetObjectItemCaseSensitive(from, key);
        path += len + (path[len] == '.');
    }
    return from;
}

const char *tb_json_text(const cJSON *from, const char *path)
{
    const char *text = cJSON_GetStringValue(tb_json_at(from, path));
    return text != NULL ? text : "";
}
