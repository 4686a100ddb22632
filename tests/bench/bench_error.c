/* bench_error.c - an error report as a host makes it, against write(2) of the record that it
 * leaves, and against SQLite.
 *
 * Each round reports in a new process (host/with_library.c), 20 frames deep. The bytes of limit and
 * peer are those of its first record, with the frame around it. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run_host.h"
#include "spool/reader.h"
#include "store.h"

enum { REPORTS = 2000, RECORD_BYTES = 16 << 10 };

/* The length of the first record of an error in the spool, or a negative errno. */
static int record_bytes(const char *folder)
{
    char path[BENCH_PATH + 16];
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool = NULL;
    struct tb_spool_record record;
    (void)snprintf(path, sizeof(path), "%s/spool", folder);
    int err = tb_spool_open(path, 0, &spool, why);
    if (err < 0)
        return err;
    err = tb_spool_next(spool, &record);
    int len = err < 0 ? err : (int)record.len + TB_FRAME_HEADER_BYTES;
    if (err == 0 && record.kind != TB_KIND_NATIVE)
        len = -ENODATA;
    tb_spool_close(spool);
    return len;
}

static int by_write(const char *folder, size_t len, double *samples)
{
    static char data[RECORD_BYTES];
    char path[BENCH_PATH + 16];
    (void)snprintf(path, sizeof(path), "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = 0;
    memset(data, 'x', len);
    for (int i = 0; i < REPORTS && err == 0; i++) {
        double start = bench_us();
        if (write(fd, data, len) != (ssize_t)len)
            err = -errno;
        samples[i] = bench_us() - start;
    }
    close(fd);
    return err;
}

static int by_sqlite(const char *folder, size_t len, double *samples)
{
    static char data[RECORD_BYTES];
    void *store = NULL;
    int err = bench_sqlite_normal.open(folder, &store);
    memset(data, 'x', len);
    for (int i = 0; i < REPORTS && err == 0; i++) {
        double start = bench_us();
        err = bench_sqlite_normal.append(store, data, len);
        samples[i] = bench_us() - start;
    }
    bench_sqlite_normal.close(store);
    return err;
}

static int compare(struct run_host *run, struct bench_round *out, double percentile)
{
    double *samples = run->results;
    int err = run_host(run, RUN_HOST, "errors", REPORTS);
    int len = err < 0 ? err : record_bytes(run->folder);
    if (len < 0 || len > RECORD_BYTES)
        return len < 0 ? len : -EMSGSIZE;
    out->ours = bench_percentile(samples, REPORTS, percentile);
    err = by_write(run->folder, (size_t)len, samples);
    out->limit = bench_percentile(samples, REPORTS, percentile);
    if (err == 0)
        err = by_sqlite(run->folder, (size_t)len, samples);
    out->peers[0] = (struct bench_peer){"sqlite", bench_percentile(samples, REPORTS, percentile)};
    return err;
}

static int error_at(const char *folder, struct bench_round *out, double percentile)
{
    struct run_host run;
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = compare(&run, out, percentile);
    run_host_done(&run);
    return err;
}

static int error_p50(const char *folder, struct bench_round *out)
{
    return error_at(folder, out, 50);
}

static int error_p99(const char *folder, struct bench_round *out)
{
    return error_at(folder, out, 99);
}

static int error_bytes(const char *folder, struct bench_round *out)
{
    struct run_host run;
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "errors", 1);
    int len = err < 0 ? err : record_bytes(run.folder);
    out->ours = len;
    run_host_done(&run);
    return len < 0 ? len : 0;
}

/* The limit is one thread. */
static int rate_2threads(const char *folder, struct bench_round *out)
{
    int err = run_host_once(folder, RUN_HOST, "rate", 1, &out->limit);
    return err ? err : run_host_once(folder, RUN_HOST, "rate", 2, &out->ours);
}

/* The limit is snprintf of the same text. */
static int note(const char *folder, struct bench_round *out)
{
    struct run_host run;
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "note", 0);
    out->ours = run.results[0];
    out->limit = run.results[1];
    run_host_done(&run);
    return err;
}

static int suppressed(const char *folder, struct bench_round *out)
{
    return run_host_once(folder, RUN_HOST, "suppressed", 0, &out->ours);
}

const struct bench bench_error[] = {
    {"capture.error.p50", "us", error_p50},
    {"capture.error.p99", "us", error_p99},
    {"capture.error.bytes", "B", error_bytes},
    {"capture.error.rate.2threads", "/s", rate_2threads},
    {"capture.note", "ns", note},
    {"capture.suppressed", "ns", suppressed},
};
const size_t bench_error_n = sizeof(bench_error) / sizeof(bench_error[0]);
