/* connections.h - how many strangers may be connected, how much and how long they may send, and
 * what happens to those who go beyond it.
 *
 * 1. A listener takes at most tb_connections_cap() connections at once; those who come then wait in
 *    the kernel's queue until one ends. TCP and the Unix socket are counted apart, and both
 *    together leave half of the descriptors for files.
 * 2. When the kernel has no descriptor to give all the same, the listener rests for a moment,
 *    instead of being asked in a circle.
 * 3. What is received and not yet answered is counted. When it is more than held_max, the request
 *    that holds the most for the longest is refused with 503: those who send little and fast go on.
 * 4. A request that is not complete after request_ms, or stands still for TB_CONNECTIONS_STALL_MS,
 *    gets 408. One that libevent refuses gets its status as JSON, never its HTML.
 * 5. A refusal is {"err":1,"message":..} and the end of the connection. What its client still sends
 *    is read and thrown away, within bounds, so that it can read the answer.
 * 6. What libevent has to say goes to whoever asked for it, one line a second at most. */
#ifndef TB_HTTP_CONNECTIONS_H
#define TB_HTTP_CONNECTIONS_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

enum { TB_CONNECTIONS_STALL_MS = 30000, TB_CONNECTIONS_HEAD_MAX = 64 << 10 };

struct tb_connections;

struct tb_connections_options {
    struct event_base *base;
    size_t request_max; /* bytes of one request */
    size_t held_max;    /* bytes of all requests */
    int request_ms;
    int idle_s;                             /* what evhttp_set_timeout was told */
    void (*refused)(void *arg, int status); /* hears of each refusal; NULL for nobody */
    void *arg;
};

/* For the whole process: raises the soft limit of descriptors to what is allowed and useful, and
 * takes libevent's log. May be called again. tell hears what an operator should know, in the
 * loop's thread; NULL for nobody. */
void tb_connections_prepare(void (*tell)(const char *text));
/* How many connections a listener may have, by the limit of descriptors as it is. */
int tb_connections_cap(void);

/* 0 or -ENOMEM. */
int tb_connections_new(const struct tb_connections_options *options, struct tb_connections **out);
/* Before the first evhttp_free: its listeners are not touched any more. NULL is nothing. */
void tb_connections_stop(struct tb_connections *all);
/* After the last evhttp_free. NULL is nothing. */
void tb_connections_free(struct tb_connections *all);
/* Guards a socket that server has begun to accept from; at most two. 0 or -ENOMEM. */
int tb_connections_guard(struct tb_connections *all, struct evhttp *server,
                         struct evhttp_bound_socket *socket, int is_tcp);
/* To be called for every request that evhttp hands out, first of all: 0, or the status that it has
 * to be refused with, and why. */
int tb_connections_asked(struct tb_connections *all, struct evhttp_request *request,
                         const char **why);
/* Did the request, which was asked, come over TCP? */
int tb_connections_is_tcp(const struct evhttp_request *request);

#endif
