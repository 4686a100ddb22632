/* Plain requests are answered before evhttp sees them, all others by their route, and nobody can
 * tell by more than the answer of this server's one route that they took another way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "http_child.h"

#define HEAD "POST /post HTTP/1.1\r\nHost: localhost\r\n"
#define PLAIN HEAD "Content-Length: 4\r\n\r\nbody"

enum { MANY = 4000, WAIT_MS = 10000 };

static struct http_child child;

static int begin(void **state)
{
    child.answers_quickly = 1;
    return make_test_folder(state) != 0 ? -1 : start_http_child(&child);
}

static int end(void **state)
{
    stop_http_child(&child);
    return remove_test_folder(state);
}

/* Sends it in pieces, which the server sees as such: between them it answers somebody else. */
static int send_in(const char *text, size_t piece)
{
    int fd = connect_to(0);
    for (size_t i = 0, len = strlen(text); i < len; i += piece) {
        size_t n = len - i < piece ? len - i : piece;
        assert_int_equal(send(fd, text + i, n, MSG_NOSIGNAL), (ssize_t)n);
        assert_true(is_healthy(0));
    }
    return fd;
}

/* The answer's text, whose end is known. */
static const char *one_answer(int fd)
{
    static char text[1024];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    text[0] = '\0';
    while (strstr(text, "quick\n") == NULL && strstr(text, "ok\n") == NULL) {
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
        ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
        text[n] = '\0';
    }
    return text;
}

static void plain_ones_are_answered_at_once_and_others_by_their_route(void **state)
{
    static const struct {
        const char *text;
        size_t piece;
        const char *body;
    } cases[] = {
        {PLAIN, SIZE_MAX, "\r\n\r\nquick\n"},
        {HEAD "Connection: keep-alive\r\nContent-Length: 4\r\n\r\nbody", SIZE_MAX,
         "\r\n\r\nquick\n"},
        {PLAIN, 30, "\r\n\r\nok\n"},                   /* evhttp has its first line */
        {PLAIN, sizeof(PLAIN) - 3, "\r\n\r\nquick\n"}, /* the head came whole */
        {PLAIN, sizeof(PLAIN) - 5, "\r\n\r\nquick\n"},
        {PLAIN, sizeof(PLAIN) - 7, "\r\n\r\nok\n"},
        {HEAD "Content-Length: 0\r\n\r\n", SIZE_MAX, "\r\n\r\nok\n"},
        {HEAD "Connection: close\r\nContent-Length: 4\r\n\r\nbody", SIZE_MAX, "\r\n\r\nok\n"},
        {HEAD "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n", SIZE_MAX, "\r\n\r\nok\n"},
        {HEAD "Content-Length: 4\r\n\r\nnone", SIZE_MAX, "\r\n\r\nok\n"}, /* it does not want it */
        {HEAD "Content-Length: 4\r\n\r\nnone", sizeof(PLAIN) - 4, "\r\n\r\nok\n"},
        {HEAD "Content-Length: 4\r\n\r\nbody" HEAD "Content-Length: 4\r\n\r\nbody",
         sizeof(PLAIN) - 4, "\r\n\r\nok\n"}, /* more is behind */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = send_in(cases[i].text, cases[i].piece);
        const char *answer = one_answer(fd);
        if (strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) != 0 || strstr(answer, "Date: ") == NULL ||
            strstr(answer, cases[i].body) == NULL)
            fail_msg("to %s came %s", cases[i].text, answer);
        close(fd);
    }
}

static void one_connection_may_take_both_ways_in_turn(void **state)
{
    static const size_t pieces[] = {SIZE_MAX, 30, SIZE_MAX, sizeof(PLAIN) - 3, SIZE_MAX, SIZE_MAX};
    int fd = connect_to(child.port);
    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        for (size_t at = 0, len = sizeof(PLAIN) - 1; at < len; at += pieces[i]) {
            size_t n = len - at < pieces[i] ? len - at : pieces[i];
            assert_int_equal(send(fd, &PLAIN[at], n, MSG_NOSIGNAL), (ssize_t)n);
            if (pieces[i] == SIZE_MAX)
                break;
            assert_true(is_healthy(0));
        }
        const char *answer = one_answer(fd);
        assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
        /* What comes before evhttp knows that its own answer is out is evhttp's too. */
        if (pieces[i] == 30 || i == 0)
            assert_non_null(strstr(answer, i == 0 ? "quick\n" : "ok\n"));
    }
    close(fd);
}

/* Evhttp waits for a body of a known length, and for that one alone. */
static void a_short_request_behind_one_in_two_pieces_is_answered(void **state)
{
    static const char get[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    int fd = send_in(PLAIN, sizeof(PLAIN) - 5);
    (void)state;
    assert_true(sizeof(get) < sizeof(PLAIN));
    assert_non_null(strstr(one_answer(fd), "quick\n"));
    assert_int_equal(send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(get) - 1);
    assert_non_null(strstr(one_answer(fd), "ok\n"));
    close(fd);
}

static void a_foreign_host_is_refused_by_tcp_alone(void **state)
{
    static const char text[] = "POST /post HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 4\r\n"
                               "Connection: keep-alive\r\n\r\nbody";
    (void)state;
    const char *answer = answer_to(child.port, text);
    assert_int_equal(strncmp(answer, "HTTP/1.1 403", 12), 0);
    assert_non_null(strstr(answer_to(0, text), "quick\n"));
}

/* Reads what is there of the answers, and adds those that end in it to *n. 0 when nothing comes. */
static int read_some(int fd, int wait_ms, int *n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char piece[4096];
    ssize_t got = poll(&p, 1, wait_ms) == 1 ? recv(fd, piece, sizeof(piece), MSG_DONTWAIT) : 0;
    for (ssize_t i = 0; i < got; i++)
        *n += piece[i] == 'k'; /* "quick" and "ok" have one, and no head has */
    return got > 0;
}

/* Sends one after the other while nobody reads, until the server takes no more: the kernel's room
 * for answers is full long before. other is a connection that tells when the server has read. */
static int send_unread(int fd, int other)
{
    int n = 0;
    for (int stuck = 0; n < MANY && stuck < 3; stuck++) {
        ssize_t sent = send(fd, PLAIN, sizeof(PLAIN) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent == (ssize_t)sizeof(PLAIN) - 1) {
            n++;
            stuck = -1;
        }
        assert_int_equal(send(other, PLAIN, sizeof(PLAIN) - 1, MSG_NOSIGNAL),
                         (ssize_t)sizeof(PLAIN) - 1);
        assert_non_null(strstr(one_answer(other), "quick\n"));
    }
    return n;
}

static void who_reads_late_gets_every_answer(void **state)
{
    int fd = connect_to(0);
    int other = connect_to(0);
    int n_answers = 0;
    (void)state;
    int n_sent = send_unread(fd, other);
    assert_true(n_sent > 300);
    while (n_answers < n_sent)
        assert_true(read_some(fd, WAIT_MS, &n_answers));
    assert_true(is_healthy(0));
    while (read_some(fd, 0, &n_answers)) {
    }
    assert_int_equal(n_answers, n_sent);
    assert_int_equal(send(fd, PLAIN, sizeof(PLAIN) - 1, MSG_NOSIGNAL), (ssize_t)sizeof(PLAIN) - 1);
    assert_non_null(strstr(one_answer(fd), "200 OK"));
    close(fd);
    close(other);
}

static void who_goes_while_answers_wait_harms_nobody(void **state)
{
    int other = connect_to(0);
    (void)state;
    for (int i = 0; i < 3; i++) {
        int fd = connect_to(0);
        assert_true(send_unread(fd, other) > 300);
        close(fd);
        assert_true(is_healthy(0));
    }
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_ones_are_answered_at_once_and_others_by_their_route),
        TEST(one_connection_may_take_both_ways_in_turn),
        TEST(a_short_request_behind_one_in_two_pieces_is_answered),
        TEST(a_foreign_host_is_refused_by_tcp_alone),
        TEST(who_reads_late_gets_every_answer),
        TEST(who_goes_while_answers_wait_harms_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
