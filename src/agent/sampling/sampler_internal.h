/* sampler_internal.h - what sampler.c (rules and decisions) and sampler_poll.c (the daemon) share.
 */
#ifndef TB_AGENT_SAMPLER_INTERNAL_H
#define TB_AGENT_SAMPLER_INTERNAL_H

#include <pthread.h>

#include "agent/deliver/transport.h"
#include "agent/sampling/sampler.h"

enum { TB_SAMPLER_ADDRESS = 320 };

struct tb_sampler {
    pthread_mutex_t lock; /* of all but the thread's own */
    pthread_cond_t changed;
    struct tb_sampling *file;    /* the file's, or none: the default */
    struct tb_sampling *central; /* the service's */
    bool has_file;
    uint64_t fresh_until_ns;          /* monotonic, of central; 0: nothing came yet */
    char address[TB_SAMPLER_ADDRESS]; /* "HOST:PORT" that is asked; "": nobody is */
    char trouble[TB_SAMPLER_WHY];
    bool is_changed; /* another address: ask at once */
    bool is_quiet;   /* the thread waits for rules, or for one to be used, not for quotas */
    bool is_stopping;
    pthread_t thread;
    int wake_fd; /* ends a wait for the network */
    char client[TB_SAMPLING_CLIENT];
    bool has_thread; /* of who starts and ends it: not beside those of the lock, which are read
                        together */
};

/* The thread. */
void *tb_sampler_poll(void *sampler);

#endif
