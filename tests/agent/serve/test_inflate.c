/* Compressed bodies come out as they went in, or not at all, and never larger than they may be. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <cmocka.h>

#include "agent/serve/inflate.h"

enum { GZIP = 16 + 15, ZLIB = 15, RAW = -15, MIB = 1 << 20 };

static const char text[] =
    "{\"data\":{\"environment\":\"e\",\"body\":{\"message\":{\"body\":\"m\"}}}}";
static char packed[4 * MIB];

static size_t pack_to(char *out, size_t cap, int window, const void *data, size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (const unsigned char *)data;
    z.avail_in = (unsigned)len;
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    (void)deflateEnd(&z);
    return n;
}

static size_t pack(int window, const void *data, size_t len)
{
    return pack_to(packed, sizeof(packed), window, data, len);
}

static int inflated(enum tb_coding coding, size_t len, size_t max, struct tb_buf *out)
{
    tb_buf_init(out, max);
    return tb_inflate(coding, packed, len, out);
}

static void headers_name_one_coding_or_none_is_known(void **state)
{
    static const struct {
        const char *header;
        enum tb_coding coding;
    } cases[] = {{NULL, TB_CODING_NONE},         {"", TB_CODING_NONE},
                 {"identity", TB_CODING_NONE},   {"gzip", TB_CODING_GZIP},
                 {"GZIP", TB_CODING_GZIP},       {"x-gzip", TB_CODING_GZIP},
                 {"deflate", TB_CODING_DEFLATE}, {"br", TB_CODING_UNKNOWN},
                 {"zstd", TB_CODING_UNKNOWN},    {"gzip, gzip", TB_CODING_UNKNOWN},
                 {"gzip,", TB_CODING_UNKNOWN},   {"identity, gzip", TB_CODING_UNKNOWN}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(tb_coding_of(cases[i].header), cases[i].coding);
}

static void what_was_packed_comes_out(void **state)
{
    static const struct {
        int window;
        enum tb_coding coding;
    } ways[] = {{GZIP, TB_CODING_GZIP}, {ZLIB, TB_CODING_DEFLATE}, {RAW, TB_CODING_DEFLATE}};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct tb_buf out;
        size_t len = pack(ways[i].window, text, sizeof(text) - 1);
        assert_int_equal(inflated(ways[i].coding, len, sizeof(text) - 1, &out), 0);
        assert_string_equal(tb_buf_str(&out), text);
        tb_buf_done(&out);
    }
    struct tb_buf out; /* two members */
    size_t len = pack(GZIP, text, 10);
    len += pack_to(packed + len, sizeof(packed) - len, GZIP, text + 10, sizeof(text) - 11);
    assert_int_equal(inflated(TB_CODING_GZIP, len, MIB, &out), 0);
    assert_string_equal(tb_buf_str(&out), text);
    tb_buf_done(&out);
}

static void each_cut_and_each_garbage_is_refused(void **state)
{
    struct tb_buf out;
    (void)state;
    size_t len = pack(GZIP, text, sizeof(text) - 1);
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(inflated(TB_CODING_GZIP, cut, MIB, &out), -EBADMSG);
        tb_buf_done(&out);
    }
    packed[len - 5] ^= 1; /* the checksum */
    assert_int_equal(inflated(TB_CODING_GZIP, len, MIB, &out), -EBADMSG);
    tb_buf_done(&out);
    packed[len - 5] ^= 1;
    packed[len] = 'x'; /* behind it */
    assert_int_equal(inflated(TB_CODING_GZIP, len + 1, MIB, &out), -EBADMSG);
    tb_buf_done(&out);
    memcpy(packed, text, sizeof(text));
    assert_int_equal(inflated(TB_CODING_GZIP, sizeof(text) - 1, MIB, &out), -EBADMSG);
    tb_buf_done(&out);
    assert_int_equal(inflated(TB_CODING_DEFLATE, sizeof(text) - 1, MIB, &out), -EBADMSG);
    tb_buf_done(&out);
}

static void a_bomb_ends_at_the_cap(void **state)
{
    struct tb_buf out;
    char *zeros = calloc(1, 8 * MIB + 1);
    (void)state;
    assert_non_null(zeros);
    size_t len = pack(GZIP, zeros, 8 * MIB + 1);
    assert_true(len * TB_INFLATE_RATIO > 8 * MIB);
    assert_int_equal(inflated(TB_CODING_GZIP, len, 8 * MIB, &out), -EMSGSIZE);
    tb_buf_done(&out);
    len = pack(GZIP, zeros, 8 * MIB);
    assert_int_equal(inflated(TB_CODING_GZIP, len, 8 * MIB, &out), 0);
    assert_int_equal(out.len, 8 * MIB);
    tb_buf_done(&out);
    free(zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_name_one_coding_or_none_is_known),
        cmocka_unit_test(what_was_packed_comes_out),
        cmocka_unit_test(each_cut_and_each_garbage_is_refused),
        cmocka_unit_test(a_bomb_ends_at_the_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
