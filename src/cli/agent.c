/* agent.c - see agent.h. */
#include "cli/agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

enum { PATIENCE_MS = 2000 };

/* 0 when it is towbard that answers. */
static int ask(const char *socket, const char *host, struct tb_agent_answer *out)
{
    char url[300];
    struct tb_buf body;
    snprintf(url, sizeof(url), "http://%s/status", host);
    const struct tb_client_request request = {
        .socket = socket, .url = url, .timeout_ms = PATIENCE_MS};
    tb_buf_init(&body, TB_CLIENT_BODY_MAX);
    int status = tb_client_ask(&request, &body, out->why);
    if (status == 200)
        out->json = cJSON_Parse(tb_buf_str(&body));
    else if (status >= 0)
        snprintf(out->why, sizeof(out->why), "it answers %d, towbard would answer 200", status);
    int is_ours = strcmp(tb_json_text(out->json, "program"), "towbard") == 0;
    if (status == 200 && !is_ours)
        snprintf(out->why, sizeof(out->why), "what answers there is not towbard");
    tb_buf_done(&body);
    return is_ours ? 0 : -EPROTO;
}

static void ask_and_fill(const char *socket, const char *host, struct tb_agent_answer *out)
{
    memset(out, 0, sizeof(*out));
    out->listen = out->version = "";
    if (ask(socket, host, out) != 0) {
        cJSON_Delete(out->json);
        out->json = NULL;
        return;
    }
    out->is_up = 1;
    out->listen = tb_json_text(out->json, "listen");
    out->version = tb_json_text(out->json, "version");
}

void tb_agent_ask(const struct tb_config *config, struct tb_agent_answer *out)
{
    ask_and_fill(config->socket, "localhost", out);
}

void tb_agent_ask_at(const char *address, struct tb_agent_answer *out)
{
    ask_and_fill(NULL, address, out);
}

void tb_agent_answer_done(struct tb_agent_answer *answer)
{
    cJSON_Delete(answer->json);
    memset(answer, 0, sizeof(*answer));
}
