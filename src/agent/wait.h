/* wait.h - waits for a condition until a time of tb_clock_mono_ns. The condition is an ordinary
 * one: the clock is that of the wait, so nothing has to be said of it when it is made. */
#ifndef TB_AGENT_WAIT_H
#define TB_AGENT_WAIT_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

/* The lock is held. 0: something changed, or seems to have; or ETIMEDOUT. */
static inline int tb_wait_until(pthread_cond_t *changed, pthread_mutex_t *lock, uint64_t until_ns)
{
    const struct timespec until = {(time_t)(until_ns / TB_NS_PER_S),
                                   (long)(until_ns % TB_NS_PER_S)};
    return pthread_cond_clockwait(changed, lock, CLOCK_MONOTONIC, &until);
}

#endif
