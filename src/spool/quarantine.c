/* quarantine.c - see quarantine.h. */
#include "spool/quarantine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define FOLDER "quarantine"
enum { REASON_MAX = 4096, NAME_BYTES = 256 };

struct entry {
    char name[NAME_BYTES];
    uint64_t bytes; /* on the disk */
    struct timespec since;
};

struct listing {
    struct entry *entries;
    size_t n, cap;
    uint64_t bytes;
};

static int open_folder(int agent_fd)
{
    if (mkdirat(agent_fd, FOLDER, 0700) < 0 && errno != EEXIST)
        return -errno;
    int fd = openat(agent_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int add_entry(struct listing *list, int dirfd, const char *name)
{
    struct stat st;
    if (strlen(name) >= NAME_BYTES || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISDIR(st.st_mode))
        return 0;
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        struct entry *grown = realloc(list->entries, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        list->entries = grown;
        list->cap = cap;
    }
    struct entry *entry = &list->entries[list->n++];
    memcpy(entry->name, name, strlen(name) + 1);
    entry->bytes = (uint64_t)st.st_blocks * 512;
    /* The change time is set by the move itself; the owner of the file cannot forge it. */
    entry->since = st.st_ctim;
    list->bytes += entry->bytes;
    return 0;
}

static int list_folder(int dirfd, struct listing *list)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int err = -errno;
        tb_fd_close(&fd);
        return err;
    }
    int err = 0;
    const struct dirent *entry;
    while (err == 0 && (entry = readdir(dir)))
        err = add_entry(list, dirfd, entry->d_name);
    closedir(dir);
    return err;
}

static int older(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->since.tv_sec != b->since.tv_sec)
        return a->since.tv_sec < b->since.tv_sec ? -1 : 1;
    if (a->since.tv_nsec != b->since.tv_nsec)
        return a->since.tv_nsec < b->since.tv_nsec ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Removes the oldest until the rest fits. Failing is no harm now: the next one tries again. */
static void trim(int dirfd)
{
    struct listing list = {0};
    if (list_folder(dirfd, &list) == 0 && list.n > 0) {
        qsort(list.entries, list.n, sizeof(*list.entries), older);
        for (size_t i = 0; i < list.n; i++) {
            if (list.bytes <= TB_QUARANTINE_BYTES && list.n - i <= TB_QUARANTINE_FILES)
                break;
            (void)unlinkat(dirfd, list.entries[i].name, 0);
            list.bytes -= list.entries[i].bytes;
        }
    }
    free(list.entries);
}

static int write_file(int dirfd, const char *name, const void *data, size_t len)
{
    (void)unlinkat(dirfd, name, 0); /* an older thing of the same name */
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int err = tb_fd_write_all(fd, data, len);
    if (err == 0)
        err = tb_fd_sync(fd);
    tb_fd_close(&fd);
    if (err < 0)
        (void)unlinkat(dirfd, name, 0);
    return err;
}

static int write_reason(int dirfd, const char *name, const char *reason)
{
    char path[NAME_BYTES];
    int n = snprintf(path, sizeof(path), "%s.why", name);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    struct tb_buf text;
    tb_buf_init(&text, REASON_MAX);
    tb_buf_add(&text, reason, strnlen(reason, REASON_MAX - 2));
    tb_buf_adds(&text, "\n");
    int err = text.err ? text.err : write_file(dirfd, path, text.data, text.len);
    tb_buf_done(&text);
    return err;
}

int tb_quarantine_file(int agent_fd, int in_fd, const char *name, const char *reason)
{
    int dirfd = open_folder(agent_fd);
    if (dirfd < 0)
        return dirfd;
    int err = renameat(in_fd, name, dirfd, name) < 0 ? -errno : 0;
    if (err == 0)
        (void)write_reason(dirfd, name, reason); /* on a full disk the thing itself matters more */
    trim(dirfd);
    tb_fd_close(&dirfd);
    return err;
}

int tb_quarantine_data(int agent_fd, const char *name, const void *data, size_t len,
                       const char *reason)
{
    int dirfd = open_folder(agent_fd);
    if (dirfd < 0)
        return dirfd;
    int err = write_file(dirfd, name, data, len);
    if (err == 0)
        (void)write_reason(dirfd, name, reason); /* as above */
    trim(dirfd);
    tb_fd_close(&dirfd);
    return err;
}
