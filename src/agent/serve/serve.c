/* serve.c - see serve.h. */
#include "agent/serve/serve.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/serve/deploy.h"
#include "agent/serve/ingest.h"
#include "agent/log.h"
#include "agent/notify.h"
#include "agent/serve/health.h"
#include "agent/serve/metrics.h"
#include "agent/serve/pages.h"
#include "agent/serve/post.h"
#include "agent/serve/status.h"
#include "agent/serve/watchdog.h"
#include "base/clock.h"
#include "base/fd.h"
#include "http/http.h"
#include "http/jobs.h"

enum { STATUS_BYTES = 64 << 10 };

struct tb_serve {
    const struct tb_config *config;
    struct tb_serve_options options; /* from tb_serve_run */
    int tcp_fd, unix_fd;             /* -1 once they are libevent's, and when there is none */
    char *socket;                    /* its path, which outlives a change of the settings */
    struct tb_listen_file unix_file; /* ours as long as is_bound says so */
    char address[TB_LISTEN_ADDRESS];
    struct event_base *base; /* while tb_serve_run runs */
    struct tb_post post;     /* its jobs while tb_serve_run runs */
    struct tb_jobs *visits;  /* the same: pages, for which nothing else waits */
    struct tb_serve_deploy deploy;
    struct tb_tls *tls; /* NULL: TCP is in the clear */
    int has_ingest;
    int64_t started_ms;
};

static int64_t now_ms(void)
{
    return (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
}

static const struct tb_pages *pages_of(const struct tb_serve *serve)
{
    return serve->options.shown != NULL ? serve->options.shown->pages : NULL;
}

/* ---- routes ---- */

static void reply_health(struct evhttp_request *request, int err, const char *why)
{
    if (err)
        tb_http_error(request, 503, why);
    else
        tb_http_reply(request, 200, "text/plain", "ok\n", 3);
}

static void get_health(void *arg, struct evhttp_request *request)
{
    const struct tb_serve *serve = arg;
    char why[TB_HEALTH_WHY];
    reply_health(request, tb_health_live(serve->options.engine, why), why);
}

static void get_ready(void *arg, struct evhttp_request *request)
{
    const struct tb_serve *serve = arg;
    char why[TB_HEALTH_WHY];
    reply_health(request, tb_health_ready(serve->options.engine, serve->config, why), why);
}

static void look(const struct tb_serve *serve, struct tb_status *out)
{
    *out = (struct tb_status){.config = serve->config,
                              .listen = serve->address,
                              .started_ms = serve->started_ms,
                              .now_ms = now_ms()};
    tb_engine_look(serve->options.engine, &out->pipeline, &out->delivery);
    out->n_sinks = tb_engine_sinks(serve->options.engine, out->sinks);
    tb_reload_counts(serve->options.reload, &out->reload);
    tb_serve_counts(serve, &out->ingest);
    tb_engine_files_counts(serve->options.engine, &out->files);
}

static void get_status(void *arg, struct evhttp_request *request)
{
    const struct tb_serve *serve = arg;
    struct tb_status status;
    char *mem = malloc(STATUS_BYTES);
    struct tb_json j;
    if (mem == NULL) {
        tb_http_error(request, 503, "out of memory");
        return;
    }
    look(serve, &status);
    tb_json_init(&j, mem, STATUS_BYTES);
    tb_status_write(&status, &j);
    if (tb_json_finish(&j) != 0)
        tb_http_error(request, 500, "the status is larger than its memory");
    else
        tb_http_reply(request, 200, "application/json", mem, j.len);
    free(mem);
}

static void get_metrics(void *arg, struct evhttp_request *request)
{
    const struct tb_serve *serve = arg;
    struct tb_status status;
    struct tb_buf text;
    tb_buf_init(&text, TB_METRICS_BYTES);
    look(serve, &status);
    tb_metrics_write(&status, &text);
    if (text.err)
        tb_http_error(request, 503, "out of memory");
    else
        tb_http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.data,
                      text.len);
    tb_buf_done(&text);
}

static void post_item(void *arg, struct evhttp_request *request)
{
    struct tb_serve *serve = arg;
    tb_post_item(&serve->post, request);
}

static size_t post_quickly(void *arg, enum tb_http_input input, const struct tb_quick *request,
                           char *out, size_t cap)
{
    struct tb_serve *serve = arg;
    return tb_post_quick(&serve->post, input, request, out, cap);
}

static void wake_deploys(void *arg)
{
    tb_engine_wake_deploys(arg);
}

static void post_deploy(void *arg, struct evhttp_request *request)
{
    struct tb_serve *serve = arg;
    tb_serve_deploy_post(&serve->deploy, request);
}

static int get_page(void *arg, struct evhttp_request *request)
{
    struct tb_serve *serve = arg;
    return tb_serve_deploy_other(&serve->deploy, request) ||
           tb_pages_ask(pages_of(serve), serve->visits, request);
}

static void count_refusal(void *arg, int status)
{
    struct tb_serve *serve = arg;
    tb_post_refused(&serve->post, status);
}

void tb_serve_counts(const struct tb_serve *serve, struct tb_ingest_counts *out)
{
    *out = serve->post.counts;
}

static const struct tb_http_route routes[] = {
    {"/healthz", EVHTTP_REQ_GET, get_health},    {"/readyz", EVHTTP_REQ_GET, get_ready},
    {"/status", EVHTTP_REQ_GET, get_status},     {"/metrics", EVHTTP_REQ_GET, get_metrics},
    {"/api/1/item", EVHTTP_REQ_POST, post_item}, {"/api/1/deploy", EVHTTP_REQ_POST, post_deploy},
};

/* What a balancer asks needs no token, and items may have it in their body. */
static const char *const unguarded[] = {"/healthz", "/readyz", "/api/1/item", NULL};

/* ---- life ---- */

static void warn(const char *text)
{
    tb_log(TB_LOG_WARNING, "%s", text);
}

/* What is set, or nothing. */
static int load_tls(struct tb_serve *serve, const struct tb_config *config, char why[TB_LISTEN_WHY])
{
    const char *cert = config->tls_cert_file;
    if (cert == NULL || cert[0] == '\0')
        return 0;
    return serve->tls != NULL ? tb_tls_load(serve->tls, cert, config->tls_key_file, why)
                              : tb_tls_new(cert, config->tls_key_file, &serve->tls, why);
}

int tb_serve_open(const struct tb_config *config, struct tb_serve **out, char why[TB_LISTEN_WHY])
{
    struct tb_serve *serve = calloc(1, sizeof(*serve));
    if (serve == NULL)
        abort();
    serve->config = config;
    serve->socket = strdup(config->socket);
    if (serve->socket == NULL)
        abort();
    serve->post.token = config->ingest_token;
    serve->tcp_fd = serve->unix_fd = -1;
    serve->started_ms = now_ms();
    int err = load_tls(serve, config, why);
    if (!err && strcmp(config->listen, "off") != 0) {
        int fd = tb_listen_tcp(config->listen, serve->address, why);
        serve->tcp_fd = fd < 0 ? -1 : fd;
        err = fd < 0 ? fd : 0;
    }
    if (!err) {
        int fd = tb_listen_unix(config->socket,
                                (config->shared_spool ? TB_LISTEN_SHARED : 0U) |
                                    (config->makes_socket_folder ? TB_LISTEN_MAKE_FOLDER : 0U),
                                &serve->unix_file, why);
        serve->unix_fd = fd < 0 ? -1 : fd;
        err = fd < 0 ? fd : 0;
    }
    if (!err) {
        err = tb_ingest_open(&serve->post.ingest, config->spool, why);
        serve->has_ingest = err == 0;
    }
    if (err) {
        tb_serve_close(serve);
        return err;
    }
    *out = serve;
    return 0;
}

const char *tb_serve_address(const struct tb_serve *serve)
{
    return serve->address;
}

int tb_serve_check(const struct tb_config *config, char why[TB_CONFIG_WHY])
{
    struct tb_tls *tls = NULL;
    if (config->tls_cert_file[0] == '\0')
        return 0;
    int err = tb_tls_new(config->tls_cert_file, config->tls_key_file, &tls, why);
    tb_tls_free(tls);
    return err;
}

/* Beside the loop. */
static int check_config(void *arg, const struct tb_config *config, char why[TB_CONFIG_WHY])
{
    (void)arg;
    return tb_serve_check(config, why);
}

static void adopt(struct tb_serve *serve, const struct tb_config *config)
{
    serve->config = config;
    serve->deploy.config = config;
    serve->post.token = config->ingest_token;
    if (serve->post.http != NULL) {
        tb_http_set_token(serve->post.http, config->ingest_token);
        tb_http_set_limit(serve->post.http, config->sender_per_minute);
    }
}

int tb_serve_reload(struct tb_serve *serve, const struct tb_config *config, char why[TB_LISTEN_WHY])
{
    int err = load_tls(serve, config, why);
    if (!err)
        adopt(serve, config);
    return err;
}

/* Other settings count from now on: the former are freed. */
static void take_config(void *arg, const struct tb_config *config)
{
    const struct tb_serve *serve = arg;
    const struct tb_agent_pages *shown = serve->options.shown;
    char why[TB_LISTEN_WHY];
    if (shown != NULL && shown->take != NULL)
        shown->take(shown->arg, config);
    if (tb_serve_reload(arg, config, why) == 0)
        return;
    tb_log(TB_LOG_ERROR, "the former certificate is shown on: %s", why); /* it was well before */
    adopt(arg, config);
}

static void stop_loop(evutil_socket_t signo, short events, void *arg)
{
    (void)signo;
    (void)events;
    tb_notify("STOPPING=1");
    (void)event_base_loopbreak(arg);
}

static void hang_up(void *arg)
{
    const struct tb_serve *serve = arg;
    tb_log(TB_LOG_INFO, "the terminal is gone");
    stop_loop(SIGHUP, 0, serve->base);
}

static int take_sockets(struct tb_serve *serve, struct tb_http *http)
{
    int err = tb_http_serve(http, serve->unix_fd, 0);
    serve->unix_fd = -1; /* libevent's now, or closed; the file is still ours */
    if (!err && serve->tcp_fd >= 0) {
        err = tb_http_serve_tcp(http, serve->tcp_fd, serve->tls,
                                tb_config_listens_abroad(serve->config));
        serve->tcp_fd = -1;
    }
    return err;
}

static int begin_reload(struct tb_serve *serve)
{
    const struct tb_reload_loop loop = {.base = serve->base,
                                        .jobs = serve->post.jobs,
                                        .check = check_config,
                                        .taken = take_config,
                                        .hung_up = hang_up,
                                        .arg = serve};
    return tb_reload_begin(serve->options.reload, &loop);
}

/* Who posts elsewhere has most likely set the other kind of endpoint, or forgotten its slash. */
static const char NOTHING[] = "there is nothing here; items are taken at /api/1/item/ (an endpoint "
                              "that is a base, as pyrollbar's, is /api/1/ with its last slash)";

int tb_serve_run(struct tb_serve *serve, const struct tb_serve_options *options)
{
    struct event_base *base = event_base_new();
    struct event *term = base != NULL ? evsignal_new(base, SIGTERM, stop_loop, base) : NULL;
    struct event *intr = base != NULL ? evsignal_new(base, SIGINT, stop_loop, base) : NULL;
    struct tb_watchdog *watchdog = NULL;
    struct tb_http *http = NULL;
    struct tb_http_options http_options = {.base = base,
                                           .routes = routes,
                                           .n_routes = sizeof(routes) / sizeof(routes[0]),
                                           .unguarded = unguarded,
                                           .other = get_page,
                                           .nothing = NOTHING,
                                           .quick = post_quickly,
                                           .token = serve->config->ingest_token,
                                           .sender_per_minute = serve->config->sender_per_minute,
                                           .refused = count_refusal,
                                           .arg = serve,
                                           .warn = warn};
    int err = -ENOMEM;
    serve->options = *options;
    serve->base = base;
    if (term == NULL || intr == NULL || event_add(term, NULL) < 0 || event_add(intr, NULL) < 0)
        goto out;
    if ((err = tb_jobs_new(base, &serve->post.jobs)) || (err = tb_jobs_new(base, &serve->visits)) ||
        (err = tb_http_new(&http_options, &http)) || (err = take_sockets(serve, http)) ||
        (err = begin_reload(serve)))
        goto out;
    serve->post.http = http;
    tb_notify("READY=1");
    (void)tb_watchdog_new(base, options->engine, &watchdog); /* without one the manager kills us */
    serve->deploy = (struct tb_serve_deploy){.config = serve->config,
                                             .jobs = serve->post.jobs,
                                             .queued = wake_deploys,
                                             .arg = options->engine};
    err = event_base_dispatch(base) < 0 ? -EIO : 0;
out:
    tb_watchdog_free(watchdog);
    tb_reload_end(options->reload);
    tb_jobs_cancel(serve->visits);
    tb_jobs_free(serve->visits);
    tb_jobs_free(serve->post.jobs); /* its requests are answered before their connections go */
    serve->visits = serve->post.jobs = NULL;
    serve->post.http = NULL;
    tb_http_free(http);
    if (base != NULL) /* libevent puts off the end of connections that it was at work with */
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    if (term != NULL)
        event_free(term);
    if (intr != NULL)
        event_free(intr);
    if (base != NULL)
        event_base_free(base);
    return err;
}

void tb_serve_close(struct tb_serve *serve)
{
    if (serve == NULL)
        return;
    tb_listen_remove(serve->socket, &serve->unix_file);
    free(serve->socket);
    tb_tls_free(serve->tls);
    tb_fd_close(&serve->unix_fd);
    tb_fd_close(&serve->tcp_fd);
    if (serve->has_ingest)
        tb_ingest_close(&serve->post.ingest);
    free(serve);
}
