/* store_file.c - ours and its limit: a segment of the spool, and write(2) to a plain file. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/id.h"
#include "bench.h"
#include "spool/dir.h"
#include "spool/reader.h"
#include "spool/writer.h"

struct ours {
    int dirfd;
    struct tb_writer writer;
    struct tb_spool *agent; /* watches and never reads, or NULL */
    uint8_t uuid[TB_UUID_BYTES];
};

static int ours_open(const char *folder, void **out)
{
    char why[TB_SPOOL_WHY];
    struct ours *ours = calloc(1, sizeof(*ours));
    if (!ours)
        return -ENOMEM;
    ours->dirfd = tb_spool_dir_open(folder, 1, why);
    if (ours->dirfd < 0) {
        int err = ours->dirfd;
        free(ours);
        return err;
    }
    tb_writer_init(&ours->writer, TB_CLASS_ERROR, ours->dirfd);
    tb_id_uuid(ours->uuid);
    *out = ours;
    return 0;
}

static int ours_open_watched(const char *folder, void **out)
{
    char why[TB_SPOOL_WHY];
    struct tb_spool *agent;
    int err = tb_spool_open(folder, TB_SPOOL_CREATE, &agent, why);
    if (err == 0 && (err = ours_open(folder, out)) < 0)
        tb_spool_close(agent);
    if (err < 0)
        return err;
    struct ours *ours = *out;
    ours->agent = agent;
    return 0;
}

static int append(struct ours *ours, const void *data, size_t len, int *synced)
{
    struct tb_append record = {.kind = TB_KIND_ITEM,
                               .uuid = ours->uuid,
                               .time_ns = tb_clock_wall_ns(),
                               .data = data,
                               .len = len,
                               .synced = synced};
    return tb_writer_append(&ours->writer, &record);
}

static int ours_append(void *store, const void *data, size_t len)
{
    return append(store, data, len, NULL);
}

static int ours_append_synced(void *store, const void *data, size_t len)
{
    int synced = 0;
    int err = append(store, data, len, &synced);
    return err < 0 ? err : synced;
}

static void ours_close(void *store)
{
    struct ours *ours = store;
    if (!ours)
        return;
    tb_writer_close(&ours->writer);
    tb_fd_close(&ours->dirfd);
    tb_spool_close(ours->agent);
    free(ours);
}

static int file_open(const char *folder, void **out)
{
    char path[BENCH_PATH];
    int n = snprintf(path, sizeof(path), "%s/plain.%ld", folder, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    int *fd = malloc(sizeof(*fd));
    if (!fd)
        return -ENOMEM;
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd < 0) {
        int err = -errno;
        free(fd);
        return err;
    }
    *out = fd;
    return 0;
}

static int file_append(void *store, const void *data, size_t len)
{
    const int *fd = store;
    ssize_t n = write(*fd, data, len);
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -ENOSPC;
}

static int file_append_synced(void *store, const void *data, size_t len)
{
    const int *fd = store;
    int err = file_append(store, data, len);
    if (err < 0)
        return err;
    return fdatasync(*fd) < 0 ? -errno : 0;
}

static void file_close(void *store)
{
    int *fd = store;
    if (!fd)
        return;
    tb_fd_close(fd);
    free(fd);
}

const struct bench_store bench_ours = {"towbar", ours_open, ours_append, ours_close};
const struct bench_store bench_ours_synced = {"towbar", ours_open, ours_append_synced, ours_close};
const struct bench_store bench_ours_watched = {"towbar, watched", ours_open_watched, ours_append,
                                               ours_close};
const struct bench_store bench_file = {"write", file_open, file_append, file_close};
const struct bench_store bench_file_synced = {"write", file_open, file_append_synced, file_close};
