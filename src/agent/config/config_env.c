/* config_env.c - see config_env.h. */
#include "agent/config/config_env.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_sinks_load.h"
#include "spool/frame.h"

enum kind { TEXT, NUMBER, LARGE, FLAG, NO_FLAG, READ_ELSEWHERE };

#define AT(field) offsetof(struct tb_config, field)
#define HOURS(class) (offsetof(struct tb_config, max_age_hours) + (class) * sizeof(unsigned))

static const struct variable {
    const char *name;
    enum kind kind;
    size_t field;
} variables[] = {
    {"TOWBAR_STATE_DIR", READ_ELSEWHERE, 0},
    {"TOWBAR_LISTEN", TEXT, AT(listen)},
    {"TOWBAR_LOG_FORMAT", TEXT, AT(log_format)},
    {"TOWBAR_VANISHED", TEXT, AT(vanished)},
    {"TOWBAR_TLS_CERT_FILE", TEXT, AT(tls_cert_file)},
    {"TOWBAR_TLS_KEY_FILE", TEXT, AT(tls_key_file)},
    {"TOWBAR_INGEST_TOKEN_FILE", READ_ELSEWHERE, 0},
    {"TOWBAR_ROLLBAR_TOKEN_FILE", READ_ELSEWHERE, 0},
    {"TOWBAR_ROLLBAR_TIMEOUT_MS", NUMBER, AT(timeout_ms)},
    {"TOWBAR_ROLLBAR_RETRY_MIN_MS", NUMBER, AT(retry_min_ms)},
    {"TOWBAR_ROLLBAR_RETRY_MAX_MS", NUMBER, AT(retry_max_ms)},
    {"TOWBAR_ROLLBAR_CONNECTIONS", NUMBER, AT(connections)},
    {"TOWBAR_ROLLBAR_FORCE_TOKEN", FLAG, AT(force_token)},
    {"TOWBAR_ROLLBAR_PROXY", TEXT, AT(proxy)},
    {"TOWBAR_ROLLBAR_CA_FILE", TEXT, AT(ca_file)},
    {"TOWBAR_ROLLBAR_FILES_REMOVE", FLAG, AT(removes_rollbar_files)},
    {"TOWBAR_LIMITS_ITEM_PER_MINUTE", NUMBER, AT(item_per_minute)},
    {"TOWBAR_LIMITS_SERVICE_PER_MINUTE", NUMBER, AT(service_per_minute)},
    {"TOWBAR_LIMITS_BURST_MINUTES", NUMBER, AT(burst_minutes)},
    {"TOWBAR_LIMITS_TOKEN_PER_MINUTE", NUMBER, AT(token_per_minute)},
    {"TOWBAR_LIMITS_SENDER_PER_MINUTE", NUMBER, AT(sender_per_minute)},
    {"TOWBAR_SCRUB_BUILTIN_PATTERNS", NO_FLAG, AT(lacks_builtin_patterns)},
    {"TOWBAR_STORE_MAX_BYTES", LARGE, AT(store_max_bytes)},
    {"TOWBAR_SYMBOLS_DEBUGINFOD_TIMEOUT_MS", NUMBER, AT(debuginfod_timeout_ms)},
    {"TOWBAR_SYMBOLS_CONTEXT_LINES", NUMBER, AT(context_lines)},
    {"TOWBAR_SYMBOLS_CACHE_BYTES", LARGE, AT(cache_bytes)},
    {"TOWBAR_SYMBOLS_USER_BUDGET_MS", NUMBER, AT(user_budget_ms)},
    {"TOWBAR_SPOOL_LIMITS_MAX_BYTES", LARGE, AT(max_bytes)},
    {"TOWBAR_SPOOL_LIMITS_MAX_PERCENT", NUMBER, AT(max_percent)},
    {"TOWBAR_SPOOL_LIMITS_KEEP_FREE_PERCENT", NUMBER, AT(keep_free_percent)},
    {"TOWBAR_SPOOL_LIMITS_UID_PERCENT", NUMBER, AT(uid_percent)},
    {"TOWBAR_SPOOL_LIMITS_MAX_AGE_HOURS_CRASH", NUMBER, HOURS(TB_CLASS_CRASH)},
    {"TOWBAR_SPOOL_LIMITS_MAX_AGE_HOURS_ERROR", NUMBER, HOURS(TB_CLASS_ERROR)},
    {"TOWBAR_SPOOL_LIMITS_MAX_AGE_HOURS_WARNING", NUMBER, HOURS(TB_CLASS_WARNING)},
    {"TOWBAR_SPOOL_LIMITS_MAX_AGE_HOURS_INFO", NUMBER, HOURS(TB_CLASS_INFO)},
};

/* No variable of the library begins so. */
static const char *const sections[] = {
    "TOWBAR_TLS_",     "TOWBAR_INGEST_",       "TOWBAR_ROLLBAR_",    "TOWBAR_LIMITS_",
    "TOWBAR_SYMBOLS_", "TOWBAR_SPOOL_LIMITS_", "TOWBAR_SCRUB_",      "TOWBAR_STORE_",
    "TOWBAR_OTLP_",    "TOWBAR_XRAY_",         "TOWBAR_CLOUDWATCH_", "TOWBAR_AWS_"};

/* ---- the values ---- */

static int set_number(const char *text, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || errno != 0 || *end != '\0' || value > max)
        return -EINVAL;
    *out = value;
    return 0;
}

/* is_for is what "true" makes of *out. */
static int set_flag(const char *text, bool is_for, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) != 0)
            continue;
        *out = (i % 2 == 1) == is_for;
        return 0;
    }
    return -EINVAL;
}

static int set(struct tb_config *config, const struct variable *variable, const char *text)
{
    void *field = (char *)config + variable->field;
    uint64_t number = 0;
    int err = 0;
    switch (variable->kind) {
    case TEXT:
        tb_config_set((char **)field, text);
        return 0;
    case NUMBER:
        if ((err = set_number(text, UINT32_MAX, &number)) == 0)
            *(unsigned *)field = (unsigned)number;
        return err;
    case LARGE:
        return set_number(text, UINT64_MAX, (uint64_t *)field);
    case FLAG:
    case NO_FLAG:
        return set_flag(text, variable->kind == FLAG, (bool *)field);
    case READ_ELSEWHERE:
    default:
        return 0;
    }
}

int tb_config_env(struct tb_config *config, char why[TB_CONFIG_WHY])
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *text = getenv(variables[i].name);
        if (text == NULL || text[0] == '\0')
            continue;
        if (set(config, &variables[i], text) == 0)
            continue;
        snprintf(why, TB_CONFIG_WHY, "%s is \"%.40s\": %s", variables[i].name, text,
                 variables[i].kind == FLAG || variables[i].kind == NO_FLAG
                     ? "it must be true or false"
                     : "it must be a number, without a unit");
        return -EINVAL;
    }
    config->counts_vanished = strcmp(config->vanished, "count") == 0;
    return tb_config_env_names(environ, why);
}

/* ---- the names ---- */

static int begins_like_section(const char *entry)
{
    for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
        if (strncmp(entry, sections[i], strlen(sections[i])) == 0)
            return 1;
    return 0;
}

static int is_known(const char *entry, size_t len)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        if (strlen(variables[i].name) == len && memcmp(variables[i].name, entry, len) == 0)
            return 1;
    return tb_config_sinks_variable(entry, len);
}

/* Of a key that has another name in the environment. */
static const char *other_name(const char *entry, size_t len)
{
    static const char *const others[] = {"ROLLBAR_ENDPOINT", "ROLLBAR_ACCESS_TOKEN"};
    size_t prefix = strlen("TOWBAR_");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strlen(others[i]) + prefix == len &&
            memcmp(entry + prefix, others[i], len - prefix) == 0)
            return others[i];
    return NULL;
}

int tb_config_env_names(char *const *environment, char why[TB_CONFIG_WHY])
{
    for (; environment != NULL && *environment != NULL; environment++) {
        size_t len = strcspn(*environment, "=");
        if (!begins_like_section(*environment) || is_known(*environment, len) ||
            (*environment)[len] == '\0' || (*environment)[len + 1] == '\0')
            continue;
        const char *other = other_name(*environment, len);
        snprintf(why, TB_CONFIG_WHY, "%.*s is set in the environment%s%s",
                 (int)(len < 100 ? len : 100), *environment,
                 other ? "; the name of that key is "
                       : " and names no key with one value; docs/config.md lists them, lists "
                         "belong in the file",
                 other ? other : "");
        return -EINVAL;
    }
    return 0;
}
