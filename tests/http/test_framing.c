/* One request has one end, whoever reads it: a table of what is taken and of what is refused, in
 * one piece and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "http/framing.h"

#define POST "POST /api/1/item/ HTTP/1.1\r\nHost: localhost\r\n"
#define GET "GET / HTTP/1.1\r\nHost: localhost\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define S(text) text, sizeof(text) - 1

struct outcome {
    int n_ends, status;
    uint64_t body_len;
};

/* Feeds it in pieces of that size. */
static struct outcome feed(const char *text, size_t len, size_t piece)
{
    struct tb_framing f = {0};
    struct outcome out = {0};
    enum tb_framing_event event;
    size_t at = 0;
    for (;;) {
        size_t n = len - at < piece ? len - at : piece;
        at += tb_framing_feed(&f, text + at, n, &event);
        if (event == TB_FRAMING_BAD) {
            out.status = f.status;
            assert_non_null(f.why);
            return out;
        }
        if (event == TB_FRAMING_END) {
            out.n_ends++;
            out.body_len = f.body_len;
            tb_framing_next(&f);
        }
        if (event == TB_FRAMING_MORE && at == len)
            return out;
    }
}

static const struct {
    const char *text;
    size_t len;
    int n_ends;
    uint64_t body_len;
} taken[] = {
    {S(GET "\r\n"), 1, 0},
    {S("GET /?a=b%20c&d HTTP/1.0\r\n\r\n"), 1, 0},
    {S("GET http://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1, 0},
    {S("HEAD / HTTP/1.1\r\nhost:localhost\r\nContent-Length: 0\r\n\r\n"), 1, 0},
    {S(POST "\r\n"), 1, 0},
    {S(POST "Content-Length: 5\r\n\r\n01234"), 1, 5},
    {S(POST "content-length:005  \r\n\r\n01234"), 1, 5},
    {S(POST "Content-Length: 5\r\n\r\n0123"), 0, 0},
    {S(POST "X: \t a\tb\x80\xff \r\nY:\r\nContent-Length: 1\r\n\r\n\0"), 1, 1},
    {S(POST "Content-Length: 3\r\n\r\n\r\n\n" GET "\r\n"), 2, 0},
    {S(CHUNKED "0\r\n\r\n"), 1, 0},
    {S(CHUNKED "5\r\n01234\r\n00aB\r\n" /* 171 */
               "0123456789012345678901234567890123456789012345678901234567890123456789"
               "0123456789012345678901234567890123456789012345678901234567890123456789"
               "0123456789012345678901234567890\r\n000\r\n\r\n"),
     1, 176},
    {S(POST "Transfer-Encoding: Chunked\r\n\r\n1\r\n\r\r\n0\r\n\r\n" GET "\r\n" GET "\r\n"), 3, 0},
    {S(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}"), 1, 2},
};

static const struct {
    const char *text;
    size_t len;
    int status, n_ends; /* requests that were whole before it */
} refused[] = {
    /* the first line */
    {S("\r\n" GET "\r\n"), 400, 0},
    {S("this is no HTTP\r\n\r\n"), 400, 0},
    {S("\x16\x03\x01\x02"), 400, 0},
    {S(" GET / HTTP/1.1\r\n"), 400, 0},
    {S("GET  / HTTP/1.1\r\n"), 400, 0},
    {S("GET\t/ HTTP/1.1\r\n"), 400, 0},
    {S("GET /  HTTP/1.1\r\n"), 400, 0},
    {S("GET /a b HTTP/1.1\r\n"), 400, 0},
    {S("GET / HTTP/1.1 \r\n"), 400, 0},
    {S("GET / HTTP/1.1\n"), 400, 0},
    {S("GET / HTTP/1.1\r\r\n"), 400, 0},
    {S("GET / HTTP/1.2\r\n"), 400, 0},
    {S("GET / HTTP/2.0\r\n"), 400, 0},
    {S("GET / http/1.1\r\n"), 400, 0},
    {S("GET / HTTP/01.1\r\n"), 400, 0},
    {S("GET /\r\n"), 400, 0},
    {S("GET \r\n"), 400, 0},
    {S("GET /\0 HTTP/1.1\r\n"), 400, 0},
    {S("GET /\x80 HTTP/1.1\r\n"), 400, 0},
    {S("GET * HTTP/1.1\r\n"), 400, 0},
    {S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400, 0},
    {S("CONNECT localhost:80 HTTP/1.1\r\n"), 400, 0},
    {S("OPTIONS / HTTP/1.1\r\n"), 501, 0},
    {S("get / HTTP/1.1\r\n"), 501, 0},
    /* names */
    {S(GET ": x\r\n"), 400, 0},
    {S(GET "X : x\r\n"), 400, 0},
    {S(GET "X\t: x\r\n"), 400, 0},
    {S(GET "X\0: x\r\n"), 400, 0},
    {S(GET "X\x80: x\r\n"), 400, 0},
    {S(GET "a line without a colon\r\n"), 400, 0},
    {S(GET "X\r\n"), 400, 0},
    {S(GET " folded: x\r\n"), 400, 0},
    {S(GET "X: x\r\n folded\r\n"), 400, 0},
    {S(GET "X: x\r\n\tfolded\r\n"), 400, 0},
    {S("GET / HTTP/1.1\r\n Host: localhost\r\n"), 400, 0},
    /* values and lines */
    {S(GET "X: a\0b\r\n"), 400, 0},
    {S(GET "X: a\x01\r\n"), 400, 0},
    {S(GET "X: a\x7f\r\n"), 400, 0},
    {S(GET "X: a\x1b[31m\r\n"), 400, 0},
    {S(GET "X: a\n"), 400, 0},
    {S(GET "X: a\rY: b\r\n"), 400, 0},
    {S(GET "X: a\nContent-Length: 3\r\n"), 400, 0},
    {S(GET "\n"), 400, 0},
    {S(GET "\rX"), 400, 0},
    /* hosts */
    {S("GET / HTTP/1.1\r\n\r\n"), 400, 0},
    {S(GET "Host: localhost\r\n"), 400, 0},
    /* lengths */
    {S(POST "Content-Length: +5\r\n"), 400, 0},
    {S(POST "Content-Length: -1\r\n"), 400, 0},
    {S(POST "Content-Length: 0x5\r\n"), 400, 0},
    {S(POST "Content-Length: 5a\r\n"), 400, 0},
    {S(POST "Content-Length: 5 5\r\n"), 400, 0},
    {S(POST "Content-Length: 5, 5\r\n"), 400, 0},
    {S(POST "Content-Length: 5,\r\n"), 400, 0},
    {S(POST "Content-Length:\t5\r\n"), 400, 0},
    {S(POST "Content-Length: 5\t\r\n"), 400, 0},
    {S(POST "Content-Length:\r\n"), 400, 0},
    {S(POST "Content-Length: many\r\n"), 400, 0},
    {S(POST "Content-Length: 1e3\r\n"), 400, 0},
    {S(POST "Content-Length: 18446744073709551621\r\n"), 400, 0},
    {S(POST "Content-Length: 5\r\nContent-Length: 5\r\n"), 400, 0},
    {S(POST "Content-Length: 5\r\ncontent-length: 6\r\n"), 400, 0},
    {S(POST "Content-Length: 8388609\r\n\r\n"), 413, 0},
    {S(POST "Content-Length: 999999999999999999\r\n\r\n"), 413, 0},
    {S(GET "Content-Length: 1\r\n\r\n"), 400, 0},
    {S("DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"), 400, 0},
    /* codings */
    {S(POST "Transfer-Encoding: gzip, chunked\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: chunked, chunked\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: xchunked\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: \"chunked\"\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: chunked;x\r\n"), 400, 0},
    {S(POST "Transfer-Encoding:\tchunked\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: identity\r\n"), 400, 0},
    {S(POST "Transfer-Encoding:\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n"), 400, 0},
    {S(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400, 0},
    {S(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, 0},
    {S(GET "Transfer-Encoding: chunked\r\n\r\n"), 400, 0},
    {S("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400, 0},
    /* chunks */
    {S(CHUNKED "zz\r\n"), 400, 0},
    {S(CHUNKED "\r\n"), 400, 0},
    {S(CHUNKED " 5\r\n"), 400, 0},
    {S(CHUNKED "5 \r\n"), 400, 0},
    {S(CHUNKED "+5\r\n"), 400, 0},
    {S(CHUNKED "-5\r\n"), 400, 0},
    {S(CHUNKED "0x5\r\n"), 400, 0},
    {S(CHUNKED "5;a=b\r\n"), 400, 0},
    {S(CHUNKED "5\n01234\r\n"), 400, 0},
    {S(CHUNKED "5\r01234\r\n"), 400, 0},
    {S(CHUNKED "5\r\n012345\r\n"), 400, 0},
    {S(CHUNKED "5\r\n01234\n0\r\n\r\n"), 400, 0},
    {S(CHUNKED "5\r\n01234\r0\r\n\r\n"), 400, 0},
    {S(CHUNKED "000000005\r\n"), 400, 0},
    {S(CHUNKED "800001\r\n"), 413, 0},
    {S(CHUNKED "ffffffff\r\n"), 413, 0},
    {S(CHUNKED "0\r\nX: trailer\r\n\r\n"), 400, 0},
    {S(CHUNKED "0\r\n\n"), 400, 0},
    {S(CHUNKED "0\r\n\r\r"), 400, 0},
    /* what comes behind a good one */
    {S(POST "Content-Length: 5\r\n\r\n01234\r\n" GET "\r\n"), 400, 1},
    {S(POST "Content-Length: 4\r\n\r\n01234" GET "\r\n"), 501, 1},
    {S(CHUNKED "0\r\n\r\n0\r\n\r\n"), 400, 1},
    {S(GET "\r\n" POST "Content-Length: 1\r\n\r\nx" GET ": \r\n"), 400, 2},
};

static void what_is_well_formed_is_taken_with_its_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        for (size_t piece = 1; piece <= taken[i].len; piece += piece < 8 ? 1 : taken[i].len / 3) {
            struct outcome got = feed(taken[i].text, taken[i].len, piece);
            if (got.status != 0 || got.n_ends != taken[i].n_ends ||
                got.body_len != taken[i].body_len)
                fail_msg("%zu by %zu: status %d, %d ends, %d bytes: %s", i, piece, got.status,
                         got.n_ends, (int)got.body_len, taken[i].text);
        }
}

static void what_can_be_read_in_two_ways_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        for (size_t piece = 1; piece <= refused[i].len;
             piece += piece < 8 ? 1 : refused[i].len / 3) {
            struct outcome got = feed(refused[i].text, refused[i].len, piece);
            if (got.status != refused[i].status || got.n_ends != refused[i].n_ends)
                fail_msg("%zu by %zu: status %d, %d ends: %s", i, piece, got.status, got.n_ends,
                         refused[i].text);
        }
}

static void each_bound_is_met_exactly(void **state)
{
    static char text[TB_FRAMING_HEAD_MAX + 64];
    (void)state;
    for (int over = 0; over <= 1; over++) {
        size_t len = (size_t)snprintf(text, sizeof(text), GET "X: ");
        size_t pad = (size_t)(TB_FRAMING_HEAD_MAX - 4 + over) - len;
        memset(text + len, 'x', pad);
        memcpy(text + len + pad, "\r\n\r\n", 4);
        struct outcome got = feed(text, len + pad + 4, sizeof(text));
        assert_int_equal(got.status, over ? 431 : 0);
        assert_int_equal(got.n_ends, !over);
        len = (size_t)snprintf(text, sizeof(text), GET);
        for (int i = 0; i < TB_FRAMING_HEADERS - 1 + over; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "X: x\r\n");
        len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
        assert_int_equal(feed(text, len, 100).status, over ? 431 : 0);
    }
}

/* Bodies may be counted instead of shown. */
static void a_body_need_not_be_looked_at(void **state)
{
    struct tb_framing f = {0};
    enum tb_framing_event event;
    (void)state;
    (void)tb_framing_feed(&f, S(POST "Content-Length: 8388608\r\n\r\n"), &event);
    assert_int_equal(event, TB_FRAMING_HEAD);
    assert_int_equal(f.length, TB_FRAMING_BODY_MAX);
    assert_int_equal(tb_framing_blind(&f), TB_FRAMING_BODY_MAX);
    tb_framing_skip(&f, TB_FRAMING_BODY_MAX);
    assert_int_equal(tb_framing_feed(&f, "", 0, &event), 0);
    assert_int_equal(event, TB_FRAMING_END);
    tb_framing_next(&f);
    (void)tb_framing_feed(&f, S(CHUNKED), &event);
    (void)tb_framing_feed(&f, S("10\r\n"), &event);
    assert_int_equal(tb_framing_blind(&f), 16);
    tb_framing_skip(&f, 16);
    (void)tb_framing_feed(&f, S("\r\n0\r\n\r\n"), &event);
    assert_int_equal(event, TB_FRAMING_END);
    assert_int_equal(f.body_len, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_formed_is_taken_with_its_length),
        cmocka_unit_test(what_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(each_bound_is_met_exactly),
        cmocka_unit_test(a_body_need_not_be_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
