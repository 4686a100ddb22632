/* sampling_read.c - see sampling_impl.h: a rule as X-Ray's API has it, in a file or in an answer.
 *
 * Source: AWS X-Ray API reference, "SamplingRule", for names and bounds. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/suggest.h"
#include "base/utf8.h"
#include "sampling/sampling_impl.h"

enum { RULE_SHOWN = 60, MEMBER_SHOWN = 40, PRIORITY_MAX = 9999, ARN_CHARS = 500 };
static const double integer_end = 1e15;

int tb_sampling_refuse(char why[TB_SAMPLING_WHY], const char *rule, const char *format, ...)
{
    int len = 0;
    va_list args;
    if (rule != NULL)
        len = snprintf(why, TB_SAMPLING_WHY,
                       "rule \"%.*s\": ", (int)tb_utf8_cut(rule, strlen(rule), RULE_SHOWN), rule);
    va_start(args, format);
    (void)vsnprintf(why + len, (size_t)(TB_SAMPLING_WHY - len), format, args);
    va_end(args);
    return -EINVAL;
}

int tb_sampling_members(const cJSON *json, const char *const *known, size_t n, const char *rule,
                        char why[TB_SAMPLING_WHY])
{
    const cJSON *member;
    cJSON_ArrayForEach(member, json)
    {
        size_t i = 0;
        while (i < n && strcmp(known[i], member->string) != 0)
            i++;
        if (i < n)
            continue;
        const char *meant = tb_suggest(member->string, known, n);
        return tb_sampling_refuse(why, rule, "there is no member \"%.40s\"%s%s%s", member->string,
                                  meant ? ": did you mean \"" : ": remove it", meant ? meant : "",
                                  meant ? "\"?" : "");
    }
    return 0;
}

cJSON *tb_sampling_parse(const char *text, size_t len, char why[TB_SAMPLING_WHY])
{
    const char *end = NULL;
    if (len > TB_SAMPLING_BYTES) {
        (void)tb_sampling_refuse(why, NULL, "over %d bytes", TB_SAMPLING_BYTES);
        return NULL;
    }
    cJSON *json = cJSON_ParseWithLengthOpts(text, len, &end, 0);
    size_t used = end >= text && end <= text + len ? (size_t)(end - text) : 0;
    while (json && used < len && (text[used] == '\0' || strchr(" \t\r\n", text[used]) != NULL))
        used++;
    if (json == NULL || used < len) {
        size_t line = 1;
        for (size_t i = 0; i < used; i++)
            line += text[i] == '\n';
        (void)tb_sampling_refuse(why, NULL, "it is no JSON, at line %zu", line);
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static size_t count_chars(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* ---- one rule ---- */

static const char *const members[] = {
    "RuleName",    "RuleARN",           "ResourceARN", "Priority",   "FixedRate", "ReservoirSize",
    "ServiceName", "ServiceType",       "Host",        "HTTPMethod", "URLPath",   "Version",
    "Attributes",  "SamplingRateBoost",
};
enum { N_MEMBERS = sizeof(members) / sizeof(members[0]) };

static const struct {
    const char *name;
    size_t offset, cap;
    size_t chars; /* by the API */
} texts[] = {
#define TEXT(name, field, chars)                                                                   \
    {                                                                                              \
        name, offsetof(struct tb_sampling_rule, field),                                            \
            sizeof(((struct tb_sampling_rule *)0)->field), chars                                   \
    }
    TEXT("ServiceName", service, 64), TEXT("ServiceType", type, 64), TEXT("Host", host, 64),
    TEXT("HTTPMethod", method, 10),   TEXT("URLPath", path, 128),
#undef TEXT
};

static int take_text(const cJSON *json, size_t i, struct tb_sampling_rule *out,
                     char why[TB_SAMPLING_WHY])
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, texts[i].name);
    const char *text = cJSON_GetStringValue(member);
    if (text == NULL)
        return tb_sampling_refuse(why, out->name,
                                  member ? "%s must be a text" : "%s is missing: \"*\" is any",
                                  texts[i].name);
    if (count_chars(text) > texts[i].chars)
        return tb_sampling_refuse(why, out->name, "%s has over %zu characters", texts[i].name,
                                  texts[i].chars);
    (void)snprintf((char *)out + texts[i].offset, texts[i].cap, "%s", text);
    return 0;
}

static int take_name(const cJSON *json, struct tb_sampling_rule *out, char why[TB_SAMPLING_WHY])
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "RuleName"));
    if (name == NULL || name[0] == '\0')
        return tb_sampling_refuse(why, NULL, "a rule without a RuleName: give it one");
    if (count_chars(name) > 32)
        return tb_sampling_refuse(why, name, "RuleName has over 32 characters");
    (void)snprintf(out->name, sizeof(out->name), "%s", name);
    out->is_default = strcmp(name, "Default") == 0;
    return 0;
}

/* A whole number from low to high. */
static int take_number(const cJSON *json, const char *name, double low, double high,
                       const char *rule, int64_t *out, char why[TB_SAMPLING_WHY])
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, name);
    double value = cJSON_IsNumber(member) ? cJSON_GetNumberValue(member) : (double)NAN;
    if (member == NULL)
        return tb_sampling_refuse(why, rule, "%s is missing", name);
    if (!(value >= low && value <= high) || (double)(int64_t)value != value)
        return high < integer_end
                   ? tb_sampling_refuse(why, rule, "%s must be a whole number from %.0f to %.0f",
                                        name, low, high)
                   : tb_sampling_refuse(why, rule, "%s must be a whole number, %.0f or more", name,
                                        low);
    *out = (int64_t)value;
    return 0;
}

static int take_numbers(const cJSON *json, struct tb_sampling_rule *out, char why[TB_SAMPLING_WHY])
{
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(json, "FixedRate");
    double value = cJSON_IsNumber(rate) ? cJSON_GetNumberValue(rate) : (double)NAN;
    int err = take_number(json, "Priority", 1, out->is_default ? PRIORITY_DEFAULT : PRIORITY_MAX,
                          out->name, &out->priority, why);
    if (!err)
        err = take_number(json, "ReservoirSize", 0, integer_end, out->name, &out->reservoir, why);
    if (!err && rate == NULL)
        err = tb_sampling_refuse(why, out->name, "FixedRate is missing");
    if (!err && !(value >= 0 && value <= 1))
        err = tb_sampling_refuse(why, out->name,
                                 "FixedRate must be a number from 0 to 1: 0.05 is 5 %%");
    out->rate = value;
    return err;
}

/* What only the service itself, or an SDK inside of the program, could see. In a file "Version" and
 * "ResourceARN" go without saying; of the service the SDKs take no rule that does not say them. */
static int usable(const cJSON *json, bool is_file, const char *rule, char why[TB_SAMPLING_WHY])
{
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "Version");
    const cJSON *arn = cJSON_GetObjectItemCaseSensitive(json, "ResourceARN");
    const cJSON *attributes = cJSON_GetObjectItemCaseSensitive(json, "Attributes");
    const char *arn_text = cJSON_GetStringValue(arn);
    (void)tb_sampling_refuse(why, rule, "Version must be 1");
    if ((version || !is_file) && !(cJSON_IsNumber(version) && cJSON_GetNumberValue(version) == 1))
        return 1;
    (void)tb_sampling_refuse(why, rule, "ResourceARN must be \"*\": others are not known here");
    if ((arn || !is_file) && (arn_text == NULL || strcmp(arn_text, "*") != 0))
        return 1;
    (void)tb_sampling_refuse(why, rule, "Attributes are not known here: remove them");
    if (attributes && !cJSON_IsNull(attributes) && cJSON_GetArraySize(attributes) > 0)
        return 1;
    why[0] = '\0';
    return 0;
}

int tb_sampling_read_rule(const cJSON *json, bool is_strict, struct tb_sampling_rule *out,
                          char why[TB_SAMPLING_WHY])
{
    tb_sampling_rule_init(out);
    if (!cJSON_IsObject(json))
        return tb_sampling_refuse(why, NULL, "a rule is a JSON object");
    int err = take_name(json, out, why);
    if (!err && is_strict)
        err = tb_sampling_members(json, members, N_MEMBERS, out->name, why);
    if (!err)
        err = usable(json, is_strict, out->name, why);
    if (!err)
        err = take_numbers(json, out, why);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !err; i++)
        err = take_text(json, i, out, why);
    return err;
}
