/* main.c - towbar-bench [PREFIX...] [--json]: runs the benchmarks whose names begin so.
 *
 * Prints one line for each: a JSON object with --json, else a row for people. */
#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { JSON_BYTES = 1024 };

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

static int is_wanted(const char *name, int argc, char **argv)
{
    int n_prefixes = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        n_prefixes++;
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return 1;
    }
    return n_prefixes == 0;
}

static void print(const struct bench *bench, const struct bench_round *median, int as_json)
{
    double ratio = median->limit > 0 ? median->ours / median->limit : 0;
    if (!as_json) {
        printf("%-28s %12.3f %-6s", bench->name, median->ours, bench->unit);
        if (median->limit > 0)
            printf("  limit %12.3f  ratio %6.2f", median->limit, ratio);
        if (bench->peer)
            printf("  %s %.3f", bench->peer, median->peer);
        printf("\n");
        return;
    }
    printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\"", bench->name, median->ours,
           bench->unit);
    if (median->limit > 0)
        printf(",\"limit\":%.4f,\"ratio\":%.4f", median->limit, ratio);
    if (bench->peer)
        printf(",\"peer\":\"%s\",\"peer_value\":%.4f", bench->peer, median->peer);
    printf("}\n");
}

static int run(const struct bench *bench, const char *folder, int as_json)
{
    double ours[BENCH_ROUNDS];
    double limit[BENCH_ROUNDS];
    double peer[BENCH_ROUNDS];
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        struct bench_round round = {0, 0, 0};
        int err = bench->round(folder, &round);
        if (err < 0) {
            fprintf(stderr, "towbar-bench: %s: %s\n", bench->name, strerror(-err));
            return err;
        }
        ours[i] = round.ours;
        limit[i] = round.limit;
        peer[i] = round.peer;
    }
    struct bench_round median = {bench_percentile(ours, BENCH_ROUNDS, 50),
                                 bench_percentile(limit, BENCH_ROUNDS, 50),
                                 bench_percentile(peer, BENCH_ROUNDS, 50)};
    print(bench, &median, as_json);
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const struct bench *rows;
        const size_t *n;
    } groups[] = {{bench_spool, &bench_spool_n}, {bench_capture, &bench_capture_n}};
    int as_json = 0;
    int status = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            as_json = 1;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: towbar-bench [PREFIX...] [--json]\n");
            return 2;
        }
    }
    char folder[] = "/tmp/towbar-bench.XXXXXX";
    if (!mkdtemp(folder)) {
        perror("towbar-bench: /tmp");
        return 1;
    }
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (size_t i = 0; i < *groups[g].n; i++) {
            const struct bench *bench = &groups[g].rows[i];
            if (is_wanted(bench->name, argc, argv) && run(bench, folder, as_json) < 0)
                status = 1;
        }
    }
    (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
