/* Which requests are read without libevent: a table of those that are, with what is found in them,
 * and of those that are left to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/quick.h"

#define POST "POST /api/1/item/ HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"

static int read_text(const char *text, struct tb_quick *out)
{
    const char *end = strstr(text, "\r\n\r\n");
    assert_non_null(end);
    return tb_quick_read(text, (size_t)(end - text) + 4, strlen(text), out);
}

static void plain_requests_are_read(void **state)
{
    static const struct {
        const char *text, *host, *token; /* NULL: none */
    } cases[] = {
        {POST HOST "\r\nbody", "localhost", NULL},
        {POST "hOST:127.0.0.1:7070 \t\r\n\r\nbody", "127.0.0.1:7070", NULL},
        {POST "Host:   \r\n\r\nbody", "", NULL},
        {POST HOST "Connection: Keep-Alive\r\n\r\nbody", "localhost", NULL},
        {POST HOST "X-Rollbar-Access-Token: abc\r\n\r\nbody", "localhost", "abc"},
        {POST HOST "X-Rollbar-Access-Token:\r\n\r\nbody", "localhost", ""},
        {POST HOST "x-rollbar-access-token: a b \r\nX-Rollbar-Access-Token: c\r\n\r\nbody",
         "localhost", "a b"},
        {POST HOST "Accept-Encoding: gzip\r\nX-Expect: a:b\r\nCookie: Expect: x\r\n\r\nbody",
         "localhost", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tb_quick q;
        if (read_text(cases[i].text, &q) != 0)
            fail_msg("not read: %s", cases[i].text);
        assert_int_equal(q.target_len, strlen("/api/1/item/"));
        assert_memory_equal(q.target, "/api/1/item/", q.target_len);
        assert_string_equal(q.host, cases[i].host);
        assert_int_equal(q.has_token, cases[i].token != NULL);
        if (cases[i].token != NULL)
            assert_string_equal(q.token, cases[i].token);
        assert_int_equal(q.body_len, 4);
        assert_memory_equal(q.body, "body", 4);
    }
}

static void all_else_is_left_to_libevent(void **state)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "PUT /api/1/item/ HTTP/1.1\r\n" HOST "\r\nbody",
        "POST /api/1/item/ HTTP/1.0\r\n" HOST "\r\nbody",
        POST HOST "Connection: close\r\n\r\nbody",
        POST HOST "Connection: keep-alive\r\nCONNECTION: close\r\n\r\nbody",
        POST HOST "Connection: keep-alive, Upgrade\r\n\r\nbody",
        POST HOST "Expect: 100-continue\r\n\r\nbody",
        POST HOST "oriGIN: http://localhost\r\n\r\nbody",
        POST HOST "Content-Encoding: identity\r\n\r\nbody",
        POST HOST "Transfer-Encoding: chunked\r\n\r\nbody",
    };
    struct tb_quick q;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (read_text(cases[i], &q) != -1)
            fail_msg("read: %s", cases[i]);
}

static void long_values_are_left_to_libevent(void **state)
{
    static const struct {
        const char *name;
        size_t cap;
    } cases[] = {{"Host", TB_QUICK_HOST}, {"X-Rollbar-Access-Token", TB_QUICK_TOKEN}};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (size_t len = cases[i].cap - 1; len <= cases[i].cap; len++) {
            char value[TB_QUICK_TOKEN + 1] = "";
            char text[1024];
            struct tb_quick q;
            memset(value, 'x', len);
            (void)snprintf(text, sizeof(text), POST "%s: %s\r\n\r\nbody", cases[i].name, value);
            assert_int_equal(read_text(text, &q), len < cases[i].cap ? 0 : -1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_are_read),
        cmocka_unit_test(all_else_is_left_to_libevent),
        cmocka_unit_test(long_values_are_left_to_libevent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
