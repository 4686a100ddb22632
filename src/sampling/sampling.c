/* sampling.c - see sampling.h: the rules that count, and decisions. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/wildcard.h"
#include "sampling/sampling_impl.h"

enum { CAP_FIRST = 16 };

void tb_sampling_rule_init(struct tb_sampling_rule *rule)
{
    memset(rule, 0, sizeof(*rule));
    rule->use.quota = -1;
    rule->use.interval_ms = (int64_t)INTERVAL_S * MS_PER_S;
}

int tb_sampling_new(struct tb_sampling **out)
{
    struct tb_sampling *sampling = calloc(1, sizeof(*sampling));
    if (sampling == NULL)
        return -ENOMEM;
    tb_sampling_rule_init(&sampling->fallback);
    (void)snprintf(sampling->fallback.name, sizeof(sampling->fallback.name), "default");
    sampling->fallback.is_default = true;
    sampling->fallback.reservoir = 1;
    sampling->fallback.rate = 0.05;
    *out = sampling;
    return 0;
}

void tb_sampling_free(struct tb_sampling *sampling)
{
    if (sampling == NULL)
        return;
    tb_sampling_list_done(&sampling->now);
    tb_sampling_list_done(&sampling->coming);
    free(sampling);
}

const char *tb_sampling_name(const struct tb_sampling *sampling, size_t i)
{
    return i < sampling->now.n ? sampling->now.rules[i].name : NULL;
}

/* ---- lists of rules ---- */

int tb_sampling_list_add(struct tb_sampling_list *list, const struct tb_sampling_rule *rule)
{
    if (list->n >= TB_SAMPLING_RULES)
        return -EMSGSIZE;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : CAP_FIRST;
        struct tb_sampling_rule *rules = realloc(list->rules, cap * sizeof(*rules));
        if (rules == NULL)
            return -ENOMEM;
        list->rules = rules;
        list->cap = cap;
    }
    list->rules[list->n++] = *rule;
    return 0;
}

void tb_sampling_list_done(struct tb_sampling_list *list)
{
    free(list->rules);
    memset(list, 0, sizeof(*list));
}

/* The default is last, whatever its number. */
static int compare(const void *a, const void *b)
{
    const struct tb_sampling_rule *one = a;
    const struct tb_sampling_rule *other = b;
    if (one->is_default != other->is_default)
        return one->is_default ? 1 : -1;
    if (one->priority != other->priority)
        return one->priority < other->priority ? -1 : 1;
    return strcmp(one->name, other->name);
}

void tb_sampling_take(struct tb_sampling *sampling, struct tb_sampling_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        for (size_t k = 0; k < sampling->now.n; k++) {
            if (strcmp(sampling->now.rules[k].name, list->rules[i].name) == 0)
                list->rules[i].use = sampling->now.rules[k].use;
        }
    }
    if (list->n > 1)
        qsort(list->rules, list->n, sizeof(*list->rules), compare);
    tb_sampling_list_done(&sampling->now);
    sampling->now = *list;
    memset(list, 0, sizeof(*list));
}

/* ---- decisions ---- */

static bool fits(const char *pattern, const char *text)
{
    return text == NULL || text[0] == '\0' || tb_wildcard_fits(pattern, text);
}

static struct tb_sampling_rule *find(struct tb_sampling *sampling,
                                     const struct tb_sampling_request *request)
{
    for (size_t i = 0; i < sampling->now.n; i++) {
        struct tb_sampling_rule *rule = &sampling->now.rules[i];
        if (rule->is_default ||
            (fits(rule->service, request->service) && fits(rule->type, request->service_type) &&
             fits(rule->host, request->host) && fits(rule->method, request->method) &&
             fits(rule->path, request->path)))
            return rule;
    }
    return &sampling->fallback;
}

/* Of the reservoir of a central rule the whole is everybody's: without a quota that holds, one a
 * second is what the service bears from each who asks. */
static bool take(struct tb_sampling_rule *rule, int64_t second)
{
    struct tb_sampling_use *use = &rule->use;
    if (use->second != second) {
        use->second = second;
        use->taken = use->borrowed = 0;
    }
    bool has_quota = rule->is_central && use->quota >= 0 && use->quota_until_s >= second;
    if (has_quota || !rule->is_central) {
        if (use->taken >= (has_quota ? use->quota : rule->reservoir))
            return false;
        use->taken++;
        use->n_sampled++;
        return true;
    }
    if (rule->reservoir <= 0 || use->borrowed >= 1)
        return false;
    use->borrowed++;
    use->n_borrowed++;
    return true;
}

bool tb_sampling_decide(struct tb_sampling *sampling, const struct tb_sampling_request *request,
                        int64_t now_ms, double random, const char **rule_out)
{
    struct tb_sampling_rule *rule = find(sampling, request);
    rule->use.n_requests++;
    if (rule_out != NULL)
        *rule_out = rule->name;
    if (take(rule, now_ms / MS_PER_S))
        return true;
    if (rule->rate <= 0 || random > rule->rate)
        return false;
    rule->use.n_sampled++;
    return true;
}

/* ---- a file ---- */

static int read_one(const cJSON *json, struct tb_sampling_list *list, char why[TB_SAMPLING_WHY])
{
    struct tb_sampling_rule rule;
    const cJSON *inner = cJSON_GetObjectItemCaseSensitive(json, "SamplingRule");
    int err = tb_sampling_read_rule(inner ? inner : json, true, &rule, why);
    if (err)
        return err;
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->rules[i].name, rule.name) == 0)
            return tb_sampling_refuse(why, rule.name,
                                      "it is there twice: give one another "
                                      "RuleName");
    }
    return tb_sampling_list_add(list, &rule);
}

/* Rules that cannot be used here are passed over among others, and are an error alone. */
static int read_each(const cJSON *array, struct tb_sampling_list *list, char why[TB_SAMPLING_WHY])
{
    const cJSON *json;
    bool has_useless = false;
    cJSON_ArrayForEach(json, array)
    {
        int err = read_one(json, list, why);
        if (err < 0)
            return err;
        has_useless = has_useless || err > 0;
    }
    if (list->n == 0 && !has_useless)
        return tb_sampling_refuse(why, NULL, "the list has no rules");
    return list->n > 0 ? 0 : -EINVAL;
}

static int read_file(const cJSON *json, struct tb_sampling_list *list, char why[TB_SAMPLING_WHY])
{
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(json, "SamplingRuleRecords");
    if (cJSON_IsArray(json) || cJSON_IsArray(records))
        return read_each(records ? records : json, list, why);
    if (!cJSON_IsObject(json))
        return tb_sampling_refuse(why, NULL, "rules are a JSON object or a list of such");
    if (cJSON_GetObjectItemCaseSensitive(json, "version") ||
        cJSON_GetObjectItemCaseSensitive(json, "default") ||
        cJSON_GetObjectItemCaseSensitive(json, "rules"))
        return tb_sampling_read_local(json, list, why);
    if (cJSON_GetObjectItemCaseSensitive(json, "SamplingRule") ||
        cJSON_GetObjectItemCaseSensitive(json, "RuleName"))
        return read_one(json, list, why) == 0 ? 0 : -EINVAL;
    return tb_sampling_refuse(why, NULL,
                              "no \"SamplingRule\" (as aws xray create-sampling-rule takes it), "
                              "no \"SamplingRuleRecords\" and no \"version\" with \"default\"");
}

int tb_sampling_rules(struct tb_sampling *sampling, const char *text, size_t len, int64_t now_ms,
                      char why[TB_SAMPLING_WHY])
{
    struct tb_sampling_list list = {0};
    (void)now_ms;
    cJSON *json = tb_sampling_parse(text, len, why);
    int err = json ? read_file(json, &list, why) : -EINVAL;
    cJSON_Delete(json);
    if (err == -EMSGSIZE)
        (void)snprintf(why, TB_SAMPLING_WHY, "over %d rules", TB_SAMPLING_RULES);
    if (!err)
        tb_sampling_take(sampling, &list);
    tb_sampling_list_done(&list);
    return err;
}
