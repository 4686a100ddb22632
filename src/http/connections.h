/* connections.h - how many strangers may be connected at once, and what happens to the others.
 *
 * 1. A listener takes at most tb_connections_cap() connections at once: then it rests, and looks
 *    again every RECHECK_MS. Those who wait stand in the kernel's queue.
 * 2. TCP and the Unix socket are counted apart, and both together leave half of the descriptors
 *    for files: whoever holds all of one side stops neither the other side nor the pipeline.
 * 3. When the kernel has no descriptor to give all the same, the listener rests as long, instead of
 *    being asked in a circle.
 * 4. What libevent has to say goes to whoever asked for it, one line a second at most. */
#ifndef TB_HTTP_CONNECTIONS_H
#define TB_HTTP_CONNECTIONS_H

#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>

/* One listener. Zeroed it is none. */
struct tb_connections {
    struct event_base *base; /* borrowed, like the listener */
    struct evconnlistener *listener;
    struct event *again; /* ours */
    int family;          /* AF_UNIX, AF_INET, AF_INET6 */
    int cap;
    int n_at_most; /* connections since the last count, and those counted then */
};

/* For the whole process: raises the soft limit of descriptors to what is allowed and useful, and
 * takes libevent's log. May be called again. tell hears what an operator should know, in the
 * loop's thread; NULL for nobody. */
void tb_connections_prepare(void (*tell)(const char *text));
/* How many connections a listener may have, by the limit of descriptors as it is. */
int tb_connections_cap(void);
/* Guards a socket that server has begun to accept from; one for each evhttp. 0 or -ENOMEM. */
int tb_connections_guard(struct tb_connections *connections, struct event_base *base,
                         struct evhttp *server, struct evhttp_bound_socket *socket);
/* After the evhttp is gone. */
void tb_connections_done(struct tb_connections *connections);

#endif
