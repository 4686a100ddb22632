/* measure.c - see bench.h. */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/clock.h"

double bench_us(void)
{
    return (double)tb_clock_mono_ns() / 1000.0;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *samples, size_t n, double p)
{
    qsort(samples, n, sizeof(*samples), compare);
    size_t at = (size_t)((double)(n - 1) * p / 100.0 + 0.5);
    return samples[at];
}

int bench_folder(const char *parent, char out[BENCH_PATH])
{
    int n = snprintf(out, BENCH_PATH, "%s/XXXXXX", parent);
    if (n < 0 || n >= BENCH_PATH)
        return -ENAMETOOLONG;
    return mkdtemp(out) ? 0 : -errno;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

void bench_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
