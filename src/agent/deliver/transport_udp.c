/* transport_udp.c - see transport_udp.h. */
#include "agent/deliver/transport_udp.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/wait.h"
#include "base/clock.h"
#include "base/fd.h"

enum {
    HOST_BYTES = 256,
    PORT_BYTES = 8,
    URL_BYTES = 1024,
    ROOM_MS = 100, /* for the network to take one */
    DOUBT_MS = 5,  /* for a refusal of the first one to a place */
    LOOK_EVERY_S = 60,
    TURN_BYTES = 16 << 10, /* so many, then a pause until the turn is over */
    TURN_MS = 10
};

/* A name being looked up, by a thread of its own, as only the resolver knows how long that takes.
 * The one of the two that is done with it last frees it. */
struct lookup {
    char host[HOST_BYTES], port[PORT_BYTES];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t done;
    bool is_done, is_left; /* there is a result; nobody waits for it any more */
    int state;
    struct addrinfo *result;
};

struct tb_udp {
    char url[URL_BYTES]; /* that the socket is for; "" for none */
    char host[HOST_BYTES], port[PORT_BYTES];
    int fd;
    bool is_numeric;
    bool is_proven;        /* one was taken, and nobody said that nobody listens */
    bool must_look;        /* the address failed */
    unsigned n_refused;    /* how often in a row */
    uint64_t looked_ns;    /* monotonic */
    uint64_t turn_ns;      /* when this turn began, monotonic */
    size_t turn_bytes;     /* that went out in it */
    struct lookup *lookup; /* NULL: none is under way */
};

int tb_udp_new(struct tb_udp **out)
{
    struct tb_udp *udp = calloc(1, sizeof(*udp));
    if (!udp)
        return -ENOMEM;
    udp->fd = -1;
    *out = udp;
    return 0;
}

static void free_lookup(struct lookup *lookup)
{
    if (lookup->result)
        freeaddrinfo(lookup->result);
    pthread_cond_destroy(&lookup->done);
    pthread_mutex_destroy(&lookup->lock);
    free(lookup);
}

static void end_lookup(struct tb_udp *udp)
{
    struct lookup *lookup = udp->lookup;
    udp->lookup = NULL;
    if (!lookup)
        return;
    pthread_mutex_lock(&lookup->lock);
    lookup->is_left = true;
    bool is_done = lookup->is_done;
    pthread_mutex_unlock(&lookup->lock);
    if (is_done)
        free_lookup(lookup);
}

void tb_udp_free(struct tb_udp *udp)
{
    if (!udp)
        return;
    end_lookup(udp);
    tb_fd_close(&udp->fd);
    free(udp);
}

/* ---- the address ---- */

/* "udp://HOST:PORT", a numeric IPv6 address in brackets. */
static int take_apart(struct tb_udp *udp, const char *url)
{
    const char *host = url + sizeof(TB_UDP_SCHEME) - 1;
    bool is_bracketed = host[0] == '[';
    const char *end = is_bracketed ? strchr(host, ']') : strrchr(host, ':');
    const char *colon = end && is_bracketed ? end + 1 : end;
    host += is_bracketed;
    if (!colon || *colon != ':' || end == host || (size_t)(end - host) >= HOST_BYTES ||
        colon[1] == '\0' || strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strlen(colon + 1) >= PORT_BYTES || strlen(url) >= URL_BYTES)
        return -EINVAL;
    (void)snprintf(udp->host, sizeof(udp->host), "%.*s", (int)(end - host), host);
    (void)snprintf(udp->port, sizeof(udp->port), "%s", colon + 1);
    return 0;
}

static int open_socket(const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, at->ai_addr, at->ai_addrlen) == 0)
        return fd;
    int err = -errno;
    (void)close(fd);
    return err;
}

/* The first address that can be connected to, behind those that were refused: "localhost" may be
 * ::1 first, where the daemon does not listen. */
static int connect_to(struct tb_udp *udp, const struct addrinfo *list)
{
    unsigned n = 0;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        n++;
    int fd = -EADDRNOTAVAIL;
    for (unsigned i = 0; i < n && fd < 0; i++) {
        const struct addrinfo *at = list;
        for (unsigned k = (udp->n_refused + i) % n; k > 0; k--)
            at = at->ai_next;
        fd = open_socket(at);
    }
    if (fd < 0)
        return fd;
    tb_fd_close(&udp->fd);
    udp->fd = fd;
    udp->is_proven = false;
    udp->must_look = false;
    return 0;
}

static const struct addrinfo NUMERIC = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                        .ai_socktype = SOCK_DGRAM};

static int use_numeric(struct tb_udp *udp)
{
    struct addrinfo *list = NULL;
    udp->is_numeric = getaddrinfo(udp->host, udp->port, &NUMERIC, &list) == 0;
    if (!udp->is_numeric)
        return -ENOENT;
    int err = connect_to(udp, list);
    freeaddrinfo(list);
    return err;
}

static void *look_up(void *arg)
{
    static const struct addrinfo HINTS = {.ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_DGRAM};
    struct lookup *lookup = arg;
    struct addrinfo *result = NULL;
    int state = getaddrinfo(lookup->host, lookup->port, &HINTS, &result);
    pthread_mutex_lock(&lookup->lock);
    lookup->state = state;
    lookup->result = state == 0 ? result : NULL;
    lookup->is_done = true;
    bool is_left = lookup->is_left;
    pthread_cond_signal(&lookup->done);
    pthread_mutex_unlock(&lookup->lock);
    if (is_left)
        free_lookup(lookup);
    return NULL;
}

static int start_lookup(struct tb_udp *udp)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    pthread_t thread;
    if (!lookup)
        return -ENOMEM;
    (void)pthread_mutex_init(&lookup->lock, NULL);
    (void)pthread_cond_init(&lookup->done, NULL);
    memcpy(lookup->host, udp->host, sizeof(lookup->host));
    memcpy(lookup->port, udp->port, sizeof(lookup->port));
    int err = -pthread_create(&thread, NULL, look_up, lookup);
    if (err < 0) {
        free_lookup(lookup);
        return err;
    }
    (void)pthread_detach(thread);
    udp->lookup = lookup;
    return 0;
}

/* False: it is not done in time. */
static bool wait_for(struct lookup *lookup)
{
    uint64_t until_ns = tb_clock_mono_ns() + (uint64_t)TB_UDP_LOOKUP_MS * TB_NS_PER_MS;
    int err = 0;
    pthread_mutex_lock(&lookup->lock);
    while (!lookup->is_done && err == 0)
        err = tb_wait_until(&lookup->done, &lookup->lock, until_ns);
    bool is_done = lookup->is_done;
    pthread_mutex_unlock(&lookup->lock);
    return is_done;
}

/* Waits for the one that is under way, for a bounded time. */
static int use_name(struct tb_udp *udp, char why[TB_UDP_WHY])
{
    int err = udp->lookup ? 0 : start_lookup(udp);
    if (err < 0) {
        (void)snprintf(why, TB_UDP_WHY, "cannot look up %.200s", udp->host);
        return err;
    }
    if (!wait_for(udp->lookup)) {
        (void)snprintf(why, TB_UDP_WHY, "no name server has answered for %.200s yet", udp->host);
        return -ETIMEDOUT;
    }
    int state = udp->lookup->state;
    udp->looked_ns = tb_clock_mono_ns();
    err = state == 0 ? connect_to(udp, udp->lookup->result) : -EHOSTUNREACH;
    if (err < 0)
        (void)snprintf(why, TB_UDP_WHY, "%.150s: %.100s", udp->host,
                       state == 0 ? strerrordesc_np(-err) : gai_strerror(state));
    end_lookup(udp);
    return err;
}

/* Sees to it that there is a socket to url. */
static int prepare(struct tb_udp *udp, const char *url, char why[TB_UDP_WHY])
{
    int err = 0;
    if (strcmp(udp->url, url) != 0) {
        end_lookup(udp);
        tb_fd_close(&udp->fd);
        if ((err = take_apart(udp, url)) < 0) {
            (void)snprintf(why, TB_UDP_WHY, "%.200s is no udp://HOST:PORT", url);
            return err == -EINVAL ? -EDESTADDRREQ : err;
        }
        (void)snprintf(udp->url, sizeof(udp->url), "%s", url);
        err = use_numeric(udp);
    } else if (udp->is_numeric && (udp->fd < 0 || udp->must_look)) {
        err = use_numeric(udp);
    }
    if (udp->is_numeric) {
        if (err < 0)
            (void)snprintf(why, TB_UDP_WHY, "%.200s: %s", url, strerrordesc_np(-err));
        return err;
    }
    uint64_t age_ns = tb_clock_mono_ns() - udp->looked_ns;
    if (udp->fd >= 0 && !udp->must_look && age_ns < (uint64_t)LOOK_EVERY_S * TB_NS_PER_S)
        return 0;
    err = use_name(udp, why);
    return udp->fd >= 0 ? 0 : err;
}

/* ---- sending ---- */

static int take_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? -errno : -err;
}

/* What is known of it a moment later: on this host a closed port is told at once, and the first
 * datagram to a place is given a little longer. */
static int was_refused(struct tb_udp *udp)
{
    int err = take_error(udp->fd);
    if (err < 0 || udp->is_proven)
        return err;
    struct pollfd refusal = {.fd = udp->fd};
    return poll(&refusal, 1, DOUBT_MS) > 0 ? take_error(udp->fd) : 0;
}

static int send_one(struct tb_udp *udp, const void *data, size_t len)
{
    for (int n = 0; n < 2; n++) {
        if (send(udp->fd, data, len, MSG_NOSIGNAL) >= 0)
            return was_refused(udp);
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        struct pollfd room = {.fd = udp->fd, .events = POLLOUT};
        (void)poll(&room, 1, ROOM_MS);
    }
    return -EAGAIN;
}

/* What a receiver has no room for at once is gone, and nobody says so: 208 KiB are usual, with what
 * the kernel adds to each. A backlog so goes out no faster than it can be taken. */
static void wait_turn(struct tb_udp *udp, size_t len)
{
    const uint64_t turn = (uint64_t)TURN_MS * TB_NS_PER_MS;
    uint64_t now_ns = tb_clock_mono_ns();
    if (udp->turn_bytes > 0 && udp->turn_bytes + len > TURN_BYTES && now_ns - udp->turn_ns < turn) {
        uint64_t left_ns = turn - (now_ns - udp->turn_ns);
        (void)poll(NULL, 0, (int)(left_ns / TB_NS_PER_MS) + 1);
        now_ns = tb_clock_mono_ns();
    }
    if (now_ns - udp->turn_ns >= turn) {
        udp->turn_ns = now_ns;
        udp->turn_bytes = 0;
    }
    udp->turn_bytes += len;
}

int tb_udp_send(struct tb_udp *udp, const char *url, const void *data, size_t len,
                char why[TB_UDP_WHY])
{
    int err = prepare(udp, url, why);
    if (err < 0)
        return err;
    wait_turn(udp, len);
    err = send_one(udp, data, len);
    if (err == -ECONNREFUSED)
        (void)snprintf(why, TB_UDP_WHY, "nobody listens at %.200s", url);
    else if (err == -EMSGSIZE)
        (void)snprintf(why, TB_UDP_WHY, "%zu bytes are too many for a datagram", len);
    else if (err < 0)
        (void)snprintf(why, TB_UDP_WHY, "%.200s: %s", url, strerrordesc_np(-err));
    udp->is_proven = err == 0;
    udp->must_look = err < 0 && err != -EMSGSIZE;
    if (udp->must_look)
        udp->n_refused++;
    else if (err == 0)
        udp->n_refused = 0;
    return err;
}
