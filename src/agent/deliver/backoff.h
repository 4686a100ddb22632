/* backoff.h - how long to wait before the next try. */
#ifndef TB_AGENT_BACKOFF_H
#define TB_AGENT_BACKOFF_H

#include <stdint.h>

/* Full jitter above min_ms: at random between min_ms and twice as much for each try that came
 * before, max_ms at most (which is min_ms at least). */
int64_t tb_backoff_ms(unsigned min_ms, unsigned max_ms, unsigned n_attempts);

#endif
