/* A disk that cannot be read: EIO is not the end of a file (docs/spool-format.md 5). This program's
 * own pread fails where it is told to. */
#include "support.h"

#include <sys/syscall.h>

#include "clock.h"

static ino_t bad_inode; /* 0: all can be read */
static off_t bad_from, bad_to;

/* Under another name here: headers may define an inline one. */
ssize_t fake_pread(int fd, void *out, size_t len, off_t offset) __asm__("pread");
ssize_t fake_pread(int fd, void *out, size_t len, off_t offset)
{
    struct stat st;
    if (bad_inode != 0 && fstat(fd, &st) == 0 && st.st_ino == bad_inode && offset < bad_to &&
        offset + (off_t)len > bad_from) {
        if (offset >= bad_from) {
            errno = EIO;
            return -1;
        }
        len = (size_t)(bad_from - offset); /* as the kernel does: first what is good */
    }
    return syscall(SYS_pread64, fd, out, len, offset);
}

static void set_bad(const char *path, off_t from, off_t to)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    bad_inode = st.st_ino;
    bad_from = from;
    bad_to = to;
}

static int begin(void **state)
{
    bad_inode = 0;
    return set_up(state);
}

/* Three records of which the second cannot be read, and a file beside it that can. */
static void write_two_files(const struct fixture *fixture, int by_living_owner, int *owner_fd)
{
    struct image *image = new_image(1 + (uint64_t)by_living_owner);
    struct tb_writer writer;
    add_item(image, 0, 5000);
    size_t second = image->len;
    add_item(image, 1, 5000);
    add_item(image, 2, 5000);
    *owner_fd = write_image(fixture, image);
    if (by_living_owner)
        lock_as_owner(*owner_fd);
    set_bad(image->path, (off_t)second + 1000, (off_t)second + 1512);
    free(image);
    tb_writer_init(&writer, TB_CLASS_WARNING, fixture->dirfd);
    assert_int_equal(append(&writer, 3), 0);
    tb_writer_close(&writer);
}

static void what_cannot_be_read_is_tried_again_and_nothing_is_lost(void **state)
{
    struct fixture *fixture = *state;
    for (int alive = 0; alive < 2; alive++) {
        uint8_t seen[4] = {0};
        int fd;
        write_two_files(fixture, alive, &fd);
        open_spool(fixture);
        for (int i = 0; i < 3; i++) {
            (void)drain(fixture->spool, seen, 4, 1);
            assert_memory_equal(seen, "\1\0\0\1", 4); /* what stands before it, and the others */
            assert_int_equal(tb_spool_collect(fixture->spool), i == 0);
            assert_int_equal(count_files(fixture, "in", ".seg"), 1);
            pass_ms(3000);
        }
        bad_inode = 0;
        assert_int_equal(drain(fixture->spool, seen, 4, 1), 2);
        assert_memory_equal(seen, "\1\1\1\1", 4);
        assert_int_equal(stats_of(fixture).n_damaged, 0);
        assert_int_equal(stats_of(fixture).n_lost, 0);
        assert_int_equal(stats_of(fixture).n_quarantined, 0);
        close(fd);
        assert_int_equal(drain(fixture->spool, seen, 4, 1), 0);
        assert_int_equal(tb_spool_flush(fixture->spool), 0);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        close_spool(fixture);
    }
}

static void a_header_that_cannot_be_read_is_no_damage(void **state)
{
    struct fixture *fixture = *state;
    uint8_t seen[4] = {0};
    int fd;
    write_two_files(fixture, 0, &fd);
    close(fd);
    bad_from = 0;
    open_spool(fixture);
    for (int i = 0; i < 3; i++) {
        (void)drain(fixture->spool, seen, 4, 1);
        pass_ms(6000); /* longer than a file without a header is given */
        assert_int_equal(stats_of(fixture).n_quarantined, 0);
        assert_int_equal(count_files(fixture, "agent/quarantine", ""), 0);
    }
    assert_memory_equal(seen, "\0\0\0\1", 4);
    bad_inode = 0;
    assert_int_equal(drain(fixture->spool, seen, 4, 1), 3);
}

static void a_slot_that_cannot_be_read_is_tried_again(void **state)
{
    struct fixture *fixture = *state;
    static const off_t bad_places[] = {TB_SLOT_STATE_AT, TB_SLOT_DROPS_AT, TB_SLOT_CRASH_AT + 100,
                                       TB_SLOT_CRASH_AT + TB_SLOT_PAGE + 8};
    for (size_t i = 0; i < sizeof(bad_places) / sizeof(bad_places[0]); i++) {
        struct tb_slot slot = {.fd = -1};
        struct tb_spool_record record;
        uint8_t boot[16] = {0};
        uint8_t uuid[16] = {9};
        static const uint8_t stream[6000];
        char path[256];
        assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 1), 0);
        only_file(fixture, ".slot", path);
        tb_slot_begin(&slot, uuid, 1);
        assert_int_equal(tb_slot_write(&slot, stream, sizeof(stream)), 0);
        tb_slot_end(&slot);
        tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
        tb_slot_close(&slot, 0);
        set_bad(path, bad_places[i], bad_places[i] + 1);
        open_spool(fixture);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
            assert_int_equal(tb_spool_collect(fixture->spool), 0);
            assert_int_equal(stats_of(fixture).n_vanished, 0);
            pass_ms(6000);
        }
        bad_inode = 0;
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(record.len, sizeof(stream));
        tb_spool_ack(fixture->spool, record.file_id, record.off8, TB_ACK_STORED);
        assert_int_equal(tb_spool_next(fixture->spool, &record), -EAGAIN);
        assert_int_equal(tb_spool_collect(fixture->spool), 1);
        assert_int_equal(stats_of(fixture).n_damaged, 0);
        close_spool(fixture);
    }
}

static void an_acknowledgement_log_that_cannot_be_read_costs_a_second_delivery(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    char path[128];
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 1, 1), 1);
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    close_spool(fixture);
    (void)snprintf(path, sizeof(path), "%s/agent/ack.log", fixture->path);
    set_bad(path, 0, 32);
    open_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 1, 1), 1);
    bad_inode = 0;
    assert_int_equal(tb_spool_flush(fixture->spool), 0);
    reopen_spool(fixture);
    assert_int_equal(drain(fixture->spool, NULL, 1, 1), 0);
    tb_writer_close(&writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_read_is_tried_again_and_nothing_is_lost),
        TEST(a_header_that_cannot_be_read_is_no_damage),
        TEST(a_slot_that_cannot_be_read_is_tried_again),
        TEST(an_acknowledgement_log_that_cannot_be_read_costs_a_second_delivery),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
