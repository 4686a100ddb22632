/* Whoever sends too much, too slowly or what is no HTTP gets an answer in JSON that he can read,
 * even when he reads only after he has sent all; and the others are served meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http_child.h"

enum { MIB = 1 << 20, HELD_MAX = 4 * MIB, SLOW_MS = 300, WAIT_MS = 20000 };

#define HEAD "POST /post HTTP/1.1\r\nHost: localhost\r\n"

static struct http_child child;

static int begin(void **state)
{
    child = (struct http_child){.held_max = HELD_MAX};
    return make_test_folder(state) != 0 ? -1 : start_http_child(&child);
}

static int begin_slow(void **state)
{
    child = (struct http_child){.request_ms = SLOW_MS};
    return make_test_folder(state) != 0 ? -1 : start_http_child(&child);
}

static int begin_large(void **state)
{
    child = (struct http_child){0};
    return make_test_folder(state) != 0 ? -1 : start_http_child(&child);
}

static int end(void **state)
{
    stop_http_child(&child);
    return remove_test_folder(state);
}

/* Sends all of it, blocking; 0 when the other side has cut the connection. */
static int push(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return 0;
        text += n;
        len -= (size_t)n;
    }
    return 1;
}

static int push_zeros(int fd, size_t len)
{
    static char zeros[64 << 10];
    memset(zeros, '0', sizeof(zeros));
    for (; len > 0; len -= len < sizeof(zeros) ? len : sizeof(zeros))
        if (!push(fd, zeros, len < sizeof(zeros) ? len : sizeof(zeros)))
            return 0;
    return 1;
}

static int open_request(int port, const char *head)
{
    int fd = connect_to(port);
    assert_true(fd >= 0);
    assert_true(push(fd, head, strlen(head)));
    return fd;
}

/* All that comes until the end of the connection. */
static const char *rest_of(int fd)
{
    return answer_on(fd, WAIT_MS);
}

static void is_refusal(const char *answer, int status, const char *word)
{
    char line[32];
    snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
    if (strncmp(answer, line, strlen(line)) != 0 || strstr(answer, "application/json") == NULL ||
        strstr(answer, "\r\n\r\n{\"err\":1,\"message\":\"") == NULL ||
        strstr(answer, word) == NULL || strstr(answer, "Connection: close") == NULL ||
        strcasestr(answer, "html") != NULL)
        fail_msg("expected %d with \"%s\", got: %s", status, word, answer);
}

static void twenty_megabytes_are_refused_in_words_that_arrive(void **state)
{
    static const int ports_tcp[] = {1, 0};
    (void)state;
    for (int i = 0; i < 2; i++) {
        int port = ports_tcp[i] ? child.port : 0;
        int fd = open_request(port, HEAD "Content-Length: 20000000\r\n\r\n");
        assert_true(push_zeros(fd, 20000000)); /* reads nothing before all is sent */
        is_refusal(rest_of(fd), 413, "8 MiB");
        assert_true(is_healthy(port));
    }
}

static void chunks_without_end_are_refused(void **state)
{
    (void)state;
    int fd = open_request(child.port, HEAD "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 40; i++) {
        assert_true(push(fd, "80000\r\n", 7));
        assert_true(push_zeros(fd, MIB / 2));
        assert_true(push(fd, "\r\n", 2));
    }
    is_refusal(rest_of(fd), 413, "8 MiB");
    assert_true(is_healthy(child.port));
}

static void eight_mebibytes_are_taken_whole_or_in_chunks(void **state)
{
    (void)state;
    int fd = open_request(child.port, HEAD "Connection: close\r\nContent-Length: 8388608\r\n\r\n");
    assert_true(push_zeros(fd, 8 * MIB));
    assert_int_equal(strncmp(rest_of(fd), "HTTP/1.1 200", 12), 0);
    fd = open_request(child.port, HEAD "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 8 * 64; i++) {
        assert_true(push(fd, "4000\r\n", 6));
        assert_true(push_zeros(fd, 0x4000));
        assert_true(push(fd, "\r\n", 2));
    }
    assert_true(push(fd, "0\r\n\r\n", 5));
    assert_int_equal(strncmp(rest_of(fd), "HTTP/1.1 200", 12), 0);
    assert_true(is_healthy(child.port));
}

static void expect_is_answered_before_the_body(void **state)
{
    (void)state;
    int fd = open_request(child.port, HEAD "Expect: 100-continue\r\nContent-Length: 4\r\n"
                                           "Connection: close\r\n\r\n");
    char line[64] = "";
    assert_true(recv(fd, line, sizeof(line) - 1, 0) > 0);
    assert_int_equal(strncmp(line, "HTTP/1.1 100 ", 13), 0);
    assert_true(push(fd, "0000", 4));
    assert_int_equal(strncmp(rest_of(fd), "HTTP/1.1 200", 12), 0);
    fd = open_request(child.port, HEAD "Expect: 100-continue\r\nContent-Length: 9000000\r\n\r\n");
    is_refusal(rest_of(fd), 413, "8 MiB");
    fd = open_request(child.port, HEAD "Expect: tea\r\nContent-Length: 4\r\n\r\n");
    is_refusal(rest_of(fd), 417, "100-continue");
}

static void what_is_no_http_is_refused_in_json(void **state)
{
    static const struct {
        const char *request;
        int status;
        const char *word;
    } cases[] = {
        {"this is no HTTP\r\n\r\n", 400, "no HTTP"},
        {"GET\r\n\r\n", 400, "no HTTP"},
        {"\x16\x03\x01\x02\r\n\r\n", 400, "no HTTP"},
        {HEAD "a line without a colon\r\n\r\n", 400, "head"},
        {HEAD "Content-Length: many\r\n\r\n", 400, "Content-Length"},
        {HEAD "Content-Length: -1\r\n\r\n", 400, "Content-Length"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "chunks"},
        {"TRACE /post HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method"},
        {"BREW /post HTTP/1.1\r\nHost: localhost\r\n\r\n", 501, "method"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        is_refusal(rest_of(open_request(child.port, cases[i].request)), cases[i].status,
                   cases[i].word);
    assert_true(is_healthy(child.port));
}

static void a_head_over_64_kib_is_refused(void **state)
{
    (void)state;
    int fd = open_request(child.port, HEAD "X: ");
    assert_true(push_zeros(fd, 200000));
    is_refusal(rest_of(fd), 431, "64 KiB");
    fd = open_request(child.port, HEAD);
    for (int i = 0; i < 20000; i++)
        assert_true(push(fd, "X: 01234\r\n", 10));
    is_refusal(rest_of(fd), 431, "256 lines");
}

static void is_taken(int fd)
{
    char line[13] = "";
    assert_int_equal(recv(fd, line, 12, MSG_WAITALL), 12);
    assert_string_equal(line, "HTTP/1.1 200");
    close(fd);
}

/* 3.5 MiB are for large ones, 3 MiB of them for one sender: the user of the Unix socket is one, and
 * loopback TCP is another. */
static void a_large_body_is_refused_by_its_head_or_ends_well(void **state)
{
    int let_in[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        let_in[i] = open_request(0, HEAD "Content-Length: 1000001\r\n\r\n");
        assert_true(push_zeros(let_in[i], 1000000));
    }
    for (int i = 0; i < 10; i++) {
        int fd = open_request(0, HEAD "Content-Length: 1000001\r\n\r\n");
        const char *answer = rest_of(fd); /* before any of the body was sent */
        is_refusal(answer, 503, "again");
        assert_non_null(strstr(answer, "Retry-After: 1\r\n"));
    }
    int fd = open_request(child.port, HEAD "Content-Length: 500000\r\n\r\n");
    assert_true(push_zeros(fd, 500000)); /* somebody else has room */
    is_taken(fd);
    for (int i = 0; i < 5; i++)
        assert_true(is_healthy(i % 2 ? child.port : 0));
    for (int i = 0; i < 3; i++) {
        assert_true(push(let_in[i], "0", 1));
        is_taken(let_in[i]);
    }
}

static void chunks_get_memory_as_they_grow(void **state)
{
    (void)state;
    int fd = open_request(0, HEAD "Content-Length: 3000001\r\n\r\n");
    assert_true(push_zeros(fd, 1000));
    int chunks = open_request(0, HEAD "Transfer-Encoding: chunked\r\n\r\nc000\r\n");
    assert_true(push_zeros(chunks, 0xc000));
    assert_true(push(chunks, "\r\n0\r\n\r\n", 7));
    is_taken(chunks); /* small */
    chunks = open_request(0, HEAD "Transfer-Encoding: chunked\r\n\r\n100000\r\n");
    (void)push_zeros(chunks, 0x100000);
    is_refusal(rest_of(chunks), 503, "again");
    assert_true(push_zeros(fd, 3000000 - 1000));
    assert_true(push(fd, "0", 1));
    is_taken(fd);
}

static void of_small_ones_the_costliest_gives_way(void **state)
{
    enum { N = 12, PART = 50000 }; /* 512 KiB are for them */
    int fds[N];
    (void)state;
    for (int i = 0; i < N; i++) {
        fds[i] = open_request(0, HEAD "Content-Length: 50001\r\n\r\n");
        assert_true(push_zeros(fds[i], PART));
        assert_true(is_healthy(0)); /* it has been read */
    }
    is_refusal(rest_of(fds[0]), 503, "again");
    for (int i = N - 1; i > N - 8; i--) {
        assert_true(push(fds[i], "0", 1));
        is_taken(fds[i]);
    }
}

/* What was charged is given back, however the request ends. */
static void no_memory_is_lost_on_the_way(void **state)
{
    int n_tries = 0;
    (void)state;
    for (int i = 0; i < 60; i++) {
        int is_chunked = i % 2;
        int fd = open_request(i % 4 < 2 ? child.port : 0,
                              is_chunked ? HEAD "Connection: close\r\n"
                                                "Transfer-Encoding: chunked\r\n\r\n2dc6c0\r\n"
                                         : HEAD "Connection: close\r\n"
                                                "Content-Length: 3000000\r\n\r\n");
        if (i % 3 == 0) {
            assert_true(push_zeros(fd, 1000000));
            close(fd);
            continue;
        }
        assert_true(push_zeros(fd, 3000000));
        assert_true(!is_chunked || push(fd, "\r\n0\r\n\r\n", 7));
        char line[13] = "";
        assert_int_equal(recv(fd, line, 12, MSG_WAITALL), 12);
        close(fd);
        if (strcmp(line, "HTTP/1.1 200") == 0)
            continue;
        assert_string_equal(line, "HTTP/1.1 503"); /* the last one is not seen to be gone yet */
        assert_true(++n_tries < 1000);
        i--;
    }
}

static void slow_senders_get_408(void **state)
{
    static const char *const beginnings[] = {"P", HEAD, HEAD "Content-Length: 100\r\n\r\n{",
                                             HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n01"};
    enum { N = sizeof(beginnings) / sizeof(beginnings[0]) };
    int fds[N];
    (void)state;
    for (int i = 0; i < N; i++)
        fds[i] = open_request(i % 2 ? child.port : 0, beginnings[i]);
    assert_true(is_healthy(child.port));
    for (int i = 0; i < N; i++)
        is_refusal(rest_of(fds[i]), 408, "in time");
}

/* One byte now and then does not help: the whole request has its time. */
static void dripping_does_not_help(void **state)
{
    (void)state;
    int fd = open_request(child.port, HEAD "Content-Length: 100000\r\n\r\n");
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = 0;
    while (poll(&p, 1, 10) == 0 && n++ < 1000)
        (void)push(fd, "0", 1);
    assert_true(n < 1000);
    is_refusal(rest_of(fd), 408, "in time");
}

static void a_connection_that_is_kept_alive_is_not_slow(void **state)
{
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    char line[13] = "";
    (void)state;
    int fd = connect_to(child.port);
    for (int i = 0; i < 3; i++) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_true(push(fd, get, sizeof(get) - 1));
        assert_int_equal(recv(fd, line, 12, 0), 12);
        assert_string_equal(line, "HTTP/1.1 200");
        while (poll(&p, 1, SLOW_MS + 100) > 0) { /* the rest, and silence for longer than that */
            char rest[512];
            assert_true(recv(fd, rest, sizeof(rest), 0) > 0);
        }
    }
    close(fd);
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(twenty_megabytes_are_refused_in_words_that_arrive, begin),
        TEST(chunks_without_end_are_refused, begin_large),
        TEST(eight_mebibytes_are_taken_whole_or_in_chunks, begin_large),
        TEST(expect_is_answered_before_the_body, begin),
        TEST(what_is_no_http_is_refused_in_json, begin),
        TEST(a_head_over_64_kib_is_refused, begin),
        TEST(a_large_body_is_refused_by_its_head_or_ends_well, begin),
        TEST(chunks_get_memory_as_they_grow, begin),
        TEST(of_small_ones_the_costliest_gives_way, begin),
        TEST(no_memory_is_lost_on_the_way, begin),
        TEST(slow_senders_get_408, begin_slow),
        TEST(dripping_does_not_help, begin_slow),
        TEST(a_connection_that_is_kept_alive_is_not_slow, begin_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
