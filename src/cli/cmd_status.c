/* cmd_status.c - what is up, what waits, and what to do about it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/agent.h"
#include "cli/losses.h"
#include "cli/print.h"
#include "cli/show.h"
#include "cli/status_more.h"
#include "cli/storms.h"
#include "cli/verb.h"
#include "web/login.h"

enum { MIB = 1 << 20, LINE_BYTES = 16 << 10 };

struct status {
    struct tb_config config;
    struct tb_agent_answer agent;
    int is_hosts;  /* the agent is the host's, not this user's own */
    int has_store; /* 0: there is no database yet, or it could not be read */
    int store_err;
    struct tb_store_counts counts;
    struct tb_losses losses;
    struct tb_storms storms;
};

static int collect(const struct tb_cli *cli, struct status *out)
{
    struct tb_store *store = NULL;
    memset(out, 0, sizeof(*out));
    int err = tb_cli_config(cli, &out->config);
    if (err < 0)
        return err;
    tb_agent_ask(&out->config, &out->agent);
    out->is_hosts = out->agent.is_up && strcmp(out->config.socket, "/run/towbar/towbard.sock") == 0;
    tb_losses_read(out->config.spool, out->agent.json, &out->losses);
    if (access(out->config.state_dir, X_OK) != 0 && errno == EACCES && out->agent.is_up) {
        tb_agent_counts(out->agent.json, &out->counts);
        out->has_store = 1;
        return 0;
    }
    out->store_err = tb_cli_store(&out->config, &store);
    if (out->store_err == 0) {
        out->store_err = tb_store_sink_counts(store, "rollbar", &out->counts);
        if (out->store_err < 0)
            fprintf(stderr, "towbar: cannot read the database: %s\n", tb_store_error(store));
        else
            (void)tb_store_counters(store, tb_losses_counter, &out->losses);
        if (out->store_err == 0)
            (void)tb_storms_read(store, (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS), &out->storms);
        out->has_store = out->store_err == 0;
    }
    tb_store_close(store);
    if (out->store_err == -ENOENT)
        out->store_err = 0;
    return 0;
}

static void status_done(struct status *status)
{
    tb_losses_done(&status->losses);
    tb_agent_answer_done(&status->agent);
    tb_config_done(&status->config);
}

static int64_t agent_number(const struct status *status, const char *path)
{
    const cJSON *value = tb_json_at(status->agent.json, path);
    return cJSON_IsNumber(value) ? (int64_t)value->valuedouble : 0;
}

/* What is parked is queued while its token is tried again. */
static bool is_tried_again(const struct status *status)
{
    return status->counts.parked == 0 && status->counts.queued > 0 &&
           agent_number(status, "delivery.parked_tokens") > 0;
}

static int is_well(const struct status *status)
{
    return status->agent.is_up && *tb_json_text(status->agent.json, "trouble") == '\0' &&
           status->store_err == 0 && status->counts.parked == 0 &&
           status->counts.quarantined == 0 && !is_tried_again(status);
}

static void print_json(const struct status *status)
{
    const struct tb_store_counts *c = &status->counts;
    char line[LINE_BYTES];
    struct tb_json j;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_json_kstr(&j, "agent", status->agent.is_up ? "up" : "down");
    tb_json_kopt(&j, "listen", status->agent.listen);
    if (status->agent.is_up)
        tb_json_kopt(&j, "page", tb_json_text(status->agent.json, "page"));
    tb_json_kopt(&j, "version", status->agent.version);
    tb_json_kopt(&j, "trouble", tb_json_text(status->agent.json, "trouble"));
    tb_json_kstr(&j, "socket", status->config.socket);
    tb_json_kstr(&j, "spool", status->config.spool);
    tb_json_kstr(&j, "state_dir", status->config.state_dir);
    if (status->agent.is_up) {
        tb_json_kint(&j, "symbol_files", agent_number(status, "symbols.files"));
        tb_json_kint(&j, "symbol_bytes", agent_number(status, "symbols.bytes"));
    }
    tb_json_kbool(&j, "database", status->has_store);
    tb_json_kint(&j, "items", c->items);
    tb_json_kint(&j, "occurrences", c->occurrences);
    tb_json_kint(&j, "duplicates", c->duplicates);
    tb_json_kint(&j, "received", c->received);
    tb_json_kint(&j, "sent", c->sent);
    tb_json_kint(&j, "dropped", c->dropped);
    tb_json_kint(&j, "quarantined", c->quarantined);
    tb_json_kint(&j, "queued", c->queued);
    tb_json_kint(&j, "parked", c->parked);
    tb_json_kint(&j, "oldest_queued_ms", c->oldest_queued_ms);
    tb_json_kint(&j, "last_received_ms", c->last_received_ms);
    tb_json_kopt(&j, "last_reason", c->last_reason);
    tb_storms_put(&status->storms, &j);
    tb_losses_put(&status->losses, &j);
    tb_status_more_put(status->agent.json, &j);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* what does not fit is a reason or a path of many kilobytes */
    puts(line);
}

static void print_spool(const struct status *status)
{
    static const struct {
        const char *path, *text;
    } losses[] = {{"spool.quarantined", "unusable and put into quarantine"},
                  {"spool.suspects", "over which the agent died"},
                  {"spool.refused", "files refused"}};
    const char *drained = tb_json_text(status->agent.json, "spool.path");
    printf("  spool     %s", *drained != '\0' ? drained : status->config.spool);
    if (status->agent.is_up)
        printf(", %" PRId64 " file%s, %" PRId64 " to read", agent_number(status, "spool.files"),
               agent_number(status, "spool.files") == 1 ? "" : "s",
               agent_number(status, "spool.pending"));
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        if (agent_number(status, losses[i].path) > 0)
            printf(", %" PRId64 " %s", agent_number(status, losses[i].path), losses[i].text);
    printf("\n");
    tb_losses_print(&status->losses);
    if (*tb_json_text(status->agent.json, "trouble") != '\0') {
        printf("  trouble   ");
        tb_print_text(tb_json_text(status->agent.json, "trouble"));
        printf("\n");
    }
}

/* The agent's cache: nothing, where none are kept yet; and what servers gave. */
static void print_symbols(const struct status *status)
{
    int64_t files = agent_number(status, "symbols.files");
    if (files > 0)
        printf("  symbols   %" PRId64 " index%s of debug data, %.1f MiB\n", files,
               files == 1 ? "" : "es", (double)agent_number(status, "symbols.bytes") / MIB);
    if (tb_json_at(status->agent.json, "debuginfod") == NULL)
        return;
    const char *error = tb_json_text(status->agent.json, "debuginfod.last_error");
    printf("  debuginfod %" PRId64 " came, %" PRId64 " nobody had, %" PRId64 " failed%s",
           agent_number(status, "debuginfod.fetched"), agent_number(status, "debuginfod.not_found"),
           agent_number(status, "debuginfod.failed"), *error != '\0' ? ", at last " : "");
    tb_print_text(error);
    printf("\n");
}

/* With the link that logs a browser in, for whoever may read the token. */
static void print_page(const struct status *status)
{
    const char *page = tb_json_text(status->agent.json, "page");
    char token[TB_LOGIN_TOKEN_TEXT];
    if (*page == '\0')
        return;
    printf("  page      ");
    tb_print_text(page);
    if (!cJSON_IsTrue(tb_json_at(status->agent.json, "page_login")))
        printf("\n");
    else if (tb_login_token(status->config.state_dir, token) == 0)
        printf("login?token=%s\n", token);
    else
        printf(", with the login link that towbar prints for root and for the agent's user\n");
}

static void print_agent(const struct status *status)
{
    const struct tb_agent_answer *agent = &status->agent;
    const char *whose = status->is_hosts ? " for the whole host" : "";
    printf("  agent     %s%s%s%s", tb_ink(agent->is_up ? TB_INK_GREEN : TB_INK_RED),
           agent->is_up ? "up" : "not running", tb_ink(TB_INK_NONE), agent->is_up ? whose : "");
    if (agent->is_up && *agent->listen != '\0')
        printf(", listens on %s and %s\n", agent->listen, status->config.socket);
    else if (agent->is_up)
        printf(", listens on %s\n", status->config.socket);
    else
        printf(": %s: %s\n", status->config.socket, agent->why);
    print_page(status);
    print_spool(status);
    print_symbols(status);
    tb_status_more_print(status->agent.json, (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS));
}

/* The agent knows best: its environment is not ours. */
static int has_token(const struct status *status)
{
    const cJSON *told = tb_json_at(status->agent.json, "delivery.has_token");
    return cJSON_IsBool(told) ? cJSON_IsTrue(told) : *status->config.token != '\0';
}

/* Nobody has to do anything while Rollbar is away: that is said too. */
static void print_next_try(const struct status *status, int64_t now_ms)
{
    int64_t retry_ms = agent_number(status, "delivery.retry_at_ms") - now_ms;
    int64_t paused_ms = agent_number(status, "delivery.paused_until_ms") - now_ms;
    if (retry_ms > 0)
        printf("  next try  in %" PRId64 " s; all waits here until Rollbar answers\n",
               (retry_ms + 999) / 1000);
    else if (paused_ms > 0 && status->counts.queued > 0)
        printf("  next try  in %" PRId64 " s, as Rollbar's rate limit asks\n",
               (paused_ms + 999) / 1000);
}

/* What is on its way to Rollbar; what is only kept here is not in these counts. */
static void print_delivery(const struct status *status, int64_t now_ms)
{
    const struct tb_store_counts *c = &status->counts;
    char age[TB_AGE_TEXT];
    if (!has_token(status))
        printf(
            "  delivery  no Rollbar token: errors are kept here, nothing is queued for Rollbar\n");
    if (c->received == 0) {
        if (has_token(status))
            printf("  delivery  nothing was to be sent yet\n");
        return;
    }
    printf("  delivery  for Rollbar received %" PRId64 " = sent %" PRId64 " + dropped %" PRId64
           " + quarantined %" PRId64 " + queued %" PRId64 "\n",
           c->received, c->sent, c->dropped, c->quarantined, c->queued);
    if (c->queued > 0)
        printf("  waiting   the oldest came %s%s\n", tb_print_age(now_ms, c->oldest_queued_ms, age),
               c->parked > 0 ? ", parked ones among them" : "");
    if (*c->last_reason != '\0') {
        printf("  reason    ");
        tb_print_text(c->last_reason);
        printf("\n");
    }
    print_next_try(status, now_ms);
}

static void print_store(const struct status *status, int64_t now_ms)
{
    const struct tb_store_counts *c = &status->counts;
    char age[TB_AGE_TEXT];
    printf("  kept here %" PRId64 " item%s, %" PRId64 " occurrence%s, last %s\n", c->items,
           c->items == 1 ? "" : "s", c->occurrences, c->occurrences == 1 ? "" : "s",
           tb_print_age(now_ms, c->last_received_ms, age));
    tb_storms_print(&status->storms, now_ms);
    print_delivery(status, now_ms);
}

/* What is wrong, each with its cure. */
static void print_cures(const struct status *status)
{
    const struct tb_store_counts *c = &status->counts;
    if (!status->agent.is_up)
        printf("\n  Start the agent: towbard\n"
               "  Meanwhile reports are kept in the spool.\n");
    if (c->parked > 0)
        printf("\n  %" PRId64 " item%s parked: Rollbar refuses the token. ", c->parked,
               c->parked == 1 ? " is" : "s are");
    else if (is_tried_again(status))
        printf("\n  Rollbar refuses the token, which is just tried again. ");
    if (c->parked > 0 || is_tried_again(status))
        printf(
            "Give the agent one with the scope\n"
            "  post_server_item: in the settings, and reload towbard, or in ROLLBAR_ACCESS_TOKEN, "
            "and\n  restart it; they are sent then. A token that an SDK sends with its items is "
            "changed\n  there, or passed over with rollbar.force_token.\n");
    if (c->quarantined > 0)
        printf("\n  %" PRId64 " item%s refused by Rollbar for good and kept here; the reason is "
               "above.\n",
               c->quarantined, c->quarantined == 1 ? " was" : "s were");
}

static int show(struct tb_cli *cli, int is_home)
{
    struct status status;
    char command[TB_CLI_COMMAND];
    if (collect(cli, &status) < 0)
        return TB_EXIT_WRONG;
    int code = is_well(&status) ? TB_EXIT_WELL : TB_EXIT_WRONG;
    if (cli->quiet) {
        status_done(&status);
        return code;
    }
    if (cli->json) {
        print_json(&status);
        status_done(&status);
        return code;
    }
    printf("towbar %s\n", TOWBAR_VERSION);
    print_agent(&status);
    if (status.has_store)
        print_store(&status, (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS));
    else if (status.store_err == 0)
        printf("  kept here nothing yet in %s\n", status.config.state_dir);
    print_cures(&status);
    if (is_home && status.counts.items > 0)
        printf("\n  Next: %s\n", tb_cli_command(cli, "items", command));
    else if (is_home)
        printf("\n  Next: %s demo      (%s help lists all there is)\n", cli->self, cli->self);
    status_done(&status);
    return code;
}

int tb_cmd_status(struct tb_cli *cli)
{
    return show(cli, 0);
}

int tb_cmd_home(struct tb_cli *cli)
{
    return show(cli, 1);
}
