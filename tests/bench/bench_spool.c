/* bench_spool.c - appending a record, against write(2) of the same bytes. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "spool/dir.h"
#include "spool/writer.h"

enum { RECORD_BYTES = 2048, APPENDS = 4000 };

static int by_writer(struct tb_writer *writer, const void *data, double *samples)
{
    uint8_t uuid[TB_UUID_BYTES];
    tb_id_uuid(uuid);
    struct tb_append record = {
        .kind = TB_KIND_ITEM, .uuid = uuid, .data = data, .len = RECORD_BYTES};
    for (int i = 0; i < APPENDS; i++) {
        double start = bench_us();
        record.time_ns = tb_clock_wall_ns();
        int err = tb_writer_append(writer, &record);
        if (err < 0)
            return err;
        samples[i] = bench_us() - start;
    }
    return 0;
}

static int by_write(int fd, const void *data, double *samples)
{
    for (int i = 0; i < APPENDS; i++) {
        double start = bench_us();
        if (write(fd, data, RECORD_BYTES) != RECORD_BYTES)
            return -errno;
        samples[i] = bench_us() - start;
    }
    return 0;
}

static int append_p50(const char *folder, struct bench_round *out)
{
    static double samples[APPENDS];
    static struct tb_writer writer;
    char data[RECORD_BYTES];
    char why[TB_SPOOL_WHY];
    memset(data, 'x', sizeof(data));
    int dirfd = tb_spool_dir_open(folder, 1, why);
    if (dirfd < 0)
        return dirfd;
    int fd = openat(dirfd, "plain", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int err = fd < 0 ? -errno : 0;
    tb_writer_init(&writer, TB_CLASS_ERROR, dirfd);
    if (err == 0 && (err = by_writer(&writer, data, samples)) == 0)
        out->ours = bench_percentile(samples, APPENDS, 50);
    if (err == 0 && (err = by_write(fd, data, samples)) == 0)
        out->limit = bench_percentile(samples, APPENDS, 50);
    tb_writer_close(&writer);
    if (fd >= 0)
        close(fd);
    close(dirfd);
    return err;
}

const struct bench bench_spool[] = {
    {"spool.append.p50", "us", NULL, append_p50},
};
const size_t bench_spool_n = sizeof(bench_spool) / sizeof(bench_spool[0]);
