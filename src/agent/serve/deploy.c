/* deploy.c - see deploy.h. */
#include "agent/serve/deploy.h"

#include <errno.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "agent/serve/deploy_form.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/http.h"
#include "store/deploys.h"

#define PATH "/api/1/deploy/"
#define AGENTS_TOKEN "towbar" /* of senders that know none, as for items */

enum { REPLY_BYTES = 256, ID_DIGITS = 18 };

struct visit {
    struct tb_job job; /* first */
    const struct tb_serve_deploy *deploy;
    const struct tb_config *config; /* those that counted when it came */
    struct evhttp_request *request; /* libevent keeps it until it is answered */
    int64_t id;                     /* of the deploy; 0: a new one */
    struct tb_deploy_form form;
    int status; /* HTTP */
    char message[TB_STORE_WHY];
};

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

/* ---- beside the loop ---- */

/* Rollbar's token; what lets a sender in (ingest.token_file) is none. "": the agent's own. */
static const char *token_of(const struct tb_config *config, const struct tb_deploy_form *form)
{
    int is_ours = strcmp(form->token, AGENTS_TOKEN) == 0 ||
                  tb_http_is_token(config->ingest_token, form->token, strlen(form->token));
    return config->force_token || is_ours ? "" : form->token;
}

static int add(struct visit *visit, struct tb_store *store)
{
    const struct tb_config *config = visit->config;
    const struct tb_deploy_form *form = &visit->form;
    const char *token = token_of(config, form);
    int has_token = token[0] != '\0' || config->token[0] != '\0';
    int is_open = strcmp(form->status, "started") == 0;
    int64_t now = now_ms();
    const struct tb_deploy row = {.environment = form->environment,
                                  .revision = form->revision,
                                  .status = form->status,
                                  .comment = form->comment,
                                  .local_username = form->local_username,
                                  .rollbar_username = form->rollbar_username,
                                  .token = token,
                                  .start_ms = now,
                                  .finish_ms = is_open ? 0 : now,
                                  .state = has_token ? TB_DEPLOY_QUEUED : TB_DEPLOY_KEPT};
    return tb_store_deploy_add(store, &row, &visit->id);
}

static void store_it(struct tb_job *job)
{
    struct visit *visit = (struct visit *)job;
    struct tb_store *store = NULL;
    int is_update = visit->id > 0;
    int err = tb_store_open(visit->config->state_dir, TB_STORE_WRITE, &store, visit->message);
    if (err < 0) {
        visit->status = 503;
        return;
    }
    err = is_update ? tb_store_deploy_update(store, visit->id, visit->form.status, now_ms())
                    : add(visit, store);
    visit->status = err == 0 ? 200 : err == -ENOENT ? 404 : err == -EAGAIN ? 429 : 503;
    if (err == -EAGAIN)
        snprintf(visit->message, sizeof(visit->message),
                 "%d deploys wait for Rollbar already: send it again later", TB_DEPLOYS_QUEUED);
    else if (err < 0)
        snprintf(visit->message, sizeof(visit->message), "%s", tb_store_error(store));
    tb_store_close(store);
}

static void put_id(struct tb_json *j, const char *key, int64_t id)
{
    tb_json_key(j, key);
    tb_json_object(j);
    tb_json_kint(j, "deploy_id", id);
    tb_json_end(j);
}

static void answer(struct tb_job *job)
{
    struct visit *visit = (struct visit *)job;
    char mem[REPLY_BYTES];
    struct tb_json j;
    if (visit->status != 200) {
        tb_http_error(visit->request, visit->status, visit->message);
        free(visit);
        return;
    }
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kint(&j, "err", 0);
    put_id(&j, "data", visit->id); /* clients read it in one place or the other */
    put_id(&j, "result", visit->id);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* two numbers */
    tb_http_reply(visit->request, 200, "application/json", mem, j.len);
    visit->deploy->queued(visit->deploy->arg);
    free(visit);
}

/* ---- the loop ---- */

/* 0, or the status of a refusal with its message. */
static int read_request(struct evhttp_request *request, int is_update, struct tb_deploy_form *form,
                        char message[TB_DEPLOY_MESSAGE])
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *token = evhttp_find_header(headers, "X-Rollbar-Access-Token");
    const char *encoding = evhttp_find_header(headers, "Content-Encoding");
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t len = evbuffer_get_length(input);
    snprintf(message, TB_DEPLOY_MESSAGE, "a deploy is sent without Content-Encoding");
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0)
        return 415;
    snprintf(message, TB_DEPLOY_MESSAGE, "a deploy has %d KiB at most", TB_DEPLOY_BODY_MAX >> 10);
    if (len > TB_DEPLOY_BODY_MAX)
        return 413;
    const char *body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
    int err = body == NULL ? -ENOMEM
                           : tb_deploy_form_read(body, len,
                                                 evhttp_find_header(headers, "Content-Type"), form);
    (void)evbuffer_drain(input, len);
    snprintf(message, TB_DEPLOY_MESSAGE,
             err == -ENOMEM ? "out of memory: send it again in a second"
                            : "a deploy is JSON or a form with environment and revision");
    if (err < 0 && len > 0)
        return err == -ENOMEM ? 503 : 400;
    if (token != NULL && token[0] != '\0')
        snprintf(form->token, sizeof(form->token), "%s", token);
    return tb_deploy_form_check(form, is_update, message) < 0 ? 422 : 0;
}

/* Rollbar's tokens are words; what is none could end a header line. */
static int is_token(const char *token)
{
    for (const char *c = token; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~' || c - token >= TB_CONFIG_TOKEN_MAX)
            return 0;
    return 1;
}

static void take(const struct tb_serve_deploy *deploy, struct evhttp_request *request, int64_t id)
{
    char message[TB_DEPLOY_MESSAGE];
    struct visit *visit = calloc(1, sizeof(*visit));
    if (visit == NULL) {
        tb_http_error(request, 503, "out of memory: send it again in a second");
        return;
    }
    visit->job = (struct tb_job){.run = store_it, .done = answer};
    visit->deploy = deploy;
    visit->request = request;
    visit->config = deploy->config;
    visit->id = id;
    int status = read_request(request, id > 0, &visit->form, message);
    if (status == 0 && !is_token(visit->form.token)) {
        status = 403;
        snprintf(message, sizeof(message), "access token not found: it is no token by its form");
    }
    if (status == 0 && tb_jobs_add(deploy->jobs, &visit->job) == 0)
        return;
    free(visit);
    tb_http_error(request, status != 0 ? status : 503,
                  status != 0 ? message : "too much waits: send it again in a second");
}

void tb_serve_deploy_post(const struct tb_serve_deploy *deploy, struct evhttp_request *request)
{
    take(deploy, request, 0);
}

/* The N of /api/1/deploy/N, with or without a slash behind it; 0 for any other path. */
static int64_t id_of(const char *path)
{
    size_t len = sizeof(PATH) - 1;
    if (path == NULL || strncmp(path, PATH, len) != 0)
        return 0;
    size_t n_digits = strspn(path + len, "0123456789");
    const char *rest = path + len + n_digits;
    if (n_digits == 0 || n_digits > ID_DIGITS || (*rest == '/' ? rest[1] : *rest) != '\0')
        return 0;
    return strtoll(path + len, NULL, 10);
}

int tb_serve_deploy_other(const struct tb_serve_deploy *deploy, struct evhttp_request *request)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    int64_t id = id_of(uri != NULL ? evhttp_uri_get_path(uri) : NULL);
    if (id <= 0)
        return 0;
    if (evhttp_request_get_command(request) == EVHTTP_REQ_PATCH)
        take(deploy, request, id);
    else
        tb_http_error(request, 405, "the status of a deploy is changed with PATCH");
    return 1;
}
