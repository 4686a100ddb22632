/* calls.c - what the linker puts in place of libc's functions in the spool (see CMakeLists.txt).
 * Each asks the plan first, does the call, and tells the watcher. */
#include "faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "calls.h"

/* ---- the calls that only succeed or fail ---- */

/* Asks the plan. Where it says so, sets errno and is nonzero: then the call fails. */
static int refused(const char *name, enum fault_group group, struct fault_verdict *verdict)
{
    *verdict = faults_before(name, group);
    if (verdict->err == 0)
        return 0;
    errno = verdict->err;
    return 1;
}

static int done(int result, const struct fault_verdict *verdict)
{
    faults_after(verdict);
    return result;
}

static int opened(int fd, int dirfd, const char *name, int flags, int was_there,
                  const struct fault_verdict *verdict)
{
    if (fd >= 0 && (flags & O_CREAT) && !was_there)
        faults_tell(&(struct fault_op){OP_CREATE, .fd = fd, .dirfd = dirfd, .name = name});
    else if (fd >= 0 && (flags & O_TRUNC))
        faults_tell(&(struct fault_op){OP_SIZE, .fd = fd});
    return done(fd, verdict);
}

static int is_there(int dirfd, const char *name, int flags)
{
    struct stat st;
    return (flags & O_CREAT) && faults_is_watched() &&
           __real_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum fault_group group_of(int flags)
{
    return flags & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC) ? FAULT_WRITE : FAULT_READ;
}

static int open_at(const char *call, int dirfd, const char *name, int flags, mode_t mode)
{
    struct fault_verdict verdict;
    if (refused(call, group_of(flags), &verdict))
        return -1;
    int was_there = is_there(dirfd, name, flags);
    return opened(__real_openat(dirfd, name, flags, mode), dirfd, name, flags, was_there, &verdict);
}

int __wrap_openat(int dirfd, const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at("openat", dirfd, name, flags, mode);
}

int __wrap___openat_2(int dirfd, const char *name, int flags)
{
    return open_at("openat", dirfd, name, flags, 0);
}

int __wrap_open(const char *name, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at("open", AT_FDCWD, name, flags, mode);
}

int __wrap_mkdir(const char *name, mode_t mode)
{
    struct fault_verdict verdict;
    return refused("mkdir", FAULT_WRITE, &verdict) ? -1 : done(__real_mkdir(name, mode), &verdict);
}

int __wrap_mkdirat(int dirfd, const char *name, mode_t mode)
{
    struct fault_verdict verdict;
    if (refused("mkdirat", FAULT_WRITE, &verdict))
        return -1;
    int result = __real_mkdirat(dirfd, name, mode);
    if (result == 0)
        faults_tell(&(struct fault_op){OP_MKDIR, .dirfd = dirfd, .name = name});
    return done(result, &verdict);
}

DIR *__wrap_fdopendir(int fd)
{
    struct fault_verdict verdict;
    if (refused("fdopendir", FAULT_READ, &verdict))
        return NULL;
    DIR *dir = __real_fdopendir(fd);
    faults_after(&verdict);
    return dir;
}

struct dirent *__wrap_readdir(DIR *dir)
{
    struct fault_verdict verdict;
    if (refused("readdir", FAULT_READ, &verdict))
        return NULL;
    faults_after(&verdict);
    return __real_readdir(dir);
}

int __wrap_fstat(int fd, struct stat *out)
{
    struct fault_verdict verdict;
    return refused("fstat", FAULT_READ, &verdict) ? -1 : done(__real_fstat(fd, out), &verdict);
}

int __wrap_fstatat(int dirfd, const char *name, struct stat *out, int flags)
{
    struct fault_verdict verdict;
    if (refused("fstatat", FAULT_READ, &verdict))
        return -1;
    return done(__real_fstatat(dirfd, name, out, flags), &verdict);
}

static int synced(const char *name, int (*real)(int), int fd)
{
    struct fault_verdict verdict;
    if (refused(name, FAULT_WRITE, &verdict))
        return -1;
    int result = real(fd);
    if (result == 0)
        faults_tell(&(struct fault_op){OP_SYNC, .fd = fd});
    return done(result, &verdict);
}

int __wrap_fsync(int fd)
{
    return synced("fsync", __real_fsync, fd);
}

int __wrap_fdatasync(int fd)
{
    return synced("fdatasync", __real_fdatasync, fd);
}

int __wrap_fcntl(int fd, int command, ...)
{
    struct fault_verdict verdict;
    va_list args;
    va_start(args, command);
    long argument = va_arg(args, long);
    va_end(args);
    enum fault_group group = command == F_OFD_GETLK ? FAULT_READ : FAULT_WRITE;
    if (refused("fcntl", group, &verdict))
        return -1;
    int result = __real_fcntl(fd, command, argument);
    if (command == F_OFD_GETLK)
        faults_lock_was_asked();
    return done(result, &verdict);
}

static int sized(int result, int fd, const struct fault_verdict *verdict)
{
    if (result == 0)
        faults_tell(&(struct fault_op){OP_SIZE, .fd = fd});
    return done(result, verdict);
}

int __wrap_fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct fault_verdict verdict;
    if (refused("fallocate", FAULT_WRITE, &verdict))
        return -1;
    return sized(__real_fallocate(fd, mode, offset, len), fd, &verdict);
}

int __wrap_ftruncate(int fd, off_t len)
{
    struct fault_verdict verdict;
    if (refused("ftruncate", FAULT_WRITE, &verdict))
        return -1;
    return sized(__real_ftruncate(fd, len), fd, &verdict);
}

int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    struct fault_verdict verdict;
    if (refused("renameat", FAULT_WRITE, &verdict))
        return -1;
    int result = __real_renameat(from_fd, from, to_fd, to);
    if (result == 0)
        faults_tell(&(struct fault_op){OP_RENAME, .dirfd = from_fd, .name = from, .dirfd2 = to_fd,
                                       .name2 = to});
    return done(result, &verdict);
}

int __wrap_unlinkat(int dirfd, const char *name, int flags)
{
    struct fault_verdict verdict;
    if (refused("unlinkat", FAULT_WRITE, &verdict))
        return -1;
    int result = __real_unlinkat(dirfd, name, flags);
    if (result == 0)
        faults_tell(&(struct fault_op){OP_UNLINK, .dirfd = dirfd, .name = name});
    return done(result, &verdict);
}

int __wrap_fchmod(int fd, mode_t mode)
{
    struct fault_verdict verdict;
    return refused("fchmod", FAULT_WRITE, &verdict) ? -1 : done(__real_fchmod(fd, mode), &verdict);
}

int __wrap_inotify_init1(int flags)
{
    struct fault_verdict verdict;
    if (faults_is_blind()) {
        errno = EMFILE;
        return -1;
    }
    if (refused("inotify_init1", FAULT_READ, &verdict))
        return -1;
    return done(__real_inotify_init1(flags), &verdict);
}

int __wrap_inotify_add_watch(int fd, const char *name, uint32_t mask)
{
    struct fault_verdict verdict;
    if (refused("inotify_add_watch", FAULT_READ, &verdict))
        return -1;
    return done(__real_inotify_add_watch(fd, name, mask), &verdict);
}

/* ---- bytes ---- */

ssize_t __wrap_read(int fd, void *out, size_t len)
{
    struct fault_verdict verdict;
    if (refused("read", FAULT_READ, &verdict))
        return -1;
    faults_after(&verdict);
    /* Never cut: a part of an inotify event is no answer that a kernel gives. */
    return __real_read(fd, out, len);
}

/* A lost log costs a second delivery, which no other read may: it has a name of its own. */
static const char *name_of_read(int fd)
{
    char path[64];
    char target[512];
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    return strstr(target, "/ack.log") ? "pread of ack.log" : "pread";
}

ssize_t __wrap_pread(int fd, void *out, size_t len, off_t offset)
{
    struct fault_verdict verdict;
    if (refused(name_of_read(fd), FAULT_READ, &verdict))
        return -1;
    faults_after(&verdict);
    return __real_pread(fd, out, faults_cut(&verdict, (uint64_t)offset, len), offset);
}

static ssize_t written(ssize_t n, int fd, const void *data, uint64_t offset,
                       const struct fault_verdict *verdict)
{
    if (n > 0)
        faults_tell(&(struct fault_op){OP_WRITE, .fd = fd, .data = data, .len = (size_t)n,
                                       .offset = offset});
    faults_after(verdict);
    return n;
}

ssize_t __wrap_write(int fd, const void *data, size_t len)
{
    struct fault_verdict verdict;
    if (refused("write", FAULT_WRITE, &verdict))
        return -1;
    off_t offset = lseek(fd, 0, SEEK_CUR);
    uint64_t at = offset < 0 ? 0 : (uint64_t)offset;
    return written(__real_write(fd, data, faults_cut(&verdict, at, len)), fd, data, at, &verdict);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset)
{
    struct fault_verdict verdict;
    if (refused("pwrite", FAULT_WRITE, &verdict))
        return -1;
    uint64_t at = (uint64_t)offset;
    return written(__real_pwrite(fd, data, faults_cut(&verdict, at, len), offset), fd, data, at,
                   &verdict);
}

/* All parts as one piece, cut as the plan says. */
static long write_parts(int fd, const struct iovec *parts, int n_parts, uint64_t offset,
                        const struct fault_verdict *verdict)
{
    enum { ROOM = (1 << 20) + (128 << 10) };
    static _Thread_local char whole[ROOM];
    size_t len = 0;
    if (!faults_is_watched() && !verdict->is_cut) { /* also in signal handlers */
        long n = __real_syscall(SYS_pwritev, fd, parts, n_parts, offset, 0L);
        faults_after(verdict);
        return n;
    }
    for (int i = 0; i < n_parts; i++) {
        if (parts[i].iov_len > ROOM - len)
            abort();
        memcpy(whole + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    return written(__real_pwrite(fd, whole, faults_cut(verdict, offset, len), (off_t)offset), fd,
                   whole, offset, verdict);
}

/* ---- syscall(): how the writer calls the kernel ---- */

struct known {
    long number;
    const char *name;
    enum fault_group group;
};

static const struct known KNOWN[] = {
    {SYS_openat, "openat", FAULT_WRITE},
    {SYS_openat2, "openat2", FAULT_READ},
    {SYS_close, "close", FAULT_CLOSE},
    {SYS_fcntl, "fcntl", FAULT_WRITE},
    {SYS_unlinkat, "unlinkat", FAULT_WRITE},
    {SYS_renameat2, "renameat2", FAULT_WRITE},
    {SYS_fstat, "fstat", FAULT_READ},
    {SYS_fchmod, "fchmod", FAULT_WRITE},
    {SYS_pwritev, "pwritev", FAULT_WRITE},
    {SYS_pwrite64, "pwrite64", FAULT_WRITE},
    {SYS_write, "write", FAULT_WRITE},
    {SYS_fallocate, "fallocate", FAULT_WRITE},
    {SYS_ftruncate, "ftruncate", FAULT_WRITE},
    {SYS_fsync, "fsync", FAULT_WRITE},
    {SYS_fdatasync, "fdatasync", FAULT_WRITE},
    {SYS_lseek, "lseek", FAULT_READ},
    {SYS_mmap, "mmap", FAULT_WRITE},
    {SYS_utimensat, "utimensat", FAULT_WRITE},
    {SYS_process_vm_writev, "process_vm_writev", FAULT_WRITE},
};

static const struct known *find_known(long number)
{
    for (size_t i = 0; i < sizeof(KNOWN) / sizeof(KNOWN[0]); i++) {
        if (KNOWN[i].number == number)
            return &KNOWN[i];
    }
    return NULL;
}

static void tell_call(long number, const long arg[6], long result, int was_there)
{
    if (result < 0 || !faults_is_watched())
        return;
    struct fault_op op = {.fd = (int)arg[0], .dirfd = (int)arg[0], .name = (const char *)arg[1]};
    if (number == SYS_openat && (arg[2] & O_CREAT) && !was_there) {
        op.kind = OP_CREATE;
        op.fd = (int)result;
    } else if (number == SYS_unlinkat) {
        op.kind = OP_UNLINK;
    } else if (number == SYS_fallocate || number == SYS_ftruncate) {
        op.kind = OP_SIZE;
    } else if (number == SYS_fsync || number == SYS_fdatasync) {
        op.kind = OP_SYNC;
    } else if (number == SYS_pwrite64 || number == SYS_write || number == SYS_renameat2) {
        abort(); /* not used so far: tell it here when it is */
    } else {
        return;
    }
    faults_tell(&op);
}

long __wrap_syscall(long number, ...)
{
    long arg[6];
    va_list args;
    va_start(args, number);
    for (int i = 0; i < 6; i++)
        arg[i] = va_arg(args, long);
    va_end(args);
    const struct known *known = find_known(number);
    if (!known)
        return __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    struct fault_verdict verdict = faults_before(known->name, known->group);
    if (verdict.err != 0 && number == SYS_close)
        (void)__real_syscall(number, arg[0]);
    if (verdict.err != 0) {
        errno = verdict.err;
        return -1;
    }
    if (number == SYS_pwritev)
        return write_parts((int)arg[0], (const struct iovec *)arg[1], (int)arg[2], (uint64_t)arg[3],
                           &verdict);
    int was_there =
        number == SYS_openat && is_there((int)arg[0], (const char *)arg[1], (int)arg[2]);
    long result = __real_syscall(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
    tell_call(number, arg, result, was_there);
    faults_after(&verdict);
    return result;
}

/* ---- memory ---- */

void *__wrap_malloc(size_t len)
{
    struct fault_verdict verdict;
    return refused("malloc", FAULT_MEMORY, &verdict) ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
    struct fault_verdict verdict;
    return refused("calloc", FAULT_MEMORY, &verdict) ? NULL : __real_calloc(n, len);
}

void *__wrap_realloc(void *old, size_t len)
{
    struct fault_verdict verdict;
    return refused("realloc", FAULT_MEMORY, &verdict) ? NULL : __real_realloc(old, len);
}
