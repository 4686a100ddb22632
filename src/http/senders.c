/* senders.c - see senders.h. */
#include "http/senders.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { NET_BYTES = 8, MINUTE_S = 60 };

static int is_loopback(const struct in6_addr *at)
{
    return IN6_IS_ADDR_LOOPBACK(at) || (IN6_IS_ADDR_V4MAPPED(at) && at->s6_addr[12] == 127);
}

struct tb_peer tb_peer_of(int fd, int is_unix)
{
    struct tb_peer peer = {.kind = is_unix ? TB_PEER_USER : TB_PEER_FOREIGN};
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at = {0};
    socklen_t len = sizeof(at);
    struct ucred who = {.uid = (uid_t)-1};
    socklen_t who_len = sizeof(who);
    struct in6_addr address = IN6ADDR_ANY_INIT;
    if (is_unix) {
        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len);
        memcpy(peer.id, &who.uid, sizeof(who.uid));
        return peer;
    }
    if (getpeername(fd, &at.any, &len) == 0 && at.any.sa_family == AF_INET6) {
        address = at.in6.sin6_addr;
    } else if (at.any.sa_family == AF_INET) {
        memset(&address.s6_addr[10], 0xff, 2);
        memcpy(&address.s6_addr[12], &at.in.sin_addr, 4);
    }
    if (is_loopback(&address))
        peer.kind = TB_PEER_LOOPBACK;
    else
        memcpy(peer.id, &address, IN6_IS_ADDR_V4MAPPED(&address) ? TB_PEER_BYTES : NET_BYTES);
    return peer;
}

static int is_same(const struct tb_peer *a, const struct tb_peer *b)
{
    return a->kind == b->kind && memcmp(a->id, b->id, TB_PEER_BYTES) == 0;
}

/* A place for one that is not known yet. */
static struct tb_sender *make_room(struct tb_senders *senders)
{
    struct tb_sender *oldest = NULL;
    if (senders->n < TB_SENDERS)
        return &senders->all[senders->n++];
    for (size_t i = 0; i < TB_SENDERS; i++) {
        struct tb_sender *s = &senders->all[i];
        if (s->reserved == 0 && (oldest == NULL || s->heard_ns < oldest->heard_ns))
            oldest = s;
    }
    return oldest;
}

struct tb_sender *tb_senders_find(struct tb_senders *senders, const struct tb_peer *peer,
                                  uint64_t now_ns)
{
    for (size_t i = 0; i < senders->n; i++) {
        struct tb_sender *s = &senders->all[i];
        if (is_same(&s->peer, peer)) {
            s->heard_ns = now_ns;
            return s;
        }
    }
    struct tb_sender *s = make_room(senders);
    if (s == NULL)
        return &senders->all[TB_SENDERS];
    *s = (struct tb_sender){.peer = *peer, .heard_ns = now_ns};
    return s;
}

int tb_sender_may(struct tb_sender *s, unsigned per_minute, uint64_t now_ns)
{
    double full = per_minute;
    double per_s = full / MINUTE_S;
    if (s->left_ns == 0)
        s->left = full;
    else if (now_ns > s->left_ns)
        s->left += (double)(now_ns - s->left_ns) / (double)TB_NS_PER_S * per_s;
    s->left = s->left < full ? s->left : full;
    s->left_ns = now_ns;
    return s->left >= 1;
}

int tb_sender_take(struct tb_sender *s, unsigned per_minute, uint64_t now_ns, struct tb_rate *out)
{
    if (tb_sender_may(s, per_minute, now_ns)) {
        s->left -= 1;
        return 1;
    }
    double wait_s = (1 - s->left) * MINUTE_S / per_minute;
    *out = (struct tb_rate){.limit = per_minute, .wait_s = (unsigned)wait_s + 1};
    return 0;
}
