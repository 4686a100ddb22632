/* writer_sync.c - a record on the disk before its append returns. Signal-safe.
 *
 * 1. Group commit: of the threads that wait at one time the leader syncs for all that was written
 *    before it began; the others wait by futex, for PATIENCE_S at most.
 * 2. One thread syncs a file at a time, since the kernel tells an error to one caller alone. A
 *    handler that interrupted the leader of its own thread does not wait: it syncs by itself, and
 *    the leader below it stands still meanwhile.
 * 3. After a failure the file is given up: the kernel has forgotten the pages it could not write.
 *    So it is when the leader is not back in time: its disk is sick, or it left by siglongjmp. */
#include <sys/vfs.h>

#include "base/clock.h"
#include "spool/fs.h"
#include "spool/sys.h"
#include "spool/writer_file.h"

enum { PATIENCE_S = 10 };

/* Is the name on the disk when the file is? */
static int name_goes_with_file(int fd)
{
    struct statfs fs;
    return syscall(SYS_fstatfs, fd, &fs) == 0 && tb_fs_syncs_names((long)fs.f_type);
}

/* The folder's entry. A drop box of another user cannot be opened for that: then the file's own
 * sync has done it, or all of the file system is synced. */
static int sync_name(const struct tb_writer_file *file, const struct tb_writer *writer)
{
    int dir =
        tb_sys_open_high(atomic_load(&writer->dirfd), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    int err = -ESTALE;
    if (dir >= 0 && tb_sys_is_same(dir, file->dir_dev, file->dir_ino))
        err = tb_sys_sync(SYS_fsync, dir);
    if (dir >= 0)
        tb_sys_close(dir);
    if (err == -ESTALE && name_goes_with_file(file->fd))
        err = 0;
    return err == -ESTALE ? tb_sys_sync(SYS_syncfs, file->fd) : err;
}

static int sync_now(struct tb_writer_file *file, const struct tb_writer *writer)
{
    if (!tb_writer_file_is_ours(file))
        return -EBADF;
    if (atomic_load(&file->sync.has_name))
        return tb_sys_sync(SYS_fdatasync, file->fd);
    int err = tb_sys_sync(SYS_fsync, file->fd);
    if (err == 0)
        err = sync_name(file, writer);
    if (err == 0)
        atomic_store(&file->sync.has_name, 1);
    return err;
}

/* Number n failed, and with it all that come after. */
static void fail(struct tb_writer_file *file, uint32_t n, int err)
{
    uint32_t failed = atomic_load(&file->sync.failed);
    int no_error = 0;
    (void)atomic_compare_exchange_strong(&file->sync.error, &no_error, err);
    while ((failed == 0 || n < failed) &&
           !atomic_compare_exchange_weak(&file->sync.failed, &failed, n))
        continue;
    tb_writer_file_give_up(file);
}

static void lead(struct tb_writer_file *file, const struct tb_writer *writer)
{
    struct tb_writer_sync *sync = &file->sync;
    uint32_t n = atomic_load(&sync->begun) + 1;
    atomic_store(&sync->begun, n);
    int err = sync_now(file, writer);
    if (err < 0)
        fail(file, n, err);
    atomic_store(&sync->done, n);
}

static int alone(struct tb_writer_file *file, const struct tb_writer *writer)
{
    int err = sync_now(file, writer);
    uint32_t begun = atomic_load(&file->sync.begun);
    if (err < 0) /* the one that was interrupted would not hear of it */
        fail(file, begun > 0 ? begun : 1, err);
    return err;
}

int tb_writer_file_sync(struct tb_writer_file *file, const struct tb_writer *writer)
{
    struct tb_writer_sync *sync = &file->sync;
    uint32_t mine = atomic_load(&sync->begun) + 1; /* the first that begins after the write */
    uint64_t patience_ns = (uint64_t)PATIENCE_S * TB_NS_PER_S;
    uint64_t until_ns = tb_clock_mono_ns() + patience_ns;
    int self = tb_sys_gettid();
    for (;;) {
        uint32_t turn = atomic_load(&sync->turn); /* before anything that a leader changes */
        uint32_t done = atomic_load(&sync->done); /* before failed, which a leader sets first */
        uint32_t failed = atomic_load(&sync->failed);
        int leader = 0;
        if (failed != 0 && mine >= failed)
            return atomic_load(&sync->error);
        if (done >= mine)
            return 0;
        if (atomic_compare_exchange_strong(&sync->leader, &leader, self)) {
            lead(file, writer);
            atomic_store(&sync->leader, 0);
            atomic_fetch_add(&sync->turn, 1);
            tb_sys_futex_wake_all(&sync->turn);
            continue;
        }
        if (leader == self)
            return alone(file, writer);
        uint64_t now_ns = tb_clock_mono_ns();
        if (now_ns >= until_ns) {
            fail(file, mine, -ETIMEDOUT);
            return -ETIMEDOUT;
        }
        tb_sys_futex_wait(&sync->turn, turn, until_ns - now_ns);
    }
}
