/* ack.log: what it keeps, and that losing it loses nothing. */
#include "support.h"

#include "spool/acklog.h"

static void log_path(const struct fixture *fixture, char out[96])
{
    (void)snprintf(out, 96, "%s/agent/ack.log", fixture->path);
}

/* A spool with n records, all acknowledged and flushed, closed again. */
static void acknowledge_all(struct fixture *fixture, uint64_t n)
{
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(append(&writer, i), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, n, 1), n);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
}

static void each_flipped_bit_brings_back_one_record_and_no_more(void **state)
{
    struct fixture *fixture = *state;
    enum { N = 3 };
    char path[96];
    uint8_t bytes[N * TB_ACK_ENTRY_BYTES];
    acknowledge_all(fixture, N);
    log_path(fixture, path);
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    close(fd);
    for (size_t bit = 0; bit < sizeof(bytes) * 8; bit++) {
        uint8_t seen[N] = {0};
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fd = open(path, O_WRONLY | O_TRUNC);
        assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
        close(fd);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        open_spool(fixture);
        assert_int_equal(drain(fixture->spool, seen, N, 0), 1);
        assert_int_equal(seen[bit / 8 / TB_ACK_ENTRY_BYTES], 1);
        close_spool(fixture);
    }
}

static void without_the_log_the_same_records_come_again(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[5] = {0};
    char path[96];
    acknowledge_all(fixture, 5);
    log_path(fixture, path);
    assert_int_equal(unlink(path), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 5, 1), 5);
    assert_memory_equal(seen, "\1\1\1\1\1", 5);
}

static void a_torn_end_is_written_over(void **state)
{
    struct fixture *fixture = *state;
    char path[96];
    acknowledge_all(fixture, 5);
    log_path(fixture, path);
    assert_int_equal(truncate(path, 5 * TB_ACK_ENTRY_BYTES - 7), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 5, 1), 1);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 5, 1), 0);
}

static void entries_stand_where_the_page_says(void **state)
{
    struct fixture *fixture = *state;
    struct tb_acklog log;
    struct tb_ack ack = {.file_id = 0x1122334455667788, .off8 = 99, .status = TB_ACK_QUARANTINED};
    const struct tb_ack *found;
    char path[96];
    uint8_t entry[TB_ACK_ENTRY_BYTES + 1];
    open_spool(fixture);
    close_spool(fixture);
    (void)snprintf(path, sizeof(path), "%s/agent", fixture->path);
    int dirfd = open(path, O_RDONLY | O_DIRECTORY);
    assert_int_equal(tb_acklog_open(&log, dirfd), 0);
    tb_acklog_note(&log, &ack);
    assert_int_equal(tb_acklog_flush(&log), 0);
    tb_acklog_close(&log);
    log_path(fixture, path);
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, entry, sizeof(entry)), TB_ACK_ENTRY_BYTES);
    close(fd);
    assert_int_equal(tb_get32(entry + 4), 99);
    assert_int_equal(tb_get64(entry + 8), 0x1122334455667788);
    assert_int_equal(entry[16], 2);
    assert_int_equal(tb_acklog_open(&log, dirfd), 0);
    assert_int_equal(tb_acklog_find(&log, ack.file_id, &found), 1);
    assert_int_equal(found->off8, 99);
    assert_int_equal(found->status, TB_ACK_QUARANTINED);
    assert_int_equal(tb_acklog_find(&log, ack.file_id + 1, &found), 0);
    assert_null(found);
    tb_acklog_close(&log);
    close(dirfd);
}

static void the_log_is_rewritten_when_it_has_grown(void **state)
{
    struct fixture *fixture = *state;
    enum { PER_FILE = 8000, N_FILES = 6 };
    char path[96];
    struct stat st;
    open_spool(fixture);
    log_path(fixture, path);
    for (int i = 0; i < N_FILES; i++) {
        struct tb_writer writer;
        tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
        for (uint64_t n = 0; n < PER_FILE; n++)
            assert_int_equal(append(&writer, n), 0);
        tb_writer_close(&writer);
        assert_int_equal(drain(fixture->spool, NULL, PER_FILE, 1), PER_FILE);
        assert_int_equal(tb_spool_flush(fixture->spool), 0);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size <= (1 << 20) + PER_FILE * TB_ACK_ENTRY_BYTES);
    }
}

/* The database may have the first two in memory only; the third is in quarantine, on the disk. */
static void what_waits_for_a_sync_is_not_written_with_what_does_not(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_writer writer;
    uint8_t seen[3] = {0};
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(append(&writer, i), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(tb_spool_quarantine(fixture->spool, &record, "a test"), 0);
    close_spool(fixture); /* as a loss of power leaves the log */
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, seen, 3, 1), 2);
    assert_int_equal(seen[0] + seen[1], 2);
    /* Those that were noted are written behind it, and none is lost. */
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_flipped_bit_brings_back_one_record_and_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_the_log_the_same_records_come_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_is_written_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_stand_where_the_page_says, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_is_rewritten_when_it_has_grown, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_waits_for_a_sync_is_not_written_with_what_does_not,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
