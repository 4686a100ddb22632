/* The places are read as they were written, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "agent/files/place.h"

static char odd_path[] = "/var/log/a b%\n\xc3\xa9/\x01.rollbar";
static char plain_path[] = "/x";

static void write_two(struct tb_buf *out)
{
    struct tb_place list[] = {{.dev = UINT64_MAX,
                               .ino = 2,
                               .born_ns = 3,
                               .offset = INT64_MAX,
                               .skips = true,
                               .check = UINT64_MAX,
                               .source = UINT32_MAX,
                               .seen_s = 4,
                               .path = odd_path},
                              {.ino = 5, .path = plain_path}};
    uint32_t watched[] = {7, 0};
    struct tb_places places = {.list = list, .n = 2, .watched = watched, .n_watched = 2};
    memset(list[0].id, 0xab, sizeof(list[0].id));
    tb_buf_init(out, 1 << 20);
    tb_places_write(&places, out);
    assert_int_equal(out->err, 0);
}

static void what_was_written_is_read(void **state)
{
    struct tb_buf text;
    struct tb_places places;
    (void)state;
    write_two(&text);
    assert_int_equal(tb_places_read(text.data, text.len, &places), 0);
    assert_int_equal(places.n, 2);
    assert_int_equal(places.n_watched, 2);
    assert_int_equal(places.watched[0], 7);
    assert_int_equal(places.list[0].id[15], 0xab);
    assert_true(places.list[0].dev == UINT64_MAX);
    assert_true(places.list[0].offset == INT64_MAX);
    assert_true(places.list[0].check == UINT64_MAX);
    assert_true(places.list[0].skips);
    assert_int_equal(places.list[0].source, UINT32_MAX);
    assert_int_equal(places.list[0].seen_s, 4);
    assert_string_equal(places.list[0].path, odd_path);
    assert_int_equal(places.list[1].ino, 5);
    assert_string_equal(places.list[1].path, "/x");
    tb_places_done(&places);
    tb_buf_done(&text);
}

static void every_flipped_bit_and_every_cut_is_noticed(void **state)
{
    struct tb_buf text;
    struct tb_places places;
    (void)state;
    write_two(&text);
    for (size_t i = 0; i < text.len * 8; i++) {
        text.data[i / 8] ^= (char)(1 << i % 8);
        assert_int_equal(tb_places_read(text.data, text.len, &places), -EBADMSG);
        tb_places_done(&places);
        text.data[i / 8] ^= (char)(1 << i % 8);
    }
    for (size_t len = 0; len < text.len; len++) {
        assert_int_equal(tb_places_read(text.data, len, &places), -EBADMSG);
        tb_places_done(&places);
    }
    tb_buf_done(&text);
}

static void a_uuid_is_the_same_for_the_same_line_only(void **state)
{
    uint8_t id[16] = {1};
    uint8_t a[TB_UUID_BYTES];
    uint8_t b[TB_UUID_BYTES];
    (void)state;
    assert_int_equal(tb_place_uuid(id, 5, "x", 1, a), 0);
    assert_int_equal(tb_place_uuid(id, 5, "x", 1, b), 0);
    assert_memory_equal(a, b, sizeof(a));
    assert_int_equal(a[6] >> 4, 5);
    assert_int_equal(a[8] >> 6, 2);
    assert_int_equal(tb_place_uuid(id, 6, "x", 1, b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    assert_int_equal(tb_place_uuid(id, 5, "y", 1, b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
    id[15] = 1;
    assert_int_equal(tb_place_uuid(id, 5, "x", 1, b), 0);
    assert_memory_not_equal(a, b, sizeof(a));
}

static void logs_and_rollbar_files_of_one_path_are_two_sources(void **state)
{
    (void)state;
    assert_int_not_equal(tb_place_source('r', "/x"), tb_place_source('l', "/x"));
    assert_int_not_equal(tb_place_source('r', "/x"), tb_place_source('r', "/y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(every_flipped_bit_and_every_cut_is_noticed),
        cmocka_unit_test(a_uuid_is_the_same_for_the_same_line_only),
        cmocka_unit_test(logs_and_rollbar_files_of_one_path_are_two_sources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
