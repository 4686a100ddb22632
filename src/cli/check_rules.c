/* check_rules.c - `towbar check`: sampling rules, of the file and of the daemon, that are for a
 * service which X-Ray is told nothing of. */
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

enum {
    RULES_MAX_BYTES = 1 << 20,
    RULES_MS = 2000,
    NAMES_BYTES = 256,
    MEND_BYTES = 4 << 10,
    RULE_BYTES = 1024,
    RULE_SERVICE_CHARS = 64
};

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

void tb_check_rules(struct tb_check *check, const struct tb_seen *seen)
{
    check_rules_file(check, seen);
    check_rules_central(check, seen);
}
