/* host.h - the programs that towbar-bench runs: a host of the library, and the same without it.
 *
 * host.c is common to both. What differs is host_start and host_report, and the roles that only one
 * of them has: with_library.c and without_library.c. The first argument names the role, the second
 * a folder that holds the spool and the file of results. */
#ifndef TB_BENCH_HOST_H
#define TB_BENCH_HOST_H

#include <stddef.h>

enum { HOST_DEPTH = 20, HOST_PATH = 256 };

/* Doubles in the file FOLDER/results, which both sides map. */
enum { HOST_RESULTS_MAX = 8192, HOST_RESULTS_BYTES = HOST_RESULTS_MAX * (int)sizeof(double) };
/* Of the role footprint, in this order. */
enum {
    HOST_ANONYMOUS_BYTES, /* after start and a first report */
    HOST_THREADS,         /* besides the first */
    HOST_FDS_INIT,        /* after start */
    HOST_FDS_ERROR,       /* after a first report */
};

struct host_role {
    const char *name;
    int (*run)(const char *folder, int argument, double *results); /* 0 or a negative errno */
};

/* Starts the library with this spool: 0 or a negative errno. */
int host_start(const char *spool);
/* Reports an error from the n-th call site: 0 or a negative errno. */
int host_report(int n);
extern const struct host_role host_roles[];
extern const size_t host_n_roles;

#endif
