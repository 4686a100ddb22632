/* clock.c - see clock.h.
 *
 * The C library reads the processor's counter, which PR_SET_TSC may forbid; the time of the last
 * tick needs neither that nor a call. */
#include "base/clock.h"

#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int n_handlers; /* that ask for the kernel's */
static atomic_int is_call_refused;

static clockid_t tick_of(clockid_t which)
{
    return which == CLOCK_REALTIME ? CLOCK_REALTIME_COARSE : CLOCK_MONOTONIC_COARSE;
}

/* One that is refused once sets errno no more. */
static void ask_kernel(clockid_t which, struct timespec *out)
{
    if (!atomic_load_explicit(&is_call_refused, memory_order_relaxed)) {
        if (syscall(SYS_clock_gettime, which, out) == 0)
            return;
        atomic_store(&is_call_refused, 1);
    }
    (void)clock_gettime(tick_of(which), out);
}

static uint64_t read_clock(clockid_t which)
{
    struct timespec now = {0, 0};
    if (atomic_load_explicit(&n_handlers, memory_order_relaxed) > 0)
        ask_kernel(which, &now);
    else
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
    struct timespec now = {0, 0};
    (void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * TB_NS_PER_S + (uint64_t)now.tv_nsec;
}

void tb_clock_enter_handler(void)
{
    atomic_fetch_add(&n_handlers, 1);
}

void tb_clock_leave_handler(void)
{
    int n = atomic_load(&n_handlers);
    while (n > 0 && !atomic_compare_exchange_weak(&n_handlers, &n, n - 1))
        ;
}

void tb_clock_refuse_calls(void)
{
    atomic_store(&is_call_refused, 1);
}

void tb_clock_forked(int is_in_handler)
{
    atomic_store(&n_handlers, is_in_handler);
}
