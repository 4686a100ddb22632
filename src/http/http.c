/* http.c - see http.h. */
#include "http/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/json.h"
#include "http/connections.h"

enum {
    ERROR_BYTES = 2048,
    REQUEST_MAX_BYTES = TB_HTTP_BODY_MAX + (1 << 20), /* with its head and the sizes of chunks */
    /* Others get a 501 before anything else of them is looked at. */
    METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
              EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH,
};

/* One evhttp for each kind of socket: that is how a request knows where it came from. */
struct side {
    struct tb_http *http;
    struct evhttp *server;
    int is_tcp;
};

struct tb_http {
    struct tb_http_options options;
    struct side sides[2];
    struct tb_connections *connections;
};

/* ---- answers ---- */

void tb_http_reply(struct evhttp_request *request, int status, const char *type, const char *text,
                   size_t len)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    (void)evhttp_add_header(headers, "Content-Type", type);
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (status == 503)
        (void)evhttp_add_header(headers, "Retry-After", "1");
    if (evhttp_find_header(headers, "Cache-Control") == NULL)
        (void)evhttp_add_header(headers, "Cache-Control", "no-store");
    if (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
        (void)evbuffer_add(body, text, len);
    } else { /* how long it would be, and none of it: libevent would send it */
        char length[24];
        (void)snprintf(length, sizeof(length), "%zu", len);
        (void)evhttp_add_header(headers, "Content-Length", length);
    }
    evhttp_send_reply(request, status, NULL, NULL);
}

void tb_http_error(struct evhttp_request *request, int status, const char *message)
{
    char mem[ERROR_BYTES];
    struct tb_json j;
    tb_json_init(&j, mem, sizeof(mem));
    tb_json_object(&j);
    tb_json_kint(&j, "err", 1);
    tb_json_kstr(&j, "message", message);
    tb_json_end(&j);
    (void)tb_json_finish(&j); /* a message cut short is still valid */
    tb_http_reply(request, status, "application/json", mem, j.len);
}

int tb_http_is_tcp(const struct evhttp_request *request)
{
    return tb_connections_is_tcp(request);
}

/* ---- who may ask ---- */

int tb_http_is_local_host(const char *host)
{
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    const char *rest = len <= strlen(host) ? host + len : "x";
    if (rest[0] != '\0' && (rest[0] != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1)))
        return 0;
    if ((len == 9 && strncasecmp(host, "localhost", 9) == 0) ||
        (len == 5 && strncmp(host, "[::1]", 5) == 0))
        return 1;
    return strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len;
}

/* A page of another site sends its own Origin; ours is the Host that was asked. */
static int is_foreign_origin(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");
    return at == NULL || host == NULL || strcasecmp(at + 3, host) != 0;
}

/* What RFC 9112 calls malformed, and libevent lets through. Of lengths libevent takes the first,
 * and of a name with a blank behind it none: where the next request begins is then a guess. */
static const char *malformed(struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    int n_hosts = 0;
    int n_lengths = 0;
    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next) {
        if (h->key[0] == '\0')
            return "a header has no name";
        if (strpbrk(h->key, " \t") != NULL)
            return "the name of a header has a blank in it";
        n_hosts += strcasecmp(h->key, "Host") == 0;
        n_lengths += strcasecmp(h->key, "Content-Length") == 0;
    }
    if (n_lengths > 1)
        return "the request has several Content-Length headers";
    if (n_hosts > 1)
        return "the request has several Host headers";
    if (n_hosts == 0 && (request->major > 1 || (request->major == 1 && request->minor >= 1)))
        return "the request has no Host header";
    return NULL;
}

static void refuse(const struct side *side, struct evhttp_request *request, int status,
                   const char *message)
{
    const struct tb_http_options *options = &side->http->options;
    if (options->refused != NULL)
        options->refused(options->arg, status);
    tb_http_error(request, status, message);
}

/* The methods that change something. */
static int has_body(struct evhttp_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    return method == EVHTTP_REQ_POST || method == EVHTTP_REQ_PATCH;
}

static int is_refused(const struct side *side, struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *fault = malformed(request);
    if (fault != NULL) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
        refuse(side, request, 400, fault);
        return 1;
    }
    const char *host = evhttp_find_header(headers, "Host");
    const char *origin = evhttp_find_header(headers, "Origin");
    if (side->is_tcp && host != NULL && !tb_http_is_local_host(host)) {
        refuse(side, request, 403,
               "towbard answers to localhost and 127.0.0.1 only; the Host header names another "
               "host");
        return 1;
    }
    if (origin != NULL && has_body(request) && is_foreign_origin(origin, host)) {
        refuse(side, request, 403,
               "the Origin header names another site; towbard takes items from programs, not from "
               "pages of other sites");
        return 1;
    }
    return 0;
}

/* ---- routes ---- */

static int path_is(const char *path, const char *route)
{
    size_t len = strlen(route);
    return strncmp(path, route, len) == 0 &&
           (path[len] == '\0' || (path[len] == '/' && path[len + 1] == '\0'));
}

static int matches(const struct tb_http_route *route, enum evhttp_cmd_type method)
{
    return route->method == method ||
           (route->method == EVHTTP_REQ_GET && method == EVHTTP_REQ_HEAD);
}

static void dispatch(struct evhttp_request *request, void *arg)
{
    const struct side *side = arg;
    const struct tb_http_options *options = &side->http->options;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    int is_known = 0;
    const char *why;
    int status = tb_connections_asked(side->http->connections, request, &why);
    if (status != 0) {
        refuse(side, request, status, why);
        return;
    }
    if (is_refused(side, request))
        return;
    if (!has_body(request)) /* nobody reads it */
        (void)evbuffer_drain(evhttp_request_get_input_buffer(request), SIZE_MAX);
    for (size_t i = 0; path != NULL && i < options->n_routes; i++) {
        if (!path_is(path, options->routes[i].path))
            continue;
        is_known = 1;
        if (matches(&options->routes[i], evhttp_request_get_command(request))) {
            options->routes[i].run(options->arg, request);
            return;
        }
    }
    if (!is_known && options->other != NULL && options->other(options->arg, request))
        return;
    tb_http_error(request, is_known ? 405 : 404,
                  is_known ? "this path does not take that method" : "there is nothing here");
}

/* ---- life ---- */

static int make_side(struct tb_http *http, int is_tcp)
{
    struct side *side = &http->sides[is_tcp];
    side->http = http;
    side->is_tcp = is_tcp;
    side->server = evhttp_new(http->options.base);
    if (side->server == NULL)
        return -ENOMEM;
    evhttp_set_max_body_size(side->server, TB_HTTP_BODY_MAX);
    evhttp_set_max_headers_size(side->server, TB_CONNECTIONS_HEAD_MAX);
    evhttp_set_timeout(side->server, TB_HTTP_TIMEOUT_S);
    evhttp_set_default_content_type(side->server, NULL);
    evhttp_set_allowed_methods(side->server, METHODS);
    evhttp_set_gencb(side->server, dispatch, side);
    return 0;
}

int tb_http_new(const struct tb_http_options *options, struct tb_http **out)
{
    struct tb_http *http = calloc(1, sizeof(*http));
    struct tb_connections_options rules = {
        .base = options->base,
        .request_max = REQUEST_MAX_BYTES,
        .held_max = options->held_max > 0 ? options->held_max : TB_HTTP_HELD_MAX,
        .request_ms = options->request_ms > 0 ? options->request_ms : TB_HTTP_REQUEST_MS,
        .idle_s = TB_HTTP_TIMEOUT_S,
        .refused = options->refused,
        .arg = options->arg};
    if (http == NULL)
        return -ENOMEM;
    http->options = *options;
    tb_connections_prepare(options->warn);
    int err;
    if ((err = tb_connections_new(&rules, &http->connections)) || (err = make_side(http, 0)) ||
        (err = make_side(http, 1))) {
        tb_http_free(http);
        return err;
    }
    *out = http;
    return 0;
}

void tb_http_free(struct tb_http *http)
{
    if (http == NULL)
        return;
    tb_connections_stop(http->connections);
    for (int i = 0; i < 2; i++)
        if (http->sides[i].server != NULL)
            evhttp_free(http->sides[i].server);
    tb_connections_free(http->connections);
    free(http);
}

int tb_http_serve(struct tb_http *http, int fd, int is_tcp)
{
    struct side *side = &http->sides[is_tcp ? 1 : 0];
    struct evhttp_bound_socket *socket = evhttp_accept_socket_with_handle(side->server, fd);
    if (socket == NULL) {
        close(fd);
        return -ENOMEM;
    }
    return tb_connections_guard(http->connections, side->server, socket, is_tcp);
}
