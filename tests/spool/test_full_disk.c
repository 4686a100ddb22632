/* A full disk: what was acknowledged stays, draining needs no room and makes some. Needs a file
 * system of its own; where none can be mounted the test says so and is skipped. (RLIMIT_FSIZE, the
 * other way to run out of room, is tested with the writer and the slot.) */
#include "support.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { CANNOT_MOUNT = 99, MAX_RECORDS = 4000 };

static int mount_small(const char *path)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return -1;
    return mount("towbar-test", path, "tmpfs", 0, "size=4m");
}

/* Appends until the disk is full; the number of records that were acknowledged. */
static uint64_t fill_disk(struct tb_writer *writer, uint64_t first)
{
    uint64_t n = first;
    int err = 0;
    for (int refused = 0; refused < 20 && n < MAX_RECORDS;) {
        err = append_sized(writer, n, 1000 + n * 37 % 3000);
        n += err == 0;
        refused += err != 0;
    }
    return err == -ENOSPC || err == -EAGAIN ? n : 0;
}

static size_t count_seen(const uint8_t *seen, size_t n)
{
    size_t n_once = 0;
    for (size_t i = 0; i < n; i++)
        n_once += seen[i] == 1;
    return n_once;
}

/* The number of the step that went wrong, or 0. */
static int run_on_full_disk(struct fixture *fixture)
{
    static uint8_t seen[MAX_RECORDS];
    char why[TB_SPOOL_WHY];
    static const uint8_t boot[16];
    struct tb_writer writer;
    struct tb_slot slot;
    if (mount_small(fixture->path) < 0)
        return CANNOT_MOUNT;
    if (tb_spool_open(fixture->path, TB_SPOOL_CREATE, &fixture->spool, why) < 0)
        return 1;
    int dirfd = tb_spool_dir_open(fixture->path, 0, why);
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    uint64_t n = fill_disk(&writer, 0);
    if (n == 0)
        return 2;
    if (tb_slot_open(&slot, dirfd, boot, 0) != -ENOSPC || count_files(fixture, "in", ".slot") != 0)
        return 3;
    if (drain(fixture->spool, seen, MAX_RECORDS, 1) < n || count_seen(seen, n) != n)
        return 4;
    /* Acknowledging and removing work on the full disk. */
    if (tb_spool_flush(fixture->spool) < 0)
        return 5;
    tb_writer_close(&writer);
    (void)drain(fixture->spool, seen, MAX_RECORDS, 1);
    if (tb_spool_collect(fixture->spool) < 1)
        return 6;
    uint64_t more = fill_disk(&writer, n);
    if (more <= n || drain(fixture->spool, seen, MAX_RECORDS, 1) < more - n)
        return 7;
    return count_seen(seen, more) == more ? 0 : 8;
}

static void a_full_disk_loses_nothing_that_was_acknowledged(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_on_full_disk(fixture));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT_MOUNT) {
        print_message("skipped: this user may not mount a file system\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_that_was_acknowledged, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
