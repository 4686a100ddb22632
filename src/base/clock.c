/* clock.c - see clock.h. */
#include "base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t which)
{
    struct timespec now = {0, 0};
    (void)clock_gettime(which, &now); /* cannot fail for these clocks */
    return (uint64_t)now.tv_sec * TB_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t tb_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t tb_clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t tb_clock_tick_ns(void)
{
    return read_clock(CLOCK_MONOTONIC_COARSE);
}
