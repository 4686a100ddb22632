/* http.h - the agent's HTTP server: one set of routes on TCP and on the Unix socket.
 *
 * 1. All of it runs in the loop's thread; a handler never blocks: it answers at once, or later from
 * the done() of a job (jobs.h).
 * 2. A request over loopback TCP whose Host names no loopback address is refused (DNS rebinding),
 *    and so is a POST with the Origin of another site.
 * 3. What comes to a socket that other hosts can reach comes over TLS and needs the token for every
 *    route that is not among those that do without.
 * 4. Every answer that is not a page is JSON; errors look like Rollbar's: {"err":1,"message":..}.
 * 5. Bodies are taken up to TB_HTTP_BODY_MAX; a longer one gets 413. All that are here at once, in
 *    handlers too, are at most TB_HTTP_HELD_MAX: then 503, never 413.
 * 6. connections.h says how many may be connected, how much one sender may have and how long a
 *    request may take; a connection that is idle goes after TB_HTTP_TIMEOUT_S.
 * 7. Plain requests (quick.h) may be answered without a route, by quick; the same ones may come to
 *    their route at any time. */
#ifndef TB_HTTP_HTTP_H
#define TB_HTTP_HTTP_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

#include "http/quick.h"
#include "http/tls.h"

enum {
    TB_HTTP_BODY_MAX = 8 << 20,
    TB_HTTP_HELD_MAX = 64 << 20,
    TB_HTTP_REQUEST_MS = 60000,
    TB_HTTP_TIMEOUT_S = 30
};

struct tb_http;

/* Where a request came from. */
enum tb_http_input { TB_HTTP_UNIX, TB_HTTP_TCP, TB_HTTP_TLS };

struct tb_http_route {
    const char *path; /* exact, without a slash at the end; that one is taken too */
    enum evhttp_cmd_type method;
    void (*run)(void *arg, struct evhttp_request *request);
};

struct tb_http_options {
    struct event_base *base;
    const struct tb_http_route *routes; /* borrowed, like all here */
    size_t n_routes;
    const char *const *unguarded; /* paths of routes that do without the token, or look at it
                                   * themselves; ends with NULL; NULL for none */
    /* What no route names: 1 when it was answered, or will be; 0 for a 404. It decides itself whom
     * it shows what. NULL for nothing. */
    int (*other)(void *arg, struct evhttp_request *request);
    /* A POST that is no stranger's, and within its sender's limit: puts the JSON of a 200 into out
     * and returns its length; or 0, having done nothing: its route shall have it. NULL for nobody.
     */
    size_t (*quick)(void *arg, enum tb_http_input input, const struct tb_quick *request, char *out,
                    size_t cap);
    /* A POST, or what was too broken to tell, was refused with that status before a route or other
     * saw it. NULL for nobody. */
    void (*refused)(void *arg, int status);
    void *arg;
    const char *nothing;        /* what a 404 says; NULL: that there is nothing here */
    const char *token;          /* what other hosts have to show; NULL or "": they get nothing */
    unsigned sender_per_minute; /* of tb_http_is_limited; 0: no limit */
    int request_ms;             /* for a whole request; 0: TB_HTTP_REQUEST_MS */
    size_t held_max;            /* 0: TB_HTTP_HELD_MAX */
    void (*warn)(const char *text); /* a sentence for the operator; NULL for nobody */
};

/* 0 or -ENOMEM. */
int tb_http_new(const struct tb_http_options *options, struct tb_http **out);
void tb_http_free(struct tb_http *http);
/* Serves a listening socket, one of each kind; consumes fd. is_tcp: the rules for strangers apply.
 * 0 or -ENOMEM. */
int tb_http_serve(struct tb_http *http, int fd, int is_tcp);
/* The same for TCP with TLS (tls is borrowed), or without where that is NULL. is_foreign: other
 * hosts can reach it. */
int tb_http_serve_tcp(struct tb_http *http, int fd, struct tb_tls *tls, int is_foreign);
/* From now on the token is another one; borrowed. */
void tb_http_set_token(struct tb_http *http, const char *token);
void tb_http_set_limit(struct tb_http *http, unsigned sender_per_minute);

/* The answers. */
void tb_http_reply(struct evhttp_request *request, int status, const char *type, const char *text,
                   size_t len);
void tb_http_error(struct evhttp_request *request, int status, const char *message);

/* Where a request came from. */
enum tb_http_input tb_http_input_of(const struct evhttp_request *request);

/* What a request shows: the token itself in place of Rollbar's, in the header
 * X-Rollbar-Access-Token or the parameter access_token; or beside it, as "Authorization: Bearer".
 */
enum tb_http_shown { TB_HTTP_NO_TOKEN, TB_HTTP_TOKEN_AS_ROLLBARS, TB_HTTP_TOKEN_BESIDE };
enum tb_http_shown tb_http_shown(const struct tb_http *http, struct evhttp_request *request);
/* Does it have to show the token? */
int tb_http_is_foreign(const struct evhttp_request *request);
/* Are they the same, in a time that does not tell where they differ? */
int tb_http_is_token(const char *token, const char *offered, size_t offered_len);

/* Counts the request against its sender's minute: 1 when that is over; then it is answered. */
int tb_http_is_limited(const struct tb_http *http, struct evhttp_request *request);
/* Memory that a handler needs for the request beyond its body, until it is answered: 0, or -EAGAIN:
 * not now. */
int tb_http_reserve(const struct evhttp_request *request, size_t n);

/* Does the value of a Host header name this host by a loopback address? */
int tb_http_is_local_host(const char *host);

#endif
