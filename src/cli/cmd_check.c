/* cmd_check.c - is this host ready? An ordered list; each line that fails says how to mend it.
 *
 * Asks nobody outside of this host but the endpoints of Rollbar and of the other sinks that are on,
 * which get no item, what gives out AWS credentials where they are needed, and the servers of
 * symbols.debuginfod; nobody at all with --offline. Changes nothing. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/check.h"
#include "cli/locate.h"
#include "cli/print.h"
#include "cli/verb.h"

enum { TEXT_BYTES = 1200, LINE_BYTES = 16384 };

static void put_json(const char *what, const char *outcome, const char *text, const char *mend)
{
    char line[LINE_BYTES];
    struct tb_json j;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_json_kstr(&j, "what", what);
    tb_json_kstr(&j, "outcome", outcome);
    tb_json_kstr(&j, "text", text);
    if (mend[0] != '\0')
        tb_json_kstr(&j, "mend", mend);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* what does not fit is the end of a sentence */
    puts(line);
}

static void put_line(struct tb_check *check, enum tb_check_outcome outcome, const char *what,
                     const char *text, const char *mend)
{
    static const char *const marks[] = {"ok", "FAIL", "-", "warn"};
    static const char *const words[] = {"ok", "fail", "none", "warn"};
    check->n_failed += outcome == TB_CHECK_FAILED;
    if (check->is_json) {
        put_json(what, words[outcome], text, mend);
        return;
    }
    printf("  %s%-4s%s  %-10s ", tb_ink(tb_ink_of(marks[outcome])), marks[outcome],
           tb_ink(TB_INK_NONE), what);
    tb_print_text(text);
    printf("\n");
    if (mend[0] != '\0') {
        printf("%19s", "");
        tb_print_text(mend);
        printf("\n");
    }
}

void tb_check_line(struct tb_check *check, enum tb_check_outcome outcome, const char *what,
                   const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_line(check, outcome, what, text, "");
}

void tb_check_mend(struct tb_check *check, const char *what, const char *mend, const char *format,
                   ...)
{
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put_line(check, TB_CHECK_WARNING, what, text, mend);
}

/* Whether the agent that answers delivers to the sink. */
static bool is_on_there(const struct tb_check *check, const char *sink)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, tb_json_at(check->agent->json, "sinks"))
    {
        const char *state = tb_json_text(one, "state");
        if (strcmp(tb_json_text(one, "name"), sink) == 0)
            return strcmp(state, "off") != 0 && strcmp(state, "no token") != 0;
    }
    return false;
}

void tb_check_off(struct tb_check *check, const char *what, const char *sink, const char *text)
{
    if (is_on_there(check, sink))
        tb_check_line(check, TB_CHECK_WARNING, what,
                      "off by the settings and variables here, but on in the agent that answers: "
                      "so nothing of it is checked; run this with the agent's variables");
    else
        tb_check_line(check, TB_CHECK_NONE, what, "%s", text);
}

/* What the agent warns of at its start. */
static void check_config(struct tb_check *check)
{
    const struct tb_config *config = check->config;
    if (*config->file != '\0')
        tb_check_line(check, TB_CHECK_WELL, "config", "%s", config->file);
    else
        tb_check_line(check, TB_CHECK_NONE, "config", "no file: the defaults are in force");
    if (*config->warning != '\0')
        tb_check_line(check, TB_CHECK_WARNING, "config", "%s", config->warning);
}

static void check_agent(struct tb_check *check)
{
    const struct tb_agent_answer *agent = check->agent;
    const char *state = tb_json_text(agent->json, "state_dir");
    if (!agent->is_up)
        tb_check_line(
            check, TB_CHECK_WARNING, "agent",
            "towbard is not running (%s: %s): start it; meanwhile reports are kept in the "
            "spool",
            check->config->socket, agent->why);
    else if (*state != '\0' && strcmp(state, check->config->state_dir) != 0)
        tb_check_line(check, TB_CHECK_WARNING, "agent",
                      "towbard %s answers, but its state folder is %s: it was started with other "
                      "settings, restart it",
                      agent->version, state);
    else
        tb_check_line(check, TB_CHECK_WELL, "agent", "towbard %s answers", agent->version);
}

static void say_all(const struct tb_check *check)
{
    const char *agent = check->agent->is_up ? "up" : "down";
    if (check->is_json)
        printf("{\"what\":\"all\",\"outcome\":\"%s\",\"failed\":%d,\"agent\":\"%s\"}\n",
               check->n_failed > 0 ? "fail" : "ok", check->n_failed, agent);
    else if (check->n_failed > 0)
        printf("\n%d thing%s to mend.\n", check->n_failed, check->n_failed == 1 ? "" : "s");
    else if (!check->agent->is_up)
        printf("\nNothing to mend, but towbard is not running: start it.\n");
    else
        printf("\nReady.\n");
}

static void check_all(struct tb_check *check)
{
    const char *unit = "/etc/systemd/system/towbard.service";
    if (access(unit, R_OK) != 0)
        unit = "/usr/local/lib/systemd/system/towbard.service";
    if (access(unit, R_OK) != 0)
        unit = "/usr/lib/systemd/system/towbard.service";
    check_config(check);
    check_agent(check);
    tb_check_spool(check);
    tb_check_disk(check);
    tb_check_state(check);
    tb_check_socket(check);
    tb_check_port(check);
    tb_check_tls(check);
    tb_check_files(check);
    tb_check_tokens(check);
    tb_check_rollbar(check);
    tb_check_sinks(check);
    tb_check_traces(check);
    tb_check_unwind(check);
    tb_check_symbols(check);
    tb_check_debuginfod(check);
    tb_check_clock(check);
    tb_check_unit(check, unit);
    tb_check_core(check);
}

int tb_cmd_check(struct tb_cli *cli)
{
    struct tb_config config;
    struct tb_agent_answer agent = {0};
    char why[TB_CONFIG_WHY] = "";
    struct tb_check check = {
        .config = &config, .agent = &agent, .is_json = cli->json, .is_offline = cli->offline};
    if (cli->n_words == 1 && cli->flags.file != NULL) {
        fprintf(stderr, "towbar: 'check' takes FILE or --config FILE, not both\n");
        return TB_EXIT_USAGE;
    }
    if (cli->n_words == 1)
        cli->flags.file = cli->words[0];
    if (!cli->json)
        printf("towbar %s\n", TOWBAR_VERSION);
    if (tb_config_load(&cli->flags, &config, why) < 0) {
        tb_check_line(&check, TB_CHECK_FAILED, "config", "%s", why);
        if (cli->json)
            say_all(&check);
        else
            printf("\nNothing else can be checked before the settings can be read.\n");
        return TB_EXIT_WRONG;
    }
    (void)tb_locate(&cli->flags, &config);
    tb_agent_ask(&config, &agent);
    check_all(&check);
    say_all(&check);
    tb_agent_answer_done(&agent);
    tb_config_done(&config);
    return check.n_failed > 0 ? TB_EXIT_WRONG : TB_EXIT_WELL;
}
