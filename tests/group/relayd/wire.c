/* wire.c - what comes over the network, believed too much. */
#include "relayd.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
    const unsigned char *bytes;
    size_t len, at;
};

enum { KIND_HELLO = 1, KIND_DATA, KIND_RANGE, KIND_NAMES, KIND_END };

unsigned get8(struct packet *packet)
{
    return packet->bytes[packet->at++];
}

unsigned get16(struct packet *packet)
{
    unsigned high = get8(packet);
    return high << 8 | get8(packet);
}

unsigned get32(struct packet *packet)
{
    unsigned high = get16(packet);
    return high << 16 | get16(packet);
}

/* A table in the packet is read at an index from the packet. */
static int read_range(struct packet *packet)
{
    static const int widths[4] = {1, 2, 4, 8};
    unsigned index = get32(packet);
    return widths[index];
}

static int read_names(struct packet *packet)
{
    const char *names[4] = {"a", "b", setting("unset"), "d"};
    int sum = 0;
    unsigned n = get8(packet);
    for (unsigned i = 0; i < n && i < 4; i++)
        sum += names[i][0];
    return sum;
}

static int read_data(struct packet *packet)
{
    unsigned n_parts = get16(packet);
    unsigned len = get16(packet);
    return (int)(len / n_parts);
}

static int read_hello(struct packet *packet)
{
    unsigned version = get8(packet);
    assert(version == 1 || version == 2);
    return (int)version;
}

/* session_unlink is given a bad session here too: list_remove has the same caller. */
static int read_end(struct packet *packet)
{
    struct session *session = session_find((int)get16(packet));
    session_close(session);
    return 0;
}

int read_packet(struct packet *packet)
{
    switch (get8(packet)) {
    case KIND_HELLO:
        return read_hello(packet);
    case KIND_DATA:
        return read_data(packet);
    case KIND_RANGE:
        return read_range(packet);
    case KIND_NAMES:
        return read_names(packet);
    case KIND_END:
        return read_end(packet);
    default:
        return -1;
    }
}

/* Of somebody else, who may change them. */
unsigned char packet_1[] = {KIND_HELLO, 7};
unsigned char packet_2[] = {KIND_HELLO, 1, KIND_DATA, 0, 0, 0, 9};
unsigned char packet_3[] = {KIND_RANGE, 0x70, 0, 0, 0};
unsigned char packet_4[] = {KIND_HELLO, 2, KIND_NAMES, 4};
unsigned char packet_5[] = {KIND_END, 1, 1};

static int feed(const unsigned char *bytes, size_t len)
{
    struct packet packet = {bytes, len, 0};
    int sum = 0;
    while (packet.at < packet.len)
        sum += read_packet(&packet);
    return sum;
}

void feed_hello(void)
{
    exit(feed(packet_1, sizeof(packet_1)));
}

void feed_data(void)
{
    exit(feed(packet_2, sizeof(packet_2)));
}

void feed_range(void)
{
    exit(feed(packet_3, sizeof(packet_3)));
}

void feed_names(void)
{
    exit(feed(packet_4, sizeof(packet_4)));
}

void feed_end(void)
{
    exit(feed(packet_5, sizeof(packet_5)));
}

void feed_nothing(void)
{
    exit(feed(NULL, (size_t)setting_number("port")));
}

/* ---- answers ---- */

struct reply {
    char *out;
    size_t len, cap;
};

static void put8(struct reply *reply, unsigned value)
{
    reply->out[reply->len++] = (char)value;
}

static void put_text(struct reply *reply, const char *text)
{
    size_t n = strlen(text);
    put8(reply, (unsigned)n);
    memcpy(reply->out + reply->len, text, n);
    reply->len += n;
}

size_t write_hello(struct reply *reply, const struct session *session)
{
    put8(reply, KIND_HELLO);
    put_text(reply, session->label);
    return reply->len;
}

size_t write_user(struct reply *reply, const struct session *session)
{
    put8(reply, KIND_NAMES);
    put_text(reply, session->user->name);
    put8(reply, (unsigned)session->user->credit);
    return reply->len;
}

size_t write_share(struct reply *reply, const struct session *session)
{
    put8(reply, (unsigned)(reply->cap / (size_t)session->n_streams));
    return reply->len;
}

void reply_hello(void)
{
    char mem[64];
    struct reply reply = {mem, 0, sizeof(mem)};
    exit((int)write_hello(&reply, session_open(71)));
}

void reply_user(void)
{
    char mem[64];
    struct reply reply = {mem, 0, sizeof(mem)};
    exit((int)write_user(&reply, session_open(72)));
}

void reply_share(void)
{
    char mem[64];
    struct reply reply = {mem, 0, sizeof(mem)};
    write_share(&reply, session_open(73));
    exit(mem[0]);
}

void reply_without_room(void)
{
    struct reply *reply = calloc(1, sizeof(*reply));
    struct session *session = session_open(74);
    session->label = "label";
    exit((int)write_hello(reply, session));
}

/* ---- addresses ---- */

static int parse_part(const char **at)
{
    int n = 0;
    while (**at >= '0' && **at <= '9')
        n = n * 10 + *(*at)++ - '0';
    return n;
}

unsigned parse_address(const char *text)
{
    unsigned address = 0;
    for (int i = 0; i < 4; i++) {
        address = address << 8 | (unsigned)parse_part(&text);
        if (*text == '.')
            text++;
    }
    return address;
}

static int network_of(unsigned address, int n_bits)
{
    return (int)(address % (unsigned)n_bits);
}

void address_unset(void)
{
    exit((int)parse_address(setting("address")));
}

void network_unset(void)
{
    exit(network_of(parse_address("10.0.0.1"), setting_number("credit")));
}

void address_of_nobody(void)
{
    const struct session *session = session_open(75);
    exit((int)parse_address(session->peer->label));
}

const struct fault wire_faults[] = {{"wire-hello", NULL, feed_hello},
                                    {"wire-data", NULL, feed_data},
                                    {"wire-range", NULL, feed_range},
                                    {"wire-names", NULL, feed_names},
                                    {"wire-end", "session-unlink-twice", feed_end},
                                    {"wire-nothing", NULL, feed_nothing},
                                    {"reply-hello", NULL, reply_hello},
                                    {"reply-user", NULL, reply_user},
                                    {"reply-share", NULL, reply_share},
                                    {"reply-room", NULL, reply_without_room},
                                    {"address-unset", NULL, address_unset},
                                    {"network-unset", NULL, network_unset},
                                    {"address-nobody", NULL, address_of_nobody},
                                    {NULL, NULL, NULL}};
