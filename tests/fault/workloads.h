/* workloads.h - the work in the middle of which calls fail and processes die. All of it goes on
 * after an error, as a daemon and an agent do. */
#ifndef TEST_FAULT_WORKLOADS_H
#define TEST_FAULT_WORKLOADS_H

#include "world.h"

struct workload {
    const char *name;
    uint32_t len_min, len_max;            /* of its records */
    void (*prepare)(struct world *world); /* undisturbed; may be NULL */
    void (*run)(struct world *world);
    void (*finish)(void);              /* ends what prepare left running; may be NULL */
    int (*go_on)(struct world *world); /* after the fault: 0 when it works again; may be NULL */
};

enum { WORK_PRODUCER, WORK_SLOT, WORK_SPARE, WORK_READER, N_WORKLOADS };
extern const struct workload workloads[N_WORKLOADS];

/* The damage and the losses that the agents of the reader's workload told of. */
extern struct tb_spool_stats work_reader_stats;

#endif
