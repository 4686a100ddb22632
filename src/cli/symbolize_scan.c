/* symbolize_scan.c - see symbolize_scan.h. */
#include "cli/symbolize_scan.h"

#include <string.h>

enum { DIGITS_MAX = 12 }; /* 48 bits */

/* Ends what could be a module's name. */
static bool is_border(char c)
{
    return c == '\0' || strchr(" \t\r\n()[]<>{}\"'`,;|", c) != NULL;
}

/* The hexadecimal digits at text: how many; 0: none, or more than an offset has. */
static size_t read_digits(const char *text, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;
    *out = 0;
    for (; n <= DIGITS_MAX && text[n] != '\0'; n++) {
        char c = text[n] >= 'A' && text[n] <= 'F' ? (char)(text[n] - 'A' + 'a') : text[n];
        const char *digit = strchr(digits, c);
        if (digit == NULL)
            break;
        *out = *out * 16 + (uint64_t)(digit - digits);
    }
    return n <= DIGITS_MAX ? n : 0;
}

/* What stands before the plus sign: a module, perhaps with a blank behind it, or one with an open
 * bracket and perhaps a function. */
static bool read_before(const char *text, size_t start, size_t plus, struct tb_symbolize_spot *spot)
{
    size_t end = plus > start && text[plus - 1] == ' ' ? plus - 1 : plus;
    size_t from = end;
    while (from > start && !is_border(text[from - 1]))
        from--;
    spot->function = from;
    spot->function_len = 0;
    if (end == plus && from > start && text[from - 1] == '(') {
        spot->function_len = plus - from;
        end = from - 1;
        for (from = end; from > start && !is_border(text[from - 1]);)
            from--;
    }
    spot->from = from;
    spot->module_len = end - from;
    return spot->module_len > 0;
}

bool tb_symbolize_scan(const char *text, size_t *at, struct tb_symbolize_spot *out)
{
    size_t start = *at;
    const char *found = text + start;
    while ((found = strstr(found, "+0x")) != NULL) {
        struct tb_symbolize_spot spot = {0};
        size_t plus = (size_t)(found - text);
        found += strlen("+0x");
        size_t n = read_digits(found, &spot.offset);
        spot.to = plus + strlen("+0x") + n;
        if (n == 0 || !read_before(text, start, plus, &spot))
            continue;
        bool has_bracket = text[spot.from + spot.module_len] == '(';
        if (has_bracket && text[spot.to] != ')')
            continue;
        spot.to += has_bracket;
        if (!is_border(text[spot.to]))
            continue;
        *at = spot.to;
        *out = spot;
        return true;
    }
    return false;
}
