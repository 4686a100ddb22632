/* ini.c - see ini.h. */
#include "agent/aws/ini.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *at;
    size_t len;
};

struct cursor {
    const struct tb_ini *ini;
    size_t at;
    bool is_in;    /* the section that is looked for */
    bool has_name; /* in this section */
    size_t indent; /* of the name before */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

static bool next_line(struct cursor *c, struct slice *out)
{
    static const char BOM[] = "\xef\xbb\xbf";
    const struct tb_ini *ini = c->ini;
    if (c->at == 0 && ini->len >= 3 && memcmp(ini->text, BOM, 3) == 0)
        c->at = 3;
    if (c->at >= ini->len)
        return false;
    const char *from = ini->text + c->at;
    const char *end = memchr(from, '\n', ini->len - c->at);
    out->at = from;
    out->len = end ? (size_t)(end - from) : ini->len - c->at;
    c->at += out->len + 1;
    return true;
}

static bool is_text(struct slice s, const char *text)
{
    return strlen(text) == s.len && memcmp(s.at, text, s.len) == 0;
}

/* [profile "my name"]: quotes are taken off. */
static bool is_section(const struct tb_ini *ini, struct slice line, const char *profile)
{
    const char *end = memchr(line.at, ']', line.len);
    struct slice name = {line.at + 1, end ? (size_t)(end - line.at) - 1 : 0};
    name = trim(name);
    if (ini->form == TB_INI_CONFIG && !is_text(name, "default")) {
        if (name.len < 8 || memcmp(name.at, "profile", 7) != 0 || !is_blank(name.at[7]))
            return false;
        name = trim((struct slice){name.at + 7, name.len - 7});
    }
    if (name.len >= 2 && (name.at[0] == '"' || name.at[0] == '\'') &&
        name.at[name.len - 1] == name.at[0])
        name = (struct slice){name.at + 1, name.len - 2};
    return name.len > 0 && is_text(name, profile);
}

/* True with the next name of the section that is looked for. */
static bool next_name(struct cursor *c, const char *profile, struct slice *name,
                      struct slice *value)
{
    struct slice line;
    while (next_line(c, &line)) {
        struct slice text = trim(line);
        size_t indent = (size_t)(text.at - line.at);
        if (text.len == 0 || text.at[0] == '#' || text.at[0] == ';')
            continue;
        if (c->has_name && indent > c->indent)
            continue;
        if (text.at[0] == '[') {
            c->is_in = is_section(c->ini, text, profile);
            c->has_name = false;
            if (c->is_in && name == NULL)
                return true;
            continue;
        }
        size_t n = 0;
        while (n < text.len && text.at[n] != '=' && text.at[n] != ':')
            n++;
        c->has_name = true;
        c->indent = indent;
        if (!c->is_in || name == NULL || n == text.len)
            continue;
        *name = trim((struct slice){text.at, n});
        *value = trim((struct slice){text.at + n + 1, text.len - n - 1});
        return true;
    }
    return false;
}

bool tb_ini_get(const struct tb_ini *ini, const char *profile, const char *name, char *out,
                size_t cap)
{
    struct cursor c = {.ini = ini};
    struct slice key, value;
    bool is_there = false;
    while (next_name(&c, profile, &key, &value)) {
        if (key.len != strlen(name) || strncasecmp(key.at, name, key.len) != 0)
            continue;
        is_there = value.len < cap && memchr(value.at, '\0', value.len) == NULL;
        if (!is_there)
            continue;
        memcpy(out, value.at, value.len);
        out[value.len] = '\0';
    }
    if (!is_there)
        out[0] = '\0';
    return is_there;
}

bool tb_ini_has(const struct tb_ini *ini, const char *profile)
{
    struct cursor c = {.ini = ini};
    return next_name(&c, profile, NULL, NULL);
}
