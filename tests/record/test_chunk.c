#include "record/chunk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_header_has_the_bytes_of_the_specification(void **state)
{
    (void)state;
    static const uint8_t want[TB_CHUNK_HEADER_BYTES] = {0x10, 0, 0, 0, 0x03, 0x01, 0, 0};
    uint8_t got[TB_CHUNK_HEADER_BYTES];
    tb_chunk_header(16, 0x103, got);
    assert_memory_equal(got, want, sizeof(want));
}

static void chunks_come_back_in_order_and_padding_is_passed_over(void **state)
{
    (void)state;
    uint8_t data[64] = {0};
    struct tb_chunk chunk;
    size_t at = 0;
    tb_chunk_header(1, 3, data);
    data[8] = 'a';
    data[10] = 'c';
    tb_chunk_header(2, 0, data + 16);
    tb_chunk_header(3, 8, data + 24);
    assert_int_equal(tb_chunk_next(data, 40, &at, &chunk), 0);
    assert_int_equal(chunk.tag, 1);
    assert_int_equal(chunk.len, 3);
    assert_memory_equal(chunk.data, "a\0c", 3);
    assert_int_equal(tb_chunk_next(data, 40, &at, &chunk), 0);
    assert_int_equal(chunk.tag, 2);
    assert_int_equal(chunk.len, 0);
    assert_int_equal(tb_chunk_next(data, 40, &at, &chunk), 0);
    assert_int_equal(chunk.tag, 3);
    assert_int_equal(tb_chunk_next(data, 40, &at, &chunk), -ENODATA);
    assert_int_equal(tb_chunk_next(data, 40, &at, &chunk), -ENODATA);
}

static void a_chunk_whose_last_padding_is_missing_is_whole(void **state)
{
    (void)state;
    uint8_t data[16] = {0};
    struct tb_chunk chunk;
    size_t at = 0;
    tb_chunk_header(1, 3, data);
    assert_int_equal(tb_chunk_next(data, 11, &at, &chunk), 0);
    assert_int_equal(chunk.len, 3);
    assert_int_equal(tb_chunk_next(data, 11, &at, &chunk), -ENODATA);
}

static void a_length_beyond_the_end_gives_the_part_that_is_there(void **state)
{
    (void)state;
    static const uint32_t lens[] = {9, 0x7fffffff, 0xfffffff8, 0xffffffff};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        uint8_t data[16] = {0};
        struct tb_chunk chunk;
        size_t at = 0;
        tb_chunk_header(7, lens[i], data);
        assert_int_equal(tb_chunk_next(data, sizeof(data), &at, &chunk), -EBADMSG);
        assert_int_equal(chunk.tag, 7);
        assert_int_equal(chunk.len, 8);
        assert_int_equal(tb_chunk_next(data, sizeof(data), &at, &chunk), -ENODATA);
    }
}

static void half_a_header_is_no_chunk(void **state)
{
    (void)state;
    for (size_t len = 1; len < TB_CHUNK_HEADER_BYTES; len++) {
        uint8_t *data = calloc(1, len);
        struct tb_chunk chunk;
        size_t at = 0;
        assert_non_null(data);
        data[0] = 1;
        assert_int_equal(tb_chunk_next(data, len, &at, &chunk), -EBADMSG);
        assert_int_equal(chunk.tag, 0);
        assert_int_equal(chunk.len, 0);
        assert_int_equal(tb_chunk_next(data, len, &at, &chunk), -ENODATA);
        free(data);
    }
}

static void a_cursor_behind_the_end_is_the_end(void **state)
{
    (void)state;
    uint8_t data[8] = {0};
    struct tb_chunk chunk;
    size_t at = 1000;
    assert_int_equal(tb_chunk_next(data, sizeof(data), &at, &chunk), -ENODATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_has_the_bytes_of_the_specification),
        cmocka_unit_test(chunks_come_back_in_order_and_padding_is_passed_over),
        cmocka_unit_test(a_chunk_whose_last_padding_is_missing_is_whole),
        cmocka_unit_test(a_length_beyond_the_end_gives_the_part_that_is_there),
        cmocka_unit_test(half_a_header_is_no_chunk),
        cmocka_unit_test(a_cursor_behind_the_end_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
