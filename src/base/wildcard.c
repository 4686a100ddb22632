/* wildcard.c - see wildcard.h. */
#include "base/wildcard.h"

#include <stddef.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The byte behind the character that begins there, or behind what is left of one. */
static const char *behind_one(const char *text)
{
    text++;
    while (((unsigned char)*text & 0xc0) == 0x80)
        text++;
    return text;
}

bool tb_wildcard_fits(const char *pattern, const char *text)
{
    const char *star = NULL; /* behind the last * that was met, which has taken what is before: */
    const char *rest = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            rest = text;
        } else if (*pattern == '?') {
            pattern++;
            text = behind_one(text);
        } else if (*pattern != '\0' && lower(*pattern) == lower(*text)) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star; /* it takes one more; an earlier * could do no better */
            text = ++rest;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
