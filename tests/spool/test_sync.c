/* Durable while the database takes nothing: docs/spool-format.md 9. This program's own fdatasync
 * and fsync note what is synced, and fail when they are told to. */
#include "support.h"

#include <sys/syscall.h>

#include "clock.h"
#include "more.h"

static ino_t synced[64];
static size_t n_synced;
static int failure; /* of the next fdatasync; 0: none */

static void note(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(n_synced < sizeof(synced) / sizeof(synced[0]));
    synced[n_synced++] = st.st_ino;
}

int fdatasync(int fd)
{
    note(fd);
    if (failure == 0)
        return 0;
    errno = failure;
    failure = 0;
    return -1;
}

int fsync(int fd)
{
    note(fd);
    return 0;
}

/* How often it was synced since the last question. */
static size_t times_synced(ino_t ino)
{
    size_t n = 0;
    for (size_t i = 0; i < n_synced; i++)
        n += synced[i] == ino;
    return n;
}

static ino_t inode_of(const struct tb_writer *writer)
{
    struct stat st;
    assert_int_equal(fstat(tb_writer_fd(writer), &st), 0);
    return st.st_ino;
}

static int sync_up_to(struct fixture *fixture, int max_class)
{
    n_synced = 0;
    return tb_spool_sync(fixture->spool, max_class);
}

static void files_are_synced_by_class_and_only_when_they_changed(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writers[3];
    struct stat folder;
    ino_t inodes[3];
    assert_int_equal(fstat(fixture->dirfd, &folder), 0);
    open_spool(fixture);
    for (int c = 0; c < 3; c++) {
        tb_writer_init(&writers[c], c, fixture->dirfd);
        assert_int_equal(append(&writers[c], (uint64_t)c), 0);
        inodes[c] = inode_of(&writers[c]);
    }
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0); /* never read before */
    assert_int_equal(times_synced(inodes[0]), 1);
    assert_int_equal(times_synced(inodes[1]), 0);
    assert_int_equal(times_synced(folder.st_ino), 1); /* or its name would be lost */
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(times_synced(inodes[1]), 1);
    assert_int_equal(times_synced(inodes[2]), 0);
    pass_ms(2000); /* their times are old enough to tell */
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(n_synced, 0);
    test_skew_ns = 0;
    assert_int_equal(append(&writers[1], 7), 0);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(times_synced(inodes[1]), 1);
    for (int c = 0; c < 3; c++)
        tb_writer_close(&writers[c]);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(times_synced(inodes[0]), 1); /* for the last time */
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(n_synced, 0);
    assert_int_equal(drain(fixture->spool, NULL, 8, 1), 4);
}

static void a_sync_between_two_records_loses_and_repeats_none(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_writer writer;
    open_spool(fixture);
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    for (uint64_t n = 0; n < 10; n++)
        assert_int_equal(append(&writer, n), 0);
    for (uint64_t n = 0; n < 10; n++) {
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
        assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
        assert_int_equal(check_record(&record), n); /* its bytes are still there */
    }
    tb_writer_close(&writer);
}

static void a_failed_sync_is_counted_once_and_the_records_are_delivered(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 0), 0);
    tb_writer_close(&writer);
    open_spool(fixture);
    failure = EIO;
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), -EIO);
    assert_int_equal(stats_of(fixture).n_sync_failed, 1);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_ERROR), 0);
    assert_int_equal(n_synced, 0); /* what the kernel forgot does not come back */
    assert_int_equal(stats_of(fixture).n_sync_failed, 1);
    assert_int_equal(drain(fixture->spool, NULL, 1, 1), 1);
}

/* That a process vanished is all that could be lost, and very many may vanish at a time. */
static void slots_without_a_crash_are_not_synced(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t boot[16] = {1};
    struct tb_slot slots[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(tb_slot_open(&slots[i], fixture->dirfd, boot, 1), 0);
    open_spool(fixture);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0);
    assert_int_equal(n_synced, 0);
    tb_slot_state(&slots[0], TB_SLOT_WRITING, 1);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0);
    assert_int_equal(n_synced, 2); /* with the folder */
    tb_slot_close(&slots[1], 0);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0);
    tb_slot_close(&slots[0], 0);
    struct tb_spool_record record;
    for (int i = 0; i < 2; i++)
        assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
}

/* The threads of a crash are as durable as the crash. */
static void threads_are_synced_with_their_slot(void **state)
{
    struct fixture *fixture = *state;
    static const uint8_t boot[16] = {1};
    static struct more_image image;
    struct tb_slot slot;
    struct stat st;
    char path[256];
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 1), 0);
    only_file(fixture, ".slot", path);
    more_begin(&image, boot);
    more_add(&image, 1, 100);
    assert_int_equal(more_put(&image, fixture->dirfd, strrchr(path, '/') + 1), 0);
    only_file(fixture, ".more", path);
    assert_int_equal(stat(path, &st), 0);
    tb_slot_state(&slot, TB_SLOT_WRITING, 1);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0);
    assert_int_equal(times_synced(st.st_ino), 1);
    assert_int_equal(sync_up_to(fixture, TB_CLASS_CRASH), 0);
    assert_int_equal(n_synced, 0); /* its owner is gone: nothing can come */
    assert_int_equal(stats_of(fixture).n_sync_failed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_are_synced_by_class_and_only_when_they_changed),
        TEST(a_sync_between_two_records_loses_and_repeats_none),
        TEST(slots_without_a_crash_are_not_synced),
        TEST(threads_are_synced_with_their_slot),
        TEST(a_failed_sync_is_counted_once_and_the_records_are_delivered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
