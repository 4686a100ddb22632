/* acklog.c - see acklog.h. */
#include "spool/acklog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/fd.h"
#include "base/pack.h"

#define NAME "ack.log"
enum {
    NOTED_MAX = 4 << 20,     /* bytes noted while the disk refuses them */
    LOADED_MAX = 4 << 20,    /* entries; a log of 128 MiB */
    RESERVED_BYTES = 1 << 20 /* preallocated: 32768 acknowledgements on a full disk */
};

static void unpack(const uint8_t entry[TB_ACK_ENTRY_BYTES], struct tb_ack *out)
{
    out->off8 = tb_get32(entry + 4);
    out->file_id = tb_get64(entry + 8);
    out->status = entry[16];
}

static void unpack_all(struct tb_acklog *log, const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at + TB_ACK_ENTRY_BYTES <= len; at += TB_ACK_ENTRY_BYTES) {
        const uint8_t *entry = bytes + at;
        if (tb_get32(entry) != tb_crc32c(0, entry + 4, TB_ACK_ENTRY_BYTES - 4)) {
            log->n_damaged++;
            continue;
        }
        unpack(entry, &log->loaded[log->n_loaded++]);
    }
}

static int compare(const void *left, const void *right)
{
    const struct tb_ack *a = left;
    const struct tb_ack *b = right;
    if (a->file_id != b->file_id)
        return a->file_id < b->file_id ? -1 : 1;
    return a->off8 < b->off8 ? -1 : a->off8 > b->off8;
}

static int load(struct tb_acklog *log)
{
    struct stat st;
    if (fstat(log->fd, &st) < 0)
        return -errno;
    uint64_t n = (uint64_t)st.st_size / TB_ACK_ENTRY_BYTES;
    n = n < LOADED_MAX ? n : LOADED_MAX;
    size_t len = (size_t)n * TB_ACK_ENTRY_BYTES;
    log->end = len;
    if (n == 0)
        return 0;
    uint8_t *bytes = malloc(len);
    log->loaded = calloc((size_t)n, sizeof(*log->loaded));
    int err = bytes && log->loaded ? 0 : -ENOMEM;
    if (err == 0) {
        ssize_t got = tb_fd_pread_all(log->fd, bytes, len, 0);
        if (got < 0) /* as if it were lost, see promise 2: a bad disk must not stop the agent */
            log->n_damaged += (size_t)n;
        else
            unpack_all(log, bytes, (size_t)got);
        qsort(log->loaded, log->n_loaded, sizeof(*log->loaded), compare);
    }
    free(bytes);
    return err;
}

static int open_file(int dirfd)
{
    int fd = openat(dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    (void)fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, RESERVED_BYTES); /* a convenience on full disks */
    return fd;
}

int tb_acklog_open(struct tb_acklog *log, int dirfd)
{
    memset(log, 0, sizeof(*log));
    log->dirfd = dirfd;
    tb_buf_init(&log->noted, NOTED_MAX);
    log->fd = open_file(dirfd);
    if (log->fd < 0) {
        int err = log->fd;
        log->fd = -1;
        return err;
    }
    int err = load(log);
    if (err < 0)
        tb_acklog_close(log);
    return err;
}

int tb_acklog_read(struct tb_acklog *log, int dirfd)
{
    struct stat st;
    memset(log, 0, sizeof(*log));
    log->dirfd = dirfd;
    log->fd = openat(dirfd, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (log->fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int err = 0;
    if (fstat(log->fd, &st) < 0)
        err = -errno;
    else if (!S_ISREG(st.st_mode))
        err = -EPERM;
    else
        err = load(log);
    if (err < 0)
        tb_acklog_close(log);
    return err;
}

void tb_acklog_close(struct tb_acklog *log)
{
    tb_fd_close(&log->fd);
    tb_buf_done(&log->noted);
    free(log->loaded);
    log->loaded = NULL;
    log->n_loaded = 0;
}

size_t tb_acklog_find(const struct tb_acklog *log, uint64_t file_id, const struct tb_ack **first)
{
    size_t low = 0;
    size_t high = log->n_loaded;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->loaded[middle].file_id < file_id)
            low = middle + 1;
        else
            high = middle;
    }
    size_t n = 0;
    while (low + n < log->n_loaded && log->loaded[low + n].file_id == file_id)
        n++;
    *first = n > 0 ? &log->loaded[low] : NULL;
    return n;
}

void tb_acklog_pack(struct tb_buf *out, const struct tb_ack *ack)
{
    uint8_t entry[TB_ACK_ENTRY_BYTES] = {0};
    tb_put32(entry + 4, ack->off8);
    tb_put64(entry + 8, ack->file_id);
    entry[16] = ack->status;
    tb_put64(entry + 24, tb_clock_wall_ns());
    tb_put32(entry, tb_crc32c(0, entry + 4, TB_ACK_ENTRY_BYTES - 4));
    tb_buf_add(out, entry, sizeof(entry));
}

void tb_acklog_note(struct tb_acklog *log, const struct tb_ack *ack)
{
    tb_acklog_pack(&log->noted, ack);
    log->is_broken = log->is_broken || log->noted.err != 0;
    log->noted.err = 0;
}

int tb_acklog_append(struct tb_acklog *log, const struct tb_ack *ack)
{
    struct tb_buf one;
    tb_buf_init(&one, TB_ACK_ENTRY_BYTES);
    tb_acklog_pack(&one, ack);
    int err = log->is_broken ? -ESTALE : one.err;
    if (err == 0)
        err = tb_fd_pwrite_all(log->fd, one.data, one.len, log->end);
    if (err == 0)
        log->end += one.len;
    tb_buf_done(&one);
    return err;
}

bool tb_acklog_noted(const struct tb_acklog *log, size_t i, struct tb_ack *out)
{
    if ((i + 1) * TB_ACK_ENTRY_BYTES > log->noted.len)
        return false;
    unpack((const uint8_t *)log->noted.data + i * TB_ACK_ENTRY_BYTES, out);
    return true;
}

int tb_acklog_flush(struct tb_acklog *log)
{
    if (log->noted.len == 0)
        return 0;
    int err = tb_fd_pwrite_all(log->fd, log->noted.data, log->noted.len, log->end);
    if (err < 0)
        return err; /* what was taken of it is written over next time */
    log->end += log->noted.len;
    tb_buf_reset(&log->noted);
    return 0;
}

/* Is the open file still the one with the name? */
static bool is_current(const struct tb_acklog *log)
{
    struct stat open;
    struct stat named;
    return fstat(log->fd, &open) == 0 &&
           fstatat(log->dirfd, NAME, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

int tb_acklog_replace(struct tb_acklog *log, const struct tb_buf *entries)
{
    int err = tb_fd_replace(log->dirfd, NAME, tb_buf_str(entries), entries->len);
    int fd = err < 0 ? err : open_file(log->dirfd);
    if (fd < 0) {
        /* What follows must not go where nobody finds it. */
        log->is_broken = log->is_broken || !is_current(log);
        return fd;
    }
    log->is_broken = false;
    tb_fd_close(&log->fd);
    log->fd = fd;
    log->end = entries->len;
    tb_buf_reset(&log->noted);
    return 0;
}
