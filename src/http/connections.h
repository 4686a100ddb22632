/* connections.h - how many strangers may be connected, how much and how long they may send, and
 * what happens to those who go beyond it.
 *
 * 1. A listener takes at most tb_connections_cap() connections at once. For one more the one that
 *    has been idle for the longest is closed, unless it came TB_CONNECTIONS_IDLE_MS ago; else the
 *    one that has been sending a small request for the longest, and for TB_CONNECTIONS_SLOW_MS at
 *    least, gets 408; else the one that has not read its answer for so long is closed; else those
 *    who come wait in the kernel's queue until one ends. TCP and the Unix socket are counted apart,
 *    and both together leave half of the descriptors for files.
 * 2. When the kernel has no descriptor to give all the same, the listener rests for a moment,
 *    instead of being asked in a circle.
 * 3. Each byte is shown to framing.h before libevent reads it: what that refuses, libevent never
 *    sees, and of what it takes both know the same end.
 * 4. Bodies over TB_CONNECTIONS_SMALL get their memory by the length that the head declares, chunks
 *    as they grow, out of seven eighths of held_max: who gets it is never ended for others, who
 *    does not is refused with 503 at once. No sender (senders.h) has more than six of these
 *    eighths, unless it is a single body. Small ones have the last eighth: when that is full, the
 *    one that has held the most of it for the longest is refused.
 * 5. A request that is not complete after request_ms, or stands still for TB_CONNECTIONS_STALL_MS,
 *    gets 408. One that libevent refuses gets its status as JSON, never its HTML.
 * 6. A refusal is {"err":1,"message":..} and the end of the connection. What its client still sends
 *    is read and thrown away, within bounds, so that it can read the answer.
 * 7. What libevent has to say goes to whoever asked for it, one line a second at most.
 * 8. Answers that their clients do not read take TB_CONNECTIONS_UNREAD at most: beyond that the
 *    connections whose answers have waited for the longest are closed.
 * 9. A request in the clear that comes alone, in one piece or as head and body, and whose head has
 *    nothing unusual (quick.h), is offered to quick before evhttp sees it, under the same rules of
 *    this file; what quick does not answer evhttp gets. */
#ifndef TB_HTTP_CONNECTIONS_H
#define TB_HTTP_CONNECTIONS_H

#include <event2/event.h>
#include <event2/http.h>
#include <stddef.h>

#include "http/quick.h"
#include "http/senders.h"

enum {
    TB_CONNECTIONS_STALL_MS = 30000,
    TB_CONNECTIONS_IDLE_MS = 50,
    TB_CONNECTIONS_SLOW_MS = 2000,
    TB_CONNECTIONS_SMALL = 64 << 10,
    TB_CONNECTIONS_UNREAD = 64 << 20
};

struct tb_connections;
struct tb_listener_kind;
struct tb_tls;

struct tb_connections_options {
    struct event_base *base;
    size_t request_max; /* bytes of one request */
    size_t held_max;    /* bytes of all requests */
    int request_ms;
    int idle_s;                             /* what evhttp_set_timeout was told */
    void (*refused)(void *arg, int status); /* hears of each refusal; NULL for nobody */
    void *arg;
    /* Puts the whole answer, with its head, into out and returns its length; or 0, having done
     * nothing: evhttp shall have the request. NULL for none. */
    size_t (*quick)(void *arg, const struct tb_listener_kind *kind, struct tb_sender *sender,
                    const struct tb_quick *request, char *out, size_t cap);
    void *quick_arg;
};

struct tb_listener_kind {
    int is_tcp, is_foreign; /* foreign: other hosts may connect */
    struct tb_tls *tls;     /* NULL: in the clear. Borrowed */
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
                         struct evhttp_bound_socket *socket, const struct tb_listener_kind *kind);
/* To be called for every request that evhttp hands out, first of all: 0, or the status that it has
 * to be refused with, and why. */
int tb_connections_asked(struct tb_connections *all, struct evhttp_request *request,
                         const char **why);

/* Of a request that was asked and is not answered yet. NULL: its client is gone. */
const struct tb_listener_kind *tb_connections_kind(const struct evhttp_request *request);
struct tb_sender *tb_connections_sender(const struct evhttp_request *request);
/* Memory that the request needs beyond its body, until it is answered: 0 or -EAGAIN. */
int tb_connections_reserve(const struct evhttp_request *request, size_t n);

#endif
