/* calls.h - the names that --wrap gives: __real_x is libc's x, __wrap_x is called for x. */
#ifndef TEST_FAULT_CALLS_H
#define TEST_FAULT_CALLS_H

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

long __real_syscall(long number, ...);
int __real_openat(int dirfd, const char *name, int flags, ...);
int __real_mkdir(const char *name, mode_t mode);
int __real_mkdirat(int dirfd, const char *name, mode_t mode);
DIR *__real_fdopendir(int fd);
struct dirent *__real_readdir(DIR *dir);
ssize_t __real_read(int fd, void *out, size_t len);
ssize_t __real_pread(int fd, void *out, size_t len, off_t offset);
ssize_t __real_write(int fd, const void *data, size_t len);
ssize_t __real_pwrite(int fd, const void *data, size_t len, off_t offset);
int __real_fstat(int fd, struct stat *out);
int __real_fstatat(int dirfd, const char *name, struct stat *out, int flags);
int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_fcntl(int fd, int command, ...);
int __real_fallocate(int fd, int mode, off_t offset, off_t len);
int __real_ftruncate(int fd, off_t len);
int __real_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __real_unlinkat(int dirfd, const char *name, int flags);
int __real_fchmod(int fd, mode_t mode);
int __real_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *name, uint32_t mask);
void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *old, size_t len);

long __wrap_syscall(long number, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __wrap___openat_2(int dirfd, const char *name, int flags);
int __wrap_open(const char *name, int flags, ...);
int __wrap_mkdir(const char *name, mode_t mode);
int __wrap_mkdirat(int dirfd, const char *name, mode_t mode);
DIR *__wrap_fdopendir(int fd);
struct dirent *__wrap_readdir(DIR *dir);
ssize_t __wrap_read(int fd, void *out, size_t len);
ssize_t __wrap_pread(int fd, void *out, size_t len, off_t offset);
ssize_t __wrap_write(int fd, const void *data, size_t len);
ssize_t __wrap_pwrite(int fd, const void *data, size_t len, off_t offset);
int __wrap_fstat(int fd, struct stat *out);
int __wrap_fstatat(int dirfd, const char *name, struct stat *out, int flags);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_fcntl(int fd, int command, ...);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t len);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_renameat(int from_fd, const char *from, int to_fd, const char *to);
int __wrap_unlinkat(int dirfd, const char *name, int flags);
int __wrap_fchmod(int fd, mode_t mode);
int __wrap_inotify_init1(int flags);
int __wrap_inotify_add_watch(int fd, const char *name, uint32_t mask);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *old, size_t len);

#endif
