/* Strangers who connect and say little take neither the processor, nor the log, nor the place of
 * the others. The server has 64 descriptors: 16 connections for each of its sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http/connections.h"
#include "http_child.h"

enum { STRANGERS = 100, WINDOW_MS = 500, BUSY_MS = 150, LOG_BYTES = 2000 };

static struct http_child child;
static int strangers[STRANGERS];

static int begin(void **state)
{
    return make_test_folder(state);
}

static int end(void **state)
{
    stop_http_child(&child);
    return remove_test_folder(state);
}

static void start(int keeps_all)
{
    child.keeps_all = keeps_all;
    assert_int_equal(start_http_child(&child), 0);
    for (int i = 0; i < 10000 && access(in_folder("ready"), F_OK) != 0; i++)
        (void)poll(NULL, 0, 1);
    assert_int_equal(access(in_folder("ready"), F_OK), 0);
}

static int64_t processor_ms(void)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(child.pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void come(int port)
{
    for (int i = 0; i < STRANGERS; i++) {
        strangers[i] = connect_to(port);
        assert_true(strangers[i] >= 0);
    }
}

static void go(void)
{
    for (int i = 0; i < STRANGERS; i++)
        close(strangers[i]);
}

static void nothing_is_burnt(void)
{
    struct stat st;
    int64_t before = processor_ms();
    (void)poll(NULL, 0, WINDOW_MS); /* what is measured is this time */
    int64_t used = processor_ms() - before;
    if (used > BUSY_MS)
        fail_msg("%lld ms of the processor in %d ms", (long long)used, WINDOW_MS);
    assert_int_equal(stat(in_folder("log"), &st), 0);
    if (st.st_size > LOG_BYTES)
        fail_msg("%lld bytes of log", (long long)st.st_size);
}

/* Those who wait in the kernel's queue are taken in before: it may take as long as they are many.
 */
static void is_healthy_again(int port)
{
    for (int i = 0; i < 20; i++)
        if (is_healthy(port))
            return;
    fail_msg("port %d is not served any more", port);
}

static void those_who_are_idle_make_room(void **state)
{
    static const int is_tcp[] = {1, 0};
    char byte;
    (void)state;
    start(0);
    for (int k = 0; k < 2; k++) {
        int port = is_tcp[k] ? child.port : 0;
        come(port);
        for (int i = 0; i < 20; i++)
            assert_true(is_healthy(i % 2 ? port : child.port - port));
        nothing_is_burnt();
        for (int i = 0; i < STRANGERS - 20; i++) /* the oldest are gone, the newest are not */
            assert_int_equal(recv(strangers[i], &byte, 1, 0), 0);
        go();
    }
}

/* One byte of a request is not idle: there is no place for others until that is slow. */
static void those_who_begin_and_stand_still_keep_to_their_socket_and_go(void **state)
{
    (void)state;
    start(0);
    come(child.port);
    for (int i = 0; i < STRANGERS; i++) {
        if (i % 3 == 0)
            (void)send(strangers[i], "P", 1, MSG_NOSIGNAL);
        else
            shutdown(strangers[i], SHUT_RDWR);
    }
    assert_true(is_healthy(0));
    nothing_is_burnt();
    is_healthy_again(child.port);
    go();
}

/* The first n strangers want much, and read nothing of it. */
static void ask_for_much(int port, int n)
{
    static const char request[] = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (int i = 0; i < n; i++) {
        strangers[i] = connect_to(port);
        assert_int_equal(send(strangers[i], request, sizeof(request) - 1, MSG_NOSIGNAL),
                         sizeof(request) - 1);
    }
}

static void those_who_do_not_read_their_answers_make_room(void **state)
{
    (void)state;
    start(0);
    for (int k = 0; k < 2; k++) {
        int port = k ? child.port : 0;
        ask_for_much(port, 16);
        is_healthy_again(port);
        for (int i = 0; i < 16; i++)
            close(strangers[i]);
    }
}

/* How many bytes come until the server closes or has no more for the moment. Closes fd. */
static size_t bytes_on(int fd)
{
    static char piece[1 << 20];
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, ANSWER_MS) > 0) {
        ssize_t got = recv(fd, piece, sizeof(piece), 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    return n;
}

static void answers_that_nobody_reads_take_no_more_than_their_memory(void **state)
{
    enum { N = 12, ROOM = TB_CONNECTIONS_UNREAD / CHILD_LARGE };
    int n_whole = 0;
    int last = 0;
    (void)state;
    start(0);
    ask_for_much(0, N);
    assert_true(is_healthy(child.port));
    for (int i = 0; i < N; i++) {
        last = bytes_on(strangers[i]) > CHILD_LARGE;
        n_whole += last;
    }
    assert_in_range(n_whole, 1, ROOM);
    assert_true(last); /* who came late was not cut for those who came before */
}

static void many_who_come_and_go_are_not_counted_as_there(void **state)
{
    (void)state;
    start(0);
    for (int i = 0; i < STRANGERS; i++)
        assert_true(is_healthy(i % 2 ? child.port : 0));
}

static void without_a_descriptor_the_listeners_rest(void **state)
{
    (void)state;
    start(1);
    come(child.port);
    nothing_is_burnt();
    go();
    kill(child.pid, SIGUSR1);
    is_healthy_again(child.port);
    is_healthy_again(0);
}

static void the_cap_follows_the_limit_of_descriptors(void **state)
{
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    static const int cases[][2] = {{64, 16}, {256, 64}, {1024, 256}};
    for (size_t i = 0; i < 3; i++) {
        struct rlimit limit = {(rlim_t)cases[i][0], before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(tb_connections_cap(), cases[i][1]);
    }
    tb_connections_prepare(NULL);
    struct rlimit after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_true(after.rlim_cur == before.rlim_max || after.rlim_cur == 65536);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(those_who_are_idle_make_room),
        TEST(those_who_begin_and_stand_still_keep_to_their_socket_and_go),
        TEST(those_who_do_not_read_their_answers_make_room),
        TEST(answers_that_nobody_reads_take_no_more_than_their_memory),
        TEST(many_who_come_and_go_are_not_counted_as_there),
        TEST(without_a_descriptor_the_listeners_rest),
        cmocka_unit_test(the_cap_follows_the_limit_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
