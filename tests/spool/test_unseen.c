/* What is said of a process that died unseen: a crash record without a signal, with its last
 * notes. */
#include "support.h"

#include "record/crash.h"
#include "spool/unseen.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
enum { SALT = 0x77 };

static const struct tb_file_header HEADER = {.salt = SALT, .pid = 4711, .id = "the id of a file"};

static void put_note(uint8_t *notes, uint64_t number, const char *text)
{
    struct tb_slot_note note = {.number = number,
                                .wall_ns = number * 1000,
                                .level = 2,
                                .tid = 9,
                                .text = text,
                                .len = strlen(text)};
    tb_slot_note_pack(&note, SALT, notes + number % TB_SLOT_NOTES_MAX * TB_SLOT_NOTE_BYTES);
}

static void the_record_is_one_that_the_agent_reads(void **state)
{
    (void)state;
    static const struct tb_crash_fixed zeros;
    uint8_t data[TB_UNSEEN_MAX];
    struct tb_crash crash;
    assert_int_equal(TB_UNSEEN_FIXED_BYTES, TB_CRASH_FIXED_BYTES);
    size_t len = tb_unseen_pack(&HEADER, 123456, NULL, data);
    assert_int_equal(tb_crash_unpack(data, len, &crash), 0);
    assert_int_equal(crash.fixed.pid, 4711);
    assert_int_equal(crash.fixed.wall_ns, 123456);
    assert_int_equal(crash.n_notes, 0);
    assert_int_equal(crash.n_frames, 0);
    crash.fixed.pid = 0;
    crash.fixed.wall_ns = 0;
    assert_memory_equal(&crash.fixed, &zeros, sizeof(zeros)); /* signo, generation, name */
    tb_crash_done(&crash);
}

static void notes_come_oldest_first_and_damaged_ones_not_at_all(void **state)
{
    (void)state;
    static uint8_t notes[TB_SLOT_NOTES_MAX * TB_SLOT_NOTE_BYTES];
    uint8_t data[TB_UNSEEN_MAX];
    char text[TB_SLOT_NOTE_TEXT_MAX + 1];
    struct tb_crash crash;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    for (uint64_t n = 20; n < 36; n++)
        put_note(notes, n, text);
    size_t len = tb_unseen_pack(&HEADER, 1, notes, data);
    assert_int_equal(len, TB_UNSEEN_MAX); /* the most that there can be */
    assert_int_equal(tb_crash_unpack(data, len, &crash), 0);
    assert_int_equal(crash.n_notes, 16);
    tb_crash_done(&crash);
    put_note(notes, 36, "the newest"); /* over number 20 */
    notes[5 * TB_SLOT_NOTE_BYTES + 100] ^= 1;
    len = tb_unseen_pack(&HEADER, 1, notes, data);
    assert_int_equal(tb_crash_unpack(data, len, &crash), 0);
    assert_int_equal(crash.n_notes, 15);
    for (size_t i = 0; i < 14; i++)
        assert_int_equal(crash.notes[i].wall_ns, (22 + i) * 1000);
    assert_int_equal(crash.notes[14].wall_ns, 36000);
    assert_int_equal(crash.notes[14].level, 2);
    assert_int_equal(crash.notes[14].tid, 9);
    assert_int_equal(crash.notes[14].len, 10);
    assert_memory_equal(crash.notes[14].text, "the newest", 10);
    tb_crash_done(&crash);
}

static void a_killed_process_is_told_of_with_its_notes_and_its_process_record(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    struct tb_crash crash;
    const uint8_t *context;
    size_t len;
    struct tb_slot_note note = {.number = 1, .wall_ns = 5, .text = "about to go", .len = 11};
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    assert_int_equal(tb_slot_context(&slot, 1, "who it was", 10), 0);
    tb_slot_notes(&slot, &note, 1);
    tb_slot_drops(&slot, TB_CLASS_ERROR, 3);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(tb_crash_unpack(record.data, record.len, &crash), 0);
    assert_int_equal(crash.fixed.pid, getpid());
    assert_int_equal(crash.n_notes, 1);
    assert_memory_equal(crash.notes[0].text, "about to go", 11);
    tb_crash_done(&crash);
    assert_int_equal(record.start_ticks, 42);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &context, &len), 0);
    assert_memory_equal(context, "who it was", 10);
    assert_int_equal(stats_of(fixture).n_drops[TB_CLASS_ERROR], 3);
    tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    reopen_spool(fixture); /* told once */
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
}

/* Killed between making the file and arming it: there is a header and nothing else. */
static void one_killed_at_its_start_is_told_of_too(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    char path[256];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    only_file(fixture, ".slot", path);
    tb_slot_state(&slot, (enum tb_slot_state)0, 0);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(record.kind, TB_KIND_CRASH);
    close_spool(fixture);
    assert_int_equal(truncate(path, TB_FILE_HEADER_BYTES), 0); /* or a part of that */
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(record.kind, TB_KIND_CRASH);
    assert_int_equal(record.len, 8 + TB_UNSEEN_FIXED_BYTES);
}

static void a_living_process_is_not_told_of_in_any_state(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, BOOT, 42), 0);
    for (int s = 0; s <= TB_SLOT_DONE; s++) {
        tb_slot_state(&slot, (enum tb_slot_state)s, 0);
        open_spool(fixture);
        assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
        assert_int_equal(stats_of(fixture).n_vanished, 0);
        close_spool(fixture);
    }
    tb_slot_close(&slot, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_record_is_one_that_the_agent_reads),
        cmocka_unit_test(notes_come_oldest_first_and_damaged_ones_not_at_all),
        CASE(a_killed_process_is_told_of_with_its_notes_and_its_process_record),
        CASE(one_killed_at_its_start_is_told_of_too),
        CASE(a_living_process_is_not_told_of_in_any_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
