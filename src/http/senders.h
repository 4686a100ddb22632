/* senders.h - who sends: what each has sent of late, and how much of the memory it has.
 *
 * 1. A sender is a user of the host by the Unix socket, all of loopback TCP together (it has no
 *    user), or a foreign address (of IPv6 its first 64 bits).
 * 2. At most TB_SENDERS are known. One more takes the place of the one that was heard longest ago
 *    and has nothing reserved; where all have, it shares one place with all others like it.
 * 3. Each has a bucket that a minute fills: who has emptied it may send as fast as it fills. */
#ifndef TB_HTTP_SENDERS_H
#define TB_HTTP_SENDERS_H

#include <stddef.h>
#include <stdint.h>

enum { TB_SENDERS = 256, TB_PEER_BYTES = 16 };

enum tb_peer_kind { TB_PEER_USER, TB_PEER_LOOPBACK, TB_PEER_FOREIGN };

struct tb_peer {
    int kind;
    uint8_t id[TB_PEER_BYTES]; /* the uid, nothing, the address */
};

struct tb_sender {
    struct tb_peer peer;
    uint64_t heard_ns; /* 0: nobody is here */
    size_t reserved;   /* bytes of bodies */
    double left;       /* of the bucket */
    uint64_t left_ns;  /* when that was so; 0: it is full */
};

struct tb_senders {
    struct tb_sender all[TB_SENDERS + 1]; /* the last one is shared */
    size_t n;
};

/* What X-Rate-Limit-* say. */
struct tb_rate {
    unsigned limit;  /* a minute */
    unsigned wait_s; /* until there is room again, at least 1 */
};

/* Whoever is at the other end of fd; is_unix says what fd is. */
struct tb_peer tb_peer_of(int fd, int is_unix);
/* Never NULL; borrowed until the next call, or as long as something is reserved. */
struct tb_sender *tb_senders_find(struct tb_senders *senders, const struct tb_peer *peer,
                                  uint64_t now_ns);
/* Would tb_sender_take say 1? */
int tb_sender_may(struct tb_sender *sender, unsigned per_minute, uint64_t now_ns);
/* Takes one out of the bucket: 1, or 0 with *out when it is empty. */
int tb_sender_take(struct tb_sender *sender, unsigned per_minute, uint64_t now_ns,
                   struct tb_rate *out);

#endif
