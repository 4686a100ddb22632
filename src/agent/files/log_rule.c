/* log_rule.c - see log_rule.h. */
#include "agent/files/log_rule.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/files/log_time.h"

enum { MATCH_LIMIT = 100000, DEPTH_LIMIT = 1000, HEAP_LIMIT_KIB = 4096, PATTERN_BYTES = 4096 };

/* A time, perhaps in brackets, and behind it somewhere a level. */
static const char built_in[] =
    "^\\[?(?<time>\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?"
    "(?: ?(?:Z|[+-]\\d\\d:?\\d\\d))?)\\]?[ \\t]+"
    "(?<message>(?:.{0,100}?\\b(?<level>TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|"
    "CRIT(?:ICAL)?|FATAL|ALERT|PANIC|EMERG(?:ENCY)?)\\b)?.*)";

static const struct {
    const char *name;
    enum tb_log_severity level;
} names[] = {{"critical", TB_SEVERITY_CRITICAL},  {"crit", TB_SEVERITY_CRITICAL},
             {"fatal", TB_SEVERITY_CRITICAL},     {"emerg", TB_SEVERITY_CRITICAL},
             {"emergency", TB_SEVERITY_CRITICAL}, {"alert", TB_SEVERITY_CRITICAL},
             {"panic", TB_SEVERITY_CRITICAL},     {"error", TB_SEVERITY_ERROR},
             {"err", TB_SEVERITY_ERROR},          {"severe", TB_SEVERITY_ERROR},
             {"warning", TB_SEVERITY_WARNING},    {"warn", TB_SEVERITY_WARNING},
             {"info", TB_SEVERITY_INFO},          {"information", TB_SEVERITY_INFO},
             {"notice", TB_SEVERITY_INFO},        {"debug", TB_SEVERITY_DEBUG},
             {"trace", TB_SEVERITY_DEBUG},        {"fine", TB_SEVERITY_DEBUG},
             {"verbose", TB_SEVERITY_DEBUG}};

struct tb_log_rule {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    int message, level, time; /* numbers of the groups, or negative */
};

int tb_log_severity(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strlen(names[i].name) == len && strncasecmp(names[i].name, name, len) == 0)
            return (int)names[i].level;
    return -1;
}

const char *tb_log_severity_name(enum tb_log_severity level)
{
    static const char *const said[] = {"debug", "info", "warning", "error", "critical"};
    return said[level];
}

/* ---- compiling ---- */

static int compile(const char *pattern, struct tb_log_rule *rule, char why[TB_LOG_WHY])
{
    int code;
    size_t at;
    PCRE2_UCHAR said[128];
    if (strlen(pattern) > PATTERN_BYTES) {
        snprintf(why, TB_LOG_WHY, "the pattern has %zu bytes; it may have %d", strlen(pattern),
                 PATTERN_BYTES);
        return -EINVAL;
    }
    rule->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                               PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &code,
                               &at, NULL);
    if (rule->code != NULL)
        return 0;
    if (code == PCRE2_ERROR_NOMEMORY || pcre2_get_error_message(code, said, sizeof(said)) < 0)
        return -ENOMEM;
    snprintf(why, TB_LOG_WHY,
             "at byte %zu (behind \"%.*s\"): %s; it is a PCRE2 pattern, put a \\ before a "
             "character that is meant as it is",
             at, (int)(at < 60 ? at : 60), pattern + (at < 60 ? 0 : at - 60), (const char *)said);
    return -EINVAL;
}

static int group(const struct tb_log_rule *rule, const char *name)
{
    return pcre2_substring_number_from_name(rule->code, (PCRE2_SPTR)name);
}

int tb_log_rule_new(const char *pattern, struct tb_log_rule **out, char why[TB_LOG_WHY])
{
    struct tb_log_rule *rule = calloc(1, sizeof(*rule));
    why[0] = '\0';
    if (rule == NULL)
        return -ENOMEM;
    int err = compile(pattern[0] != '\0' ? pattern : built_in, rule, why);
    if (!err) {
        rule->data = pcre2_match_data_create_from_pattern(rule->code, NULL);
        rule->limits = pcre2_match_context_create(NULL);
        err = rule->data != NULL && rule->limits != NULL ? 0 : -ENOMEM;
    }
    if (err) {
        tb_log_rule_free(rule);
        return err;
    }
    (void)pcre2_set_match_limit(rule->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(rule->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(rule->limits, HEAP_LIMIT_KIB);
    rule->message = group(rule, "message");
    rule->level = group(rule, "level");
    rule->time = group(rule, "time");
    *out = rule;
    return 0;
}

void tb_log_rule_free(struct tb_log_rule *rule)
{
    if (rule == NULL)
        return;
    pcre2_match_context_free(rule->limits);
    pcre2_match_data_free(rule->data);
    pcre2_code_free(rule->code);
    free(rule);
}

/* ---- matching ---- */

/* What the group holds; NULL when it took no part. */
static const char *held(const struct tb_log_rule *rule, int number, const char *line, size_t *len)
{
    const size_t *ends = pcre2_get_ovector_pointer(rule->data);
    if (number < 0 || (uint32_t)number >= pcre2_get_ovector_count(rule->data))
        return NULL;
    size_t begin = ends[2 * (size_t)number];
    size_t end = ends[2 * (size_t)number + 1];
    if (begin == PCRE2_UNSET || end < begin) /* \K in a look-ahead can put the end first */
        return NULL;
    *len = end - begin;
    return line + begin;
}

static enum tb_log_severity level_of(const struct tb_log_rule *rule, const char *line)
{
    size_t len;
    if (rule->level < 0)
        return TB_SEVERITY_ERROR;
    const char *name = held(rule, rule->level, line, &len);
    if (name == NULL || len == 0)
        return TB_SEVERITY_INFO;
    int level = tb_log_severity(name, len);
    return level >= 0 ? (enum tb_log_severity)level : TB_SEVERITY_WARNING;
}

void tb_log_rule_match(struct tb_log_rule *rule, const char *line, size_t len,
                       struct tb_log_match *out)
{
    size_t time_len;
    *out = (struct tb_log_match){.time_ms = -1};
    if (len > 0 && line[len - 1] == '\r')
        len--;
    size_t seen = len < TB_LOG_LINE_BYTES ? len : TB_LOG_LINE_BYTES;
    int n = pcre2_match(rule->code, (PCRE2_SPTR)line, seen, 0, 0, rule->data, rule->limits);
    out->begins = n >= 0;
    out->gave_up = n < 0 && n != PCRE2_ERROR_NOMATCH;
    if (n < 0)
        return;
    out->level = level_of(rule, line);
    out->message = held(rule, rule->message, line, &out->message_len);
    if (out->message == NULL || out->message_len == 0) {
        out->message = line;
        out->message_len = len;
    } else if (out->message + out->message_len == line + seen) {
        out->message_len += len - seen; /* what was not looked at, of a long line */
    }
    const char *time = held(rule, rule->time, line, &time_len);
    if (time != NULL)
        out->time_ms = tb_log_time(time, time_len);
}
