/* check_rollbar.c - `towbar check`: tokens, the way to Rollbar, and servers of debug files. */
#include <stdio.h>
#include <string.h>

#include "agent/deliver/fetch.h"
#include "agent/serve/status.h"
#include "cli/check.h"
#include "cli/client.h"

enum { TOKEN_CHARACTERS = 32, SERVER_BYTES = 64 << 10, CONNECT_MS = 10000 };

/* Does it look like one of Rollbar's? Longer ones are of a newer kind. */
static int is_likely(const char *token)
{
    size_t len = strlen(token);
    return len > TOKEN_CHARACTERS ||
           (len == TOKEN_CHARACTERS && strspn(token, "0123456789abcdefABCDEF") == len);
}

/* By its shape only; the token itself is never printed. */
static void check_token(struct tb_check *check)
{
    const struct tb_config *config = check->config;
    char endpoint[TB_STATUS_URL];
    tb_status_url(config->endpoint, endpoint);
    if (config->token[0] == '\0')
        tb_check_off(check, "token", "rollbar",
                     "none: errors are kept here; ROLLBAR_ACCESS_TOKEN sends them to Rollbar");
    else if (!is_likely(config->token))
        tb_check_line(check, TB_CHECK_FAILED, "token",
                      "%s has %zu characters and does not look like one of Rollbar's (32 hex "
                      "digits): copy the project's post_server_item token",
                      config->token_from, strlen(config->token));
    else
        tb_check_line(check, TB_CHECK_WELL, "token", "from %s, for %s", config->token_from,
                      endpoint);
}

void tb_check_tokens(struct tb_check *check)
{
    check_token(check);
    for (size_t i = 0; i < check->config->n_projects; i++) {
        const struct tb_config_project *project = &check->config->projects[i];
        const char *service = project->service[0] != '\0' ? project->service : "*";
        const char *environment = project->environment[0] != '\0' ? project->environment : "*";
        if (project->token[0] == '\0' || !is_likely(project->token))
            tb_check_line(check, TB_CHECK_FAILED, "project",
                          "%zu, service \"%s\", environment \"%s\": the token from %s has %zu "
                          "characters and does not look like one of Rollbar's (32 hex digits)",
                          i + 1, service, environment,
                          project->token_from != NULL ? project->token_from : "the settings",
                          strlen(project->token));
        else
            tb_check_line(check, TB_CHECK_WELL, "project",
                          "%zu, service \"%s\", environment \"%s\": token from %s", i + 1, service,
                          environment, project->token_from);
    }
}

static int has_any_token(const struct tb_config *config)
{
    return config->token[0] != '\0' || config->n_projects > 0;
}

void tb_check_rollbar(struct tb_check *check)
{
    const struct tb_config *config = check->config;
    char shown[TB_STATUS_URL];
    char proxy[TB_STATUS_URL];
    char why[TB_CLIENT_WHY] = "";
    tb_status_url(config->endpoint, shown);
    tb_status_url(config->proxy, proxy);
    if (!has_any_token(config))
        return;
    if (check->is_offline) {
        tb_check_line(check, TB_CHECK_NONE, "rollbar", "not asked: --offline");
        return;
    }
    const struct tb_client_peer peer = {.url = config->endpoint,
                                        .proxy = config->proxy,
                                        .ca_file = config->ca_file,
                                        .timeout_ms = CONNECT_MS};
    int err = tb_client_connect(&peer, why);
    if (err == 0)
        tb_check_line(check, TB_CHECK_WELL, "rollbar", "%s can be connected to%s%s", shown,
                      *proxy != '\0' ? " through " : "", proxy);
    else
        tb_check_line(check, TB_CHECK_FAILED, "rollbar",
                      "%s cannot be connected to%s%s: %s; the agent keeps all meanwhile: look at "
                      "name server, firewall and proxy (rollbar.proxy), certificates "
                      "(rollbar.ca_file) and clock",
                      shown, *proxy != '\0' ? " through " : "", proxy, why);
}

/* Any answer will do: nobody has this build id. */
static void check_server(struct tb_check *check, struct tb_fetcher *fetcher, const char *server)
{
    char url[TB_STATUS_URL + 80];
    char shown[TB_STATUS_URL];
    struct tb_fetch_reply reply;
    size_t len = strlen(server);
    struct tb_fetch_request request = {.url = url,
                                       .fd = -1,
                                       .max_bytes = SERVER_BYTES,
                                       .timeout_ms = check->config->debuginfod_timeout_ms,
                                       .magic = ""};
    tb_status_url(server, shown);
    snprintf(url, sizeof(url), "%.*s/buildid/%040d/debuginfo",
             (int)(len > 0 && server[len - 1] == '/' ? len - 1 : len), server, 0);
    int err = tb_fetch(fetcher, &request, &reply);
    if (err == 0 && (reply.status == 404 || reply.status == 200))
        tb_check_line(check, TB_CHECK_WELL, "debuginfod", "%s answers", shown);
    else if (reply.status > 0)
        tb_check_line(check, TB_CHECK_FAILED, "debuginfod",
                      "%s answers %d, not as a debuginfod server does: look at symbols.debuginfod",
                      shown, reply.status);
    else
        tb_check_line(
            check, TB_CHECK_FAILED, "debuginfod",
            "%s cannot be reached: %s; crashes wait for it once in 5 minutes: mend it, or take it "
            "from symbols.debuginfod",
            shown, reply.error);
}

void tb_check_debuginfod(struct tb_check *check)
{
    struct tb_fetcher *fetcher = NULL;
    if (check->is_offline || check->config->n_debuginfod == 0 || tb_fetcher_new(&fetcher) != 0)
        return;
    for (size_t i = 0; i < check->config->n_debuginfod; i++)
        check_server(check, fetcher, check->config->debuginfod[i]);
    tb_fetcher_free(fetcher);
}
