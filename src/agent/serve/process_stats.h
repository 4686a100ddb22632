/* process_stats.h - what the kernel says about this process; 0 where it does not say. */
#ifndef TB_AGENT_PROCESS_STATS_H
#define TB_AGENT_PROCESS_STATS_H

#include <stdint.h>

struct tb_process_stats {
    int64_t cpu_ms, start_ms; /* start: wall clock */
    int64_t resident_bytes, virtual_bytes;
    int64_t open_fds, max_fds, threads;
};

/* open_fds may be a second old. One thread at a time. */
void tb_process_stats(struct tb_process_stats *out);

#endif
