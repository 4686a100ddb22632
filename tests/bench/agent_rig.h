/* agent_rig.h - a real towbard in a folder of its own, and a Rollbar that answers 200 at once and
 * notes when requests came. */
#ifndef TB_BENCH_AGENT_RIG_H
#define TB_BENCH_AGENT_RIG_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "bench.h"

enum { RIG_CONNECTIONS = 64, RIG_REQUEST_BYTES = 64 << 10 };

struct agent_rig {
    char folder[BENCH_PATH];
    char spool[BENCH_PATH + 16], socket[BENCH_PATH + 16];
    pid_t pid; /* towbard */
    /* The endpoint, in a thread. */
    pthread_t thread;
    int listen_fd, stop_fd;
    atomic_int n_requests;
    _Atomic(double) last_us; /* when the last one was whole */
};

/* Both run, and the agent answers, when this comes back. 0 or a negative errno. */
int agent_rig_open(struct agent_rig *rig, const char *parent);
void agent_rig_close(struct agent_rig *rig);
/* Until n requests have come: 0 or -ETIMEDOUT. */
int agent_rig_wait(const struct agent_rig *rig, int n);
/* Posts n different items of that size to the agent: 0 or a negative errno. */
int agent_rig_post(const struct agent_rig *rig, int n, size_t bytes);

#endif
