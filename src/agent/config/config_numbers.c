/* config_numbers.c - see config_numbers.h. The text is searched for the keys that libcyaml has
 * found in it, since it keeps neither their places nor their values as they were written. */
#include "agent/config/config_numbers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 64 };

/* Where the value begins of the first key of that name in text, or NULL. */
static const char *find_value(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = strstr(text, key); at != NULL; at = strstr(at + 1, key)) {
        const char *end = at + len;
        const char *line = at;
        while (line > text && line[-1] != '\n')
            line--;
        if (memchr(line, '#', (size_t)(at - line)) != NULL)
            continue;
        if (at > text && strchr("\n \t{,'\"", at[-1]) == NULL)
            continue;
        end += *end == '\'' || *end == '"';
        end += strspn(end, " \t");
        if (*end == ':')
            return end + 1;
    }
    return NULL;
}

/* The value as it was written, without quotes. */
static void copy_value(const char *from, char out[LONGEST])
{
    from += strspn(from, " \t'\"");
    size_t len = strcspn(from, "\r\n,}'\"#");
    while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\t'))
        len--;
    snprintf(out, LONGEST, "%.*s", (int)(len < LONGEST ? len : LONGEST - 1), from);
}

static unsigned line_of(const char *text, const char *at)
{
    unsigned line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

int tb_config_numbers(const char *path, const char *text, const struct tb_config_file *file,
                      char why[TB_CONFIG_WHY])
{
    static const struct tb_config_rollbar no_rollbar;
    static const struct tb_config_symbols no_symbols;
    static const struct tb_config_spool_limits no_limits;
    static const struct tb_config_ages no_ages;
    static const struct tb_config_limits no_rates;
    const struct tb_config_limits *rates = file->limits ? file->limits : &no_rates;
    const struct tb_config_rollbar *rollbar = file->rollbar ? file->rollbar : &no_rollbar;
    const struct tb_config_symbols *symbols = file->symbols ? file->symbols : &no_symbols;
    const struct tb_config_spool_limits *limits =
        file->spool_limits ? file->spool_limits : &no_limits;
    const struct tb_config_ages *ages = limits->max_age_hours ? limits->max_age_hours : &no_ages;
    const struct {
        const char *section, *key;
        const void *is_there;
    } numbers[] = {{"rollbar", "timeout_ms", rollbar->timeout_ms},
                   {"rollbar", "retry_min_ms", rollbar->retry_min_ms},
                   {"rollbar", "retry_max_ms", rollbar->retry_max_ms},
                   {"rollbar", "connections", rollbar->connections},
                   {"limits", "item_per_minute", rates->item_per_minute},
                   {"limits", "service_per_minute", rates->service_per_minute},
                   {"limits", "burst_minutes", rates->burst_minutes},
                   {"limits", "token_per_minute", rates->token_per_minute},
                   {"limits", "sender_per_minute", rates->sender_per_minute},
                   {"symbols", "context_lines", symbols->context_lines},
                   {"symbols", "cache_bytes", symbols->cache_bytes},
                   {"symbols", "user_budget_ms", symbols->user_budget_ms},
                   {"symbols", "debuginfod_timeout_ms", symbols->debuginfod_timeout_ms},
                   {"store", "max_bytes", file->store ? file->store->max_bytes : NULL},
                   {"spool_limits", "max_bytes", limits->max_bytes},
                   {"spool_limits", "max_percent", limits->max_percent},
                   {"spool_limits", "keep_free_percent", limits->keep_free_percent},
                   {"spool_limits", "uid_percent", limits->uid_percent},
                   {"max_age_hours", "crash", ages->crash},
                   {"max_age_hours", "error", ages->error},
                   {"max_age_hours", "warning", ages->warning},
                   {"max_age_hours", "info", ages->info}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char value[LONGEST];
        const char *section = find_value(text, numbers[i].section);
        const char *at = section != NULL ? find_value(section, numbers[i].key) : NULL;
        if (numbers[i].is_there == NULL || at == NULL)
            continue;
        copy_value(at, value);
        if (strspn(value, "0123456789") == strlen(value))
            continue;
        snprintf(why, TB_CONFIG_WHY, "%.200s:%u: %s.%s: '%s' is not a whole number without a unit",
                 path, line_of(text, at), numbers[i].section, numbers[i].key, value);
        return -EINVAL;
    }
    return 0;
}
