/* file.h - opening files that a stranger has named.
 *
 * 1. Only regular files up to a size are opened for reading; what it is is known before that, so
 *    neither a FIFO nor a device ever notices. None of /proc, /sys and other file systems that the
 *    kernel makes up: their modes don't say who may know what they show to us.
 * 2. tb_symbol_file_may_read answers for the reporter, not for us: the agent must not print on a
 *    page what the reporter could not have read. Group rights don't count, since a reporter's
 *    groups are not known. */
#ifndef TB_SYMBOL_FILE_H
#define TB_SYMBOL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_SYMBOL_MODULE_BYTES_MAX = 1 << 30, TB_SYMBOL_SOURCE_BYTES_MAX = 8 << 20 };

/* The file at an absolute path, for reading: a descriptor, or -EINVAL (relative path), -ENXIO (not
 * a regular file of an ordinary file system), -EFBIG, or why not. */
int tb_symbol_file_open(const char *path, uint64_t max_bytes);
/* The same for a descriptor opened with O_PATH, which is consumed. */
int tb_symbol_file_reopen(int path_fd, uint64_t max_bytes);
/* The kernel's own name for what fd is: no links are left in it. 0, or -ENOENT when it has none
 * from the root on. */
int tb_symbol_file_real_path(int fd, char *out, size_t cap);
/* Could uid have opened what fd is, by owner and mode of the file and of the folders above it? */
bool tb_symbol_file_may_read(int fd, uint32_t uid);
/* Could everybody? */
bool tb_symbol_file_is_public(int fd);
/* Could uid have searched the folder that fd is? */
bool tb_symbol_file_may_search(int fd, uint32_t uid);

#endif
