/* bench.h - what a benchmark of towbar-bench is, and the clock they share.
 *
 * A benchmark measures ours and its limit (the same work by bare system calls, or by the best peer)
 * in the same run: the rounds of the two alternate, and the median of the rounds counts. */
#ifndef TB_BENCH_BENCH_H
#define TB_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_ROUNDS = 7 };

struct bench_round {
    double ours, limit,
        peer; /* in the unit of the benchmark; limit and peer 0 where there is none */
};

struct bench {
    const char *name; /* dotted; a depth, a count or a percentile comes last */
    const char *unit;
    const char *peer;                                          /* name of the peer, or NULL */
    int (*round)(const char *folder, struct bench_round *out); /* 0 or a negative errno */
};

extern const struct bench bench_spool[];
extern const size_t bench_spool_n;
extern const struct bench bench_capture[];
extern const size_t bench_capture_n;

/* Monotonic time in microseconds. */
double bench_us(void);
/* The p-th percentile (0..100) of n samples, which it sorts. */
double bench_percentile(double *samples, size_t n, double p);

#endif
