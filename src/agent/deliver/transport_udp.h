/* transport_udp.h - datagrams to one place, which answers nothing.
 *
 * 1. What a call says of a datagram is what this host knows of it: taken by the network, too large
 *    for it, or refused as nobody listens there (which another host may tell a moment later, about
 *    the one before).
 * 2. Nothing blocks but the look-up of a name, TB_UDP_LOOKUP_MS at most, and the pace: 16 KiB, or
 * one datagram that is larger, in 10 ms; a numeric address needs none. A name is looked up again
 * after a failure, and once a minute; while that finds nothing the former address counts.
 * 3. One thread uses a sender. */
#ifndef TB_AGENT_TRANSPORT_UDP_H
#define TB_AGENT_TRANSPORT_UDP_H

#include <stddef.h>

enum { TB_UDP_WHY = 256, TB_UDP_LOOKUP_MS = 2000 };

#define TB_UDP_SCHEME "udp://"

struct tb_udp;

/* 0 or -ENOMEM. */
int tb_udp_new(struct tb_udp **out);
void tb_udp_free(struct tb_udp *udp);
/* Sends one to url, "udp://HOST:PORT". 0; -EMSGSIZE: it is too large for the network; or another
 * negative errno, and it may be sent again. why is set then. */
int tb_udp_send(struct tb_udp *udp, const char *url, const void *data, size_t len,
                char why[TB_UDP_WHY]);

#endif
