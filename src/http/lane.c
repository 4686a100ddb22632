/* lane.c - plain requests that lie in the input whole and alone are answered here, before evhttp
 * sees a byte of them: see connections.h 8.
 *
 * Reading, answering and remembering a request costs evhttp more than checking and spooling the
 * item in it, most of all since it asks the kernel when the answer may be written. Here the answer
 * is written at once. When the kernel does not take all of it, the rest is owed: nothing is read
 * until it is written.
 *
 * What evhttp gets is as if nothing had come: it waits for the first line of a request. Many
 * clients send head and body apart: when the head has come whole, and is plain, evhttp is called no
 * more until the body has. */
#include <errno.h>
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "http/connections_impl.h"
#include "http/quick.h"

enum { ANSWER_BYTES = 1024, HOLD_BYTES = 64 << 10 };

/* ---- the answer ---- */

/* Evhttp finds the connection at its end, as if its client had closed it. */
static void give_up(const struct tb_connection *c)
{
    (void)shutdown(c->fd, SHUT_RDWR);
}

/* How many bytes went out, or -1 for an error. */
static ssize_t push(int fd, const char *data, size_t n)
{
    ssize_t sent = send(fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return sent;
}

static int wait_to_write(const struct tb_connection *c)
{
    struct timeval patience = {.tv_sec = c->listener->all->options.idle_s};
    return event_add(c->owing, &patience);
}

static void pay(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connection *c = arg;
    ssize_t sent = (events & EV_WRITE) != 0 ? push(fd, c->owed, c->n_owed) : -1;
    if (sent >= 0) {
        c->n_owed -= (size_t)sent;
        memmove(c->owed, c->owed + sent, c->n_owed);
    }
    if (sent < 0 || (c->n_owed > 0 && wait_to_write(c) < 0)) {
        evhttp_connection_free(c->evcon);
        return;
    }
    if (c->n_owed > 0)
        return;
    tb_lane_done(c);
    (void)bufferevent_enable(c->bev, EV_READ);
    tb_watch_answered(c);
}

/* 0, or -1: it cannot be remembered. */
static int owe(struct tb_connection *c, const char *rest, size_t n)
{
    c->owed = malloc(n);
    c->owing = event_new(c->listener->all->options.base, c->fd, EV_WRITE, pay, c);
    if (c->owed == NULL || c->owing == NULL || wait_to_write(c) < 0)
        return -1;
    memcpy(c->owed, rest, n);
    c->n_owed = n;
    (void)bufferevent_disable(c->bev, EV_READ);
    return 0;
}

static void answer(struct tb_connection *c, const char *text, size_t len)
{
    tb_watch_enter(c, TB_CONNECTION_ANSWERING);
    ssize_t sent = push(c->fd, text, len);
    if (sent == (ssize_t)len)
        tb_watch_answered(c);
    else if (sent < 0 || owe(c, text + sent, len - (size_t)sent) != 0)
        give_up(c);
}

void tb_lane_done(struct tb_connection *c)
{
    if (c->owing != NULL)
        event_free(c->owing);
    free(c->owed);
    c->owing = NULL;
    c->owed = NULL;
    c->n_owed = 0;
}

/* ---- the request ---- */

/* The bytes of the request, when they are all that lies in the input, or NULL: evhttp has read the
 * first lines already, or there is more behind. */
static const char *whole(const struct tb_connection *c, struct evbuffer *input, size_t *len)
{
    const struct tb_framing *f = &c->framing;
    if (f->is_chunked || f->minor != 1 || f->length == 0)
        return NULL;
    *len = f->head_len + (size_t)f->length;
    return evbuffer_get_length(input) == *len
               ? (const char *)evbuffer_pullup(input, (ev_ssize_t)*len)
               : NULL;
}

static int has_lane(const struct tb_connection *c)
{
    return c->listener->all->options.quick != NULL && c->listener->kind.tls == NULL;
}

void tb_lane_hold(struct tb_connection *c)
{
    const struct tb_framing *f = &c->framing;
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct tb_quick request;
    if (c->is_held || !has_lane(c) || f->is_chunked || f->minor != 1 || tb_framing_blind(f) == 0 ||
        f->length > HOLD_BYTES || evbuffer_get_length(input) != f->head_len + f->body_len)
        return;
    const char *head = (const char *)evbuffer_pullup(input, (ev_ssize_t)f->head_len);
    if (head == NULL || tb_quick_read(head, f->head_len, f->head_len, &request) != 0)
        return;
    c->is_held = 1;
    bufferevent_setwatermark(c->bev, EV_READ, f->head_len + (size_t)f->length, 0);
}

void tb_lane_let_go(struct tb_connection *c)
{
    if (c->is_held)
        bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
    c->is_held = 0;
}

int tb_lane_take(struct tb_connection *c)
{
    struct tb_connections *all = c->listener->all;
    struct evbuffer *input = bufferevent_get_input(c->bev);
    struct tb_quick request;
    char text[ANSWER_BYTES];
    size_t len = 0;
    if (!has_lane(c) || evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
        return 0;
    const char *data = whole(c, input, &len);
    if (data == NULL || tb_quick_read(data, c->framing.head_len, len, &request) != 0)
        return 0;
    size_t n = all->options.quick(all->options.quick_arg, &c->listener->kind,
                                  tb_senders_find(&all->senders, &c->peer, tb_clock_mono_ns()),
                                  &request, text, sizeof(text));
    if (n == 0)
        return 0;
    (void)evbuffer_drain(input, len);
    answer(c, text, n);
    return 1;
}
