/* words.c - see words.h. */
#include "agent/aws/words.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Copies one word from line, ended. What is read, or -EINVAL. It never grows. */
static int take_word(const char *line, char *out)
{
    const char *c = line;
    char quote = '\0';
    for (; *c != '\0' && (quote != '\0' || !is_blank(*c)); c++) {
        if (quote == '\0' && (*c == '"' || *c == '\'')) {
            quote = *c;
            continue;
        }
        if (*c == quote) {
            quote = '\0';
            continue;
        }
        bool is_escape =
            *c == '\\' && (quote == '\0' || (quote == '"' && (c[1] == '"' || c[1] == '\\')));
        if (is_escape && *++c == '\0')
            return -EINVAL;
        *out++ = *c;
    }
    *out = '\0';
    return quote == '\0' ? (int)(c - line) : -EINVAL;
}

int tb_words_split(const char *line, struct tb_words *out)
{
    char *to = out->text;
    out->n = 0;
    if (strlen(line) >= sizeof(out->text))
        return -E2BIG;
    while (is_blank(*line))
        line++;
    while (*line != '\0') {
        if (out->n == TB_WORDS)
            return -E2BIG;
        int used = take_word(line, to);
        if (used < 0)
            return used;
        out->argv[out->n++] = to;
        to += strlen(to) + 1;
        line += used;
        while (is_blank(*line))
            line++;
    }
    out->argv[out->n] = NULL;
    return out->n > 0 && out->argv[0][0] != '\0' ? 0 : -EINVAL;
}
