/* Damage, holes and torn ends of a segment: what they cost and how long they are waited for. */
#include "support.h"

#include "clock.h"

static uint8_t seen[64];

/* Reads what is there now; seen[n] counts record n. */
static size_t read_now(const struct fixture *fixture)
{
    memset(seen, 0, sizeof(seen));
    return drain(fixture->spool, seen, sizeof(seen), 1);
}

static void any_flipped_bit_costs_one_record_at_most_and_never_forges_one(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 4 };
    open_spool(fixture);
    struct image *image = new_image(1);
    for (uint64_t n = 0; n < N; n++)
        add_item(image, n, 20 + 9 * n);
    image->len += 64; /* zeros behind the end, as preallocation leaves them */
    pass_ms(3600000);
    for (size_t bit = 0; bit < image->len * 8; bit++) {
        image->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        close(write_image(fixture, image));
        image->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        size_t n = read_now(fixture);
        assert_in_range(n, N - 1, N);
        for (int i = 0; i < N; i++)
            assert_in_range(seen[i], 0, 1);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
    }
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
    free(image);
}

static void a_flipped_bit_is_counted_as_damage_and_loss(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    for (uint64_t n = 0; n < 5; n++)
        add_item(image, n, 100);
    image->bytes[TB_FILE_HEADER_BYTES + 2 * tb_frame_room(100) + 80] ^= 1;
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 4);
    assert_int_equal(seen[2], 0);
    assert_int_equal(stats_of(fixture).n_damaged, 1);
    assert_int_equal(stats_of(fixture).n_lost, 1);
    free(image);
}

static void frames_hidden_by_a_lying_length_are_found(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    /* The header of record 0 says 5000 bytes, but the page behind it was lost and rewritten by
     * others: as when the disk forgot one of two writes. */
    add_item(image, 0, 5000);
    image->len = TB_FILE_HEADER_BYTES + 512;
    for (uint64_t n = 1; n < 9; n++)
        add_item(image, n, 100);
    image->len = TB_FILE_HEADER_BYTES + tb_frame_room(5000);
    add_item(image, 9, 100);
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 9);
    assert_int_equal(seen[0], 0);
    assert_int_equal(seen[8], 1);
    assert_int_equal(seen[9], 1);
    free(image);
}

static void a_torn_end_costs_the_torn_record_wherever_it_is_cut(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    add_item(image, 1, 100);
    size_t whole = image->len;
    add_item(image, 2, 101);
    size_t full = image->len;
    for (image->len = whole; image->len <= full; image->len++) {
        close(write_image(fixture, image));
        size_t n = read_now(fixture);
        /* The last bytes are padding. */
        assert_int_equal(n, image->len >= whole + TB_FRAME_HEADER_BYTES + 101 ? 3 : 2);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
    }
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0); /* a writer that dies does that */
    free(image);
}

static void a_write_that_was_cut_short_is_lost_and_no_damage(void **state)
{
    struct fixture *fixture = *state;
    enum { LEN = 8000, CUT = 4096, BEHIND = 16 << 10 };
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    for (uint64_t n = 1; n < 4; n += 2) { /* a full disk took half of it, then had room again */
        size_t at = image->len;
        add_item(image, n, LEN);
        memset(image->bytes + at + CUT, 0, image->len - at - CUT);
        add_item(image, n + 1, 100);
    }
    add_item(image, 5, LEN); /* the last one, and what was preallocated behind it */
    memset(image->bytes + image->len - CUT, 0, CUT);
    image->len += BEHIND;
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(read_now(fixture), 1);
    for (int i = 0; i < 2; i++) {
        pass_ms(2100);
        assert_int_equal(read_now(fixture), 1);
    }
    close(fd);
    pass_ms(2100);
    assert_int_equal(read_now(fixture), 0);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(stats_of(fixture).n_lost, 2); /* of the last one nothing behind it tells */
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    free(image);
}

static void a_lost_page_in_the_middle_of_the_last_record_is_damage(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    size_t at = image->len;
    add_item(image, 1, 8000);
    memset(image->bytes + at + 1000, 0, 4096);
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(stats_of(fixture).n_damaged, 1);
    free(image);
}

/* Records 0 and 2, and a hole where 1 belongs. */
static struct image *image_with_hole(uint8_t one[512])
{
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    size_t hole = image->len;
    add_item(image, 1, 100);
    memcpy(one, image->bytes + hole, image->len - hole);
    memset(image->bytes + hole, 0, image->len - hole);
    add_item(image, 2, 100);
    return image;
}

static void a_hole_is_waited_for_two_seconds_while_its_owner_lives(void **state)
{
    struct fixture *fixture = *state;
    uint8_t one[512];
    open_spool(fixture);
    struct image *image = image_with_hole(one);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(read_now(fixture), 1);
    pass_ms(1500);
    assert_int_equal(read_now(fixture), 0);
    pass_ms(600);
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(seen[2], 1);
    /* The hole may still be filled: nothing is lost yet. */
    assert_int_equal(stats_of(fixture).n_lost, 0);
    close(fd);
    pass_ms(1100);
    assert_int_equal(read_now(fixture), 0);
    assert_int_equal(stats_of(fixture).n_lost, 1);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    free(image);
}

static void a_hole_that_is_filled_in_time_keeps_the_order(void **state)
{
    struct fixture *fixture = *state;
    uint8_t one[512];
    open_spool(fixture);
    struct image *image = image_with_hole(one);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(pwrite(fd, one, tb_frame_room(100), TB_FILE_HEADER_BYTES + tb_frame_room(100)),
                     tb_frame_room(100));
    struct tb_spool_record record;
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 1);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 2);
    close(fd);
    free(image);
}

static void a_record_that_comes_after_its_hole_was_passed_is_not_lost(void **state)
{
    struct fixture *fixture = *state;
    for (int before_death = 0; before_death < 2; before_death++) {
        uint8_t one[512];
        open_spool(fixture);
        struct image *image = image_with_hole(one);
        int fd = write_image(fixture, image);
        lock_as_owner(fd);
        assert_int_equal(read_now(fixture), 1);
        pass_ms(2100);
        assert_int_equal(read_now(fixture), 1);
        assert_int_equal(
            pwrite(fd, one, tb_frame_room(100), TB_FILE_HEADER_BYTES + tb_frame_room(100)),
            tb_frame_room(100));
        if (!before_death)
            close(fd);
        pass_ms(1100);
        assert_int_equal(read_now(fixture), 1);
        assert_int_equal(seen[1], 1);
        if (before_death)
            close(fd);
        pass_ms(1100);
        assert_int_equal(read_now(fixture), 0);
        assert_int_equal(stats_of(fixture).n_lost, 0);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        close_spool(fixture);
        free(image);
    }
}

/* How often the hole of a file whose owner lives is looked at in a minute of fake time: with each
 * look a record that has come meanwhile would be found. */
static void a_hole_that_stays_is_looked_at_less_and_less(void **state)
{
    struct fixture *fixture = *state;
    uint8_t one[512];
    open_spool(fixture);
    struct image *image = image_with_hole(one);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    stop_time();
    assert_int_equal(read_now(fixture), 1);
    pass_ms(2100);
    assert_int_equal(read_now(fixture), 1);
    for (int s = 0; s < 40; s++) { /* looks after 1, 3, 7, 15 and 31 seconds */
        pass_ms(1001);
        assert_int_equal(read_now(fixture), 0);
    }
    assert_int_equal(pwrite(fd, one, tb_frame_room(100), TB_FILE_HEADER_BYTES + tb_frame_room(100)),
                     tb_frame_room(100));
    int waited_s = 0;
    do {
        pass_ms(1001);
        waited_s++;
    } while (read_now(fixture) == 0 && waited_s < 100);
    assert_in_range(waited_s, 15, 33);
    run_time();
    close(fd);
    free(image);
}

static void a_hole_without_an_owner_is_passed_at_once(void **state)
{
    struct fixture *fixture = *state;
    uint8_t one[512];
    open_spool(fixture);
    struct image *image = image_with_hole(one);
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 2);
    assert_int_equal(stats_of(fixture).n_lost, 1);
    free(image);
}

static void what_a_live_owner_adds_is_found_behind_the_zeros(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(ftruncate(fd, 256 << 10), 0);
    assert_int_equal(read_now(fixture), 1);
    size_t end = image->len;
    for (uint64_t n = 1; n < 20; n++) {
        add_item(image, n, 100 * n);
        assert_int_equal(tb_fd_pwrite_all(fd, image->bytes + end, image->len - end, end), 0);
        end = image->len;
        assert_int_equal(read_now(fixture), 1);
        assert_int_equal(seen[n], 1);
    }
    pass_ms(5000);
    assert_int_equal(read_now(fixture), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    close(fd);
    free(image);
}

static void a_live_file_that_was_quiet_is_read_on_when_it_changes(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_int_equal(read_now(fixture), 1);
    pass_ms(10000);
    assert_int_equal(read_now(fixture), 0);
    size_t end = image->len;
    add_item(image, 1, 100);
    assert_int_equal(tb_fd_pwrite_all(fd, image->bytes + end, image->len - end, end), 0);
    assert_int_equal(read_now(fixture), 1);
    close(fd);
    free(image);
}

static void a_file_that_a_stranger_made_too_long_is_read_and_removed(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t far = UINT64_C(1) << 39;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    add_item(image, 1, 100);
    int fd = write_image(fixture, image);
    lock_as_owner(fd);
    assert_int_equal(tb_fd_pwrite_all(fd, "a line of a log\n", 16, far), 0);
    assert_int_equal(read_now(fixture), 2);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    size_t end = image->len;
    add_item(image, 2, 100);
    assert_int_equal(tb_fd_pwrite_all(fd, image->bytes + end, image->len - end, end), 0);
    close(fd);
    pass_ms(2000);
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(seen[2], 1);
    assert_int_equal(stats_of(fixture).n_refused, 0);
    assert_int_equal(stats_of(fixture).n_lost, 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    free(image);
}

static void records_of_an_unknown_kind_are_counted_and_passed(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_frame(image, TB_FRAME_FULL, TB_N_KINDS, 5, 10);
    add_frame(image, TB_FRAME_MID, TB_KIND_CRASH, 5, 10);
    add_frame(image, TB_FRAME_PAD, TB_KIND_NONE, 5, 10);
    add_item(image, 1, 10);
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(stats_of(fixture).n_damaged, 2);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    free(image);
}

/* Of a record whose data is what is there already. */
static void add_header(struct image *image, size_t len)
{
    uint8_t *at = image->bytes + image->len;
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = TB_FRAME_FULL,
                             .class_ = TB_CLASS_ERROR,
                             .kind = TB_KIND_ITEM,
                             .offset = image->len,
                             .seq = image->seq++,
                             .time_ns = 2};
    tb_put64(frame.uuid, 1);
    tb_frame_pack(&frame, IMAGE_SALT, at + TB_FRAME_HEADER_BYTES, at);
}

static void a_forged_file_that_costs_too_much_is_quarantined(void **state)
{
    struct fixture *fixture = *state;
    open_spool(fixture);
    struct image *image = new_image(1);
    add_item(image, 0, 100);
    /* Headers that are valid, overlap, and lie about half a mebibyte each. */
    make_payload(1, image->bytes + image->len, IMAGE_CAP - image->len);
    for (; image->len + (600 << 10) < IMAGE_CAP; image->len += 64)
        add_header(image, 512 << 10);
    memset(image->bytes + IMAGE_CAP - 8, 0xff, 8);
    image->len = IMAGE_CAP;
    close(write_image(fixture, image));
    assert_int_equal(read_now(fixture), 1);
    assert_int_equal(stats_of(fixture).n_quarantined, 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ".why"), 1);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            any_flipped_bit_costs_one_record_at_most_and_never_forges_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flipped_bit_is_counted_as_damage_and_loss, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(frames_hidden_by_a_lying_length_are_found, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_costs_the_torn_record_wherever_it_is_cut, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_write_that_was_cut_short_is_lost_and_no_damage, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_lost_page_in_the_middle_of_the_last_record_is_damage,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hole_is_waited_for_two_seconds_while_its_owner_lives,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hole_that_is_filled_in_time_keeps_the_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_comes_after_its_hole_was_passed_is_not_lost,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hole_that_stays_is_looked_at_less_and_less, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_hole_without_an_owner_is_passed_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_live_owner_adds_is_found_behind_the_zeros, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_live_file_that_was_quiet_is_read_on_when_it_changes,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_a_stranger_made_too_long_is_read_and_removed,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_of_an_unknown_kind_are_counted_and_passed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_forged_file_that_costs_too_much_is_quarantined, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
