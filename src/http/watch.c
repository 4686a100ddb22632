/* watch.c - what each connection does: see connections_impl.h for the states.
 *
 * libevent 2.1's evhttp says neither how much a connection has sent nor how long it takes, it reads
 * what no two receivers read alike, and it answers what it cannot read with HTML of its own. So the
 * buffers of its bufferevents are watched: what is put into the input is shown to framing.h before
 * evhttp is told of it, and a status line in the output that nobody of ours asked for is libevent's
 * own, and becomes a refusal.
 * The callbacks of buffers run inside of evhttp: they only note, and an event of ours acts. The
 * object of a connection is the argument of its bufferevent's callbacks. It has that only after
 * tb_watch_new, and may be gone again before the loop turns: hence the state NEW. */
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/connections_impl.h"
#include "http/tls.h"

static void came(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg);
static void said(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg);

enum {
    STATUS_AT = 9,
    STATUS_LINE = 12,
    OK_FIRST = 200,
    BAD_REQUEST = 400,
    TLS_MS = 15000 /* for the handshake and the first byte */
};

/* ---- life ---- */

void tb_watch_enter(struct tb_connection *c, int state)
{
    TAILQ_REMOVE(&c->listener->in[c->state], c, in_state);
    c->state = state;
    TAILQ_INSERT_TAIL(&c->listener->in[state], c, in_state);
    struct tb_connections *all = c->listener->all;
    if (state == TB_CONNECTION_LINGERING && c->fd >= 0)
        all->by_fd[c->fd] = NULL;
}

/* Its buffers live on for as long as libevent is at work with them, and change. */
static void look_away(struct tb_connection *c)
{
    (void)evbuffer_remove_cb(bufferevent_get_input(c->bev), came, c);
    (void)evbuffer_remove_cb(bufferevent_get_output(c->bev), said, c);
    tb_unread_forget(c);
}

void tb_watch_forget(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    tb_budget_release(c, 0);
    TAILQ_REMOVE(&c->listener->in[c->state], c, in_state);
    if (c->refusal != 0)
        TAILQ_REMOVE(&all->refused, c, in_refused);
    if (c->state == TB_CONNECTION_NEW) {
        look_away(c);
        (void)bufferevent_decref(c->bev);
    }
    if (c->late != NULL)
        event_free(c->late);
    if (c->rest != NULL) /* before its descriptor is closed, and perhaps another thread's */
        event_free(c->rest);
    if (c->state == TB_CONNECTION_LINGERING && c->fd >= 0)
        (void)evutil_closesocket(c->fd);
    else if (c->fd >= 0)
        all->by_fd[c->fd] = NULL;
    tb_lane_done(c);
    tb_listener_left(c->listener);
    free(c);
}

static void closed(struct evhttp_connection *evcon, void *arg)
{
    struct tb_connection *c = arg;
    (void)evcon;
    look_away(c);
    if (c->state == TB_CONNECTION_LINGERING)
        tb_budget_release(c, 0);
    else
        tb_watch_forget(c);
}

static void remember_fd(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    int fd = bufferevent_getfd(c->bev);
    if (fd >= all->n_by_fd) {
        int n = all->n_by_fd > 0 ? all->n_by_fd : 64;
        while (n <= fd)
            n *= 2;
        struct tb_connection **larger = realloc(all->by_fd, (size_t)n * sizeof(*larger));
        if (larger == NULL)
            abort(); /* the spool survives a restart */
        memset(larger + all->n_by_fd, 0, (size_t)(n - all->n_by_fd) * sizeof(*larger));
        all->by_fd = larger;
        all->n_by_fd = n;
    }
    all->by_fd[fd] = c;
    c->fd = fd;
}

/* Once evhttp has made its own object, which it has when evcon is not NULL. */
static void adopt(struct tb_connection *c, struct evhttp_connection *evcon)
{
    static const struct timeval patience = {.tv_sec = TLS_MS / 1000};
    c->evcon = evcon;
    tb_watch_enter(c, TB_CONNECTION_IDLE);
    c->began_ns = tb_clock_mono_ns();
    evhttp_connection_set_closecb(c->evcon, closed, c);
    (void)bufferevent_decref(c->bev);
    remember_fd(c);
    c->peer = tb_peer_of(c->fd, !c->listener->kind.is_tcp);
    if (c->listener->kind.tls != NULL)
        (void)event_add(c->late, &patience);
}

static struct evhttp_connection *evcon_of(const struct tb_connection *c)
{
    void *evcon = NULL;
    bufferevent_getcb(c->bev, NULL, NULL, NULL, &evcon);
    return evcon;
}

void tb_watch_news(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *all = arg;
    (void)fd;
    (void)events;
    for (int i = 0; i < all->n_listeners; i++) {
        struct tb_connection *c = TAILQ_FIRST(&all->listeners[i].in[TB_CONNECTION_NEW]);
        while (c != NULL) {
            struct tb_connection *next = TAILQ_NEXT(c, in_state);
            struct evhttp_connection *evcon = evcon_of(c);
            if (evcon != NULL)
                adopt(c, evcon);
            else /* freed already, but for our reference */
                tb_watch_forget(c);
            c = next;
        }
        tb_room_keep(&all->listeners[i]);
    }
}

/* ---- the time of a request ---- */

static struct timeval from_ms(int ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
}

static void set_read_timeout(const struct tb_connection *c, int is_libevents)
{
    struct timeval idle = {.tv_sec = c->listener->all->options.idle_s};
    (void)bufferevent_set_timeouts(c->bev, is_libevents ? &idle : NULL, &idle);
}

/* Sets the deadline anew: the whole request has its time, and so has each pause. */
static void wait_for_more(struct tb_connection *c)
{
    uint64_t gone_ms = (tb_clock_mono_ns() - c->began_ns) / TB_NS_PER_MS;
    int request_ms = c->listener->all->options.request_ms;
    int left_ms = gone_ms >= (uint64_t)request_ms ? 0 : request_ms - (int)gone_ms;
    struct timeval wait =
        from_ms(left_ms < TB_CONNECTIONS_STALL_MS ? left_ms : TB_CONNECTIONS_STALL_MS);
    if (!c->is_timed)
        set_read_timeout(c, 0); /* libevent's would close without a word */
    c->is_timed = 1;
    (void)event_add(c->late, &wait);
}

static void stop_waiting(struct tb_connection *c)
{
    if (!c->is_timed)
        return;
    c->is_timed = 0;
    (void)event_del(c->late);
    set_read_timeout(c, 1);
}

void tb_watch_late(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connection *c = arg;
    (void)fd;
    (void)events;
    if (c->state == TB_CONNECTION_RECEIVING)
        tb_refuse(c, 408,
                  "the request was not complete in time: send it within 60 s, without a pause of "
                  "30 s");
    else if (c->state == TB_CONNECTION_LINGERING)
        tb_refuse_late(c);
    else if (c->state == TB_CONNECTION_IDLE)
        evhttp_connection_free(c->evcon);
}

/* ---- what comes ---- */

/* Shows framing the next bytes that it has not seen, as far as they lie in one piece. */
static enum tb_framing_event show(struct tb_connection *c, struct evbuffer *input)
{
    enum tb_framing_event event = TB_FRAMING_MORE;
    struct evbuffer_ptr from;
    struct evbuffer_iovec piece;
    uint64_t blind = tb_framing_blind(&c->framing);
    if (blind > 0) { /* a body costs no look */
        size_t n = blind < c->unseen ? (size_t)blind : c->unseen;
        tb_framing_skip(&c->framing, n);
        c->unseen -= n;
    } else if (c->unseen > 0) {
        size_t at = evbuffer_get_length(input) - c->unseen;
        if (evbuffer_ptr_set(input, &from, at, EVBUFFER_PTR_SET) < 0 ||
            evbuffer_peek(input, (ev_ssize_t)c->unseen, &from, &piece, 1) < 1)
            abort(); /* it has so many bytes */
        size_t n = piece.iov_len < c->unseen ? piece.iov_len : c->unseen;
        c->unseen -= tb_framing_feed(&c->framing, piece.iov_base, n, &event);
    }
    if (event == TB_FRAMING_MORE)
        (void)tb_framing_feed(&c->framing, "", 0, &event);
    return event;
}

/* To the end of the request that is here, or of what is here. */
static void look(struct tb_connection *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    enum tb_framing_event event;
    do {
        if (c->is_whole || c->refusal != 0)
            return;
        event = show(c, input);
        if (event == TB_FRAMING_END)
            c->is_whole = 1;
        else if (event == TB_FRAMING_HEAD)
            tb_budget_declared(c);
        else if (event == TB_FRAMING_BAD)
            tb_refuse_later(c, c->framing.status, c->framing.why);
    } while (c->unseen > 0 || event == TB_FRAMING_HEAD);
}

/* Bytes are here of which nothing is answered. */
static void receive(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    if (c->state == TB_CONNECTION_IDLE) {
        if (c->listener->kind.tls != NULL)
            (void)event_del(c->late);
        tb_watch_enter(c, TB_CONNECTION_RECEIVING);
        c->began_ns = tb_clock_mono_ns();
    }
    if (c->state == TB_CONNECTION_RECEIVING)
        look(c);
    if (c->refusal == 0)
        tb_budget_grown(c);
    if (c->refusal == 0 && c->held > all->options.request_max)
        tb_refuse_later(c, 413, "the body is larger than 8 MiB: send less at once");
    if (c->state == TB_CONNECTION_RECEIVING && c->refusal == 0 && !c->is_whole)
        wait_for_more(c);
}

static void came(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct tb_connection *c = arg;
    if (info->n_added == 0)
        return;
    if (c->refusal != 0) { /* evhttp sees no more of it */
        (void)evbuffer_drain(input, SIZE_MAX);
        return;
    }
    c->held += info->n_added;
    c->unseen += info->n_added;
    if (c->state == TB_CONNECTION_NEW)
        adopt(c, evcon_of(c)); /* evhttp has it: it has told it to read */
    receive(c);
    if (c->state != TB_CONNECTION_RECEIVING || c->refusal != 0)
        return;
    if (!c->is_whole) {
        tb_lane_hold(c);
        return;
    }
    tb_lane_let_go(c);
    if (tb_lane_take(c))
        stop_waiting(c);
}

/* Is what was added a status line of libevent's making? 100 Continue is none. Looked at in place:
 * once something was written, the output refuses evbuffer_copyout_from (its start is frozen). */
static void said(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct tb_connection *c = arg;
    struct evbuffer_ptr from;
    struct evbuffer_iovec piece; /* libevent prints a line into one piece */
    char line[STATUS_LINE + 1] = "";
    tb_unread_changed(c, info->n_added, info->n_deleted);
    if (info->n_added < STATUS_LINE || c->state == TB_CONNECTION_ANSWERING || c->refusal != 0 ||
        evbuffer_ptr_set(output, &from, info->orig_size, EVBUFFER_PTR_SET) < 0 ||
        evbuffer_peek(output, STATUS_LINE, &from, &piece, 1) < 1 || piece.iov_len < STATUS_LINE)
        return;
    memcpy(line, piece.iov_base, STATUS_LINE);
    if (strncmp(line, "HTTP/", 5) != 0)
        return;
    int status = (int)strtol(line + STATUS_AT, NULL, 10);
    if (status == 0 || status >= OK_FIRST)
        tb_refuse_later(c, status > 0 ? status : BAD_REQUEST, NULL);
}

/* ---- an answer ---- */

void tb_watch_answered(struct tb_connection *c)
{
    tb_watch_enter(c, TB_CONNECTION_IDLE);
    c->began_ns = tb_clock_mono_ns();
    tb_framing_next(&c->framing);
    c->is_whole = 0;
    c->is_answered = 0;
    tb_budget_release(c, c->unseen);
    if (c->refusal != 0)
        event_active(c->listener->all->refuse, EV_TIMEOUT, 0);
    else if (c->unseen > 0)
        receive(c);
}

static void answered(struct evhttp_request *request, void *arg)
{
    (void)request;
    tb_watch_answered(arg);
}

int tb_connections_asked(struct tb_connections *all, struct evhttp_request *request,
                         const char **why)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(request);
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(evcon));
    struct tb_connection *c = fd >= 0 && fd < all->n_by_fd ? all->by_fd[fd] : NULL;
    size_t body_len = evbuffer_get_length(evhttp_request_get_input_buffer(request));
    *why = "the request is no HTTP/1.1: it does not end where it says";
    if (c == NULL)
        return BAD_REQUEST; /* nobody watches it */
    int status = c->refusal;
    if (status != 0)
        *why = c->why;
    else if (!c->is_whole || c->framing.body_len != body_len)
        status = BAD_REQUEST; /* two readers differ, which framing.h is there to prevent */
    stop_waiting(c);
    tb_watch_enter(c, TB_CONNECTION_ANSWERING);
    evhttp_request_set_on_complete_cb(request, answered, c);
    return status;
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
    struct bufferevent *bev = listener->kind.tls != NULL
                                  ? tb_tls_bufferevent(listener->kind.tls, base)
                                  : bufferevent_socket_new(base, -1, 0);
    /* evhttp closes the socket */
    struct tb_connection *c = bev != NULL ? make(listener, bev) : NULL;
    if (c == NULL)
        abort(); /* evhttp would make one that nobody watches; the spool survives a restart */
    bufferevent_incref(bev);
    TAILQ_INSERT_TAIL(&listener->in[TB_CONNECTION_NEW], c, in_state);
    if (++listener->n > listener->cap) /* or all who wait would be taken before somebody goes */
        (void)evconnlistener_disable(listener->listener);
    event_active(all->news, EV_TIMEOUT, 0);
    return bev;
}
