/* connections_impl.h - the insides of tb_connections: connections.c counts and limits, watch.c sees
 * what each connection does, refuse.c ends those that went too far. */
#ifndef TB_HTTP_CONNECTIONS_IMPL_H
#define TB_HTTP_CONNECTIONS_IMPL_H

#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdint.h>

#include "http/connections.h"

enum { TB_LISTENERS = 2 };

struct tb_listener {
    struct tb_connections *all;
    struct evconnlistener *listener; /* evhttp's; NULL once it may be gone */
    int n, cap;                      /* connections, and how many they may be */
    int is_tcp;
};

enum tb_connection_state {
    TB_CONNECTION_NEW,       /* evhttp has not told us its own object yet */
    TB_CONNECTION_IDLE,      /* nothing of a request is here */
    TB_CONNECTION_RECEIVING, /* deadline runs */
    TB_CONNECTION_ANSWERING, /* from the whole request to the last byte of its answer */
    TB_CONNECTION_LINGERING  /* evhttp's part is gone; what comes on fd is thrown away */
};

struct tb_connection {
    struct tb_connection *next, *before;
    struct tb_listener *listener;
    int state; /* enum tb_connection_state */
    /* evhttp's, which says when they go; bev has a reference of ours while the state is NEW. */
    struct bufferevent *bev;
    struct evhttp_connection *evcon;
    size_t held;        /* bytes since the request began */
    uint64_t began_ns;  /* the request */
    struct event *late; /* ours: the deadline of the request, then of the lingering */
    int refusal;        /* HTTP status that it shall end with; 0 none */
    int fd;             /* ours while LINGERING, else -1 */
    struct event *rest; /* ours: reads fd */
    size_t n_rest;      /* bytes thrown away */
};

struct tb_connections {
    struct tb_connections_options options;
    struct tb_listener listeners[TB_LISTENERS];
    int n_listeners;
    struct tb_connection *first;
    size_t held;          /* of all */
    struct event *news;   /* some connection is NEW */
    struct event *refuse; /* some connection has a refusal */
};

/* watch.c: evhttp asks for the bufferevent of a connection that it has just accepted. */
struct bufferevent *tb_watch_new(struct event_base *base, void *listener);
void tb_watch_news(evutil_socket_t fd, short events, void *all);
void tb_watch_late(evutil_socket_t fd, short events, void *connection);
/* Nothing is held for the connection any more. */
void tb_watch_release(struct tb_connection *connection, size_t still_held);
/* The end of it: frees it and takes it from its lists. */
void tb_watch_forget(struct tb_connection *connection);

/* refuse.c */
const char *tb_refuse_why(int status);
void tb_refuse_all(evutil_socket_t fd, short events, void *all);
/* Not from inside a callback of its bufferevent. */
void tb_refuse(struct tb_connection *connection, int status);
/* It has lingered for too long. */
void tb_refuse_late(struct tb_connection *connection);

/* connections.c: one connection less. */
void tb_listener_left(struct tb_listener *listener);
void tb_listener_came(struct tb_listener *listener);

#endif
