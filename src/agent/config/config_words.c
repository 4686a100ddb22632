/* config_words.c - see config_words.h. */
#include "agent/config/config_words.h"

#include <stdio.h>
#include <string.h>

/* libcyaml's names of what it wants and of what it met. */
struct word {
    const char *name, *text;
};
static const struct word wanted[] = {{"MAPPING", "keys under it"},
                                     {"SEQUENCE", "a list, like [one, two]"},
                                     {"UINT", "a number"},
                                     {"ENUM", "true or false"},
                                     {"STRING", "a text"}};
static const struct word met[] = {{"SCALAR", "a single value"},
                                  {"SEQUENCE_START", "a list"},
                                  {"MAPPING_START", "keys under it"},
                                  {"ALIAS", "an alias"}};

static const char *text_of(const struct word *words, size_t n, const char *name, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0)
            return words[i].text;
    return "something else";
}

static int begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* "Invalid UINT value: '-5'" */
static void bad_number(const char *key, const char *said, char *out, size_t cap)
{
    const char *from = strchr(said, '\'');
    const char *value = from != NULL ? from + 1 : "";
    size_t len = strlen(value);
    if (len > 0 && value[len - 1] == '\'')
        len--;
    size_t n_digits = strspn(value + (value[0] == '-'), "0123456789");
    int is_number = n_digits > 0 && n_digits + (value[0] == '-') == len;
    const char *fault = !is_number        ? "is not a number"
                        : value[0] == '-' ? "is below 0"
                                          : "is too large a number";
    snprintf(out, cap, "%s: '%.*s' %s", key, (int)len, value, fault);
}

/* "Expecting MAPPING, got event: SCALAR" */
static void bad_kind(const char *key, const char *said, char *out, size_t cap)
{
    const char *want = said + strlen("Expecting ");
    const char *got = strstr(said, "got event: ");
    got = got != NULL ? got + strlen("got event: ") : "";
    snprintf(out, cap, "%s wants %s, not %s", key[0] != '\0' ? key : "the file",
             text_of(wanted, sizeof(wanted) / sizeof(wanted[0]), want, strcspn(want, ",")),
             text_of(met, sizeof(met) / sizeof(met[0]), got, strlen(got)));
}

void tb_config_words(const char *key, const char *said, char *out, size_t cap)
{
    const char *name = key[0] != '\0' ? key : "the file";
    if (begins(said, "Invalid UINT") || begins(said, "Invalid uint"))
        bad_number(key, said, out, cap);
    else if (begins(said, "Expecting "))
        bad_kind(key, said, out, cap);
    else if (begins(said, "Invalid ENUM value: "))
        snprintf(out, cap, "%s is '%.40s'; it must be true or false", name,
                 said + strlen("Invalid ENUM value: "));
    else if (begins(said, "libyaml: "))
        snprintf(out, cap, "this is not YAML: %s", said + strlen("libyaml: "));
    else if (begins(said, "Mapping field already seen"))
        snprintf(out, cap, "%s is there twice", name);
    else if (begins(said, "Excessive entries ("))
        snprintf(out, cap, "%s has more than %.*s entries", name,
                 (int)strspn(said + 19, "0123456789"), said + 19);
    else if (begins(said, "STRING length > "))
        snprintf(out, cap, "%s is longer than %.*s bytes", name,
                 (int)strspn(said + 16, "0123456789"), said + 16);
    else /* a value may follow the colon */
        snprintf(out, cap, "bad value for %s: %.*s", name, (int)strcspn(said, ":'"), said);
}
