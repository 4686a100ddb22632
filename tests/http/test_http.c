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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_loopback_names_are_local),
                                       TEST(head_answers_have_no_body),
                                       TEST(malformed_requests_are_refused_in_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
