/* connections.c - see connections.h.
 *
 * evhttp tells nobody when a connection ends that never sent a request, and those are the ones to
 * count. So new ones are counted as they come, and when that makes the cap, the loop's events are
 * walked to see how many are still there. */
#include "http/connections.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/clock.h"

enum {
    DESCRIPTORS_MAX = 65536, /* more are not needed, and every walk would pay for them */
    CAP_MAX = 1000,          /* of one listener */
    CAP_SHARE = 4,           /* so much of the descriptors: half of them for both listeners */
    RECHECK_MS = 100,
    WHY_BYTES = 128,
    LINE_BYTES = 512
};

/* ---- the process ---- */

static void (*warn)(const char *text);

/* Called in the loop's thread only. */
static void say_of_libevent(int severity, const char *text)
{
    static uint64_t last_ns;
    static unsigned n_unsaid;
    char line[LINE_BYTES];
    uint64_t now = tb_clock_mono_ns();
    if (severity < EVENT_LOG_WARN || warn == NULL)
        return;
    if (last_ns > 0 && now - last_ns < TB_NS_PER_S) {
        n_unsaid++;
        return;
    }
    (void)snprintf(line, sizeof(line), "libevent: %s (%u more unsaid)", text, n_unsaid);
    warn(line);
    last_ns = now;
    n_unsaid = 0;
}

void tb_connections_prepare(void (*tell)(const char *text))
{
    struct rlimit limit;
    char line[LINE_BYTES];
    warn = tell;
    event_set_log_callback(say_of_libevent);
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t wanted = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || warn == NULL)
        return;
    (void)snprintf(line, sizeof(line), "cannot raise the limit of open files: %s", strerror(errno));
    warn(line);
}

int tb_connections_cap(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= (rlim_t)CAP_MAX * CAP_SHARE)
        return CAP_MAX;
    int cap = (int)limit.rlim_cur / CAP_SHARE;
    return cap > 0 ? cap : 1;
}

/* ---- one listener ---- */

struct walk {
    const struct tb_connections *connections;
    int n;
    unsigned char seen[DESCRIPTORS_MAX / 8]; /* one that is read and written has two events */
};

static int family_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t len = sizeof(at);
    return getsockname(fd, (struct sockaddr *)&at, &len) < 0 ? -1 : at.ss_family;
}

static int count_event(const struct event_base *base, const struct event *event, void *arg)
{
    struct walk *walk = arg;
    int fd = event_get_fd(event);
    (void)base;
    if (fd < 0 || fd >= DESCRIPTORS_MAX || (event_get_events(event) & EV_SIGNAL) != 0 ||
        fd == evconnlistener_get_fd(walk->connections->listener))
        return 0;
    unsigned char bit = (unsigned char)(1U << (fd % 8));
    if ((walk->seen[fd / 8] & bit) != 0)
        return 0;
    walk->seen[fd / 8] |= bit;
    walk->n += family_of(fd) == walk->connections->family;
    return 0;
}

static int count_open(const struct tb_connections *connections)
{
    struct walk walk = {.connections = connections};
    (void)event_base_foreach_event(connections->base, count_event, &walk);
    return walk.n;
}

static const struct timeval recheck = {.tv_usec = RECHECK_MS * 1000L};

static void look_again(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *connections = arg;
    (void)fd;
    (void)events;
    connections->n_at_most = count_open(connections);
    if (connections->n_at_most < connections->cap)
        (void)evconnlistener_enable(connections->listener);
    else
        (void)event_add(connections->again, &recheck);
}

/* evhttp asks for one when it has accepted a connection, which no event shows yet. */
static struct bufferevent *count_new(struct event_base *base, void *arg)
{
    struct tb_connections *connections = arg;
    if (++connections->n_at_most >= connections->cap)
        connections->n_at_most = count_open(connections) + 1;
    if (connections->n_at_most >= connections->cap) {
        (void)evconnlistener_disable(connections->listener);
        (void)event_add(connections->again, &recheck);
    }
    return bufferevent_socket_new(base, -1, 0); /* evhttp closes the descriptor */
}

static void enable(evutil_socket_t fd, short events, void *arg)
{
    (void)fd;
    (void)events;
    (void)evconnlistener_enable(arg); /* over the cap the next connection disables it again */
}

/* arg is evhttp's. A failed accept is no fault of the listener, except when all is used up. */
static void rest(struct evconnlistener *listener, void *arg)
{
    char text[WHY_BYTES];
    (void)arg;
    (void)snprintf(text, sizeof(text), "cannot accept a connection: %s",
                   strerror(EVUTIL_SOCKET_ERROR()));
    say_of_libevent(EVENT_LOG_WARN, text);
    (void)evconnlistener_disable(listener);
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, enable, listener,
                        &recheck) < 0)
        (void)evconnlistener_enable(listener);
}

int tb_connections_guard(struct tb_connections *connections, struct event_base *base,
                         struct evhttp *server, struct evhttp_bound_socket *socket)
{
    connections->base = base;
    connections->listener = evhttp_bound_socket_get_listener(socket);
    connections->family = family_of(evhttp_bound_socket_get_fd(socket));
    connections->cap = tb_connections_cap();
    connections->again = evtimer_new(base, look_again, connections);
    if (connections->again == NULL)
        return -ENOMEM;
    evhttp_set_bevcb(server, count_new, connections);
    evconnlistener_set_error_cb(connections->listener, rest);
    return 0;
}

void tb_connections_done(struct tb_connections *connections)
{
    if (connections->again != NULL)
        event_free(connections->again);
    connections->again = NULL;
}
