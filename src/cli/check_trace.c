/* check_trace.c - `towbar check`: what keeps an error from being found by its trace ID: two IDs,
 * groups that match no error, names that X-Ray is not told, no log group; check_rules.c has the
 * sampling rules. Each is a warning, with the command that mends it. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/check.h"
#include "cli/check_seen.h"
#include "cli/verb.h"
#include "filter/filter.h"

enum {
    GROUP_SERVICES = 16,
    NAMES_BYTES = 256,
    MEND_BYTES = 16 << 10, /* a filter with every quote escaped */
    GROUP_NAME_CHARS = 32
};

#define GROUP_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-"

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

static bool is_named(const struct tb_config_sinks *sinks, const char *service)
{
    char quoted[NAMES_BYTES + 2];
    snprintf(quoted, sizeof(quoted), "\"%s\"", service);
    for (size_t i = 0; i < sinks->n_groups; i++)
        if (strstr(sinks->groups[i].filter, quoted) != NULL)
            return true;
    return false;
}

/* A name that X-Ray takes for a group. */
static void group_name(const char *service, char out[GROUP_NAME_CHARS + 1])
{
    size_t n = 0;
    for (; n < GROUP_NAME_CHARS && service[n] != '\0'; n++)
        out[n] = strchr(GROUP_LETTERS, service[n]) != NULL ? service[n] : '-';
    out[n] = '\0';
}

/* Most people have their group in AWS alone: no group of the settings says what is missed. */
static void check_renamed(struct tb_check *check, const struct tb_seen *seen)
{
    const struct tb_config_sinks *sinks = &check->config->sinks;
    char name[GROUP_NAME_CHARS + 1];
    struct tb_buf filter;
    struct tb_buf mend;
    for (size_t i = 0; i < seen->n && sinks->xray.mode != TB_XRAY_OFF; i++) {
        const struct tb_seen_service *one = &seen->services[i];
        if (one->host[0] == '\0' || is_named(sinks, one->service))
            continue;
        group_name(one->service, name);
        tb_buf_init(&filter, MEND_BYTES);
        tb_buf_init(&mend, MEND_BYTES);
        tb_buf_addf(&filter, "service(\"%s\") {fault OR error}", one->name);
        tb_buf_addf(&mend, "aws xray create-group --group-name %s --filter-expression ", name);
        tb_cli_quote(&mend, tb_buf_str(&filter));
        tb_check_mend(check, "name", tb_buf_str(&mend),
                      "AWS_XRAY_URL (xray.name_pattern) \"%.128s\" fits requests to %s, so that "
                      "X-Ray calls %s by that host: a group or a sampling rule for %s has none of "
                      "them. Unset AWS_XRAY_URL, for the app and the agent; or have a group for "
                      "the host:",
                      sinks->xray.name_pattern, one->host, one->service, one->service);
        tb_buf_done(&filter);
        tb_buf_done(&mend);
        return;
    }
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

/* The key of what goes by the group, where each error is alone; NULL: it is for searches. */
static const char *routes(const struct tb_config *config, const char *group)
{
    const struct tb_config_sinks *sinks = &config->sinks;
    const char *const keys[][2] = {{"otlp.group", sinks->otlp.group},
                                   {"xray.group", sinks->xray.group},
                                   {"cloudwatch.group", sinks->cloudwatch.group}};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(keys[i][1], group) == 0)
            return keys[i][0];
    for (size_t i = 0; i < config->n_projects; i++)
        if (config->projects[i].group != NULL && strcmp(config->projects[i].group, group) == 0)
            return "one of projects";
    return NULL;
}

/* It asks for a call between services: a trace may have one, an error alone has none. */
static void check_call(struct tb_check *check, const struct tb_config_group *group)
{
    const char *key = routes(check->config, group->name);
    if (key == NULL)
        tb_check_line(check, TB_CHECK_WELL, "group", "%s: %s", group->name, group->filter);
    else
        tb_check_line(check, TB_CHECK_WARNING, "group",
                      "%s is what %s goes by, and no error is sent: %.512s asks for a call between "
                      "services, and where an error goes is decided by that error alone. A group "
                      "of its own with service(\"...\") {fault OR error} is not so",
                      group->name, key, group->filter);
}

static void warn_never(struct tb_check *check, const struct tb_config_group *group)
{
    char service[NAMES_BYTES];
    struct tb_buf better;
    struct tb_buf mend;
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

static void check_group(struct tb_check *check, const struct tb_config_group *group,
                        const struct tb_filter *filter, const struct groups *groups,
                        const struct tb_seen *seen)
{
    if (tb_filter_can_match_error(filter, groups->named, groups->n))
        check_services(check, group, filter, groups, seen);
    else if (tb_filter_can_match_call(filter, groups->named, groups->n))
        check_call(check, group);
    else
        warn_never(check, group);
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

/* ---- the log group ---- */

static void check_log_group(struct tb_check *check)
{
    const struct tb_config_sinks *sinks = &check->config->sinks;
    if (sinks->xray.mode != TB_XRAY_OFF && sinks->cloudwatch.log_group[0] == '\0')
        tb_check_mend(check, "log group", "aws logs create-log-group --log-group-name cruddur",
                      "X-Ray's console shows the log lines of a trace only from groups that a "
                      "segment names, and none is named: set cloudwatch.log_group "
                      "(TOWBAR_CLOUDWATCH_LOG_GROUP) to the one that the app logs to; where there "
                      "is none yet:");
}

void tb_check_traces(struct tb_check *check)
{
    struct tb_seen seen = {.n = 0};
    tb_seen_look(check->config, &seen);
    check_ids(check, &seen);
    check_groups(check, &seen);
    check_renamed(check, &seen);
    tb_check_rules(check, &seen);
    check_log_group(check);
}
