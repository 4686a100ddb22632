/* http.c - see http.h. */
#include "http/http.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/connections.h"
#include "http/framing.h"
#include "http/reply.h"

enum {
    NUMBER_BYTES = 24,
    QUICK_BYTES = 512,                                /* of a body, without its head */
    REQUEST_MAX_BYTES = TB_HTTP_BODY_MAX + (1 << 20), /* with its head and the sizes of chunks */
    /* Others get a 501 before anything else of them is looked at. */
    METHODS = EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
              EVHTTP_REQ_DELETE | EVHTTP_REQ_PATCH,
};

/* One evhttp for each kind of socket: that is how a request knows where it came from. */
struct side {
    struct tb_http *http;
    struct evhttp *server;
    struct tb_listener_kind kind;
};

struct tb_http {
    struct tb_http_options options;
    struct side sides[2];
    struct tb_connections *connections;
};

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

/* A target that names a host has to name the one that Host names. */
static int is_ambiguous(const struct evhttp_request *request, const char *host)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *named = uri != NULL ? evhttp_uri_get_host(uri) : NULL;
    size_t len = named != NULL ? strlen(named) : 0;
    return named != NULL && (host == NULL || strncasecmp(host, named, len) != 0 ||
                             (host[len] != '\0' && host[len] != ':'));
}

static void refuse(const struct side *side, struct evhttp_request *request, int status,
                   const char *message)
{
    const struct tb_http_options *options = &side->http->options;
    if (options->refused != NULL && evhttp_request_get_command(request) == EVHTTP_REQ_POST)
        options->refused(options->arg, status);
    tb_http_error(request, status, message);
}

/* The methods that change something. */
static int has_body(struct evhttp_request *request)
{
    enum evhttp_cmd_type method = evhttp_request_get_command(request);
    return method == EVHTTP_REQ_POST || method == EVHTTP_REQ_PATCH;
}

/* Is h the header of that name? Most differ at their first letter. */
static int is_header(const struct evkeyval *h, const char *name)
{
    return ((h->key[0] ^ name[0]) & ~0x20) == 0 && strcasecmp(h->key, name) == 0;
}

static int is_refused(const struct side *side, struct evhttp_request *request)
{
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *host = NULL;
    const char *origin = NULL;
    for (const struct evkeyval *h = headers->tqh_first; h != NULL; h = h->next.tqe_next) {
        if (is_header(h, "Host"))
            host = h->value;
        else if (origin == NULL && is_header(h, "Origin"))
            origin = h->value;
    }
    if (is_ambiguous(request, host)) {
        refuse(side, request, 400, "the request names a host that its Host header does not name");
        return 1;
    }
    if (side->kind.is_tcp && !side->kind.is_foreign && host != NULL &&
        !tb_http_is_local_host(host)) {
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

/* ---- tokens ---- */

int tb_http_is_token(const char *token, const char *offered, size_t offered_len)
{
    size_t len = token != NULL ? strlen(token) : 0;
    return len > 0 && len == offered_len && CRYPTO_memcmp(token, offered, len) == 0;
}

/* The value of the parameter, as it stands there: tokens have nothing to encode. */
static const char *parameter(const struct evhttp_request *request, const char *name, size_t *len)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *at = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    size_t name_len = strlen(name);
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, "&");
        if (n > name_len && strncmp(at, name, name_len) == 0 && at[name_len] == '=') {
            *len = n - name_len - 1;
            return at + name_len + 1;
        }
        at += n + (at[n] == '&');
    }
    return NULL;
}

enum tb_http_shown tb_http_shown(const struct tb_http *http, struct evhttp_request *request)
{
    static const char scheme[] = "Bearer ";
    const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
    const char *token = http->options.token;
    if (token == NULL || token[0] == '\0')
        return TB_HTTP_NO_TOKEN;
    const char *bearer = evhttp_find_header(headers, "Authorization");
    const char *header = evhttp_find_header(headers, "X-Rollbar-Access-Token");
    size_t len = 0;
    const char *query = parameter(request, "access_token", &len);
    if ((header != NULL && tb_http_is_token(token, header, strlen(header))) ||
        (query != NULL && tb_http_is_token(token, query, len)))
        return TB_HTTP_TOKEN_AS_ROLLBARS;
    if (bearer != NULL && strncasecmp(bearer, scheme, sizeof(scheme) - 1) == 0) {
        bearer += sizeof(scheme) - 1;
        if (tb_http_is_token(token, bearer, strlen(bearer)))
            return TB_HTTP_TOKEN_BESIDE;
    }
    return TB_HTTP_NO_TOKEN;
}

int tb_http_is_foreign(const struct evhttp_request *request)
{
    const struct tb_listener_kind *kind = tb_connections_kind(request);
    return kind == NULL || kind->is_foreign;
}

/* ---- senders ---- */

enum tb_http_input tb_http_input_of(const struct evhttp_request *request)
{
    const struct tb_listener_kind *kind = tb_connections_kind(request);
    if (kind == NULL || !kind->is_tcp)
        return TB_HTTP_UNIX;
    return kind->tls != NULL ? TB_HTTP_TLS : TB_HTTP_TCP;
}

static void add_number(struct evkeyvalq *headers, const char *name, uint64_t number)
{
    char text[NUMBER_BYTES];
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    (void)evhttp_add_header(headers, name, text);
}

int tb_http_is_limited(const struct tb_http *http, struct evhttp_request *request)
{
    struct tb_rate rate;
    unsigned per_minute = http->options.sender_per_minute;
    struct tb_sender *sender = per_minute > 0 ? tb_connections_sender(request) : NULL;
    if (sender == NULL || tb_sender_take(sender, per_minute, tb_clock_mono_ns(), &rate))
        return 0;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    add_number(headers, "Retry-After", rate.wait_s);
    add_number(headers, "X-Rate-Limit-Limit", rate.limit);
    add_number(headers, "X-Rate-Limit-Remaining", 0);
    add_number(headers, "X-Rate-Limit-Reset", tb_clock_wall_ns() / TB_NS_PER_S + rate.wait_s);
    add_number(headers, "X-Rate-Limit-Remaining-Seconds", rate.wait_s);
    tb_http_error(request, 429,
                  "too many items from this sender in a minute (limits.sender_per_minute)");
    return 1;
}

int tb_http_reserve(const struct evhttp_request *request, size_t n)
{
    return tb_connections_reserve(request, n);
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

static int is_unguarded(const struct tb_http_options *options, const char *path)
{
    for (const char *const *at = options->unguarded; at != NULL && *at != NULL; at++)
        if (strcmp(*at, path) == 0)
            return 1;
    return 0;
}

static void run(const struct side *side, const struct tb_http_route *route,
                struct evhttp_request *request)
{
    const struct tb_http_options *options = &side->http->options;
    if (side->kind.is_foreign && !is_unguarded(options, route->path) &&
        tb_http_shown(side->http, request) == TB_HTTP_NO_TOKEN)
        refuse(side, request, 401,
               "access_token is missing: show the token of ingest.token_file, as "
               "\"Authorization: Bearer TOKEN\" or as access_token");
    else
        route->run(options->arg, request);
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
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Connection", "close");
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
            run(side, &options->routes[i], request);
            return;
        }
    }
    if (!is_known && options->other != NULL && options->other(options->arg, request))
        return;
    const char *nothing = options->nothing != NULL ? options->nothing : "there is nothing here";
    tb_http_error(request, is_known ? 405 : 404,
                  is_known ? "this path does not take that method" : nothing);
}

/* ---- plain requests ---- */

/* As dispatch and tb_http_is_limited would decide; the rest of what they refuse is not plain. */
static size_t answer_quickly(void *arg, const struct tb_listener_kind *kind,
                             struct tb_sender *sender, const struct tb_quick *request, char *out,
                             size_t cap)
{
    const struct tb_http *http = arg;
    const struct tb_http_options *options = &http->options;
    unsigned per_minute = options->sender_per_minute;
    uint64_t now_ns = tb_clock_mono_ns();
    char body[QUICK_BYTES];
    struct tb_rate unused;
    if (options->quick == NULL || kind->is_foreign || kind->tls != NULL ||
        (kind->is_tcp && !tb_http_is_local_host(request->host)) ||
        (per_minute > 0 && !tb_sender_may(sender, per_minute, now_ns)))
        return 0;
    size_t len = options->quick(options->arg, kind->is_tcp ? TB_HTTP_TCP : TB_HTTP_UNIX, request,
                                body, sizeof(body));
    if (len == 0)
        return 0;
    if (per_minute > 0)
        (void)tb_sender_take(sender, per_minute, now_ns, &unused);
    return tb_reply_print(body, len, out, cap);
}

/* ---- life ---- */

static int make_side(struct tb_http *http, int is_tcp)
{
    struct side *side = &http->sides[is_tcp];
    side->http = http;
    side->server = evhttp_new(http->options.base);
    if (side->server == NULL)
        return -ENOMEM;
    evhttp_set_max_body_size(side->server, TB_HTTP_BODY_MAX);
    evhttp_set_max_headers_size(side->server, TB_FRAMING_HEAD_MAX);
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
        .arg = options->arg,
        .quick = answer_quickly,
        .quick_arg = http};
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

static int serve(struct tb_http *http, int fd, const struct tb_listener_kind *kind)
{
    struct side *side = &http->sides[kind->is_tcp ? 1 : 0];
    struct evhttp_bound_socket *socket = evhttp_accept_socket_with_handle(side->server, fd);
    side->kind = *kind;
    if (socket == NULL) {
        close(fd);
        return -ENOMEM;
    }
    return tb_connections_guard(http->connections, side->server, socket, kind);
}

int tb_http_serve(struct tb_http *http, int fd, int is_tcp)
{
    const struct tb_listener_kind kind = {.is_tcp = is_tcp};
    return serve(http, fd, &kind);
}

int tb_http_serve_tcp(struct tb_http *http, int fd, struct tb_tls *tls, int is_foreign)
{
    const struct tb_listener_kind kind = {.is_tcp = 1, .is_foreign = is_foreign, .tls = tls};
    return serve(http, fd, &kind);
}

void tb_http_set_token(struct tb_http *http, const char *token)
{
    http->options.token = token;
}

void tb_http_set_limit(struct tb_http *http, unsigned sender_per_minute)
{
    http->options.sender_per_minute = sender_per_minute;
}
