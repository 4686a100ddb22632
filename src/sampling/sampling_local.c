/* sampling_local.c - see sampling_impl.h: the file of rules that X-Ray's SDKs take, version 1 or 2,
 * with their strictness: a default without patterns, all patterns in all other rules. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sampling/sampling_impl.h"

static const double target_end = 1e15;

static int take_numbers(const cJSON *json, struct tb_sampling_rule *out, char why[TB_SAMPLING_WHY])
{
    const cJSON *target = cJSON_GetObjectItemCaseSensitive(json, "fixed_target");
    const cJSON *rate = cJSON_GetObjectItemCaseSensitive(json, "rate");
    double per_second = cJSON_IsNumber(target) ? cJSON_GetNumberValue(target) : (double)NAN;
    double share = cJSON_IsNumber(rate) ? cJSON_GetNumberValue(rate) : (double)NAN;
    if (!(per_second >= 0 && per_second < target_end) || (double)(int64_t)per_second != per_second)
        return tb_sampling_refuse(why, out->name, "%s",
                                  target ? "fixed_target must be a whole number, 0 or more"
                                         : "fixed_target is missing: so many each second");
    if (!(share >= 0 && share <= 1))
        return tb_sampling_refuse(why, out->name, "%s",
                                  rate ? "rate must be a number from 0 to 1: 0.05 is 5 %"
                                       : "rate is missing: the share of what is beyond, 0 to 1");
    out->reservoir = (int64_t)per_second;
    out->rate = share;
    return 0;
}

static int take_pattern(const cJSON *json, const char *name, const char *rule, char *out,
                        size_t cap, char why[TB_SAMPLING_WHY])
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, name);
    const char *text = cJSON_GetStringValue(member);
    if (text == NULL || text[0] == '\0')
        return tb_sampling_refuse(
            why, rule, member ? "%s must be a text: \"*\" is any" : "%s is missing: \"*\" is any",
            name);
    if (strlen(text) >= cap)
        return tb_sampling_refuse(why, rule, "%s has over %zu bytes", name, cap - 1);
    memcpy(out, text, strlen(text) + 1);
    return 0;
}

static const char *host_member(int version)
{
    return version == 1 ? "service_name" : "host";
}

static void set_name(const cJSON *json, int64_t number, struct tb_sampling_rule *out)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "description"));
    if (text != NULL && text[0] != '\0')
        (void)snprintf(out->name, sizeof(out->name), "%.*s", NAME_BYTES - 1, text);
    else
        (void)snprintf(out->name, sizeof(out->name), "rule %lld", (long long)number);
}

static int read_rule(const cJSON *json, int version, int64_t number, struct tb_sampling_rule *out,
                     char why[TB_SAMPLING_WHY])
{
    const char *host = host_member(version);
    const char *const known[] = {"description", host,           "http_method",
                                 "url_path",    "fixed_target", "rate"};
    tb_sampling_rule_init(out);
    out->priority = number;
    set_name(json, number, out);
    if (!cJSON_IsObject(json))
        return tb_sampling_refuse(why, out->name, "it must be a JSON object");
    if (version == 2 && cJSON_GetObjectItemCaseSensitive(json, "service_name"))
        return tb_sampling_refuse(why, out->name, "service_name is called host in version 2");
    int err = tb_sampling_members(json, known, sizeof(known) / sizeof(known[0]), out->name, why);
    if (!err)
        err = take_pattern(json, host, out->name, out->host, sizeof(out->host), why);
    if (!err)
        err = take_pattern(json, "http_method", out->name, out->method, sizeof(out->method), why);
    if (!err)
        err = take_pattern(json, "url_path", out->name, out->path, sizeof(out->path), why);
    if (!err)
        err = take_numbers(json, out, why);
    (void)snprintf(out->service, sizeof(out->service), "*");
    (void)snprintf(out->type, sizeof(out->type), "*");
    return err;
}

static int read_default(const cJSON *json, struct tb_sampling_rule *out, char why[TB_SAMPLING_WHY])
{
    static const char *const patterns[] = {"host", "service_name", "http_method", "url_path"};
    static const char *const known[] = {"fixed_target", "rate", "description"};
    tb_sampling_rule_init(out);
    (void)snprintf(out->name, sizeof(out->name), "default");
    out->is_default = true;
    if (json == NULL)
        return tb_sampling_refuse(why, NULL,
                                  "\"default\" is missing: {\"fixed_target\": 1, \"rate\": 0.05}");
    if (!cJSON_IsObject(json))
        return tb_sampling_refuse(why, out->name, "it must be a JSON object");
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (cJSON_GetObjectItemCaseSensitive(json, patterns[i]))
            return tb_sampling_refuse(why, out->name, "it fits every request: remove %s",
                                      patterns[i]);
    }
    int err = tb_sampling_members(json, known, sizeof(known) / sizeof(known[0]), out->name, why);
    return err ? err : take_numbers(json, out, why);
}

int tb_sampling_read_local(const cJSON *json, struct tb_sampling_list *out,
                           char why[TB_SAMPLING_WHY])
{
    static const char *const known[] = {"version", "default", "rules"};
    struct tb_sampling_rule rule;
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "version");
    const cJSON *rules = cJSON_GetObjectItemCaseSensitive(json, "rules");
    const cJSON *one;
    double number = cJSON_IsNumber(version) ? cJSON_GetNumberValue(version) : 0;
    if (number != 1 && number != 2)
        return tb_sampling_refuse(
            why, NULL, version ? "\"version\" must be 1 or 2" : "\"version\" is missing: 1 or 2");
    int err = tb_sampling_members(json, known, 3, NULL, why);
    if (!err)
        err = read_default(cJSON_GetObjectItemCaseSensitive(json, "default"), &rule, why);
    if (!err)
        err = tb_sampling_list_add(out, &rule);
    if (!err && rules && !cJSON_IsArray(rules))
        err = tb_sampling_refuse(why, NULL, "\"rules\" must be a list");
    int64_t n = 0;
    cJSON_ArrayForEach(one, rules)
    {
        if (!err)
            err = read_rule(one, (int)number, ++n, &rule, why);
        if (!err)
            err = tb_sampling_list_add(out, &rule);
    }
    return err;
}
