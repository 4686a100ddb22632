/* Really full file systems: tmpfs, ext4, xfs and btrfs, mounted for this test where the machine
 * allows it, and filled to the last byte. What was acknowledged stays; the room that was taken
 * beforehand is used; a crash finds its slot; acknowledging and removing need nothing; and when
 * there is room again, records are taken again. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "world.h"

enum {
    N_RECORDS = 4000,
    N_BEFORE = 20,
    N_REFUSED = 20, /* in a row: it is full */
    CANNOT = 99,
};

struct file_system {
    const char *name;
    const char *make;  /* a shell command for the image $1; NULL: needs none */
    const char *mount; /* for the image $1 and the folder $2 */
};

static const struct file_system TMPFS = {"tmpfs", NULL, "mount -t tmpfs -o size=6m none \"$2\""};
static const struct file_system EXT4 = {"ext4",
                                        "truncate -s 24M \"$1\" && mkfs.ext4 -q -m 0 -F \"$1\"",
                                        "mount -t ext4 -o loop \"$1\" \"$2\""};
static const struct file_system XFS = {"xfs", "truncate -s 300M \"$1\" && mkfs.xfs -q -f \"$1\"",
                                       "mount -t xfs -o loop \"$1\" \"$2\""};
static const struct file_system BTRFS = {"btrfs",
                                         "truncate -s 128M \"$1\" && mkfs.btrfs -q -f \"$1\"",
                                         "mount -t btrfs -o loop \"$1\" \"$2\""};

static struct world world;
static char image[96];
static struct tb_writer writer;
static struct tb_slot slot;
static const uint8_t boot[16] = {5};

/* The exit code of a shell command with $1 and $2. */
static int shell(const char *command)
{
    int status;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, STDOUT_FILENO);
        (void)dup2(null, STDERR_FILENO);
        (void)execl("/bin/sh", "sh", "-c", command, "sh", image, world.path, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the steps; each returns 0, or says what went wrong ---- */

static int fail_with(const char *what, long number)
{
    print_error("%s (%ld)\n", what, number);
    return 1;
}

/* Every byte that the file system gives to root. */
static int fill(void)
{
    char path[128];
    static char data[1 << 20];
    (void)snprintf(path, sizeof(path), "%s/filler", world.path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0)
        return fail_with("no file to fill the disk with", errno);
    for (size_t len = sizeof(data); len > 0; len /= 2) {
        while (write(fd, data, len) > 0)
            continue;
        (void)fsync(fd); /* btrfs and xfs know only then what is really left */
    }
    close(fd);
    return 0;
}

static uint64_t n_acked(void)
{
    struct oracle_totals totals;
    oracle_sum(world.oracle, &totals);
    return totals.acked;
}

static int append_before(void)
{
    if (tb_slot_open(&slot, world.in_fd, boot, 0) < 0)
        return fail_with("no slot", 0);
    tb_writer_init(&writer, TB_CLASS_ERROR, world.in_fd);
    for (int i = 0; i < N_BEFORE; i++) {
        if (oracle_append(world.oracle, &writer, 1) < 0)
            return fail_with("an append failed while there is room", i);
    }
    return 0;
}

static int append_until_refused(void)
{
    int n_refused = 0;
    for (int i = 0; i < N_RECORDS / 4 && n_refused < N_REFUSED; i++) {
        int err = oracle_append(world.oracle, &writer, 1);
        n_refused = err < 0 ? n_refused + 1 : 0;
        if (err < 0 && err != -ENOSPC && err != -EAGAIN)
            return fail_with("refused with another error than ENOSPC", err);
    }
    return n_refused == N_REFUSED ? 0 : fail_with("the disk is not full", n_refused);
}

/* In a process of its own: a store that the file system refuses ends it with SIGBUS. */
static int crash(void)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_handler = SIG_DFL}; /* cmocka has a handler */
        (void)sigaction(SIGBUS, &action, NULL);
        (void)oracle_crash(world.oracle, &slot, -1);
        _exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return fail_with("no child", errno);
    if (WIFEXITED(status))
        return 0;
    return fail_with("the store to the slot was refused", WTERMSIG(status));
}

/* Acknowledges and removes all there is. */
static int drain(struct tb_spool *spool, int n_files)
{
    (void)world_drain(&world, spool);
    int err = tb_spool_flush(spool);
    if (err < 0)
        return fail_with("acknowledging failed", err);
    int n = tb_spool_collect(spool);
    return n >= n_files ? 0 : fail_with("files were not removed", n);
}

static int run_steps(const struct file_system *system, struct tb_spool *spool)
{
    uint64_t n_before, n_full;
    if (append_before() || fill())
        return 1;
    n_before = n_acked();
    if (append_until_refused())
        return 1;
    n_full = n_acked();
    if (n_full <= n_before)
        return fail_with("the room taken beforehand was not used", 0);
    if (crash())
        return 1;
    tb_slot_close(&slot, 0);
    tb_writer_close(&writer);
    if (drain(spool, 2)) /* the segment and the slot */
        return 1;
    for (int i = 0; i < N_BEFORE; i++) {
        int err = oracle_append(world.oracle, &writer, 1);
        if (err < 0)
            return fail_with("there is room again, but an append fails", err);
    }
    tb_writer_close(&writer);
    print_message("%s: %d records before, %d more on the full disk, %d after\n", system->name,
                  (int)n_before, (int)(n_full - n_before), (int)(n_acked() - n_full));
    return drain(spool, 0);
}

static int run_mounted(const struct file_system *system)
{
    char why[TB_SPOOL_WHY];
    struct oracle_totals totals;
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return CANNOT;
    if ((system->make && shell(system->make) != 0) || shell(system->mount) != 0)
        return CANNOT;
    tb_fd_close(&world.in_fd);
    struct tb_spool *spool = world_reader(&world);
    if (!spool)
        return fail_with("no spool", 0);
    world.in_fd = tb_spool_dir_open(world.path, 0, why);
    int err = run_steps(system, spool);
    tb_spool_close(spool);
    tb_fd_close(&world.in_fd);
    oracle_sum(world.oracle, &totals);
    if (totals.lost + totals.foreign > 0)
        err = fail_with("records were lost or invented", (long)(totals.lost + totals.foreign));
    (void)shell("umount \"$2\" || umount -l \"$2\"");
    return err;
}

static void run_on(const struct file_system *system)
{
    int status;
    world_open(&world, oracle_new(N_RECORDS, 1000, 8000));
    (void)snprintf(image, sizeof(image), "%s.image", world.path);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_mounted(system));
    assert_int_equal(waitpid(child, &status, 0), child);
    (void)unlink(image);
    world_close(&world);
    oracle_free(world.oracle);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT) {
        print_message("skipped: no %s can be made and mounted here (it takes root, mkfs.%s and a "
                      "loop device)\n",
                      system->name, system->name);
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_full_tmpfs_loses_nothing(void **state)
{
    (void)state;
    run_on(&TMPFS);
}

static void a_full_ext4_loses_nothing(void **state)
{
    (void)state;
    run_on(&EXT4);
}

static void a_full_xfs_loses_nothing(void **state)
{
    (void)state;
    run_on(&XFS);
}

static void a_full_btrfs_loses_nothing(void **state)
{
    (void)state;
    run_on(&BTRFS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_tmpfs_loses_nothing),
        cmocka_unit_test(a_full_ext4_loses_nothing),
        cmocka_unit_test(a_full_xfs_loses_nothing),
        cmocka_unit_test(a_full_btrfs_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
