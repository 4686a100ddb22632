/* bench.h - what a benchmark of towbar-bench is, and the clock and folders they share.
 *
 * A benchmark measures ours, its limit (the same work by bare system calls) and its peers in the
 * same run: within a round they take turns in small blocks, and the median of the rounds counts. */
#ifndef TB_BENCH_BENCH_H
#define TB_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_ROUNDS = 7, BENCH_PEERS = 3, BENCH_PATH = 256 };

struct bench_peer {
    const char *name; /* NULL: there is none, or this program was built without it */
    double value;
};

/* All in the unit of the benchmark; limit 0 where there is none. */
struct bench_round {
    double ours, limit;
    struct bench_peer peers[BENCH_PEERS];
};

struct bench {
    const char *name; /* dotted; a depth, a count or a percentile comes last */
    const char *unit;
    int (*round)(const char *folder, struct bench_round *out); /* 0 or a negative errno */
};

extern const struct bench bench_append[];
extern const size_t bench_append_n;
extern const struct bench bench_rate[];
extern const size_t bench_rate_n;
extern const struct bench bench_read[];
extern const size_t bench_read_n;
extern const struct bench bench_crash[];
extern const size_t bench_crash_n;
extern const struct bench bench_wake[];
extern const size_t bench_wake_n;
extern const struct bench bench_walk[];
extern const size_t bench_walk_n;
extern const struct bench bench_error[];
extern const size_t bench_error_n;
extern const struct bench bench_footprint[];
extern const size_t bench_footprint_n;
extern const struct bench bench_death[];
extern const size_t bench_death_n;
extern const struct bench bench_encode[];
extern const size_t bench_encode_n;
extern const struct bench bench_filter[];
extern const size_t bench_filter_n;
extern const struct bench bench_group[];
extern const size_t bench_group_n;
extern const struct bench bench_agent[];
extern const size_t bench_agent_n;
extern const struct bench bench_symbol[];
extern const size_t bench_symbol_n;
extern const struct bench bench_ingest[];
extern const size_t bench_ingest_n;
extern const struct bench bench_symbol_item[];
extern const size_t bench_symbol_item_n;
extern const struct bench bench_pipeline[];
extern const size_t bench_pipeline_n;
extern const struct bench bench_trace[];
extern const size_t bench_trace_n;
extern const struct bench bench_deliver[];
extern const size_t bench_deliver_n;

/* Monotonic time in microseconds. */
double bench_us(void);
/* The p-th percentile (0..100) of n samples, which it sorts. */
double bench_percentile(double *samples, size_t n, double p);
/* Makes an empty folder of a name never used before in parent: 0 or a negative errno. */
int bench_folder(const char *parent, char out[BENCH_PATH]);
/* Removes path and what is in it. */
void bench_remove(const char *path);

#endif
