/* goodbye.c - see goodbye.h. What calls tb_goodbye is in interpose_exit.c, for the shared library.
 *
 * Nothing is waited for and nothing is closed: other threads may be anywhere, also in this library,
 * and those that crash between this and the end still write their record. */
#include "capture/crash/goodbye.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/crash/crash.h"
#include "capture/hooks/fork.h"
#include "capture/crash/handoff.h"
#include "capture/lib.h"

static int is_watched;

void tb_goodbye(void)
{
    if (atomic_load(&tb_lib.state) != TB_LIB_ON || atomic_load(&tb_lib.is_orphan) ||
        tb_fork_is_unseen())
        return;
    /* A child by vfork has its parent's memory: the slot is the parent's, who goes on. */
    if (syscall(SYS_getpid) != atomic_load(&tb_lib.pid))
        return;
    /* A handler of the program that was given a crash, and ends the program so, died of it. */
    if (tb_crash_is_claimed() || tb_handoff_is_running())
        return;
    tb_slot_done(&tb_lib.slot);
}

int tb_goodbye_watch(void)
{
    if (is_watched)
        return 0;
    if (at_quick_exit(tb_goodbye) != 0)
        return -ENOMEM;
    is_watched = 1;
    return 0;
}
