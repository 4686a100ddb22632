/* Whom the HTTP server answers. What it answers is tested end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "http/http.h"
#include "http_child.h"

static struct http_child child;

static void only_loopback_names_are_local(void **state)
{
    static const struct {
        const char *host;
        int local;
    } cases[] = {{"localhost", 1},
                 {"localhost:7070", 1},
                 {"LocalHost:1", 1},
                 {"127.0.0.1", 1},
                 {"127.0.0.1:7070", 1},
                 {"127.8.9.1:1", 1},
                 {"[::1]", 1},
                 {"[::1]:7070", 1},
                 {"evil.example", 0},
                 {"localhost.evil", 0},
                 {"127.0.0.1.evil:1", 0},
                 {"127.evil", 0},
                 {"[::2]:1", 0},
                 {"[::1", 0},
                 {"[::1]x", 0},
                 {"10.0.0.1", 0},
                 {"", 0},
                 {"localhost:", 1},
                 {"localhost:a", 0},
                 {"127.0.0.1:80@evil", 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (tb_http_is_local_host(cases[i].host) != cases[i].local)
            fail_msg("\"%s\" should %sbe local", cases[i].host, cases[i].local ? "" : "not ");
}

static int begin(void **state)
{
    child.keeps_all = 0;
    return make_test_folder(state) != 0 ? -1 : start_http_child(&child);
}

static int end(void **state)
{
    stop_http_child(&child);
    return remove_test_folder(state);
}

static void head_answers_have_no_body(void **state)
{
    (void)state;
    const char *answer = answer_to(
        child.port, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
                    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const char *end_of_head = strstr(answer, "\r\n\r\n");
    assert_non_null(end_of_head);
    assert_non_null(strstr(answer, "Content-Length: 3\r\n"));
    assert_int_equal(strncmp(end_of_head + 4, "HTTP/1.1 200", 12), 0);
    assert_non_null(strstr(end_of_head + 4, "\r\n\r\nok\n"));
    answer = answer_to(child.port, "HEAD /nothing HTTP/1.1\r\nHost: localhost\r\n"
                                   "Connection: close\r\n\r\n");
    assert_int_equal(strncmp(answer, "HTTP/1.1 404", 12), 0);
    assert_string_equal(strstr(answer, "\r\n\r\n"), "\r\n\r\n");
}

/* What would be the next request, were the length another one. */
#define SMUGGLED "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void malformed_requests_are_refused_in_json(void **state)
{
    static const struct {
        const char *request, *message;
    } cases[] = {
        {"GET /healthz HTTP/1.1\r\n\r\n", "no Host"},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\n\r\n", "several Host"},
        {"GET /healthz HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n", "no name"},
        {"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: "
         "41\r\n\r\n{}" SMUGGLED,
         "several Content-Length"},
        {"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length : 41\r\n\r\n" SMUGGLED,
         "has a blank"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *answer = answer_to(child.port, cases[i].request);
        if (strncmp(answer, "HTTP/1.1 400", 12) != 0 || strstr(answer, "{\"err\":1,") == NULL ||
            strstr(answer, cases[i].message) == NULL || strstr(answer + 12, "HTTP/1.1 ") != NULL)
            fail_msg("%s -> %s", cases[i].request, answer);
    }
    /* Also behind an answer, where libevent's own would be HTML. */
    const char *second = answer_to(child.port, SMUGGLED "GARBAGE\r\n\r\n");
    second = strstr(second + 12, "HTTP/1.1 400");
    assert_non_null(second);
    assert_non_null(strstr(second, "{\"err\":1,"));
    assert_int_equal(
        strncmp(answer_to(child.port, "GET /healthz HTTP/1.0\r\n\r\n"), "HTTP/1.0 200", 12), 0);
}

/* Whatever could hide a second request is refused, whole and in pieces, and nothing behind it is
 * answered. test_framing.c has the long table. */
static void what_could_hide_a_request_ends_the_connection(void **state)
{
#define POST "POST /post HTTP/1.1\r\nHost: localhost\r\n"
#define CASE(text)                                                                                 \
    {                                                                                              \
        text SMUGGLED, sizeof(text SMUGGLED) - 1                                                   \
    }
    static const struct {
        const char *request;
        size_t len;
    } cases[] = {
        CASE("GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 43\r\n\r\n"),
        CASE("GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"),
        CASE(POST "X: a\0b\r\nContent-Length: 0\r\n\r\n"),
        CASE(POST ": x\r\n\r\n"),
        CASE(POST "X: a\r\n b\r\n\r\n"),
        CASE(POST "Content-Length: 0\r\nContent-Length: 43\r\n\r\n"),
        CASE(POST "Content-Length: +0\r\n\r\n"),
        CASE(POST "Content-Length: 0x0\r\n\r\n"),
        CASE(POST "Content-Length : 43\r\n\r\n"),
        CASE(POST "Content-Length:\v0\r\n\r\n"),
        CASE(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        CASE(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        CASE(POST "Transfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n"),
        CASE(POST "Transfer-Encoding: chunked\r\n\r\n0;x\r\n\r\n"),
        CASE(POST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: evil\r\n\r\n"),
        CASE(POST "Transfer-Encoding: chunked\r\n\r\n0\n\n"),
        CASE(POST "X: a\nContent-Length: 0\r\n\r\n"),
        CASE("POST /post HTTP/1.1\nHost: localhost\n\n"),
        CASE("POST http://evil/post HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *answer = answer_to_bytes(child.port, cases[i].request, cases[i].len);
        if (strncmp(answer, "HTTP/1.1 400", 12) != 0 || strstr(answer + 12, "HTTP/1.1 ") != NULL)
            fail_msg("%s -> %s", cases[i].request, answer);
    }
    assert_true(is_healthy(child.port));
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        n++;
    return n;
}

static void many_in_one_piece_are_answered_in_order(void **state)
{
    char text[4096] = "";
    size_t len = 0;
    (void)state;
    for (int i = 0; i < 10; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s",
                                i % 2 ? POST "Content-Length: 3\r\n\r\nGET"
                                      : POST
                                    "Transfer-Encoding: chunked\r\n\r\n2\r\n\r\n\r\n0\r\n\r\n");
    (void)snprintf(text + len, sizeof(text) - len, "%s", SMUGGLED "no HTTP");
    const char *answer = answer_to(child.port, text);
    assert_int_equal(count(answer, "HTTP/1.1 200"), 11);
    answer = answer_to(0, text); /* and what is none, at last, is refused when its line ends */
    assert_int_equal(count(answer, "HTTP/1.1 200"), 11);
    (void)snprintf(text + len, sizeof(text) - len, "%s", SMUGGLED "no HTTP\r\n" SMUGGLED);
    answer = answer_to(child.port, text);
    assert_int_equal(count(answer, "HTTP/1.1 200"), 11);
    assert_int_equal(count(answer, "HTTP/1.1 400"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_loopback_names_are_local),
                                       TEST(head_answers_have_no_body),
                                       TEST(malformed_requests_are_refused_in_json),
                                       TEST(what_could_hide_a_request_ends_the_connection),
                                       TEST(many_in_one_piece_are_answered_in_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
