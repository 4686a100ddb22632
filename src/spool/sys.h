/* sys.h - system calls for code that signal handlers and cancelled threads run.
 *
 * 1. Raw: no cancellation point, no lock, no allocation; errno changes, as in any system call.
 * 2. All return a result or a negative errno; EINTR is dealt with here where it can happen. */
#ifndef TB_SPOOL_SYS_H
#define TB_SPOOL_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static inline int tb_sys_openat(int dirfd, const char *name, int flags, mode_t mode)
{
    long fd = syscall(SYS_openat, dirfd, name, flags, mode);
    return fd < 0 ? -errno : (int)fd;
}

static inline void tb_sys_close(int fd)
{
    (void)syscall(SYS_close, fd); /* the descriptor is gone whatever it says */
}

/* Moves a descriptor just opened to where no host looks for the lowest free one: what a daemon
 * opens after it closed its standard streams must become 0, 1 and 2. Locks stay with the open file.
 * The new number, or a negative errno: then fd is closed. */
static inline int tb_sys_move_up(int fd)
{
    enum { LOWEST = 64 };
    long moved = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOWEST);
    if (moved < 0 && fd > STDERR_FILENO)
        return fd; /* RLIMIT_NOFILE is below that */
    if (moved < 0)
        moved = syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int err = -errno;
    tb_sys_close(fd);
    return moved < 0 ? err : (int)moved;
}

/* Opens a file that stays open. */
static inline int tb_sys_open_high(int dirfd, const char *name, int flags, mode_t mode)
{
    int fd = tb_sys_openat(dirfd, name, flags, mode);
    return fd < 0 ? fd : tb_sys_move_up(fd);
}

static inline void tb_sys_unlinkat(int dirfd, const char *name)
{
    (void)syscall(SYS_unlinkat, dirfd, name, 0); /* what stays is found and removed by the agent */
}

static inline int tb_sys_fstat(int fd, struct stat *out)
{
    return syscall(SYS_fstat, fd, out) < 0 ? -errno : 0;
}

/* Lets the group read, which is the agent's in a shared spool, whatever the host's umask is. */
static inline void tb_sys_share(int fd)
{
    (void)syscall(SYS_fchmod, fd, 0640); /* an agent of the same user reads it anyway */
}

/* The bytes written; fewer than asked for when the disk is full. */
static inline long tb_sys_pwritev(int fd, const struct iovec *parts, int n_parts, uint64_t offset)
{
    long n;
    do {
        n = syscall(SYS_pwritev, fd, parts, n_parts, (long)offset, 0L);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static inline int tb_sys_fallocate(int fd, uint64_t from, uint64_t len)
{
    return syscall(SYS_fallocate, fd, 0, (off_t)from, (off_t)len) < 0 ? -errno : 0;
}

/* Cuts off what is behind len, for a file that is longer. */
static inline void tb_sys_cut(int fd, uint64_t len)
{
    (void)syscall(SYS_ftruncate, fd, (off_t)len); /* costs room only */
}

/* fsync, fdatasync or syncfs: call is its number. */
static inline int tb_sys_sync(long call, int fd)
{
    long err;
    do {
        err = syscall(call, fd);
    } while (err < 0 && errno == EINTR);
    return err < 0 ? -errno : 0;
}

/* Waits until *word is not value any more or woken, for at most max_ns; may return early. */
static inline void tb_sys_futex_wait(const _Atomic uint32_t *word, uint32_t value, uint64_t max_ns)
{
    const struct timespec most = {(time_t)(max_ns / 1000000000), (long)(max_ns % 1000000000)};
    (void)syscall(SYS_futex, word, FUTEX_WAIT, value, &most, NULL, 0);
}

static inline void tb_sys_futex_wake_all(const _Atomic uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* Takes the write lock that says "my owner lives" on byte 0; never waits. */
static inline int tb_sys_lock(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
    return syscall(SYS_fcntl, fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Takes the lock of a file just made, then asks what it is: 0; -EAGAIN when the agent took it for
 * abandoned meanwhile and removes it, since this process stood still: make another. */
static inline int tb_sys_own(int fd, struct stat *out)
{
    int err = tb_sys_lock(fd);
    if (err < 0 || (err = tb_sys_fstat(fd, out)) < 0)
        return err;
    return out->st_nlink == 0 ? -EAGAIN : 0;
}

/* How large this process may make a file: past it the kernel would send SIGXFSZ to the host.
 * getrlimit asks of this process alone, which is quicker; a seccomp filter may know only the other,
 * which is the one that libc calls. */
static inline uint64_t tb_sys_file_limit(void)
{
    struct rlimit limit;
    if (syscall(SYS_getrlimit, RLIMIT_FSIZE, &limit) < 0 &&
        syscall(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit) < 0)
        return UINT64_MAX;
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

static inline int tb_sys_gettid(void)
{
    return (int)syscall(SYS_gettid);
}

static inline int64_t tb_sys_seek(int fd, int64_t offset, int whence)
{
    long at = syscall(SYS_lseek, fd, (off_t)offset, whence);
    return at < 0 ? -errno : at;
}

/* Is fd still the file that was opened as it? A host may have closed it and opened its own. */
static inline int tb_sys_is_same(int fd, uint64_t dev, uint64_t ino)
{
    struct stat st;
    return tb_sys_fstat(fd, &st) == 0 && (uint64_t)st.st_dev == dev && (uint64_t)st.st_ino == ino;
}

/* The limit of descriptors, raised for a moment as far as it may be. Zeroed is ready. */
struct tb_sys_files {
    struct rlimit before;
    int is_raised;
};

/* 1 when more can be opened now. */
static inline int tb_sys_raise_files(struct tb_sys_files *files)
{
    if (files->is_raised || syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &files->before) != 0 ||
        files->before.rlim_cur >= files->before.rlim_max)
        return 0;
    const struct rlimit raised = {files->before.rlim_max, files->before.rlim_max};
    files->is_raised = syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &raised, NULL) == 0;
    return files->is_raised;
}

static inline void tb_sys_restore_files(struct tb_sys_files *files)
{
    if (files->is_raised)
        (void)syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &files->before, NULL);
    files->is_raised = 0;
}

#endif
