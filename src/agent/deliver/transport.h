/* transport.h - HTTPS, and datagrams: many requests at once, on connections that are kept. Its .c
 * files and that of fetch.h are the only ones of the agent that call libcurl.
 *
 * 1. One thread uses a transport. Another ends its wait by writing to wake_fd.
 * 2. Every request that was sent comes back exactly once from tb_transport_next, within timeout_ms.
 * 3. Hostile replies cost at most TB_TRANSPORT_REPLY_BYTES of memory, as much again of headers, and
 *    timeout_ms of one connection: they may be slow, cut, endless or no HTTP at all. Redirects are
 *    not followed.
 * 4. Over TLS nothing below 1.2 is spoken, and certificates are verified. The file of authorities
 * is read once for all connections, and again a day later.
 * 5. A datagram (url "udp://...") is sent at once, has status 200 when the network took it, 413
 * when it is too large for that, else none: transport_udp.h.
 * 6. A request whose connection broke may have been received: send it again only if the receiver
 *    tells repeats apart. */
#ifndef TB_AGENT_TRANSPORT_H
#define TB_AGENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sink/sink.h"

enum { TB_TRANSPORT_REPLY_BYTES = 64 << 10, TB_TRANSPORT_WHY = 512 };

struct tb_transport_limits {
    unsigned timeout_ms;   /* for one request, from connecting to the last byte */
    unsigned connections;  /* at the same time; more requests wait for their turn */
    int wake_fd;           /* an eventfd, borrowed: what is written there ends a wait */
    const char *section;   /* of the settings that say this, for people: "rollbar"; "" for none */
    const char *proxy;     /* "" for that of the environment */
    bool is_direct;        /* no proxy at all: for what is asked within the own network */
    const char *ca_file;   /* "" for the system's */
    const char *cert_file; /* of the client, and its key; "" for none; a key may be in cert_file */
    const char *key_file;
};

struct tb_transport;

/* 0; -ENOMEM; or with why what is wrong with one of the files. A text that is NULL is "". */
int tb_transport_new(const struct tb_transport_limits *limits, struct tb_transport **out,
                     char why[TB_TRANSPORT_WHY]);
/* Gives up what is under way; it does not come back. */
void tb_transport_free(struct tb_transport *transport);

/* Starts a request; it stays the caller's and must stay as it is until it came back with tag. 0 or
 * -ENOMEM, -EINVAL for a request that cannot be made of it; then it does not come back. */
int tb_transport_send(struct tb_transport *transport, const struct tb_sink_request *request,
                      void *tag);
/* Waits for something to happen, at most wait_ms, and lets it. */
int tb_transport_run(struct tb_transport *transport, int wait_ms);
/* The next finished request: 1, or 0 when there is none. *reply borrows from transport until its
 * next call. A reply that was cut at the limit of bytes is given as far as it came. */
int tb_transport_next(struct tb_transport *transport, void **tag, struct tb_sink_reply *reply);

#endif
