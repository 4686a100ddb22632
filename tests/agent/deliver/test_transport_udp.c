/* test_transport_udp.c - datagrams to sockets of this host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/deliver/transport.h"
#include "agent/deliver/transport_udp.h"
#include "base/clock.h"

enum { TOO_MANY = 70000 };

/* A socket that hears what is sent to the port, 0 for a free one. */
static int listen_at(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)*port)};
    socklen_t len = sizeof(at);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void name(char url[64], const char *host, int port)
{
    (void)snprintf(url, 64, "udp://%s:%d", host, port);
}

static void hears(int fd, const char *text)
{
    char got[64] = "";
    assert_int_equal(recv(fd, got, sizeof(got) - 1, 0), (int)strlen(text));
    assert_string_equal(got, text);
}

static int make_udp(void **state)
{
    return tb_udp_new((struct tb_udp **)state);
}

static int drop_udp(void **state)
{
    tb_udp_free(*state);
    return 0;
}

static void a_datagram_arrives_whole(void **state)
{
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    int fd = listen_at(&port);
    name(url, "127.0.0.1", port);
    assert_int_equal(tb_udp_send(*state, url, "one", 3, why), 0);
    assert_int_equal(tb_udp_send(*state, url, "two", 3, why), 0);
    hears(fd, "one");
    hears(fd, "two");
    assert_string_equal(why, "");
    close(fd);
}

/* One that got them all at once would have room for a few dozen, and lose the others unsaid. */
static void a_backlog_is_sent_no_faster_than_it_can_be_taken(void **state)
{
    enum { N = 48, BYTES = 4096, IN_A_TURN = 4, TURN_MS = 10 };
    static const char data[BYTES];
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    int fd = listen_at(&port);
    name(url, "127.0.0.1", port);
    uint64_t before_ns = tb_clock_mono_ns();
    for (int i = 0; i < N; i++)
        assert_int_equal(tb_udp_send(*state, url, data, sizeof(data), why), 0);
    assert_true(tb_clock_mono_ns() - before_ns >=
                (uint64_t)(N / IN_A_TURN - 1) * TURN_MS * TB_NS_PER_MS);
    close(fd);
}

static void a_name_is_looked_up(void **state)
{
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    int fd = listen_at(&port);
    name(url, "localhost", port);
    /* Where it is ::1 first, nobody listens there; the next try goes to the other one. */
    int err = tb_udp_send(*state, url, "one", 3, why);
    if (err == -ECONNREFUSED)
        err = tb_udp_send(*state, url, "one", 3, why);
    assert_int_equal(err, 0);
    hears(fd, "one");
    close(fd);
}

static void an_address_of_version_6_is_in_brackets(void **state)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(at);
    char url[64];
    char why[TB_UDP_WHY] = "";
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0)
        skip(); /* a host without it */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    name(url, "[::1]", ntohs(at.sin6_port));
    assert_int_equal(tb_udp_send(*state, url, "six", 3, why), 0);
    hears(fd, "six");
    close(fd);
}

static void a_closed_port_is_told_at_once_and_an_open_one_again(void **state)
{
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    close(listen_at(&port));
    name(url, "127.0.0.1", port);
    assert_int_equal(tb_udp_send(*state, url, "one", 3, why), -ECONNREFUSED);
    assert_non_null(strstr(why, "nobody listens at udp://127.0.0.1:"));
    assert_int_equal(tb_udp_send(*state, url, "one", 3, why), -ECONNREFUSED);
    int fd = listen_at(&port);
    assert_int_equal(tb_udp_send(*state, url, "two", 3, why), 0);
    hears(fd, "two");
    /* It goes away once it was proven. */
    close(fd);
    assert_int_equal(tb_udp_send(*state, url, "three", 5, why), -ECONNREFUSED);
}

static void one_that_is_too_large_is_told(void **state)
{
    static char large[TOO_MANY];
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    int fd = listen_at(&port);
    name(url, "127.0.0.1", port);
    assert_int_equal(tb_udp_send(*state, url, large, sizeof(large), why), -EMSGSIZE);
    assert_string_equal(why, "70000 bytes are too many for a datagram");
    assert_int_equal(tb_udp_send(*state, url, "one", 3, why), 0);
    hears(fd, "one");
    close(fd);
}

static void what_is_no_address_is_no_request(void **state)
{
    static const char *const URLS[] = {
        "udp://",      "udp://host",  "udp://:2000",      "udp://[::1:2000",
        "udp://[::1]", "udp://host:", "udp://host:20x00", "udp://h:123456789"};
    char why[TB_UDP_WHY] = "";
    for (size_t i = 0; i < sizeof(URLS) / sizeof(URLS[0]); i++) {
        if (tb_udp_send(*state, URLS[i], "x", 1, why) >= 0)
            fail_msg("%s was sent to", URLS[i]);
        assert_string_not_equal(why, "");
    }
}

/* A label of 64 bytes is no name, which needs no server to tell. */
static void a_name_that_nobody_has_is_an_error(void **state)
{
    char url[128] = "udp://";
    char why[TB_UDP_WHY] = "";
    memset(url + 6, 'x', 64);
    memcpy(url + 70, ":2000", 6);
    assert_true(tb_udp_send(*state, url, "x", 1, why) < 0);
    assert_string_not_equal(why, "");
}

static void its_socket_is_not_inherited(void **state)
{
    char url[64];
    char why[TB_UDP_WHY] = "";
    int port = 0;
    int fd = listen_at(&port);
    name(url, "127.0.0.1", port);
    assert_int_equal(tb_udp_send(*state, url, "one", 3, why), 0);
    for (int i = 3; i < 64; i++) {
        int flags = fcntl(i, F_GETFD);
        int kind = 0;
        socklen_t len = sizeof(kind);
        if (flags >= 0 && getsockopt(i, SOL_SOCKET, SO_TYPE, &kind, &len) == 0 &&
            kind == SOCK_DGRAM)
            assert_true(flags & FD_CLOEXEC);
    }
    close(fd);
}

static void the_transport_tells_of_each_of_them_once(void **state)
{
    struct tb_transport_limits limits = {
        .timeout_ms = 1000, .connections = 1, .wake_fd = eventfd(0, EFD_CLOEXEC)};
    struct tb_transport *transport = NULL;
    char why[TB_TRANSPORT_WHY];
    static char large[TOO_MANY];
    static struct tb_sink_request request[2];
    struct tb_sink_reply reply;
    int port = 0;
    int fd = listen_at(&port);
    char url[64];
    void *tag = NULL;
    (void)state;
    name(url, "127.0.0.1", port);
    assert_int_equal(tb_transport_new(&limits, &transport, why), 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(tb_sink_request_init(&request[i], url, TOO_MANY), 0);
    tb_buf_adds(&request[0].body, "one");
    tb_buf_add(&request[1].body, large, sizeof(large));
    assert_int_equal(tb_transport_send(transport, &request[0], &request[0]), 0);
    assert_int_equal(tb_transport_send(transport, &request[1], &request[1]), 0);
    assert_int_equal(tb_transport_run(transport, 20000), 0); /* does not wait for that */
    assert_int_equal(tb_transport_next(transport, &tag, &reply), 1);
    assert_ptr_equal(tag, &request[0]);
    assert_int_equal(reply.status, 200);
    assert_int_equal(tb_transport_next(transport, &tag, &reply), 1);
    assert_ptr_equal(tag, &request[1]);
    assert_int_equal(reply.status, 413);
    assert_non_null(reply.error);
    assert_int_equal(tb_transport_next(transport, &tag, &reply), 0);
    for (size_t i = 0; i < 2; i++)
        tb_sink_request_done(&request[i]);
    tb_transport_free(transport);
    close(limits.wake_fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define UDP_TEST(name) cmocka_unit_test_setup_teardown(name, make_udp, drop_udp)
        UDP_TEST(a_datagram_arrives_whole),
        UDP_TEST(a_backlog_is_sent_no_faster_than_it_can_be_taken),
        UDP_TEST(a_name_is_looked_up),
        UDP_TEST(an_address_of_version_6_is_in_brackets),
        UDP_TEST(a_closed_port_is_told_at_once_and_an_open_one_again),
        UDP_TEST(one_that_is_too_large_is_told),
        UDP_TEST(what_is_no_address_is_no_request),
        UDP_TEST(a_name_that_nobody_has_is_an_error),
        UDP_TEST(its_socket_is_not_inherited),
        cmocka_unit_test(the_transport_tells_of_each_of_them_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
