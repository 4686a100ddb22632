/* run_host.h - runs a role of host/ in a new process, with a folder of its own. */
#ifndef TB_BENCH_RUN_HOST_H
#define TB_BENCH_RUN_HOST_H

#include "bench.h"
#include "host/host.h"

/* One process. */
struct run_host {
    char folder[BENCH_PATH]; /* removed by done; holds spool/ */
    double *results;         /* mapped; HOST_RESULTS_MAX of them, zeros at first */
    int status;              /* as of waitpid */
    double ended_us;         /* when waitpid returned */
};

enum run_host_program { RUN_HOST, RUN_BARE };

/* Makes the folder and the results. 0 or a negative errno; then done need not be called. */
int run_host_init(struct run_host *run, const char *parent);
/* Runs to its end, and may be called again: 0, also when a signal ended it, or a negative errno,
 * which may be what the role ended with. */
int run_host(struct run_host *run, enum run_host_program program, const char *role, int argument);
void run_host_done(struct run_host *run);
/* init, run, done, with a single result. */
int run_host_once(const char *parent, enum run_host_program program, const char *role, int argument,
                  double *out);

#endif
