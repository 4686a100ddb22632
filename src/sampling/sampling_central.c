/* sampling_central.c - see sampling.h: rules and quotas from the service, and reports to it. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "sampling/sampling_impl.h"

enum { DOCUMENT_BYTES = 2048, INTERVAL_MAX_S = 3600, NEXT_BYTES = 8192 };
static const double quota_end = 1e12, seconds_end = 1e12;

static double number_at(const cJSON *json, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsNumber(member) ? cJSON_GetNumberValue(member) : (double)NAN;
}

/* ---- rules ---- */

static int add_record(const cJSON *record, struct tb_sampling_list *list)
{
    char why[TB_SAMPLING_WHY];
    struct tb_sampling_rule rule;
    const cJSON *json = cJSON_GetObjectItemCaseSensitive(record, "SamplingRule");
    if (tb_sampling_read_rule(json, false, &rule, why) != 0)
        return 0;
    rule.is_central = true;
    return tb_sampling_list_add(list, &rule);
}

int tb_sampling_page(struct tb_sampling *sampling, const char *text, size_t len, bool is_first,
                     struct tb_buf *next, char why[TB_SAMPLING_WHY])
{
    const cJSON *record;
    if (is_first)
        tb_sampling_list_done(&sampling->coming);
    cJSON *json = tb_sampling_parse(text, len, why);
    const cJSON *records = cJSON_GetObjectItemCaseSensitive(json, "SamplingRuleRecords");
    const char *token = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "NextToken"));
    int err = cJSON_IsArray(records) ? 0 : -EINVAL;
    if (json && err)
        (void)tb_sampling_refuse(why, NULL, "it has no SamplingRuleRecords");
    cJSON_ArrayForEach(record, records)
    {
        if (!err)
            err = add_record(record, &sampling->coming);
    }
    tb_buf_reset(next);
    if (!err && token && strlen(token) < NEXT_BYTES)
        tb_buf_adds(next, token);
    if (!err)
        err = next->err;
    if (!err && next->len == 0)
        tb_sampling_take(sampling, &sampling->coming);
    cJSON_Delete(json);
    return err;
}

/* ---- quotas ---- */

static void take_target(struct tb_sampling *sampling, const cJSON *target)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(target, "RuleName"));
    double rate = number_at(target, "FixedRate");
    double quota = number_at(target, "ReservoirQuota");
    double until = number_at(target, "ReservoirQuotaTTL");
    double interval = number_at(target, "Interval");
    struct tb_sampling_rule *rule = NULL;
    for (size_t i = 0; name && i < sampling->now.n; i++) {
        if (strcmp(sampling->now.rules[i].name, name) == 0)
            rule = &sampling->now.rules[i];
    }
    if (rule == NULL)
        return;
    if (rate >= 0 && rate <= 1)
        rule->rate = rate;
    if (quota >= 0 && quota < quota_end)
        rule->use.quota = (int64_t)quota;
    if (until >= 0 && until < seconds_end)
        rule->use.quota_until_s = (int64_t)until;
    if (interval >= 1 && interval <= INTERVAL_MAX_S)
        rule->use.interval_ms = (int64_t)interval * MS_PER_S;
}

int tb_sampling_targets(struct tb_sampling *sampling, const char *text, size_t len, int64_t now_ms,
                        int64_t *changed_s, char why[TB_SAMPLING_WHY])
{
    const cJSON *target;
    (void)now_ms;
    *changed_s = 0;
    cJSON *json = tb_sampling_parse(text, len, why);
    const cJSON *targets = cJSON_GetObjectItemCaseSensitive(json, "SamplingTargetDocuments");
    int err = cJSON_IsArray(targets) ? 0 : -EINVAL;
    if (json && err)
        (void)tb_sampling_refuse(why, NULL, "it has no SamplingTargetDocuments");
    cJSON_ArrayForEach(target, targets)
    {
        take_target(sampling, target);
    }
    double changed = number_at(json, "LastRuleModification");
    if (changed > 0 && changed < seconds_end)
        *changed_s = (int64_t)changed;
    cJSON_Delete(json);
    return err;
}

/* ---- reports ---- */

static void add_report(struct tb_buf *out, struct tb_sampling_rule *rule, const char *client,
                       int64_t now_ms, bool is_first)
{
    char mem[DOCUMENT_BYTES];
    struct tb_json j;
    struct tb_sampling_use *use = &rule->use;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kstr(&j, "RuleName", rule->name);
    tb_json_kstr(&j, "ClientID", client);
    tb_json_kint(&j, "Timestamp", now_ms / MS_PER_S);
    tb_json_kint(&j, "RequestCount", (int64_t)use->n_requests);
    tb_json_kint(&j, "SampledCount", (int64_t)use->n_sampled);
    tb_json_kint(&j, "BorrowCount", (int64_t)use->n_borrowed);
    tb_json_end(&j);
    (void)tb_json_finish(&j);
    tb_buf_adds(out, is_first ? "{\"SamplingStatisticsDocuments\":[" : ",");
    tb_buf_adds(out, mem);
    use->n_requests = use->n_sampled = use->n_borrowed = 0;
    use->reported_ms = now_ms;
}

bool tb_sampling_is_used(const struct tb_sampling *sampling)
{
    for (size_t i = 0; i < sampling->now.n; i++) {
        const struct tb_sampling_rule *rule = &sampling->now.rules[i];
        if (rule->is_central && rule->use.n_requests > 0)
            return true;
    }
    return false;
}

int tb_sampling_statistics(struct tb_sampling *sampling, const char client[TB_SAMPLING_CLIENT],
                           int64_t now_ms, struct tb_buf *out)
{
    int n = 0;
    for (size_t i = 0; i < sampling->now.n && n < TB_SAMPLING_STATISTICS; i++) {
        struct tb_sampling_rule *rule = &sampling->now.rules[i];
        if (!rule->is_central || rule->use.n_requests == 0 ||
            (now_ms >= rule->use.reported_ms && /* else the clock was set back */
             now_ms - rule->use.reported_ms < rule->use.interval_ms))
            continue;
        add_report(out, rule, client, now_ms, n == 0);
        n++;
    }
    if (n > 0)
        tb_buf_adds(out, "]}");
    return out->err ? out->err : n;
}
