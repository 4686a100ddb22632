/* query.c - see query.h. */
#include "web/query.h"

#include <string.h>
#include <strings.h>

enum { HEX_RADIX = 16 };

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* len bytes of the form encoding; false when they do not fit. A NUL cannot be part of a text. */
static bool decode(const char *text, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] == '+' ? ' ' : text[i];
        int high = text[i] == '%' && i + 2 < len ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low >= 0) {
            c = (char)(high * HEX_RADIX + low);
            i += 2;
        }
        if (n + 1 >= cap || c == '\0')
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

bool tb_query_get(const char *query, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        if (len > name_len && query[name_len] == '=' && strncmp(query, name, name_len) == 0 &&
            decode(query + name_len + 1, len - name_len - 1, out, cap))
            return true;
        query += len;
        query += *query == '&';
    }
    out[0] = '\0';
    return false;
}

int64_t tb_query_item(const char *digits, size_t len)
{
    int64_t value = 0;
    if (len == 0)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9' || value > (INT64_MAX - 9) / 10)
            return -1;
        value = value * 10 + (digits[i] - '0');
    }
    return value > 0 ? value : -1;
}

int64_t tb_query_number(const char *query, const char *name, int64_t max, int64_t fallback)
{
    char text[TB_QUERY_TEXT];
    if (!tb_query_get(query, name, text, sizeof(text)))
        return fallback;
    int64_t value = tb_query_item(text, strlen(text));
    return value >= 0 && value <= max ? value : fallback;
}

bool tb_query_cookie(const char *header, const char *name, char *out, size_t cap)
{
    size_t name_len = strlen(name);
    while (*header != '\0') {
        header += strspn(header, " ;");
        size_t len = strcspn(header, ";");
        size_t value_len = len > name_len ? len - name_len - 1 : 0;
        if (len > name_len && header[name_len] == '=' && strncmp(header, name, name_len) == 0 &&
            value_len < cap) {
            memcpy(out, header + name_len + 1, value_len);
            out[value_len] = '\0';
            return true;
        }
        header += len;
    }
    out[0] = '\0';
    return false;
}

static void add_word(struct tb_store_filter *filter, enum tb_store_field field, const char *text)
{
    if (*text == '\0' || filter->n_words == TB_STORE_WORDS)
        return;
    filter->words[filter->n_words].field = field;
    filter->words[filter->n_words++].text = text;
}

static void take_word(char *word, struct tb_store_filter *filter)
{
    static const struct {
        const char *prefix;
        enum tb_store_field field;
    } prefixes[] = {{"env:", TB_FIELD_ENVIRONMENT},
                    {"environment:", TB_FIELD_ENVIRONMENT},
                    {"service:", TB_FIELD_SERVICE},
                    {"level:", TB_FIELD_LEVEL}};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        size_t len = strlen(prefixes[i].prefix);
        if (strncasecmp(word, prefixes[i].prefix, len) != 0)
            continue;
        char *rest = NULL;
        for (char *value = strtok_r(word + len, ",", &rest); value != NULL;
             value = strtok_r(NULL, ",", &rest))
            add_word(filter, prefixes[i].field, value);
        return;
    }
    add_word(filter, TB_FIELD_ANY, word);
}

void tb_query_words(char *text, struct tb_store_filter *filter)
{
    char *rest = NULL;
    for (char *word = strtok_r(text, " \t\r\n", &rest); word != NULL;
         word = strtok_r(NULL, " \t\r\n", &rest))
        take_word(word, filter);
}
