/* http.h - the agent's HTTP server: one set of routes on loopback TCP and on the Unix socket.
 *
 * 1. All of it runs in the loop's thread; a handler never blocks: it answers at once, or later from
 * the done() of a job (jobs.h).
 * 2. A request over TCP whose Host names no loopback address is refused (DNS rebinding), and so is
 *    a POST with the Origin of another site.
 * 3. Every answer that is not a page is JSON; errors look like Rollbar's: {"err":1,"message":..}.
 * 4. Bodies are taken up to TB_HTTP_BODY_MAX; a longer one gets 413. All that are here at once, in
 *    handlers too, are at most TB_HTTP_HELD_MAX: then 503, never 413.
 * 5. connections.h says how many may be connected and how long a request may take; a connection
 *    that is idle goes after TB_HTTP_TIMEOUT_S. */
#ifndef TB_HTTP_HTTP_H
#define TB_HTTP_HTTP_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

enum {
    TB_HTTP_BODY_MAX = 8 << 20,
    TB_HTTP_HELD_MAX = 64 << 20,
    TB_HTTP_REQUEST_MS = 60000,
    TB_HTTP_TIMEOUT_S = 30
};

struct tb_http;

struct tb_http_route {
    const char *path; /* exact, without a slash at the end; that one is taken too */
    enum evhttp_cmd_type method;
    void (*run)(void *arg, struct evhttp_request *request);
};

struct tb_http_options {
    struct event_base *base;
    const struct tb_http_route *routes; /* borrowed, like arg */
    size_t n_routes;
    /* What no route names: 1 when it was answered, or will be; 0 for a 404. NULL for nothing. */
    int (*other)(void *arg, struct evhttp_request *request);
    /* A request was refused with that status before a route or other saw it. NULL for nobody. */
    void (*refused)(void *arg, int status);
    void *arg;
    int request_ms;                 /* for a whole request; 0: TB_HTTP_REQUEST_MS */
    size_t held_max;                /* 0: TB_HTTP_HELD_MAX */
    void (*warn)(const char *text); /* a sentence for the operator; NULL for nobody */
};

/* 0 or -ENOMEM. */
int tb_http_new(const struct tb_http_options *options, struct tb_http **out);
void tb_http_free(struct tb_http *http);
/* Serves a listening socket, one of each kind; consumes fd. is_tcp: the rules for strangers apply.
 * 0 or -ENOMEM. */
int tb_http_serve(struct tb_http *http, int fd, int is_tcp);

/* The answers. */
void tb_http_reply(struct evhttp_request *request, int status, const char *type, const char *text,
                   size_t len);
void tb_http_error(struct evhttp_request *request, int status, const char *message);

/* Did it come over TCP, and not over the Unix socket? */
int tb_http_is_tcp(const struct evhttp_request *request);

/* Does the value of a Host header name this host by a loopback address? */
int tb_http_is_local_host(const char *host);

#endif
