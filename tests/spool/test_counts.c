/* What was lost stays counted: docs/spool-format.md 9, agent/counts. */
#include "support.h"

#include "spool/counts.h"

static struct tb_spool_totals totals_of(const struct fixture *fixture)
{
    return stats_of(fixture).total;
}

/* Of one that did not end well there is a record. */
static void take_all(struct tb_spool *spool, unsigned n)
{
    struct tb_spool_record record;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(tb_spool_next(spool, &record), 0);
        assert_int_equal(record.kind, TB_KIND_CRASH);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_next(spool, &record), -EAGAIN);
}

/* A slot whose process is gone, with drops of each class. */
static void write_slot(const struct fixture *fixture, int is_clean)
{
    struct tb_slot slot = {.fd = -1};
    uint8_t boot[16] = {0};
    uint8_t drops[16];
    char path[256];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 1), 0);
    for (uint32_t c = 0; c < 4; c++)
        tb_put32(drops + 4 * c, 10 * c + 1);
    only_file(fixture, ".slot", path);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, drops, sizeof(drops), TB_SLOT_DROPS_AT), sizeof(drops));
    close(fd);
    tb_slot_close(&slot, is_clean);
}

static void drops_told_by_a_slot_count_whether_its_process_ended_well_or_not(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned round = 1; round <= 2; round++) {
        write_slot(fixture, round == 1);
        open_spool(fixture);
        for (int i = 0; i < 3; i++)
            take_all(fixture->spool, i == 0 && round == 2);
        for (unsigned c = 0; c < 4; c++) {
            assert_int_equal(stats_of(fixture).n_drops[c], 10 * c + 1);
            assert_int_equal(totals_of(fixture).drops[c], round * (10 * c + 1));
        }
        assert_int_equal(totals_of(fixture).vanished, round - 1);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        assert_int_equal(totals_of(fixture).drops[3], round * 31);
        close_spool(fixture);
    }
    open_spool(fixture);
    assert_int_equal(totals_of(fixture).drops[3], 62);
    assert_int_equal(stats_of(fixture).n_drops[3], 0);
}

/* One record of three is flipped, so that it is damaged and lost. */
static void damage_and_loss_count_once_however_often_the_agent_starts(void **state)
{
    struct fixture *fixture = *state;
    struct image *image = new_image(1);
    add_item(image, 0, 40);
    size_t middle = image->len;
    add_item(image, 1, 40);
    add_item(image, 2, 40);
    image->bytes[middle + TB_FRAME_HEADER_BYTES] ^= 1;
    close(write_image(fixture, image));
    free(image);
    for (int i = 0; i < 3; i++) {
        open_spool(fixture);
        assert_int_equal(drain(fixture->spool, NULL, 3, i == 2), 2);
        assert_int_equal(totals_of(fixture).damaged, 1);
        assert_int_equal(totals_of(fixture).lost, 1);
        if (i < 2)
            close_spool(fixture);
    }
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(totals_of(fixture).damaged, 1);
        assert_int_equal(totals_of(fixture).lost, 1);
        reopen_spool(fixture);
    }
}

static void the_file_is_as_the_page_says(void **state)
{
    (void)state;
    static const struct tb_spool_totals totals = {.evicted = {1, 2, 3, 4},
                                                  .evicted_bytes = 5,
                                                  .evicted_files = 6,
                                                  .evicted_foreign = 7,
                                                  .lost = 8,
                                                  .drops = {9, 10, 11, 12},
                                                  .vanished = 13,
                                                  .damaged = 14};
    struct tb_spool_totals back;
    uint8_t bytes[TB_COUNTS_BYTES];
    tb_counts_pack(&totals, bytes);
    assert_int_equal(tb_get32(bytes + 4), 1);
    for (unsigned i = 0; i < 14; i++)
        assert_int_equal(tb_get64(bytes + 8 + (size_t)8 * i), i + 1);
    assert_int_equal(tb_counts_unpack(bytes, &back), 0);
    assert_memory_equal(&back, &totals, sizeof(back));
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(tb_counts_unpack(bytes, &back), -EBADMSG);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(drops_told_by_a_slot_count_whether_its_process_ended_well_or_not),
        TEST(damage_and_loss_count_once_however_often_the_agent_starts),
        TEST(the_file_is_as_the_page_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
