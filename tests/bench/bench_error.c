/* bench_error.c - an error report as a host makes it, against write(2) of the record that it
 * leaves, and against SQLite.
 *
 * Each round reports in a new process (host/with_library.c), 20 frames deep. The bytes of limit and
 * peer are those of its first record, with the frame around it. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "run_host.h"
#include "spool/reader.h"
#include "store.h"

enum { REPORTS = 2000, RECORD_BYTES = 16 << 10, PLAIN_BYTES = 1456 };

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

/* ---- two threads ---- */

/* One of two threads that do nothing but write. */
struct pwriter {
    pthread_barrier_t *start;
    int fd;
    off_t offset; /* then every second place */
    int err;
};

static void *pwrite_all(void *arg)
{
    static const char data[PLAIN_BYTES];
    struct pwriter *w = arg;
    (void)pthread_barrier_wait(w->start);
    for (int i = 0; i < REPORTS / 2 && w->err == 0; i++, w->offset += (off_t)2 * PLAIN_BYTES) {
        if (pwrite(w->fd, data, sizeof(data), w->offset) != sizeof(data))
            w->err = -errno;
    }
    return NULL;
}

static int open_plain(const char *folder, int number)
{
    char path[BENCH_PATH + 16];
    (void)snprintf(path, sizeof(path), "%s/plain%d", folder, number);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    (void)posix_fallocate(fd, 0, (off_t)REPORTS * PLAIN_BYTES); /* as ours */
    return fd;
}

/* Writes per second to those two descriptors, which may be of one file. */
static int pwrite_2threads(const int fds[2], double *out)
{
    struct pwriter writers[2];
    pthread_t ids[2];
    pthread_barrier_t start;
    int err = -pthread_barrier_init(&start, NULL, 3);
    for (int i = 0; i < 2 && err == 0; i++) {
        writers[i] = (struct pwriter){&start, fds[i], (off_t)i * PLAIN_BYTES, 0};
        err = -pthread_create(&ids[i], NULL, pwrite_all, &writers[i]);
    }
    if (err < 0)
        return err; /* and the program ends: nobody passes the barrier */
    (void)pthread_barrier_wait(&start);
    double start_us = bench_us();
    (void)pthread_join(ids[0], NULL);
    (void)pthread_join(ids[1], NULL);
    *out = REPORTS / (bench_us() - start_us) * 1e6;
    pthread_barrier_destroy(&start);
    return writers[0].err ? writers[0].err : writers[1].err;
}

/* What the kernel alone lets two threads do: in one file, and in one each. */
static int pwrite_alone(const char *parent, struct bench_round *out)
{
    char folder[BENCH_PATH];
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    int fds[2] = {open_plain(folder, 0), open_plain(folder, 1)};
    err = fds[0] < 0 ? fds[0] : fds[1] < 0 ? fds[1] : 0;
    out->peers[0].name = "one file";
    out->peers[1].name = "two files";
    if (err == 0)
        err = pwrite_2threads((const int[]){fds[0], fds[0]}, &out->peers[0].value);
    if (err == 0)
        err = pwrite_2threads(fds, &out->peers[1].value);
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    bench_remove(folder);
    return err;
}

/* The limit is one thread. */
static int rate_2threads(const char *folder, struct bench_round *out)
{
    int err = run_host_once(folder, RUN_HOST, "rate", 1, &out->limit);
    if (err == 0)
        err = run_host_once(folder, RUN_HOST, "rate", 2, &out->ours);
    return err ? err : pwrite_alone(folder, out);
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

/* ---- the active trace: made and taken back ---- */

enum { PUSH, PUSH_XRAY, EXTRACT, ADOPT, INJECT, N_WAYS };

static int trace_way(const char *folder, struct bench_round *out, int way)
{
    struct run_host run;
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "traces", N_WAYS);
    out->ours = run.results[way];
    run_host_done(&run);
    return err;
}

static int trace_push(const char *folder, struct bench_round *out)
{
    return trace_way(folder, out, PUSH);
}

static int trace_push_xray(const char *folder, struct bench_round *out)
{
    return trace_way(folder, out, PUSH_XRAY);
}

static int trace_extract(const char *folder, struct bench_round *out)
{
    return trace_way(folder, out, EXTRACT);
}

static int trace_adopt(const char *folder, struct bench_round *out)
{
    return trace_way(folder, out, ADOPT);
}

static int trace_inject(const char *folder, struct bench_round *out)
{
    return trace_way(folder, out, INJECT);
}

const struct bench bench_error[] = {
    {"capture.error.p50", "us", error_p50},
    {"capture.error.p99", "us", error_p99},
    {"capture.error.bytes", "B", error_bytes},
    {"capture.error.rate.2threads", "/s", rate_2threads},
    {"capture.note", "ns", note},
    {"capture.suppressed", "ns", suppressed},
    {"capture.trace.push", "ns", trace_push},
    {"capture.trace.push.xray", "ns", trace_push_xray},
    {"capture.trace.extract", "ns", trace_extract},
    {"capture.trace.adopt", "ns", trace_adopt},
    {"capture.trace.inject", "ns", trace_inject},
};
const size_t bench_error_n = sizeof(bench_error) / sizeof(bench_error[0]);
