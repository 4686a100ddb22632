/* quiet.c - see quiet.h. */
#include "capture/crash/quiet.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "capture/report/context.h"
#include "capture/crash/handoff.h"
#include "capture/lib.h"

void tb_quiet_look(void)
{
    if (!tb_quiet_is_expected() || !atomic_load(&tb_lib.is_guarded))
        atomic_store(&tb_lib.is_guarded, tb_handoff_is_in_front());
}

void tb_quiet_expect(void)
{
    atomic_store(&tb_lib.may_be_filtered, 1);
    tb_clock_refuse_calls();
}

int tb_quiet_is_expected(void)
{
    return atomic_load_explicit(&tb_lib.may_be_filtered, memory_order_relaxed);
}

int tb_quiet_is_due(const sigset_t *blocked)
{
    return tb_quiet_is_expected() &&
           atomic_load_explicit(&tb_lib.is_guarded, memory_order_relaxed) &&
           sigismember(blocked, SIGSEGV) == 0 && sigismember(blocked, SIGBUS) == 0;
}

int tb_quiet(void)
{
    return tb_context()->is_quiet;
}
