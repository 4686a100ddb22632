/* bench_read.c - the agent's side: draining a spool with an acknowledgement for each record, and
 * the time to the first record of a large one. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/fd.h"
#include "spool/reader.h"
#include "store.h"

enum {
    RECORD_BYTES = 2048,
    DRAINED = 20000,
    FLUSH_EVERY = 256,
    BACKLOG_MIB = 1024,
    READ_BYTES = 64 << 10,
};

/* Fills folder with n records. */
static int fill(const char *folder, size_t n)
{
    static char record[RECORD_BYTES];
    void *state = NULL;
    int err = bench_ours.open(folder, &state);
    for (size_t i = 0; i < n && err == 0; i++) {
        memset(record, (int)('a' + i % 26), sizeof(record));
        err = bench_ours.append(state, record, sizeof(record));
    }
    bench_ours.close(state);
    return err;
}

/* Calls look with a descriptor of each file in folder/in, opened anew. */
static int each_file(const char *folder, int (*look)(int fd))
{
    char path[BENCH_PATH + 8];
    (void)snprintf(path, sizeof(path), "%s/in", folder);
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int err = 0;
    for (const struct dirent *entry; err == 0 && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        err = fd < 0 ? -errno : look(fd);
        tb_fd_close(&fd);
    }
    closedir(dir);
    return err;
}

static volatile uint32_t checksum; /* so that it is made at all */

/* What no reader can save: the bytes, and their checksum. */
static int read_and_check(int fd)
{
    static uint8_t window[READ_BYTES];
    uint32_t crc = 0;
    ssize_t n;
    for (uint64_t at = 0; (n = tb_fd_pread_all(fd, window, sizeof(window), at)) > 0;
         at += (uint64_t)n)
        crc = tb_crc32c(crc, window, (size_t)n);
    checksum = crc;
    return (int)n;
}

static int drain_all(struct tb_spool *spool)
{
    struct tb_spool_record record;
    size_t n = 0;
    int err;
    while ((err = tb_spool_next(spool, &record)) == 0) {
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        if (++n % FLUSH_EVERY == 0 && (err = tb_spool_flush(spool)) < 0)
            return err;
    }
    if (err != -EAGAIN)
        return err;
    return n == DRAINED ? tb_spool_flush(spool) : -ENODATA;
}

static int time_drain(const char *folder, double *rate)
{
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool;
    int err = tb_spool_open(folder, TB_SPOOL_CREATE, &spool, why);
    if (err < 0)
        return err;
    double start = bench_us();
    err = drain_all(spool);
    *rate = DRAINED / (bench_us() - start) * 1e6;
    tb_spool_close(spool);
    return err;
}

static int time_reads(const char *folder, double *rate)
{
    double start = bench_us();
    int err = each_file(folder, read_and_check);
    *rate = DRAINED / (bench_us() - start) * 1e6;
    return err;
}

static int drain(const char *parent, struct bench_round *out)
{
    static int n_rounds;
    char folder[BENCH_PATH];
    int err = bench_folder(parent, folder);
    if (err == 0)
        err = fill(folder, DRAINED);
    int limit_first = n_rounds++ % 2;
    if (err == 0 && limit_first)
        err = time_reads(folder, &out->limit);
    if (err == 0)
        err = time_drain(folder, &out->ours);
    if (err == 0 && !limit_first)
        err = time_reads(folder, &out->limit);
    bench_remove(folder);
    return err;
}

/* What no reader can save: whose file it is, and what its header says. */
static int read_header(int fd)
{
    uint8_t header[TB_FILE_HEADER_BYTES];
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    return tb_fd_pread_all(fd, header, sizeof(header), 0) == sizeof(header) ? 0 : -EIO;
}

static int time_open(const char *folder, double *ms)
{
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool;
    struct tb_spool_record record;
    double start = bench_us();
    int err = tb_spool_open(folder, TB_SPOOL_CREATE, &spool, why);
    if (err < 0)
        return err;
    err = tb_spool_next(spool, &record);
    *ms = (bench_us() - start) / 1000;
    tb_spool_close(spool);
    return err;
}

/* All rounds open the same spool, since one takes seconds to make. */
static int open_backlog(const char *parent, struct bench_round *out)
{
    static char folder[BENCH_PATH];
    static int n_rounds;
    int err = 0;
    if (n_rounds == 0) {
        err = bench_folder(parent, folder);
        if (err == 0)
            err = fill(folder, (size_t)BACKLOG_MIB * 1024 * 1024 / RECORD_BYTES);
    }
    if (err == 0)
        err = time_open(folder, &out->ours);
    double start = bench_us();
    if (err == 0)
        err = each_file(folder, read_header);
    out->limit = (bench_us() - start) / 1000;
    if (++n_rounds == BENCH_ROUNDS || err < 0)
        bench_remove(folder);
    return err;
}

const struct bench bench_read[] = {
    {"spool.drain", "/s", drain},
    {"spool.open", "ms", open_backlog},
};
const size_t bench_read_n = sizeof(bench_read) / sizeof(bench_read[0]);
