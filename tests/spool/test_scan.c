/* The scanner alone: the window, the end, and what a search may cost. */
#include "support.h"

#include "spool/scan.h"

static void frames_larger_than_the_read_ahead_are_read_whole(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    struct tb_scan scan = {.window = malloc(TB_SCAN_WINDOW)};
    struct tb_frame frame;
    const uint8_t *payload;
    add_item(image, 0, 10);
    uint64_t large = image->len;
    add_item(image, 1, 900000);
    int fd = write_image(fixture, image);
    tb_scan_begin(&scan, fd, IMAGE_SALT, image->len);
    assert_int_equal(tb_scan_frame(&scan, TB_FILE_HEADER_BYTES, &frame, &payload), 0);
    assert_int_equal(frame.seq, 0);
    assert_int_equal(tb_scan_frame(&scan, large, &frame, &payload), 0);
    assert_int_equal(frame.len, 900000);
    assert_memory_equal(payload, image->bytes + large + TB_FRAME_HEADER_BYTES, frame.len);
    assert_int_equal(tb_scan_frame(&scan, image->len, &frame, &payload), -ENODATA);
    assert_int_equal(tb_scan_frame(&scan, large + 8, &frame, &payload), -EBADMSG);
    free(scan.window);
    close(fd);
    free(image);
}

static void a_file_cut_while_it_is_read_ends_there(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    struct tb_scan scan = {.window = malloc(TB_SCAN_WINDOW)};
    struct tb_frame frame;
    const uint8_t *payload;
    uint64_t next;
    bool zeros = true;
    add_item(image, 0, 1000);
    int fd = write_image(fixture, image);
    tb_scan_begin(&scan, fd, IMAGE_SALT, image->len);
    assert_int_equal(ftruncate(fd, 500), 0);
    assert_int_equal(tb_scan_frame(&scan, TB_FILE_HEADER_BYTES, &frame, &payload), -EBADMSG);
    assert_int_equal(scan.end, 500);
    assert_int_equal(tb_scan_resync(&scan, TB_FILE_HEADER_BYTES, &next, &zeros), -ENODATA);
    assert_false(zeros);
    free(scan.window);
    close(fd);
    free(image);
}

static void resync_tells_a_hole_from_damage(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    struct tb_scan scan = {.window = malloc(TB_SCAN_WINDOW)};
    uint64_t next = 0;
    bool zeros = true;
    image->len += 200000; /* more than the read-ahead */
    uint64_t at = image->len;
    add_item(image, 0, 10);
    int fd = write_image(fixture, image);
    tb_scan_begin(&scan, fd, IMAGE_SALT, image->len);
    assert_int_equal(tb_scan_resync(&scan, TB_FILE_HEADER_BYTES, &next, &zeros), 0);
    assert_int_equal(next, at);
    assert_true(zeros);
    assert_int_equal(pwrite(fd, "x", 1, 150001), 1);
    tb_scan_begin(&scan, fd, IMAGE_SALT, image->len);
    assert_int_equal(tb_scan_resync(&scan, TB_FILE_HEADER_BYTES, &next, &zeros), 0);
    assert_int_equal(next, at);
    assert_false(zeros);
    free(scan.window);
    close(fd);
    free(image);
}

static void an_error_of_reading_is_not_an_end(void **state)
{
    (void)state;
    struct tb_scan scan = {.window = malloc(TB_SCAN_WINDOW)};
    struct tb_frame frame;
    const uint8_t *payload;
    uint64_t next;
    bool zeros = true;
    tb_scan_begin(&scan, -1, IMAGE_SALT, 4096);
    assert_int_equal(tb_scan_frame(&scan, 128, &frame, &payload), -EBADF);
    assert_int_equal(tb_scan_resync(&scan, 128, &next, &zeros), -EBADF);
    free(scan.window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(frames_larger_than_the_read_ahead_are_read_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_file_cut_while_it_is_read_ends_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(resync_tells_a_hole_from_damage, set_up, tear_down),
        cmocka_unit_test(an_error_of_reading_is_not_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
