/* The crash slot: written by stores, read by state, whoever dies when. */
#include "support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "clock.h"
#include "record/crash.h"
#include "spool/sys.h"

static const uint8_t BOOT[16] = {0xab, 0xcd};
static const uint8_t UUID[16] = "the crash's uuid";

static void fill_bytes(uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 11 + (i >> 9));
}

static void open_slot(const struct fixture *fixture, struct tb_slot *slot)
{
    assert_int_equal(tb_slot_open(slot, fixture->dirfd, BOOT, 42), 0);
}

/* The next record must be the crash with the first len bytes of fill_bytes. */
static void assert_crash(struct fixture *fixture, size_t len, int flags,
                         struct tb_spool_record *record)
{
    uint8_t *want = malloc(len + 1);
    fill_bytes(want, len);
    assert_int_equal(tb_spool_next(fixture->spool, record), 0);
    assert_int_equal(record->kind, TB_KIND_CRASH);
    assert_int_equal(record->class_, TB_CLASS_CRASH);
    assert_int_equal(record->flags, flags);
    assert_int_equal(record->time_ns, 77);
    assert_int_equal(record->uid, geteuid());
    assert_memory_equal(record->uuid, UUID, 16);
    assert_int_equal(record->len, len);
    assert_memory_equal(record->data, want, len);
    free(want);
}

static void assert_nothing(struct fixture *fixture)
{
    struct tb_spool_record record;
    assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
}

/* The next record must be what is said of a process that died unseen. */
static void assert_unseen(struct fixture *fixture, struct tb_spool_record *record)
{
    struct tb_crash crash;
    assert_int_equal(tb_spool_next(fixture->spool, record), 0);
    assert_int_equal(record->kind, TB_KIND_CRASH);
    assert_int_equal(record->class_, TB_CLASS_CRASH);
    assert_int_equal(record->flags, 0);
    assert_int_equal(record->file_id, tb_get64(record->uuid));
    assert_int_equal(tb_crash_unpack(record->data, record->len, &crash), 0);
    assert_int_equal(crash.fixed.signo, 0);
    assert_int_equal(crash.fixed.pid, record->pid);
    assert_int_equal(crash.fixed.wall_ns, record->time_ns);
    tb_crash_done(&crash);
}

static void ack(struct fixture *fixture, const struct tb_spool_record *record)
{
    tb_spool_ack(fixture->spool, record->file_id, record->off8, TB_ACK_STORED);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
}

/* Writes a stream of len bytes in odd portions. */
static void write_stream(struct tb_slot *slot, size_t len)
{
    uint8_t *bytes = malloc(len + 1);
    fill_bytes(bytes, len);
    tb_slot_begin(slot, UUID, 77);
    for (size_t at = 0; at < len;) {
        size_t part = 1 + at % 1777;
        part = part < len - at ? part : len - at;
        assert_int_equal(tb_slot_write(slot, bytes + at, part), 0);
        at += part;
    }
    free(bytes);
}

static void a_complete_crash_is_delivered_while_its_process_still_dies(void **state)
{
    struct fixture *fixture = *state;
    static const size_t lens[] = {0, 1, TB_SLOT_FRAGMENT_MAX, TB_SLOT_FRAGMENT_MAX + 1, 50000};
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        struct tb_slot slot;
        struct tb_spool_record record;
        open_spool(fixture);
        open_slot(fixture, &slot);
        assert_nothing(fixture);
        tb_slot_state(&slot, TB_SLOT_WRITING, 5);
        write_stream(&slot, lens[i]);
        tb_slot_end(&slot);
        tb_slot_state(&slot, TB_SLOT_COMPLETE, 5);
        tb_slot_wake(&slot);
        assert_crash(fixture, lens[i], 0, &record);
        assert_nothing(fixture);
        ack(fixture, &record);
        pass_ms(1500);
        assert_nothing(fixture);
        assert_int_equal(tb_spool_collect(fixture->spool), 0); /* a live slot is never removed */
        tb_slot_close(&slot, 0);
        pass_ms(1500);
        assert_nothing(fixture);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        assert_int_equal(stats_of(fixture).n_vanished, 0);
        close_spool(fixture);
    }
}

static void what_does_not_fit_is_left_out_and_said(void **state)
{
    struct fixture *fixture = *state;
    enum { ROOM = TB_SLOT_N_PAGES * TB_SLOT_FRAGMENT_MAX };
    struct tb_slot slot;
    struct tb_spool_record record;
    open_spool(fixture);
    open_slot(fixture, &slot);
    write_stream(&slot, ROOM);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 5);
    assert_crash(fixture, ROOM, 0, &record);
    ack(fixture, &record);
    tb_slot_close(&slot, 0);

    open_slot(fixture, &slot);
    write_stream(&slot, ROOM);
    assert_int_equal(tb_slot_write(&slot, "one more", 8), -ENOSPC);
    assert_int_equal(tb_slot_write(&slot, "one more", 8), -ENOSPC);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 5);
    tb_slot_close(&slot, 0);
    assert_crash(fixture, ROOM, TB_FRAME_TRUNCATED, &record);
}

static void a_flush_makes_a_prefix_that_survives(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    open_spool(fixture);
    open_slot(fixture, &slot);
    tb_slot_state(&slot, TB_SLOT_WRITING, 5);
    write_stream(&slot, 300);
    tb_slot_flush(&slot);
    tb_slot_flush(&slot); /* nothing new: no fragment */
    assert_int_equal(tb_slot_write(&slot, "unfinished", 10), 0);
    tb_slot_close(&slot, 0);
    assert_crash(fixture, 300, TB_FRAME_TRUNCATED, &record);
    assert_int_equal(stats_of(fixture).n_damaged, 0);
}

static void die_in_the_middle(int dirfd, size_t len)
{
    struct tb_slot slot;
    uint8_t bytes[20000];
    fill_bytes(bytes, sizeof(bytes));
    if (tb_slot_open(&slot, dirfd, BOOT, 1) < 0)
        _exit(1);
    tb_slot_state(&slot, TB_SLOT_WRITING, 1);
    tb_slot_begin(&slot, UUID, 77);
    if (tb_slot_write(&slot, bytes, len) < 0)
        _exit(1);
    (void)raise(SIGKILL);
}

static void a_process_killed_in_its_handler_leaves_whole_fragments(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    open_spool(fixture);
    for (size_t len = 0; len < 20000; len += 1999) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            die_in_the_middle(fixture->dirfd, len);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        size_t whole = len / TB_SLOT_FRAGMENT_MAX * TB_SLOT_FRAGMENT_MAX;
        if (whole > 0) {
            assert_crash(fixture, whole, TB_FRAME_TRUNCATED, &record);
        } else {
            assert_unseen(fixture, &record);
        }
        assert_int_equal(record.pid, child);
        ack(fixture, &record);
        assert_nothing(fixture);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
    }
    /* Lengths below one fragment: 0, 1999, 3998. */
    assert_int_equal(stats_of(fixture).n_vanished, 3);
}

static void a_writing_slot_is_waited_for_five_seconds(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    open_spool(fixture);
    open_slot(fixture, &slot);
    tb_slot_state(&slot, TB_SLOT_WRITING, 5);
    write_stream(&slot, 100);
    tb_slot_flush(&slot);
    tb_slot_wake(&slot);
    assert_nothing(fixture);
    pass_ms(4500);
    assert_nothing(fixture);
    pass_ms(600);
    assert_crash(fixture, 100, TB_FRAME_TRUNCATED, &record);
    tb_slot_close(&slot, 0);
}

static void a_slot_handed_on_is_delivered_when_its_process_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    open_spool(fixture);
    open_slot(fixture, &slot);
    write_stream(&slot, 100);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_HANDED_ON, 5);
    tb_slot_wake(&slot);
    pass_ms(60000);
    assert_nothing(fixture);
    tb_slot_close(&slot, 0);
    assert_crash(fixture, 100, 0, &record);
}

static void a_recovered_crash_is_forgotten_at_a_clean_exit(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    open_spool(fixture);
    open_slot(fixture, &slot);
    write_stream(&slot, 100);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_HANDED_ON, 5);
    tb_slot_close(&slot, 1);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(stats_of(fixture).n_vanished, 0);
}

static void dying_unseen_is_told_and_counted_once_and_a_clean_exit_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_slot unseen;
    struct tb_slot clean;
    open_spool(fixture);
    open_slot(fixture, &unseen);
    open_slot(fixture, &clean);
    assert_nothing(fixture);
    tb_slot_close(&unseen, 0);
    tb_slot_close(&clean, 1);
    assert_unseen(fixture, &record);
    assert_nothing(fixture);
    tb_spool_rewind(fixture->spool);
    assert_unseen(fixture, &record);
    assert_nothing(fixture);
    assert_int_equal(stats_of(fixture).n_vanished, 1);
    assert_int_equal(stats_of(fixture).n_pending, 1);
    ack(fixture, &record);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 2);
    assert_int_equal(count_files(fixture, "in", ""), 0);
}

static void the_second_stream_replaces_the_first(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    static const uint8_t other[16] = "of a first crash";
    uint8_t bytes[30000];
    memset(bytes, 0xee, sizeof(bytes));
    open_spool(fixture);
    open_slot(fixture, &slot);
    tb_slot_begin(&slot, other, 1);
    assert_int_equal(tb_slot_write(&slot, bytes, sizeof(bytes)), 0);
    tb_slot_end(&slot);
    write_stream(&slot, 5000);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    assert_crash(fixture, 5000, 0, &record);
    tb_slot_close(&slot, 0);
}

static void the_newest_process_record_is_found_and_an_older_one_by_generation(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    const uint8_t *data;
    size_t len;
    static uint8_t large[TB_SLOT_CONTEXT_MAX + 1];
    open_spool(fixture);
    open_slot(fixture, &slot);
    assert_int_equal(tb_slot_context(&slot, 1, "one", 3), 0);
    assert_int_equal(tb_slot_context(&slot, 2, "two", 3), 0);
    assert_int_equal(tb_slot_context(&slot, 3, large, TB_SLOT_CONTEXT_MAX), 0);
    assert_int_equal(tb_slot_context(&slot, 4, large, sizeof(large)), -EMSGSIZE);
    write_stream(&slot, 10);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    assert_crash(fixture, 10, 0, &record);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &data, &len), 0);
    assert_int_equal(len, TB_SLOT_CONTEXT_MAX);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 2, &data, &len), 0);
    assert_memory_equal(data, "two", 3);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 1, &data, &len), -ENOENT);
    tb_slot_close(&slot, 0);
}

static void a_stray_store_to_the_header_is_mended_by_the_crash_itself(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    open_slot(fixture, &slot);
    memset(slot.map, 0x41, 64);
    write_stream(&slot, 100);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_crash(fixture, 100, 0, &record);
}

static void a_damaged_beginning_goes_to_quarantine_when_its_process_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    open_spool(fixture);
    open_slot(fixture, &slot);
    write_stream(&slot, 5000);
    tb_slot_end(&slot);
    slot.map[TB_SLOT_CRASH_AT + 1000] ^= 1;
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_wake(&slot);
    assert_nothing(fixture);
    assert_int_equal(count_files(fixture, "in", ".slot"), 1);
    tb_slot_close(&slot, 0);
    pass_ms(1100);
    assert_nothing(fixture);
    assert_int_equal(count_files(fixture, "in", ".slot"), 0);
    assert_int_equal(count_files(fixture, "agent/quarantine", ".slot"), 1);
    assert_int_equal(stats_of(fixture).n_quarantined, 1);
}

static void damage_in_a_later_fragment_leaves_the_prefix(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_spool_record record;
    open_slot(fixture, &slot);
    write_stream(&slot, 15000);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    slot.map[TB_SLOT_CRASH_AT + 2 * TB_SLOT_PAGE + 1000] ^= 1;
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_crash(fixture, (size_t)2 * TB_SLOT_FRAGMENT_MAX, TB_FRAME_TRUNCATED, &record);
    assert_int_equal(stats_of(fixture).n_damaged, 1);
}

static void a_file_size_limit_or_a_closed_descriptor_do_not_stop_the_stores(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    if (child == 0) {
        struct tb_slot slot;
        uint8_t bytes[9000];
        fill_bytes(bytes, sizeof(bytes));
        if (tb_slot_open(&slot, fixture->dirfd, BOOT, 1) < 0)
            _exit(1);
        struct rlimit limit = {0, 0}; /* SIGXFSZ would end this child */
        setrlimit(RLIMIT_FSIZE, &limit);
        int other = open("/dev/null", O_RDWR);
        dup2(other, slot.fd);
        tb_slot_begin(&slot, UUID, 77);
        int err = tb_slot_write(&slot, bytes, sizeof(bytes));
        tb_slot_end(&slot);
        tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
        tb_slot_wake(&slot);
        int fd = slot.fd;
        tb_slot_close(&slot, 0);
        struct tb_slot second;
        _exit(err == 0 && fcntl(fd, F_GETFD) >= 0 &&
                      tb_slot_open(&second, fixture->dirfd, BOOT, 1) == -EFBIG
                  ? 0
                  : 2);
    }
    int status;
    struct tb_spool_record record;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_spool(fixture);
    assert_crash(fixture, 9000, 0, &record);
    assert_int_equal(count_files(fixture, "in", ""), 1);
}

static void a_cut_file_kills_no_healthy_process(void **state)
{
    struct fixture *fixture = *state;
    char path[256];
    struct tb_slot slot;
    open_slot(fixture, &slot);
    only_file(fixture, ".slot", path);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(tb_slot_renew(&slot, 1, "one", 3), -EFAULT);
    tb_slot_done(&slot);
    tb_slot_close(&slot, 1); /* SIGBUS would have ended the test */
}

/* In a child: renews, and ends cleanly or crashes. 0 when all went well. */
static int renew_without_descriptor(const struct fixture *fixture, int is_clean)
{
    struct tb_slot slot;
    const struct rlimit limit = {0, 0};
    if (tb_slot_open(&slot, fixture->dirfd, BOOT, 1) < 0)
        return 1;
    int err = tb_slot_renew(&slot, 1, "one", 3);
    setrlimit(RLIMIT_FSIZE, &limit); /* SIGXFSZ would end this child */
    err |= tb_slot_renew(&slot, 2, "two", 3);
    dup2(open("/dev/null", O_RDWR), slot.fd);
    err |= tb_slot_renew(&slot, 3, "three", 5);
    if (is_clean) {
        tb_slot_close(&slot, 1);
    } else {
        write_stream(&slot, 10);
        tb_slot_end(&slot);
    }
    return err != 0;
}

static void process_records_are_renewed_without_the_descriptor_too(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    const uint8_t *data;
    size_t len;
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            _exit(renew_without_descriptor(fixture, is_clean));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    open_spool(fixture);
    assert_crash(fixture, 10, 0, &record);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &data, &len), 0);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "three", 5);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 2, &data, &len), 0);
    assert_memory_equal(data, "two", 3);
    assert_nothing(fixture);
    assert_int_equal(stats_of(fixture).n_vanished, 0); /* the other one was DONE */
}

static void a_spare_that_nobody_took_is_removed_without_a_word(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot spare;
    open_spool(fixture);
    assert_int_equal(tb_slot_open_spare(&spare, fixture->dirfd, BOOT), 0);
    assert_nothing(fixture);
    pass_ms(1500);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    tb_slot_close(&spare, 0); /* as by SIGKILL */
    pass_ms(1500);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(count_files(fixture, "in", ""), 0);
    assert_int_equal(stats_of(fixture).n_vanished, 0);
}

/* Returns 0, or what went wrong. */
static int crash_into(struct tb_slot *spare)
{
    tb_sys_close(spare->fd);
    int err = tb_slot_context(spare, 1, "child", 5);
    tb_slot_state(spare, TB_SLOT_WRITING, 5);
    write_stream(spare, 9000);
    tb_slot_end(spare);
    tb_slot_state(spare, TB_SLOT_COMPLETE, 5);
    return err != 0;
}

static void a_crash_in_a_spare_is_read_while_its_maker_lives(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_slot spare;
    const uint8_t *data;
    size_t len;
    int status = 1;
    open_spool(fixture);
    assert_int_equal(tb_slot_open_spare(&spare, fixture->dirfd, BOOT), 0);
    assert_nothing(fixture); /* met before it is taken */
    pid_t child = fork();
    if (child == 0)
        _exit(crash_into(&spare));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    pass_ms(1500); /* nothing tells of it but time: the child had no descriptor */
    assert_crash(fixture, 9000, 0, &record);
    assert_int_equal(tb_spool_context(fixture->spool, &record, 0, &data, &len), 0);
    assert_memory_equal(data, "child", 5);
    ack(fixture, &record);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 0);
    tb_slot_close(&spare, 0);
    pass_ms(1500);
    assert_nothing(fixture);
    assert_int_equal(tb_spool_collect(fixture->spool), 1);
    assert_int_equal(stats_of(fixture).n_vanished, 0);
}

/* The child was killed in its handler; its maker lives. */
static void what_a_killed_child_wrote_to_a_spare_is_read_after_a_while(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_slot spare;
    open_spool(fixture);
    assert_int_equal(tb_slot_open_spare(&spare, fixture->dirfd, BOOT), 0);
    tb_slot_state(&spare, TB_SLOT_WRITING, 5);
    write_stream(&spare, 10);
    tb_slot_flush(&spare);
    pass_ms(1500);
    assert_nothing(fixture);
    pass_ms(5000);
    assert_crash(fixture, 10, TB_FRAME_TRUNCATED, &record);
    tb_slot_close(&spare, 0);
}

static void a_slot_that_was_never_opened_takes_every_call(void **state)
{
    (void)state;
    struct tb_slot slot;
    memset(&slot, 0, sizeof(slot));
    tb_slot_state(&slot, TB_SLOT_WRITING, 1);
    tb_slot_begin(&slot, UUID, 1);
    assert_int_equal(tb_slot_write(&slot, "x", 1), -EBADF);
    assert_int_equal(tb_slot_context(&slot, 1, "x", 1), -EBADF);
    assert_int_equal(tb_slot_renew(&slot, 1, "x", 1), -EBADF);
    tb_slot_done(&slot);
    tb_slot_flush(&slot);
    tb_slot_end(&slot);
    tb_slot_wake(&slot);
    tb_slot_close(&slot, 1);
    tb_slot_close(NULL, 1);
    assert_true(fcntl(0, F_GETFD) >= 0); /* descriptor 0 was not taken for ours */
    assert_int_equal(tb_slot_open(&slot, -1, BOOT, 1), -EBADF);
    assert_null(slot.map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_complete_crash_is_delivered_while_its_process_still_dies,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_left_out_and_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flush_makes_a_prefix_that_survives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_process_killed_in_its_handler_leaves_whole_fragments,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_writing_slot_is_waited_for_five_seconds, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slot_handed_on_is_delivered_when_its_process_is_gone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_recovered_crash_is_forgotten_at_a_clean_exit, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            dying_unseen_is_told_and_counted_once_and_a_clean_exit_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_second_stream_replaces_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            the_newest_process_record_is_found_and_an_older_one_by_generation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stray_store_to_the_header_is_mended_by_the_crash_itself,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_damaged_beginning_goes_to_quarantine_when_its_process_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_in_a_later_fragment_leaves_the_prefix, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_file_size_limit_or_a_closed_descriptor_do_not_stop_the_stores, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_file_kills_no_healthy_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(process_records_are_renewed_without_the_descriptor_too,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_spare_that_nobody_took_is_removed_without_a_word, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_crash_in_a_spare_is_read_while_its_maker_lives, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_killed_child_wrote_to_a_spare_is_read_after_a_while,
                                        set_up, tear_down),
        cmocka_unit_test(a_slot_that_was_never_opened_takes_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
