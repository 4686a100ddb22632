/* Records that kill the agent: docs/spool-format.md 10. */
#include "support.h"

#include "clock.h"
#include "spool/inflight.h"

static void write_file_of(const struct fixture *fixture, int class_, uint64_t first, uint64_t n)
{
    struct tb_writer writer;
    tb_writer_init(&writer, class_, fixture->dirfd);
    for (uint64_t i = 0; i < n; i++)
        assert_int_equal(append(&writer, first + i), 0);
    tb_writer_close(&writer);
}

/* Opens the spool, works up to record number and dies over it: those before are acknowledged. How
 * many came before, and the record's deaths so far. */
static size_t die_over(struct fixture *fixture, uint64_t number, unsigned *deaths)
{
    struct tb_spool_record record;
    size_t n_before = 0;
    open_spool(fixture);
    for (;; n_before++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        tb_spool_begin(fixture->spool, &record);
        if (check_record(&record) == number)
            break;
        assert_int_equal(record.deaths, 0);
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
        assert_int_equal(tb_spool_flush(fixture->spool), 0);
    }
    *deaths = record.deaths;
    close_spool(fixture);
    return n_before;
}

static void after_three_deaths_a_record_is_in_quarantine_and_the_others_arrived(void **state)
{
    struct fixture *fixture = *state;
    unsigned deaths;
    char path[256];
    char text[256] = "";
    write_file_of(fixture, TB_CLASS_ERROR, 0, 10);
    assert_int_equal(die_over(fixture, 3, &deaths), 3);
    assert_int_equal(deaths, 0);
    assert_int_equal(die_over(fixture, 3, &deaths), 6); /* the others come first */
    assert_int_equal(deaths, 1);
    write_file_of(fixture, TB_CLASS_INFO, 10, 2);
    assert_int_equal(die_over(fixture, 3, &deaths), 2);
    assert_int_equal(deaths, 2);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(stats_of(fixture).n_quarantined, 1);
    assert_int_equal(stats_of(fixture).n_suspects, 0);
    assert_int_equal(tb_spool_collect(fixture->spool), 2);
    assert_int_equal(count_files(fixture, "agent/quarantine", ".why"), 1);
    (void)snprintf(path, sizeof(path), "cat %s/agent/quarantine/*.why", fixture->path);
    FILE *why = popen(path, "r");
    assert_non_null(why);
    assert_non_null(fgets(text, sizeof(text), why));
    pclose(why);
    assert_non_null(strstr(text, "the agent died 3 times"));
    reopen_spool(fixture); /* and that is remembered */
    assert_int_equal(drain(fixture->spool, NULL, 0, 1), 0);
    assert_int_equal(stats_of(fixture).n_quarantined, 0);
}

static void a_suspect_that_gets_through_is_forgotten(void **state)
{
    struct fixture *fixture = *state;
    unsigned deaths;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 3);
    (void)die_over(fixture, 0, &deaths);
    open_spool(fixture);
    assert_int_equal(stats_of(fixture).n_suspects, 1);
    assert_int_equal(drain(fixture->spool, NULL, 3, 1), 3);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    assert_int_equal(stats_of(fixture).n_suspects, 0);
    reopen_spool(fixture);
    assert_int_equal(stats_of(fixture).n_suspects, 0);
}

static void what_was_stored_or_given_back_is_under_no_suspicion(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 2);
    open_spool(fixture);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        tb_spool_begin(fixture->spool, &record);
        if (i == 0) {
            tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
            assert_int_equal(tb_spool_flush(fixture->spool), 0);
        } else {
            tb_spool_rewind(fixture->spool); /* the database refused */
        }
        reopen_spool(fixture);
        assert_int_equal(stats_of(fixture).n_suspects, 0);
    }
}

static void a_suspect_is_delivered_again_after_a_rewind_and_keeps_its_file(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    unsigned deaths;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 2);
    (void)die_over(fixture, 0, &deaths);
    open_spool(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(check_record(&record), 1);
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(check_record(&record), 0);
        assert_int_equal(record.deaths, 1);
        assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
        tb_spool_rewind(fixture->spool);
    }
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_collect(fixture->spool), 0); /* the suspect is pending */
    assert_int_equal(drain(fixture->spool, NULL, 2, 1), 1);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
}

static void a_patient_agent_waits_a_second_for_each_death(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    char why[TB_SPOOL_WHY];
    unsigned deaths;
    write_file_of(fixture, TB_CLASS_ERROR, 0, 1);
    (void)die_over(fixture, 0, &deaths);
    (void)die_over(fixture, 0, &deaths);
    assert_int_equal(
        tb_spool_open(fixture->path, TB_SPOOL_CREATE | TB_SPOOL_PATIENT, &fixture->spool, why), 0);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    pass_ms(1000);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_pending, 1);
    write_file_of(fixture, TB_CLASS_INFO, 1, 1);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 1); /* others need not */
    pass_ms(1000);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(check_record(&record), 0);
    assert_int_equal(record.deaths, 2);
}

/* A crash slot is one record, read in another way. */
static void a_crash_that_kills_the_agent_goes_to_quarantine_too(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot = {.fd = -1};
    struct tb_spool_record record;
    uint8_t boot[16] = {0};
    uint8_t uuid[16] = {7};
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 1), 0);
    tb_slot_begin(&slot, uuid, 1);
    assert_int_equal(tb_slot_write(&slot, "a crash", 7), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    for (unsigned i = 0; i < 3; i++) {
        open_spool(fixture);
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(record.deaths, i);
        assert_int_equal(record.len, 7);
        tb_spool_begin(fixture->spool, &record);
        close_spool(fixture);
    }
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(stats_of(fixture).n_quarantined, 1);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
}

static void a_full_table_forgets_the_least_suspicious_then_the_oldest(void **state)
{
    struct fixture *fixture = *state;
    struct tb_inflight inflight;
    open_spool(fixture);
    int dirfd = fixture->spool ? openat(fixture->dirfd, "../agent", O_RDONLY | O_DIRECTORY) : -1;
    close_spool(fixture);
    assert_true(dirfd >= 0);
    for (uint32_t n = 0; n <= TB_SUSPECTS_MAX + 1; n++) {
        for (int deaths = 0; deaths < (n < 2 ? 2 : 1); deaths++) {
            tb_inflight_open(&inflight, dirfd);
            pass_ms(1000);
            tb_inflight_begin(&inflight, 100 + n, n);
            tb_inflight_close(&inflight);
        }
    }
    tb_inflight_open(&inflight, dirfd);
    assert_int_equal(inflight.n, TB_SUSPECTS_MAX);
    assert_int_equal(tb_inflight_find(&inflight, 100, 0)->deaths, 2);
    assert_int_equal(tb_inflight_find(&inflight, 101, 1)->deaths, 2);
    assert_null(tb_inflight_find(&inflight, 102, 2));
    assert_null(tb_inflight_find(&inflight, 103, 3));
    assert_non_null(tb_inflight_find(&inflight, 104, 4));
    assert_non_null(tb_inflight_find(&inflight, 100 + TB_SUSPECTS_MAX + 1, TB_SUSPECTS_MAX + 1));
    tb_inflight_close(&inflight);
    close(dirfd);
}

static void a_damaged_table_accuses_nobody(void **state)
{
    struct fixture *fixture = *state;
    unsigned deaths;
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/agent/inflight", fixture->path);
    for (int bit = 0; bit < 32 * 8; bit++) {
        uint8_t bytes[32];
        write_file_of(fixture, TB_CLASS_ERROR, 0, 1);
        (void)die_over(fixture, 0, &deaths);
        assert_int_equal(deaths, 0);
        int fd = open(path, O_RDWR);
        assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        close(fd);
        open_spool(fixture);
        assert_int_equal(stats_of(fixture).n_suspects, 0);
        assert_int_equal(drain(fixture->spool, NULL, 1, 1), 1);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        close_spool(fixture);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(after_three_deaths_a_record_is_in_quarantine_and_the_others_arrived),
        TEST(a_suspect_that_gets_through_is_forgotten),
        TEST(what_was_stored_or_given_back_is_under_no_suspicion),
        TEST(a_suspect_is_delivered_again_after_a_rewind_and_keeps_its_file),
        TEST(a_patient_agent_waits_a_second_for_each_death),
        TEST(a_crash_that_kills_the_agent_goes_to_quarantine_too),
        TEST(a_full_table_forgets_the_least_suspicious_then_the_oldest),
        TEST(a_damaged_table_accuses_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
