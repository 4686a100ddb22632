/* fork.c - see fork.h. */
#include "capture/hooks/fork.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "capture/report/context.h"
#include "capture/crash/crash.h"
#include "capture/lib.h"
#include "capture/report/loss.h"
#include "capture/modules/modules.h"
#include "capture/report/report.h"
#include "capture/crash/spare.h"
#include "capture/threads/stack.h"
#include "capture/threads/thread.h"
#include "capture/modules/unload.h"

enum { ORPHAN = 1, WAIT_STEPS = 100, WAIT_STEP_NS = 100 * 1000 };

static atomic_int *unwiped; /* 1; 0 in a child with memory of its own. NULL: not watched */
static int is_registered;

void tb_fork_forget(void)
{
    int state = atomic_load(&tb_lib.state);
    if (unwiped)
        atomic_store(unwiped, 1);
    tb_context_forked();
    tb_stack_forked();
    tb_thread_forked();
    tb_unload_forked();
    if (state == TB_LIB_OFF)
        return;
    for (int i = 0; i < TB_N_CLASSES; i++)
        tb_writer_forget(&tb_lib.writers[i]);
    tb_loss_forked();
    tb_lib_forget_slot();
    tb_spare_forked();
    tb_modules_forked();
    tb_report_forked();
    tb_crash_forked();
    atomic_store(&tb_lib.opener, 0);
    atomic_store(&tb_lib.n_users, 0);
    atomic_store(&tb_lib.pid, getpid());
    atomic_store(&tb_lib.is_orphan, ORPHAN);
    /* A thread that was at init or shutdown is not in this process. */
    if (state != TB_LIB_ON)
        atomic_store(&tb_lib.state, TB_LIB_OFF);
}

int tb_fork_is_unseen(void)
{
    return unwiped && atomic_load_explicit(unwiped, memory_order_relaxed) == 0;
}

static void adopt(void)
{
    tb_lib_check_dir();
    tb_lib_describe();
    tb_lib_init_writers();
    (void)tb_modules_extend(&tb_lib.about, NULL, NULL, 0, tb_unload_mark()); /* else the parent's */
    tb_lib.why[0] = '\0';
    if (!tb_lib.slot.map) /* its crash handler may have made one */
        (void)tb_lib_open_slot();
}

int tb_fork_adopt(void)
{
    const struct timespec step = {0, WAIT_STEP_NS};
    int self = -gettid();
    int orphan = ORPHAN;
    if (atomic_compare_exchange_strong(&tb_lib.is_orphan, &orphan, self)) {
        adopt();
        atomic_store(&tb_lib.is_orphan, 0);
        return 0;
    }
    /* Another thread is at it, or this one, below in the handler that it is in. */
    for (int i = 0; i < WAIT_STEPS && orphan != 0 && orphan != self; i++) {
        (void)nanosleep(&step, NULL);
        orphan = atomic_load(&tb_lib.is_orphan);
    }
    return orphan == 0 ? 0 : -EAGAIN;
}

int tb_fork_watch(void)
{
    if (!unwiped) {
        atomic_int *page =
            mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            return -errno;
        atomic_store(page, 1);
        if (madvise(page, sizeof(*page), MADV_WIPEONFORK) == 0)
            unwiped = page;
        else /* an old kernel: children by raw clone go unseen */
            (void)munmap(page, sizeof(*page));
    }
    if (is_registered)
        return 0;
    int err = pthread_atfork(tb_spare_prepare, NULL, tb_fork_forget);
    is_registered = err == 0;
    return -err;
}
