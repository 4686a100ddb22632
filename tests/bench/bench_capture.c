/* bench_capture.c - an error report as a host makes it, against write(2) of a record's bytes. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { REPORTS = 1000, DEPTH = 20, PLAIN_BYTES = 2048 };

/* Every report has a site of its own: more than ten a minute from one would be counted only. */
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

static int by_report(double *samples)
{
    static int n_sites;
    for (int i = 0; i < REPORTS; i++) {
        double start = bench_us();
        int err = deeper(DEPTH, ++n_sites);
        if (err < 0)
            return err;
        samples[i] = bench_us() - start;
    }
    return 0;
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
    static double samples[REPORTS];
    int err = towbar_init(TOWBAR_OPTIONS(.spool = folder, .service = "bench"));
    if (err < 0 && err != -EALREADY)
        return err;
    if ((err = by_report(samples)) < 0)
        return err;
    out->ours = bench_percentile(samples, REPORTS, percentile);
    if ((err = by_write(folder, samples)) < 0)
        return err;
    out->limit = bench_percentile(samples, REPORTS, percentile);
    return 0;
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
    {"capture.error.p50", "us", NULL, error_p50},
    {"capture.error.p99", "us", NULL, error_p99},
};
const size_t bench_capture_n = sizeof(bench_capture) / sizeof(bench_capture[0]);
