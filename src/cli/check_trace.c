/* check_trace.c - `towbar check`: what keeps an error from being found by its trace ID: two IDs,
 * groups that match no error, names that X-Ray is not told, sampling rules for nobody, no log
 * group. Each is a warning, with the command that mends it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/wildcard.h"
#include "cli/check.h"
#include "cli/check_seen.h"
#include "cli/client.h"
#include "cli/print.h"
#include "cli/verb.h"
#include "filter/filter.h"

enum {
    RULES_MAX_BYTES = 1 << 20,
    RULES_MS = 2000,
    GROUP_SERVICES = 16,
    NAMES_BYTES = 256,
    MEND_BYTES = 16 << 10, /* a filter with every quote escaped */
    RULE_BYTES = 1024,
    RULE_SERVICE_CHARS = 64
};

/* ---- two IDs ---- */

static void check_ids(struct tb_check *check, const struct tb_seen *seen)
{
    const struct tb_seen_service *worst = NULL;
    int n_one = 0;
    for (size_t i = 0; i < seen->n; i++) {
        const struct tb_seen_service *one = &seen->services[i];
        n_one += one->n_traced - one->n_differ;
        if (one->n_differ > (worst != NULL ? worst->n_differ : 0))
            worst = one;
    }
    if (worst != NULL)
        tb_check_mend(check, "trace", "export OTEL_PYTHON_ID_GENERATOR=xray",
                      "%d of the last %d errors of %s have two trace IDs, as OpenTelemetry and the "
                      "X-Ray SDK each make one: each system is sent its own, and what is found in "
                      "one is not found in the other by the same ID. For one ID in all see "
                      "docs/how-to/README.md; in Cruddur:",
                      worst->n_differ, worst->n_errors, worst->service);
    else if (n_one > 0)
        tb_check_line(check, TB_CHECK_WELL, "trace",
                      "the last %d errors with both IDs have the same in OpenTelemetry and X-Ray",
                      n_one);
}

/* ---- what X-Ray is told ---- */

/* The expression with one name in it in the place of another. */
static void renamed(const char *filter, const char *from, const char *to, struct tb_buf *out)
{
    char quoted[NAMES_BYTES];
    snprintf(quoted, sizeof(quoted), "\"%s\"", from);
    const char *at = strstr(filter, quoted);
    if (at == NULL) {
        tb_buf_addf(out, "service(\"%s\") {fault OR error}", to);
        return;
    }
    tb_buf_add(out, filter, (size_t)(at - filter));
    tb_buf_addf(out, "\"%s\"%s", to, at + strlen(quoted));
}

/* As it is to be typed: a filter has quotes of its own. */
static void mend_group(const char *name, const struct tb_buf *filter, struct tb_buf *out)
{
    tb_buf_addf(out, "aws xray update-group --group-name %s --filter-expression ", name);
    tb_cli_quote(out, tb_buf_str(filter));
}

/* A service of that name had errors, and X-Ray is told another name for it. */
static const struct tb_seen_service *find_renamed(const struct tb_seen *seen, const char *service)
{
    for (size_t i = 0; i < seen->n; i++)
        if (strcmp(seen->services[i].service, service) == 0 &&
            strcmp(seen->services[i].name, service) != 0)
            return &seen->services[i];
    return NULL;
}

static void warn_renamed(struct tb_check *check, const struct tb_config_group *group,
                         const struct tb_seen_service *service)
{
    struct tb_buf filter;
    struct tb_buf mend;
    const struct tb_config_xray *xray = &check->config->sinks.xray;
    tb_buf_init(&filter, MEND_BYTES);
    tb_buf_init(&mend, MEND_BYTES);
    renamed(group->filter, service->service, service->name, &filter);
    mend_group(group->name, &filter, &mend);
    if (service->host[0] != '\0')
        tb_check_mend(check, "name", tb_buf_str(&mend),
                      "AWS_XRAY_URL (xray.name_pattern) \"%.128s\" fits requests to %s, so that "
                      "X-Ray calls %s by that host, and group %s asks for service(\"%s\"): such "
                      "errors are not in it. Unset AWS_XRAY_URL, for the app and the agent; or, "
                      "and in the settings too:",
                      xray->name_pattern, service->host, service->service, group->name,
                      service->service);
    else
        tb_check_mend(check, "name", tb_buf_str(&mend),
                      "AWS_XRAY_TRACING_NAME (xray.name) calls every service \"%.128s\", and group "
                      "%s asks for service(\"%s\"): no error is in it. Unset it; or, and in the "
                      "settings too:",
                      xray->name, group->name, service->service);
    tb_buf_done(&filter);
    tb_buf_done(&mend);
}

/* ---- groups ---- */

static void warn_nobody(struct tb_check *check, const struct tb_config_group *group,
                        const char *service, const struct tb_seen *seen)
{
    char names[NAMES_BYTES];
    struct tb_buf filter;
    struct tb_buf mend;
    const struct tb_seen_service *near = tb_seen_nearest(seen, service);
    tb_seen_names(seen, names, sizeof(names));
    tb_buf_init(&filter, MEND_BYTES);
    tb_buf_init(&mend, MEND_BYTES);
    if (near != NULL) {
        renamed(group->filter, service, near->name, &filter);
        mend_group(group->name, &filter, &mend);
    }
    tb_check_mend(check, "group", tb_buf_str(&mend),
                  "%s asks for service(\"%s\"), and no error of a service of that name was seen; "
                  "there were: %s%s",
                  group->name, service, names,
                  near != NULL ? ". If that was meant, in the settings too:" : "");
    tb_buf_done(&filter);
    tb_buf_done(&mend);
}

struct groups {
    struct tb_filter *filters[TB_CONFIG_GROUPS];
    struct tb_filter_group named[TB_CONFIG_GROUPS];
    size_t n;
};

static void check_services(struct tb_check *check, const struct tb_config_group *group,
                           const struct tb_filter *filter, const struct groups *groups,
                           const struct tb_seen *seen)
{
    const char *services[GROUP_SERVICES];
    size_t n = tb_filter_services(filter, groups->named, groups->n, services, GROUP_SERVICES);
    for (size_t i = 0; i < n && i < GROUP_SERVICES && seen->n > 0; i++) {
        const struct tb_seen_service *other = find_renamed(seen, services[i]);
        if (other != NULL)
            warn_renamed(check, group, other);
        else if (tb_seen_by_name(seen, services[i]) == NULL)
            warn_nobody(check, group, services[i], seen);
        else
            continue;
        return;
    }
    tb_check_line(check, TB_CHECK_WELL, "group", "%s: %s", group->name, group->filter);
}

/* The first service that the expression names, whatever it says of it; false: none. */
static bool names_service(const char *filter, char *out, size_t cap)
{
    static const char mark[] = "service(\"";
    const char *at = strstr(filter, mark);
    size_t len = at != NULL ? strcspn(at + sizeof(mark) - 1, "\"") : 0;
    if (len == 0 || len >= cap)
        return false;
    snprintf(out, cap, "%.*s", (int)len, at + sizeof(mark) - 1);
    return true;
}

static void check_group(struct tb_check *check, const struct tb_config_group *group,
                        const struct tb_filter *filter, const struct groups *groups,
                        const struct tb_seen *seen)
{
    char service[NAMES_BYTES];
    struct tb_buf better;
    struct tb_buf mend;
    if (tb_filter_can_match_error(filter, groups->named, groups->n)) {
        check_services(check, group, filter, groups, seen);
        return;
    }
    tb_buf_init(&better, MEND_BYTES);
    tb_buf_init(&mend, MEND_BYTES);
    if (names_service(group->filter, service, sizeof(service)))
        tb_buf_addf(&better, "service(\"%s\") {fault OR error}", service);
    else
        tb_buf_adds(&better, "fault OR error");
    mend_group(group->name, &better, &mend);
    tb_check_mend(check, "group", tb_buf_str(&mend),
                  "%s never matches an error: %.512s asks for what no error is. For the errors, in "
                  "the settings too:",
                  group->name, group->filter);
    tb_buf_done(&better);
    tb_buf_done(&mend);
}

static void check_groups(struct tb_check *check, const struct tb_seen *seen)
{
    const struct tb_config_sinks *sinks = &check->config->sinks;
    struct groups groups = {.n = 0};
    char why[TB_FILTER_WHY];
    for (size_t i = 0; i < sinks->n_groups && i < TB_CONFIG_GROUPS; i++) {
        const struct tb_config_group *group = &sinks->groups[i];
        why[0] = '\0';
        if (tb_filter_parse(group->filter, strlen(group->filter), &groups.filters[i], why) == 0)
            groups.named[groups.n++] = (struct tb_filter_group){group->name, groups.filters[i]};
        else
            tb_check_line(check, TB_CHECK_FAILED, "group", "%s: %s", group->name, why);
    }
    for (size_t i = 0; i < sinks->n_groups && i < TB_CONFIG_GROUPS; i++)
        if (groups.filters[i] != NULL)
            check_group(check, &sinks->groups[i], groups.filters[i], &groups, seen);
    for (size_t i = 0; i < TB_CONFIG_GROUPS; i++)
        tb_filter_free(groups.filters[i]);
}

/* ---- sampling rules ---- */

/* In JSON: names may have blanks and commas, which the shorter form takes for its own. */
static void mend_rule(const char *name, const char *service, struct tb_buf *out)
{
    char update[RULE_BYTES];
    char fits[RULE_SERVICE_CHARS + 1];
    struct tb_json j;
    bool is_long = strlen(service) > RULE_SERVICE_CHARS;
    snprintf(fits, sizeof(fits), "%.*s%s", RULE_SERVICE_CHARS - is_long, service,
             is_long ? "*" : "");
    tb_json_init(&j, update, sizeof(update));
    tb_json_object(&j);
    tb_json_kstr(&j, "RuleName", name);
    tb_json_kstr(&j, "ServiceName", fits);
    tb_json_end(&j);
    if (tb_json_finish(&j) < 0)
        return;
    tb_buf_adds(out, "aws xray update-sampling-rule --sampling-rule-update ");
    tb_cli_quote(out, update);
}

static void check_rule(struct tb_check *check, const cJSON *rule, const struct tb_seen *seen)
{
    char names[NAMES_BYTES];
    struct tb_buf mend;
    const char *service = tb_json_text(rule, "ServiceName");
    const char *name = tb_json_text(rule, "RuleName");
    if (service[0] == '\0')
        service = tb_json_text(rule, "service_name"); /* of a local file, version 1 */
    if (service[0] == '\0' || seen->n == 0)
        return;
    for (size_t i = 0; i < seen->n; i++)
        if (tb_wildcard_fits(service, seen->services[i].name))
            return;
    const struct tb_seen_service *near = tb_seen_nearest(seen, service);
    if (near == NULL)
        near = &seen->services[0];
    tb_buf_init(&mend, MEND_BYTES);
    if (name[0] != '\0')
        mend_rule(name, near->name, &mend);
    tb_seen_names(seen, names, sizeof(names));
    tb_check_mend(
        check, "sampling", tb_buf_str(&mend),
        "rule %.32s is for the service \"%.64s\", and X-Ray is told of none that it fits; "
        "there were: %s. The rule decides nothing%s",
        name, service, names, mend.len > 0 ? "; if that was meant:" : "");
    tb_buf_done(&mend);
}

/* One rule, a list of such, or what holds them, as deep as AWS writes it. */
static void check_rules(struct tb_check *check, const cJSON *from, const struct tb_seen *seen,
                        int depth)
{
    static const char *const inside[] = {"SamplingRule", "SamplingRuleRecords", "rules"};
    if (depth == 0)
        return;
    for (const cJSON *one = cJSON_IsArray(from) ? from->child : NULL; one != NULL; one = one->next)
        check_rules(check, one, seen, depth - 1);
    if (!cJSON_IsObject(from))
        return;
    check_rule(check, from, seen);
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
        check_rules(check, cJSON_GetObjectItemCaseSensitive(from, inside[i]), seen, depth - 1);
}

static void check_rules_text(struct tb_check *check, const struct tb_buf *text,
                             const struct tb_seen *seen)
{
    cJSON *json = cJSON_ParseWithLength(tb_buf_str(text), text->len);
    check_rules(check, json, seen, 5);
    cJSON_Delete(json);
}

static void check_rules_file(struct tb_check *check, const struct tb_seen *seen)
{
    const char *path = check->config->sinks.xray.sampling_rules;
    struct tb_buf text;
    if (path[0] == '\0')
        return;
    tb_buf_init(&text, RULES_MAX_BYTES);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    if (err < 0)
        tb_check_line(check, TB_CHECK_FAILED, "sampling", "%s cannot be read: %s", path,
                      strerror(-err));
    else
        check_rules_text(check, &text, seen);
    tb_buf_done(&text);
}

/* The first page of them; who has more has mended this before. */
static void check_rules_central(struct tb_check *check, const struct tb_seen *seen)
{
    const struct tb_config_xray *xray = &check->config->sinks.xray;
    struct tb_buf text;
    char url[512];
    char why[TB_CLIENT_WHY] = "";
    if (check->is_offline || xray->mode != TB_XRAY_DAEMON || !xray->asks_daemon)
        return;
    snprintf(url, sizeof(url), "http://%s/GetSamplingRules", xray->tcp_address);
    const struct tb_client_request request = {.url = url, .json = "{}", .timeout_ms = RULES_MS};
    tb_buf_init(&text, RULES_MAX_BYTES);
    if (tb_client_ask(&request, &text, why) == 200)
        check_rules_text(check, &text, seen);
    tb_buf_done(&text);
}

/* ---- the log group ---- */

static void check_log_group(struct tb_check *check)
{
    const struct tb_config_sinks *sinks = &check->config->sinks;
    if (sinks->xray.mode != TB_XRAY_OFF && sinks->cloudwatch.log_group[0] == '\0')
        tb_check_mend(check, "log group", "aws logs create-log-group --log-group-name cruddur",
                      "X-Ray's console shows the log lines of a trace only from groups that a "
                      "segment names, and none is named: set cloudwatch.log_group, say to the one "
                      "that the app logs to, which there must be:");
}

void tb_check_traces(struct tb_check *check)
{
    struct tb_seen seen = {.n = 0};
    tb_seen_look(check->config, &seen);
    check_ids(check, &seen);
    check_groups(check, &seen);
    check_rules_file(check, &seen);
    check_rules_central(check, &seen);
    check_log_group(check);
}
