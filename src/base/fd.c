/* fd.c - see fd.h. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

void tb_fd_close(int *fd)
{
    if (*fd < 0)
        return;
    int kept = errno;
    close(*fd);
    *fd = -1;
    errno = kept;
}

int tb_fd_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -ENOSPC;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t tb_fd_pread_all(int fd, void *out, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t n = pread(fd, (char *)out + done, len - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int tb_fd_pwrite_all(int fd, const void *data, size_t len, uint64_t offset)
{
    for (;;) {
        ssize_t n = pwrite(fd, data, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        return (size_t)n == len ? 0 : -ENOSPC;
    }
}

int tb_fd_read_all(int fd, struct tb_buf *out)
{
    for (;;) {
        char part[16384];
        ssize_t n = read(fd, part, sizeof(part));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return out->err;
        tb_buf_add(out, part, (size_t)n);
        if (out->err)
            return out->err;
    }
}

int tb_fd_slurp(int dirfd, const char *path, struct tb_buf *out)
{
    int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int err = tb_fd_read_all(fd, out);
    close(fd);
    return err;
}

int tb_fd_sync(int fd)
{
    while (fsync(fd) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int tb_fd_replace(int dirfd, const char *name, const void *data, size_t len)
{
    char temporary[256];
    int n = snprintf(temporary, sizeof(temporary), ".%s.new", name);
    if (n < 0 || (size_t)n >= sizeof(temporary))
        return -ENAMETOOLONG;
    int err;
    /* One writer per folder, so one temporary name for each file is enough. */
    int fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    if ((err = tb_fd_write_all(fd, data, len)) || (err = tb_fd_sync(fd)))
        goto out;
    if (renameat(dirfd, temporary, dirfd, name) < 0) {
        err = -errno;
        goto out;
    }
    err = tb_fd_sync(dirfd); /* else the new name may be lost with the power */
out:
    close(fd);
    return err;
}
