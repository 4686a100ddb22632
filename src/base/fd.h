/* fd.h - descriptors: whole reads and writes, durable replacement. EINTR is dealt with here, once.
 *
 * All return 0 (or a count) or a negative errno. */
#ifndef TB_BASE_FD_H
#define TB_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/* Closes *fd unless it is -1, and makes it -1. Keeps errno. */
void tb_fd_close(int *fd);
/* Writes all of it, or fails; what was written before a failure stays written. */
int tb_fd_write_all(int fd, const void *data, size_t len);
/* Bytes read at offset, less than len only at the end of the file. Signal-safe. */
ssize_t tb_fd_pread_all(int fd, void *out, size_t len, uint64_t offset);
/* The same for writing: 0, -ENOSPC for a short write, or the error. Signal-safe. */
int tb_fd_pwrite_all(int fd, const void *data, size_t len, uint64_t offset);
/* Reads to the end into buf; -EMSGSIZE when the file holds more than buf's max. */
int tb_fd_read_all(int fd, struct tb_buf *out);
/* The same for a path. */
int tb_fd_slurp(int dirfd, const char *path, struct tb_buf *out);
/* Makes name in dirfd hold exactly data, mode 0600, durably: a reader sees the old or the new. */
int tb_fd_replace(int dirfd, const char *name, const void *data, size_t len);
int tb_fd_sync(int fd);

#endif
