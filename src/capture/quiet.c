/* quiet.c - see quiet.h. */
#include "capture/quiet.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "capture/context.h"
#include "capture/handoff.h"

static atomic_int is_expected;
static atomic_int is_guarded; /* a fault of ours comes to us */

void tb_quiet_look(void)
{
    if (!tb_quiet_is_expected() || !atomic_load(&is_guarded))
        atomic_store(&is_guarded, tb_handoff_is_in_front());
}

void tb_quiet_expect(void)
{
    atomic_store(&is_expected, 1);
    tb_clock_refuse_calls();
}

int tb_quiet_is_expected(void)
{
    return atomic_load_explicit(&is_expected, memory_order_relaxed);
}

int tb_quiet_is_due(const sigset_t *blocked)
{
    return tb_quiet_is_expected() && atomic_load_explicit(&is_guarded, memory_order_relaxed) &&
           sigismember(blocked, SIGSEGV) == 0 && sigismember(blocked, SIGBUS) == 0;
}

int tb_quiet(void)
{
    return tb_context()->is_quiet;
}
