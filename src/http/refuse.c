/* refuse.c - the end of a connection that went too far: an answer that its client can read.
 *
 * A socket that is closed while bytes lie in it unread is reset, and the reset can reach the client
 * before the answer does. So the answer is written, our side is shut, and the rest is read and
 * thrown away until the client closes: the lingering close of web servers. evhttp's part goes at
 * once; a duplicate of the descriptor lingers. */
#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/connections_impl.h"
#include "http/tls.h"

enum {
    LINGER_BYTES = 256 << 20,
    LINGER_MS = 30000,
    LINGER_IDLE_S = 5,
    ANSWER_BYTES = 1024,
    PIECE_BYTES = 64 << 10,
    PIECES = 8 /* before others are served */
};

/* why: where libevent refuses, or nobody knows better. */
static const struct {
    int status;
    const char *reason, *why;
} refusals[] = {
    {400, "Bad Request", "the request is no HTTP/1.1"},
    {408, "Request Timeout", "the request was not complete in time"},
    {413, "Content Too Large", "the body is larger than 8 MiB: send less at once"},
    {417, "Expectation Failed", "towbard knows no Expect but 100-continue: leave that header out"},
    {431, "Request Header Fields Too Large", "the head of the request is larger than 64 KiB"},
    {501, "Not Implemented", "towbard does not know this method"},
    {503, "Service Unavailable", "too much at once: send it again in a second"},
};

static size_t find(int status)
{
    size_t i = 0;
    while (i < sizeof(refusals) / sizeof(refusals[0]) && refusals[i].status != status)
        i++;
    return i < sizeof(refusals) / sizeof(refusals[0]) ? i : 0;
}

static void send_answer(struct bufferevent *bev, int status, const char *why)
{
    char body[ANSWER_BYTES / 2];
    char answer[ANSWER_BYTES];
    size_t i = find(status);
    int len = snprintf(body, sizeof(body), "{\"err\":1,\"message\":\"%s\"}",
                       why != NULL ? why : refusals[i].why);
    len = snprintf(answer, sizeof(answer),
                   "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                   "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n%s"
                   "Connection: close\r\n\r\n%s",
                   refusals[i].status, refusals[i].reason, len,
                   refusals[i].status == 503 ? "Retry-After: 1\r\n" : "", body);
    if (!tb_tls_farewell(bev, answer, (size_t)len)) /* or it reads none */
        (void)send(bufferevent_getfd(bev), answer, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void throw_away(evutil_socket_t fd, short events, void *arg)
{
    static char piece[PIECE_BYTES];
    struct tb_connection *c = arg;
    ssize_t got = (events & EV_READ) != 0 ? 1 : 0;
    for (int i = 0; i < PIECES && got > 0; i++) {
        got = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        c->n_rest += got > 0 ? (size_t)got : 0;
    }
    int is_waiting = got < 0 && (errno == EAGAIN || errno == EINTR);
    if ((got <= 0 && !is_waiting) || c->n_rest > LINGER_BYTES)
        tb_watch_forget(c);
}

/* 0 when the connection lingers now. */
static int linger(struct tb_connection *c)
{
    static const struct timeval all_of_it = {.tv_sec = LINGER_MS / 1000};
    static const struct timeval pause = {.tv_sec = LINGER_IDLE_S};
    if (c->fd < 0)
        return -1;
    c->rest = event_new(c->listener->all->options.base, c->fd, EV_READ | EV_PERSIST, throw_away, c);
    return c->rest == NULL || event_add(c->rest, &pause) < 0 || event_add(c->late, &all_of_it) < 0
               ? -1
               : 0;
}

void tb_refuse(struct tb_connection *c, int status, const char *why)
{
    const struct tb_connections_options *options = &c->listener->all->options;
    if (options->refused != NULL)
        options->refused(options->arg, status);
    if (c->refusal != 0)
        TAILQ_REMOVE(&c->listener->all->refused, c, in_refused);
    c->refusal = 0;
    (void)event_del(c->late);
    tb_watch_enter(c, TB_CONNECTION_LINGERING);
    c->fd = -1;
    send_answer(c->bev, status, why);
    c->fd = fcntl(bufferevent_getfd(c->bev), F_DUPFD_CLOEXEC, 0);
    evhttp_connection_free(c->evcon); /* shuts our side, and lets go of what it held */
    c->evcon = NULL;
    c->bev = NULL;
    if (linger(c) != 0)
        tb_watch_forget(c);
}

void tb_refuse_later(struct tb_connection *c, int status, const char *why)
{
    struct tb_connections *all = c->listener->all;
    if (c->refusal != 0)
        return;
    c->refusal = status;
    c->why = why;
    TAILQ_INSERT_TAIL(&all->refused, c, in_refused);
    (void)evbuffer_drain(bufferevent_get_input(c->bev), SIZE_MAX);
    c->unseen = 0;
    event_active(all->refuse, EV_TIMEOUT, 0);
}

void tb_refuse_all(evutil_socket_t fd, short events, void *arg)
{
    struct tb_connections *all = arg;
    struct tb_connection *next;
    (void)fd;
    (void)events;
    for (struct tb_connection *c = TAILQ_FIRST(&all->refused); c != NULL; c = next) {
        next = TAILQ_NEXT(c, in_refused);
        if (c->state != TB_CONNECTION_ANSWERING) /* somebody still has its request */
            tb_refuse(c, c->refusal, c->why);
    }
    tb_budget_keep(all); /* which comes back here */
}

void tb_refuse_late(struct tb_connection *c)
{
    tb_watch_forget(c);
}
