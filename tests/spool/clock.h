/* clock.h - base/clock for a test that moves the time itself: include it in one program, and the
 * archive's clock is not linked. */
#ifndef TEST_SPOOL_CLOCK_H
#define TEST_SPOOL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/clock.h"

static _Atomic uint64_t test_skew_ns;
static uint64_t test_wall_skew_ns; /* of the wall clock alone: it may step */

static bool test_is_stopped;
static struct timespec test_stopped_wall, test_stopped_mono;

static uint64_t read_real(clockid_t which)
{
    struct timespec now;
    if (test_is_stopped)
        now = which == CLOCK_REALTIME ? test_stopped_wall : test_stopped_mono;
    else
        clock_gettime(which, &now);
    return (uint64_t)now.tv_sec * TB_NS_PER_S + (uint64_t)now.tv_nsec + test_skew_ns;
}

uint64_t tb_clock_wall_ns(void)
{
    return read_real(CLOCK_REALTIME) + test_wall_skew_ns;
}

uint64_t tb_clock_mono_ns(void)
{
    return read_real(CLOCK_MONOTONIC);
}

uint64_t tb_clock_tick_ns(void)
{
    return read_real(CLOCK_MONOTONIC_COARSE);
}

static inline void pass_ms(uint64_t ms)
{
    test_skew_ns += ms * TB_NS_PER_MS;
}

/* From now on time passes by pass_ms alone, however slow the machine is. What is written later has
 * times of the kernel's clock, which goes on. */
static inline void stop_time(void)
{
    clock_gettime(CLOCK_REALTIME, &test_stopped_wall);
    clock_gettime(CLOCK_MONOTONIC, &test_stopped_mono);
    test_is_stopped = true;
}

static inline void run_time(void)
{
    test_is_stopped = false;
}

#endif
