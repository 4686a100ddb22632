/* connections_impl.h - the insides of tb_connections: connections.c counts and limits, watch.c sees
 * what each connection does, lane.c answers plain requests at once, budget.c gives memory, room.c
 * and refuse.c end those that are too many or went too far, unread.c those that do not read their
 * answers. */
#ifndef TB_HTTP_CONNECTIONS_IMPL_H
#define TB_HTTP_CONNECTIONS_IMPL_H

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdint.h>
#include <sys/queue.h>

#include "http/connections.h"
#include "http/framing.h"
#include "http/senders.h"

enum { TB_LISTENERS = 2 };

/*   state       what is true                                       who moves it
 *   NEW         evhttp has not told us its own object yet          the event news, -> IDLE
 *   IDLE        nothing of a request is here                       a byte, -> RECEIVING
 *   RECEIVING   the deadline runs, unless all came at once         evhttp hands it out, ->
 * ANSWERING ANSWERING   until the last byte of the answer is sent          -> IDLE, or RECEIVING
 *   LINGERING   evhttp's part is gone; what comes is thrown away   from any but NEW; the last one
 */
enum tb_connection_state {
    TB_CONNECTION_NEW,
    TB_CONNECTION_IDLE,
    TB_CONNECTION_RECEIVING,
    TB_CONNECTION_ANSWERING,
    TB_CONNECTION_LINGERING,
    TB_CONNECTION_STATES
};

struct tb_connection;
TAILQ_HEAD(tb_connection_list, tb_connection);

struct tb_listener {
    struct tb_connections *all;
    struct evconnlistener *listener; /* evhttp's; NULL once it may be gone */
    struct tb_listener_kind kind;
    int n, cap; /* connections, and how many they may be */
    /* By state, the one that has been in it for the longest first. */
    struct tb_connection_list in[TB_CONNECTION_STATES];
};

struct tb_connection {
    TAILQ_ENTRY(tb_connection) in_state;
    TAILQ_ENTRY(tb_connection) in_refused; /* while refusal is not 0 */
    struct tb_listener *listener;
    int state; /* enum tb_connection_state */
    /* evhttp's, which says when they go; bev has a reference of ours while the state is NEW. */
    struct bufferevent *bev;
    struct evhttp_connection *evcon;
    int fd; /* evhttp's, or ours while LINGERING; -1 before it is known */
    struct tb_peer peer;
    struct tb_framing framing; /* of the request that is here */
    size_t unseen;             /* bytes at the end of the input that framing has not seen */
    int is_whole;              /* framing has seen its end */
    int is_held;               /* evhttp is not called before it is whole */
    int is_timed;              /* late runs, libevent's own time does not */
    uint64_t began_ns;         /* the request, or to be idle */
    struct event *late;        /* ours: the deadline of the request, then of the lingering */
    size_t held;               /* bytes since the request began */
    size_t charged;            /* of them, to the memory for small ones */
    size_t reserved;           /* of the memory for large ones, charged to sender too */
    struct tb_sender *sender;  /* while reserved is not 0 */
    size_t unread;             /* bytes of answers that wait in the output */
    int is_answered;           /* while ANSWERING: the answer is in the output, since */
    uint64_t answered_ns;
    int refusal;         /* HTTP status that it shall end with; 0 none */
    const char *why;     /* of the refusal; static */
    struct event *rest;  /* ours: reads fd while LINGERING */
    size_t n_rest;       /* bytes thrown away */
    struct event *owing; /* ours: waits to write what is owed; mostly NULL */
    char *owed;          /* of an answer that lane.c gave */
    size_t n_owed;
};

struct tb_connections {
    struct tb_connections_options options;
    struct tb_listener listeners[TB_LISTENERS];
    int n_listeners;
    struct tb_connection **by_fd; /* those that evhttp has */
    int n_by_fd;
    struct tb_connection_list refused;
    size_t small, large; /* bytes that are charged, that are reserved */
    size_t unread;       /* of all connections */
    struct tb_senders senders;
    struct event *news;    /* some connection is NEW */
    struct event *refuse;  /* some connection has a refusal */
    struct event *crowded; /* some listener is full of those who are not idle */
    struct event *unread_much;
};

/* watch.c: evhttp asks for the bufferevent of a connection that it has just accepted. */
struct bufferevent *tb_watch_new(struct event_base *base, void *listener);
void tb_watch_news(evutil_socket_t fd, short events, void *all);
void tb_watch_late(evutil_socket_t fd, short events, void *connection);
void tb_watch_enter(struct tb_connection *connection, int state);
/* The answer is on its way: the connection may take another request, which may be here already. */
void tb_watch_answered(struct tb_connection *connection);
/* The end of it: frees it and takes it from its lists. */
void tb_watch_forget(struct tb_connection *connection);

/* room.c: lets connections go until there are no more than may be, as far as connections.h 1
 * allows. */
void tb_room_keep(struct tb_listener *listener);

/* budget.c: what the connection's bytes are charged to; each may refuse, the connection or, for
 * small ones, another. */
void tb_budget_declared(struct tb_connection *connection);
void tb_budget_grown(struct tb_connection *connection);
/* Refuses one more small one when they have too much still. */
void tb_budget_keep(struct tb_connections *all);
/* Of what was held only still_held is there any more, and nothing is reserved. */
void tb_budget_release(struct tb_connection *connection, size_t still_held);
/* 0, or -EAGAIN: so much more is not to be had now. */
int tb_budget_reserve(struct tb_connection *connection, size_t n);

/* unread.c: bytes came to the output, or went from it. */
void tb_unread_changed(struct tb_connection *connection, size_t n_added, size_t n_deleted);
/* The output is gone. */
void tb_unread_forget(struct tb_connection *connection);
/* Whose answer has waited for the longest, and for TB_CONNECTIONS_SLOW_MS; or NULL. */
struct tb_connection *tb_unread_slowest(const struct tb_listener *listener);
void tb_unread_all(evutil_socket_t fd, short events, void *all);

/* lane.c: a part of a request has come. When that is a plain head evhttp waits for the body too;
 * let_go ends that. */
void tb_lane_hold(struct tb_connection *connection);
void tb_lane_let_go(struct tb_connection *connection);
/* Answers the request that has just come, if it is one that may be answered so: 1, or 0
 * when nothing was done and evhttp shall have it. */
int tb_lane_take(struct tb_connection *connection);
/* Nothing is owed any more. */
void tb_lane_done(struct tb_connection *connection);

/* refuse.c: now, not from inside a callback of its bufferevent, and not while ANSWERING. */
void tb_refuse(struct tb_connection *connection, int status, const char *why);
/* Soon, and from anywhere: after the answer to what was asked before; evhttp sees no more of it.
 * The first refusal counts. */
void tb_refuse_later(struct tb_connection *connection, int status, const char *why);
void tb_refuse_all(evutil_socket_t fd, short events, void *all);
/* It has lingered for too long, or its place is needed. */
void tb_refuse_late(struct tb_connection *connection);

/* connections.c: one connection less; or they are too many, and none may go yet. */
void tb_listener_full(struct tb_listener *listener);
void tb_listener_left(struct tb_listener *listener);

#endif
