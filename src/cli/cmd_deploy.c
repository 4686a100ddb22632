/* cmd_deploy.c - towbar deploy: tells the running agent of a new version, and lists what it knows.
 *
 * Only the agent writes: it answers as Rollbar's API does, and tells Rollbar. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/agent.h"
#include "cli/print.h"
#include "cli/show.h"
#include "base/suggest.h"
#include "cli/verb.h"
#include "store/deploys.h"

enum {
    LIST_MAX = 20,
    BODY_BYTES = 512 << 10,
    LINE_BYTES = 512 << 10,
    PATIENCE_MS = 10000,
    TEXT_BYTES = 256
};

static const char *const STATUSES[] = {"started", "succeeded", "failed", "timed_out"};

/* ---- --list ---- */

struct list {
    int64_t now_ms;
    int64_t n;
    char *line; /* LINE_BYTES for JSON */
};

static const char *const STATES[] = {[TB_DEPLOY_QUEUED] = "waits to be sent",
                                     [TB_DEPLOY_SENT] = "sent",
                                     [TB_DEPLOY_KEPT] = "kept here only",
                                     [TB_DEPLOY_REFUSED] = "refused"};

static int list_json(void *arg, const struct tb_deploy *d)
{
    struct list *list = arg;
    struct tb_json j;
    tb_json_init(&j, list->line, LINE_BYTES);
    tb_json_object(&j);
    tb_json_kint(&j, "deploy_id", d->id);
    tb_json_kstr(&j, "environment", d->environment);
    tb_json_kstr(&j, "revision", d->revision);
    tb_json_kstr(&j, "status", d->status);
    tb_json_kopt(&j, "local_username", d->local_username);
    tb_json_kopt(&j, "rollbar_username", d->rollbar_username);
    tb_json_kopt(&j, "comment", d->comment);
    tb_json_kint(&j, "start_time", d->start_ms / 1000);
    if (d->finish_ms > 0)
        tb_json_kint(&j, "finish_time", d->finish_ms / 1000);
    tb_json_kstr(&j, "rollbar", STATES[d->state]);
    if (d->remote_id > 0)
        tb_json_kint(&j, "rollbar_deploy_id", d->remote_id);
    tb_json_kopt(&j, "reason", d->reason);
    tb_json_end(&j);
    if (tb_json_finish(&j) < 0)
        return 1;
    puts(list->line);
    return 0;
}

static int list_line(void *arg, const struct tb_deploy *d)
{
    struct list *list = arg;
    char age[TB_AGE_TEXT];
    char texts[4][TEXT_BYTES];
    if (list->n++ == 0)
        printf("%s%6s  %-12s  %-20s  %-14s  %-10s  %-12s  %s%s\n", tb_ink(TB_INK_DIM), "deploy",
               "when", "version", "environment", "status", "by", "at Rollbar", tb_ink(TB_INK_NONE));
    printf("%6" PRId64 "  %-12s  %-20s  %-14s  %-10s  %-12s  %s%s", d->id,
           tb_print_age(list->now_ms, d->start_ms, age),
           tb_print_clean(d->revision, texts[0], sizeof(texts[0])),
           tb_print_clean(d->environment, texts[1], sizeof(texts[1])),
           tb_print_clean(d->status, texts[2], sizeof(texts[2])),
           tb_print_clean(*d->local_username != '\0' ? d->local_username : d->rollbar_username,
                          texts[3], sizeof(texts[3])),
           STATES[d->state], *d->reason != '\0' ? ": " : "");
    tb_print_text(d->reason);
    printf("\n");
    return 0;
}

static int list_deploys(const struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_store *store = NULL;
    struct tb_deploy_filter filter = {.environment = cli->environment,
                                      .max = cli->max > 0 ? (size_t)cli->max : LIST_MAX};
    struct list list = {.now_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS)};
    if (tb_cli_config_to_read(cli, &config) < 0)
        return TB_EXIT_WRONG;
    int err = tb_cli_store(&config, &store);
    tb_config_done(&config);
    if (err < 0 && err != -ENOENT)
        return TB_EXIT_WRONG;
    list.line = malloc(LINE_BYTES);
    if (list.line == NULL)
        err = -ENOMEM;
    if (err == 0 &&
        (err = tb_store_deploys(store, &filter, cli->json ? list_json : list_line, &list)) < 0)
        fprintf(stderr, "towbar: cannot read the database: %s\n", tb_store_error(store));
    else if (!cli->json && list.n == 0)
        printf("No deploys yet.\n");
    free(list.line);
    tb_store_close(store);
    return err < 0 && err != -ENOENT ? TB_EXIT_WRONG : TB_EXIT_WELL;
}

/* ---- telling ---- */

static const char *this_user(char out[TEXT_BYTES])
{
    char mem[4096];
    struct passwd entry;
    struct passwd *found = NULL;
    const char *sudo = getenv("SUDO_USER");
    if (sudo != NULL && *sudo != '\0')
        snprintf(out, TEXT_BYTES, "%s", sudo);
    else if (getpwuid_r(getuid(), &entry, mem, sizeof(mem), &found) == 0 && found != NULL)
        snprintf(out, TEXT_BYTES, "%s", found->pw_name);
    else
        snprintf(out, TEXT_BYTES, "%lu", (unsigned long)getuid());
    return out;
}

static int write_body(const struct tb_cli *cli, const struct tb_agent_answer *agent,
                      const struct tb_config *config, char *out, size_t cap)
{
    struct tb_json j;
    char user[TEXT_BYTES];
    const char *own = tb_json_text(agent->json, "environment");
    tb_json_init(&j, out, cap);
    tb_json_object(&j);
    if (cli->n_words == 0) {
        tb_json_kstr(&j, "environment",
                     cli->environment != NULL ? cli->environment
                     : *own != '\0'           ? own
                                              : config->environment);
        tb_json_kstr(&j, "revision", cli->version);
        tb_json_kstr(&j, "local_username", cli->user != NULL ? cli->user : this_user(user));
        tb_json_kopt(&j, "comment", cli->comment);
    }
    tb_json_kopt(&j, "status", cli->status);
    tb_json_end(&j);
    return tb_json_finish(&j);
}

/* What the agent answered. Returns the exit code. */
static int say(const struct tb_cli *cli, const struct tb_agent_answer *agent, int http,
               const struct tb_buf *body)
{
    char command[TB_CLI_COMMAND];
    char verb[64];
    char message[512];
    cJSON *json = cJSON_Parse(tb_buf_str(body));
    const cJSON *id = tb_json_at(json, "result.deploy_id");
    const cJSON *has_token = tb_json_at(agent->json, "delivery.has_token");
    int code = TB_EXIT_WELL;
    if (http != 200 || !cJSON_IsNumber(id)) {
        fprintf(stderr, "towbar: towbard did not take the deploy (%d): %s\n", http,
                tb_print_clean(tb_json_text(json, "message"), message, sizeof(message)));
        code = TB_EXIT_WRONG;
    } else if (cli->json) {
        printf("{\"deploy_id\":%.0f}\n", id->valuedouble);
    } else {
        int is_open = cli->status != NULL && strcmp(cli->status, "started") == 0;
        printf("Deploy %.0f is noted%s.\n", id->valuedouble,
               cJSON_IsTrue(has_token) ? ", and Rollbar is told" : "");
        snprintf(verb, sizeof(verb), "deploy %.0f --status succeeded", id->valuedouble);
        if (is_open)
            printf("When it is done: %s\n", tb_cli_command(cli, verb, command));
    }
    cJSON_Delete(json);
    return code;
}

static int tell(const struct tb_cli *cli, const struct tb_config *config,
                const struct tb_agent_answer *agent)
{
    char url[96];
    char why[TB_CLIENT_WHY] = "";
    struct tb_buf reply;
    char *body = malloc(BODY_BYTES);
    if (body == NULL || write_body(cli, agent, config, body, BODY_BYTES) < 0) {
        fprintf(stderr, "towbar: the deploy is too large\n");
        free(body);
        return TB_EXIT_WRONG;
    }
    snprintf(url, sizeof(url), "http://localhost/api/1/deploy/%.20s",
             cli->n_words == 1 ? cli->words[0] : "");
    const struct tb_client_request request = {.socket = config->socket,
                                              .url = url,
                                              .json = body,
                                              .method = cli->n_words == 1 ? "PATCH" : NULL,
                                              .timeout_ms = PATIENCE_MS};
    tb_buf_init(&reply, TB_CLIENT_BODY_MAX);
    int http = tb_client_ask(&request, &reply, why);
    int code = TB_EXIT_WRONG;
    if (http < 0)
        fprintf(stderr, "towbar: towbard at %s does not answer: %s\n", config->socket, why);
    else
        code = say(cli, agent, http, &reply);
    tb_buf_done(&reply);
    free(body);
    return code;
}

/* ---- the verb ---- */

static int wrong_status(const char *status)
{
    const char *near = tb_suggest(status, STATUSES, sizeof(STATUSES) / sizeof(STATUSES[0]));
    fprintf(stderr, "towbar: there is no status '%.64s': started, succeeded, failed, timed_out",
            status);
    if (near != NULL)
        fprintf(stderr, "; did you mean '%s'?", near);
    fprintf(stderr, "\n");
    return TB_EXIT_USAGE;
}

static int check_use(const struct tb_cli *cli)
{
    int64_t number;
    if (cli->status != NULL && !tb_deploy_is_status(cli->status))
        return wrong_status(cli->status);
    if (cli->n_words == 1 && tb_cli_number(cli->words[0], &number) < 0)
        fprintf(stderr,
                "towbar: a deploy has a number, '%.64s' is none; '%s deploy --list' lists "
                "them\n",
                cli->words[0], cli->self);
    else if (cli->n_words == 1 && (cli->list || cli->version != NULL || cli->status == NULL))
        fprintf(stderr, "towbar: of deploy N only --status can be told\n");
    else if (cli->n_words == 0 && !cli->list && (cli->version == NULL || *cli->version == '\0'))
        fprintf(stderr,
                "towbar: 'deploy' needs --version V (or --list); '%s deploy --help' says "
                "more\n",
                cli->self);
    else
        return 0;
    return TB_EXIT_USAGE;
}

int tb_cmd_deploy(struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_agent_answer agent;
    int code = check_use(cli);
    if (code != 0)
        return code;
    if (cli->list)
        return list_deploys(cli);
    if (tb_cli_config(cli, &config) < 0)
        return TB_EXIT_WRONG;
    tb_agent_ask(&config, &agent);
    code = TB_EXIT_WRONG;
    if (agent.is_up)
        code = tell(cli, &config, &agent);
    else
        fprintf(stderr,
                "towbar: no agent answers at %s (%s), so the deploy is not noted; start it: "
                "towbard, or name its --socket\n",
                config.socket, agent.why);
    tb_agent_answer_done(&agent);
    tb_config_done(&config);
    return code;
}
