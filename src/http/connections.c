/* connections.c - see connections.h.
 Here: the process, its listeners, and their caps. */

#include <event2/http.h>
#include <event2/http_struct.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "http/connections_impl.h"

enum {
    DESCRIPTORS_MAX = 65536, /* more are not needed, and every walk would pay for them */
    CAP_MAX = 10000,         /* of one listener; an idle one costs 4 KiB */
    CAP_TLS = 1000,          /* of one with TLS, where it costs 50 */
    CAP_SHARE = 4,           /* so much of the descriptors: half of them for both listeners */
    REST_MS = 100,
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

/* ---- the listeners ---- */

void tb_listener_full(struct tb_listener *listener)
{
    static const struct timeval moment = {.tv_usec = REST_MS * 1000L};
    if (listener->listener == NULL)
        return;
    (void)evconnlistener_disable(listener->listener);
    (void)event_add(listener->all->crowded, &moment);
}

static void look_again(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *all = arg;
    (void)fd;
    (void)events;
    for (int i = 0; i < all->n_listeners; i++)
        tb_room_keep(&all->listeners[i]);
}

void tb_listener_left(struct tb_listener *listener)
{
    if (--listener->n <= listener->cap && listener->listener != NULL)
        (void)evconnlistener_enable(listener->listener);
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
    static const struct timeval moment = {.tv_usec = REST_MS * 1000L};
    char text[WHY_BYTES];
    (void)arg;
    (void)snprintf(text, sizeof(text), "cannot accept a connection: %s",
                   strerror(EVUTIL_SOCKET_ERROR()));
    say_of_libevent(EVENT_LOG_WARN, text);
    (void)evconnlistener_disable(listener);
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT, enable, listener,
                        &moment) < 0)
        (void)evconnlistener_enable(listener);
}

int tb_connections_guard(struct tb_connections *all, struct evhttp *server,
                         struct evhttp_bound_socket *socket, const struct tb_listener_kind *kind)
{
    if (all->n_listeners == TB_LISTENERS)
        return -ENOMEM;
    struct tb_listener *listener = &all->listeners[all->n_listeners++];
    int cap = tb_connections_cap();
    *listener = (struct tb_listener){.all = all,
                                     .listener = evhttp_bound_socket_get_listener(socket),
                                     .kind = *kind,
                                     .cap = kind->tls != NULL && cap > CAP_TLS ? CAP_TLS : cap};
    for (int i = 0; i < TB_CONNECTION_STATES; i++)
        TAILQ_INIT(&listener->in[i]);
    evhttp_set_bevcb(server, tb_watch_new, listener);
    evconnlistener_set_error_cb(listener->listener, rest);
    return 0;
}

/* ---- life ---- */

int tb_connections_new(const struct tb_connections_options *options, struct tb_connections **out)
{
    struct tb_connections *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    all->options = *options;
    TAILQ_INIT(&all->refused);
    all->news = event_new(options->base, -1, 0, tb_watch_news, all);
    all->refuse = event_new(options->base, -1, 0, tb_refuse_all, all);
    all->crowded = evtimer_new(options->base, look_again, all);
    all->unread_much = event_new(options->base, -1, 0, tb_unread_all, all);
    if (all->news == NULL || all->refuse == NULL || all->crowded == NULL ||
        all->unread_much == NULL) {
        tb_connections_free(all);
        return -ENOMEM;
    }
    *out = all;
    return 0;
}

void tb_connections_stop(struct tb_connections *all)
{
    for (int i = 0; all != NULL && i < all->n_listeners; i++)
        all->listeners[i].listener = NULL;
}

void tb_connections_free(struct tb_connections *all)
{
    if (all == NULL)
        return;
    for (int i = 0; i < all->n_listeners; i++)
        for (int state = 0; state < TB_CONNECTION_STATES; state++)
            while (!TAILQ_EMPTY(&all->listeners[i].in[state]))
                tb_watch_forget(TAILQ_FIRST(&all->listeners[i].in[state]));
    free(all->by_fd);
    if (all->news != NULL)
        event_free(all->news);
    if (all->refuse != NULL)
        event_free(all->refuse);
    if (all->crowded != NULL)
        event_free(all->crowded);
    if (all->unread_much != NULL)
        event_free(all->unread_much);
    free(all);
}

/* ---- a request ---- */

/* tb_connections_asked made it the argument of the request's end. */
static struct tb_connection *of(const struct evhttp_request *request)
{
    return request->evcon != NULL ? request->on_complete_cb_arg : NULL;
}

const struct tb_listener_kind *tb_connections_kind(const struct evhttp_request *request)
{
    const struct tb_connection *c = of(request);
    return c != NULL ? &c->listener->kind : NULL;
}

struct tb_sender *tb_connections_sender(const struct evhttp_request *request)
{
    const struct tb_connection *c = of(request);
    return c != NULL ? tb_senders_find(&c->listener->all->senders, &c->peer, tb_clock_mono_ns())
                     : NULL;
}

int tb_connections_reserve(const struct evhttp_request *request, size_t n)
{
    struct tb_connection *c = of(request);
    return c != NULL ? tb_budget_reserve(c, n) : -EAGAIN;
}
