/* watch.c - what each connection does: see connections_impl.h for the states.
 *
 * libevent 2.1's evhttp says neither how much a connection has sent nor how long it takes, and it
 * answers what it cannot read with HTML of its own. So the buffers of its bufferevents are watched:
 * what is put into the input is counted, and a status line in the output that nobody of ours asked
 * for is libevent's own, and becomes a refusal.
 * The callbacks of buffers run inside of evhttp: they only note, and an event of ours acts. The
 * object of a connection is the argument of its bufferevent's callbacks. It has that only after
 * tb_watch_new, and may be gone again before the loop turns: hence the state NEW. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/connections_impl.h"

enum { STATUS_AT = 9, STATUS_LINE = 12, OK_FIRST = 200, BAD_REQUEST = 400 };

/* ---- life ---- */

void tb_watch_forget(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    tb_watch_release(c, 0);
    *(c->before != NULL ? &c->before->next : &all->first) = c->next;
    if (c->next != NULL)
        c->next->before = c->before;
    if (c->state == TB_CONNECTION_NEW)
        (void)bufferevent_decref(c->bev);
    if (c->late != NULL)
        event_free(c->late);
    if (c->rest != NULL)
        event_free(c->rest);
    if (c->fd >= 0)
        (void)evutil_closesocket(c->fd);
    tb_listener_left(c->listener);
    free(c);
}

void tb_watch_release(struct tb_connection *c, size_t still_held)
{
    c->listener->all->held -= c->held - still_held;
    c->held = still_held;
}

static void closed(struct evhttp_connection *evcon, void *arg)
{
    struct tb_connection *c = arg;
    (void)evcon;
    if (c->state == TB_CONNECTION_LINGERING)
        tb_watch_release(c, 0);
    else
        tb_watch_forget(c);
}

void tb_watch_news(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *all = arg;
    struct tb_connection *next;
    (void)fd;
    (void)events;
    for (struct tb_connection *c = all->first; c != NULL; c = next) {
        void *evcon = NULL;
        next = c->next;
        if (c->state != TB_CONNECTION_NEW)
            continue;
        bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
        if (evcon == NULL) { /* freed already, but for our reference */
            tb_watch_forget(c);
            continue;
        }
        c->evcon = evcon;
        c->state = TB_CONNECTION_IDLE;
        evhttp_connection_set_closecb(c->evcon, closed, c);
        (void)bufferevent_decref(c->bev);
    }
}

/* ---- a request ---- */

static struct timeval from_ms(int ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
}

/* Sets the deadline anew: the whole request has its time, and so has each pause. */
static void wait_for_more(struct tb_connection *c)
{
    uint64_t gone_ms = (tb_clock_mono_ns() - c->began_ns) / TB_NS_PER_MS;
    int request_ms = c->listener->all->options.request_ms;
    int left_ms = gone_ms >= (uint64_t)request_ms ? 0 : request_ms - (int)gone_ms;
    struct timeval wait =
        from_ms(left_ms < TB_CONNECTIONS_STALL_MS ? left_ms : TB_CONNECTIONS_STALL_MS);
    (void)event_add(c->late, &wait);
}

static void set_read_timeout(const struct tb_connection *c, int is_libevents)
{
    struct timeval idle = {.tv_sec = c->listener->all->options.idle_s};
    (void)bufferevent_set_timeouts(c->bev, is_libevents ? &idle : NULL, &idle);
}

static void begin(struct tb_connection *c)
{
    c->state = TB_CONNECTION_RECEIVING;
    c->began_ns = tb_clock_mono_ns();
    set_read_timeout(c, 0); /* libevent's would close without a word */
    wait_for_more(c);
}

void tb_watch_late(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connection *c = arg;
    (void)fd;
    (void)events;
    if (c->state == TB_CONNECTION_RECEIVING)
        tb_refuse(c, 408);
    else if (c->state == TB_CONNECTION_LINGERING)
        tb_refuse_late(c);
}

/* What a request costs: its bytes for as long as they are here. */
static double cost(const struct tb_connection *c, uint64_t now_ns)
{
    return (double)c->held * (double)(now_ns - c->began_ns + TB_NS_PER_MS);
}

static void refuse_later(struct tb_connection *c, int status)
{
    c->refusal = status;
    event_active(c->listener->all->refuse, EV_TIMEOUT, 0);
}

static void refuse_costliest(struct tb_connections *all)
{
    struct tb_connection *worst = NULL;
    uint64_t now_ns = tb_clock_mono_ns();
    size_t will_go = 0;
    for (struct tb_connection *c = all->first; c != NULL; c = c->next) {
        if (c->refusal != 0)
            will_go += c->held;
        else if (c->state == TB_CONNECTION_RECEIVING &&
                 (worst == NULL || cost(c, now_ns) > cost(worst, now_ns)))
            worst = c;
    }
    if (worst != NULL && all->held - will_go > all->options.held_max)
        refuse_later(worst, 503);
}

static void came(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct tb_connection *c = arg;
    struct tb_connections *all = c->listener->all;
    (void)input;
    if (info->n_added == 0 || c->state == TB_CONNECTION_NEW)
        return;
    c->held += info->n_added;
    all->held += info->n_added;
    if (c->state == TB_CONNECTION_IDLE)
        begin(c);
    else if (c->state == TB_CONNECTION_RECEIVING)
        wait_for_more(c);
    if (c->refusal == 0 && c->held > all->options.request_max)
        refuse_later(c, 413);
    if (all->held > all->options.held_max)
        refuse_costliest(all);
}

/* Is what was added a status line of libevent's making? 100 Continue is none. Looked at in place:
 * once something was written, the output refuses evbuffer_copyout_from (its start is frozen). */
static void said(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct tb_connection *c = arg;
    struct evbuffer_ptr from;
    struct evbuffer_iovec piece; /* libevent prints a line into one piece */
    char line[STATUS_LINE + 1] = "";
    if (info->n_added < STATUS_LINE || c->state == TB_CONNECTION_ANSWERING || c->refusal != 0 ||
        evbuffer_ptr_set(output, &from, info->orig_size, EVBUFFER_PTR_SET) < 0 ||
        evbuffer_peek(output, STATUS_LINE, &from, &piece, 1) < 1 || piece.iov_len < STATUS_LINE)
        return;
    memcpy(line, piece.iov_base, STATUS_LINE);
    if (strncmp(line, "HTTP/", 5) != 0)
        return;
    int status = (int)strtol(line + STATUS_AT, NULL, 10);
    if (status == BAD_REQUEST && c->held > TB_CONNECTIONS_HEAD_MAX)
        status = 431; /* a bad line is seen when it comes, so it is the size */
    if (status == 0 || status >= OK_FIRST)
        refuse_later(c, status > 0 ? status : BAD_REQUEST);
}

/* ---- an answer ---- */

/* The connection may take another request, which may be here already. */
static void answered(struct evhttp_request *request, void *arg)
{
    struct tb_connection *c = arg;
    (void)request;
    c->state = TB_CONNECTION_IDLE;
    tb_watch_release(c, evbuffer_get_length(bufferevent_get_input(c->bev)));
    if (c->held > 0)
        begin(c);
}

int tb_connections_asked(struct tb_connections *all, struct evhttp_request *request,
                         const char **why)
{
    const struct evhttp_connection *evcon = evhttp_request_get_connection(request);
    struct tb_connection *c = all->first;
    while (c != NULL && c->evcon != evcon)
        c = c->next;
    if (c == NULL)
        return 0;
    int status = c->refusal;
    c->refusal = 0;
    c->state = TB_CONNECTION_ANSWERING;
    (void)event_del(c->late);
    set_read_timeout(c, 1);
    evhttp_request_set_on_complete_cb(request, answered, c);
    *why = tb_refuse_why(status);
    return status;
}

int tb_connections_is_tcp(const struct evhttp_request *request)
{
    const struct tb_connection *c = request->on_complete_cb_arg;
    return c == NULL || c->listener->is_tcp;
}

/* ---- a new connection ---- */

static struct tb_connection *make(struct tb_listener *listener, struct bufferevent *bev)
{
    struct tb_connection *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct tb_connection){.listener = listener, .bev = bev, .fd = -1};
    c->late = evtimer_new(listener->all->options.base, tb_watch_late, c);
    if (c->late == NULL || evbuffer_add_cb(bufferevent_get_input(bev), came, c) == NULL ||
        evbuffer_add_cb(bufferevent_get_output(bev), said, c) == NULL) {
        if (c->late != NULL)
            event_free(c->late);
        free(c);
        return NULL;
    }
    return c;
}

struct bufferevent *tb_watch_new(struct event_base *base, void *arg)
{
    struct tb_listener *listener = arg;
    struct tb_connections *all = listener->all;
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0); /* evhttp closes the socket */
    struct tb_connection *c = bev != NULL ? make(listener, bev) : NULL;
    if (c == NULL)
        abort(); /* evhttp would make one that nobody watches; the spool survives a restart */
    bufferevent_incref(bev);
    c->next = all->first;
    if (c->next != NULL)
        c->next->before = c;
    all->first = c;
    tb_listener_came(listener);
    event_active(all->news, EV_TIMEOUT, 0);
    return bev;
}
