/* bench_capture.c - an error report as a host makes it, against write(2) of a record's bytes. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { REPORTS = 1000, DEPTH = 20, PLAIN_BYTES = 2048 };

/* Every report of a round has a site of its own: more than ten at once would be counted only. */
static int report(int n)
{
    struct towbar_site site = {__FILE__, n, __func__};
    return towbar_report_at(&site, TOWBAR_ERROR, 0, "cannot read the feed of %s", "andrew");
}

__attribute__((noinline)) static int deeper(int depth, int n)
{
    volatile int keep = depth; /* keeps the frame: no tail call */
    int err = depth > 0 ? deeper(depth - 1, n) : report(n);
    return keep >= 0 ? err : 0;
}

/* In a process of its own, so that each round starts with full token buckets. */
static int report_all(const char *folder, double *samples)
{
    int err = towbar_init(TOWBAR_OPTIONS(.spool = folder, .service = "bench"));
    for (int i = 0; i < REPORTS && err == 0; i++) {
        double start = bench_us();
        err = deeper(DEPTH, i + 1);
        samples[i] = bench_us() - start;
    }
    towbar_shutdown();
    return err;
}

static int by_report(const char *folder, double *samples)
{
    int status = 0;
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0)
        _exit(-report_all(folder, samples));
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int by_write(const char *folder, double *samples)
{
    char path[256];
    char data[PLAIN_BYTES];
    memset(data, 'x', sizeof(data));
    (void)snprintf(path, sizeof(path), "%s/plain", folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = 0;
    for (int i = 0; i < REPORTS && err == 0; i++) {
        double start = bench_us();
        if (write(fd, data, sizeof(data)) != (ssize_t)sizeof(data))
            err = -errno;
        samples[i] = bench_us() - start;
    }
    close(fd);
    return err;
}

static int error_at(const char *folder, struct bench_round *out, double percentile)
{
    size_t len = REPORTS * sizeof(double);
    double *samples = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (samples == MAP_FAILED)
        return -errno;
    int err = by_report(folder, samples);
    if (err == 0)
        out->ours = bench_percentile(samples, REPORTS, percentile);
    if (err == 0 && (err = by_write(folder, samples)) == 0)
        out->limit = bench_percentile(samples, REPORTS, percentile);
    munmap(samples, len);
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

const struct bench bench_capture[] = {
    {"capture.error.p50", "us", error_p50},
    {"capture.error.p99", "us", error_p99},
};
const size_t bench_capture_n = sizeof(bench_capture) / sizeof(bench_capture[0]);
