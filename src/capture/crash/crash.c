/* crash.c - see crash.h.
 *
 * One thread at a time has the slot, by compare-and-swap of its thread id:
 *   free        nobody crashes
 *   taken       the one whose id it is writes the record
 *   free again  it handed the signal to a handler of the program, which may well carry on; where
 *               death is certain the claim is kept, and a second record cannot overwrite the first
 * Another thread that crashes meanwhile waits for as long as a handler may take (BUDGET_MS), and
 * then has its signal handed on without a record.
 *
 * It ends: handlers inside each other are counted before anything that may fail, and beyond
 * DEPTH_MAX the default action is set. A call of ours that a filter of the program traps is no
 * crash: it fails with ENOSYS, and the handler goes on without. */
#include "capture/crash/crash.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/report/context.h"
#include "capture/crash/crash_record.h"
#include "capture/crash/facts.h"
#include "capture/hooks/fork.h"
#include "capture/modules/frame.h"
#include "capture/crash/handoff.h"
#include "capture/lib.h"
#include "capture/crash/machine.h"
#include "capture/crash/memory.h"
#include "capture/crash/quiet.h"
#include "capture/crash/spare.h"
#include "spool/sys.h"

enum {
    BUDGET_MS = 2000, /* of all waiting, from the handler's beginning */
    WAIT_STEP_NS = 500 * 1000,
    DEPTH_MAX = 6, /* the stages may fault three times */
};

static atomic_int claim; /* thread id of the one that crashes, 0 for none */
/* Of a child that shares our memory, or of a crash while ours is being made. */
static struct tb_slot borrowed_slot = {.fd = -1};
/* Of the one with the claim. */
static struct {
    struct tb_signal signal;
    struct tb_slot *slot; /* NULL: there is none, only hand on */
    uint32_t pid;
} now;

void tb_crash_setup(void)
{
    tb_facts_setup();
}

void tb_crash_forked(void)
{
    atomic_store(&claim, 0);
    tb_clock_forked(tb_context()->asks_kernel);
}

int tb_crash_is_claimed(void)
{
    return atomic_load(&claim) != 0;
}

/* Makes this process's slot, or borrowed_slot where that may not be, or somebody stays in the
 * middle of making ours. */
static int make_slot(int is_borrower, struct tb_slot **slot)
{
    int is_known = !is_borrower && atomic_load(&tb_lib.is_orphan) == 0;
    int err = is_borrower ? -EBUSY : tb_lib_make_slot(is_known ? tb_lib.about.start_ticks : 0);
    if (err != -EBUSY)
        return err;
    *slot = &borrowed_slot;
    return tb_slot_open(&borrowed_slot, tb_lib.dirfd, tb_lib.boot_id, 0);
}

/* With the limit raised for a moment where no descriptor is left, as far as it may be. */
static int make_slot_anyhow(int is_borrower, struct tb_slot **slot)
{
    struct tb_sys_files files = {.is_raised = 0};
    int err = make_slot(is_borrower, slot);
    if (err == -EMFILE && tb_sys_raise_files(&files))
        err = make_slot(is_borrower, slot);
    tb_sys_restore_files(&files);
    return err;
}

/* This process's slot; one made now for a child that has none yet, and where none could be made so
 * far; the spare where that fails. */
static struct tb_slot *find_slot(uint32_t pid, int tid)
{
    struct tb_slot *slot = &tb_lib.slot;
    if (atomic_load(&tb_lib.state) == TB_LIB_OFF)
        return NULL;
    if (tb_fork_is_unseen()) {
        tb_fork_forget();
        atomic_store(&claim, tid);
    }
    int is_borrower = (uint32_t)atomic_load(&tb_lib.pid) != pid; /* vfork: memory is the parent's */
    if (!is_borrower && slot->map)
        return slot;
    tb_lib_check_dir();
    if (make_slot_anyhow(is_borrower, &slot) != 0)
        slot = tb_spare_take(tid > 0 ? (uint32_t)tid : pid);
    if (slot)
        tb_crash_record_context(slot, pid);
    return slot;
}

/* The record is whole, and whose memory this is lives on: others may have the claim and the slot.
 */
static void go_on_living(int is_death)
{
    if (tb_spare_is(now.slot))
        tb_spare_give();
    else if (is_death && now.slot == &borrowed_slot)
        tb_slot_close(&borrowed_slot, 0);
    if (is_death)
        tb_handoff_end_handlers();
    atomic_store(&claim, 0);
}

/* Lets others have the claim if life may go on, and does what would have happened without us.
 * nested: the delivery that this handler returns from, if it is not the signal's own. */
static void finish(const struct tb_signal *nested)
{
    struct tb_signal signal = now.signal;
    int is_death = tb_handoff_way(&signal) == TB_WAY_DEATH;
    int is_spare = tb_spare_is(now.slot);
    int is_parents = is_spare && (uint32_t)atomic_load(&tb_lib.pid) != now.pid; /* vfork */
    /* To wait for the end of all who hold a spare would be to tell of nothing. */
    if (now.slot)
        tb_crash_record_done(is_death || is_spare ? TB_SLOT_COMPLETE : TB_SLOT_HANDED_ON);
    if (!is_death || is_parents || now.slot == &borrowed_slot)
        go_on_living(is_death);
    tb_handoff(&signal, nested);
}

/* One that was killed in its handler: a thread, or a child by vfork, which has our memory. */
static int is_gone(int holder)
{
    return holder > 0 && !tb_quiet() &&
           syscall(SYS_tgkill, (pid_t)syscall(SYS_getpid), holder, 0) != 0 && errno == ESRCH &&
           syscall(SYS_kill, holder, 0) != 0 && errno == ESRCH;
}

/* 1 when the claim is ours, 0 when the time is up. */
static int wait_for_claim(int tid, uint64_t until_ns)
{
    const struct timespec step = {0, WAIT_STEP_NS};
    for (;;) {
        int holder = 0;
        if (atomic_compare_exchange_strong(&claim, &holder, tid))
            return 1;
        if (is_gone(holder) && atomic_compare_exchange_strong(&claim, &holder, tid))
            return 1;
        if (tb_clock_tick_ns() >= until_ns)
            return 0;
        if (!tb_quiet())
            (void)syscall(SYS_nanosleep, &step, NULL);
    }
}

/* A stage has failed. Where somebody has cut the slot's file there is nothing left to write to. */
static void go_on_after(const struct tb_signal *signal)
{
    uintptr_t at = (uintptr_t)signal->info->si_addr;
    if (!now.slot)
        return;
    uintptr_t map = (uintptr_t)now.slot->map;
    if (signal->signo == SIGBUS && at >= map && at - map < TB_SLOT_BYTES) {
        tb_crash_record_drop();
        now.slot = NULL;
    } else {
        tb_crash_record_resume();
    }
}

__attribute__((noinline)) static void handle(const struct tb_signal *signal)
{
    int tid = tb_context_tid();
    uint64_t until_ns = tb_clock_tick_ns() + (uint64_t)BUDGET_MS * TB_NS_PER_MS;
    if (tb_handoff_way(signal) == TB_WAY_IGNORE)
        return;
    if (atomic_load(&claim) == tid) {
        /* Sent from outside while this thread is dying already: too late to matter. */
        if (signal->info->si_code > 0 || signal->info->si_pid == (pid_t)now.pid) {
            go_on_after(signal);
            finish(signal);
        }
        return;
    }
    if (tb_handoff_is_inside(signal, tid) || !wait_for_claim(tid, until_ns)) {
        tb_handoff(signal, NULL);
        return;
    }
    now.signal = *signal;
    now.pid = (uint32_t)tb_context_pid();
    now.slot = find_slot(now.pid, tid);
    if ((uint32_t)atomic_load(&tb_lib.pid) != now.pid)
        until_ns = 0; /* a child by vfork: the threads are the parent's */
    if (now.slot)
        tb_crash_record(now.slot, signal, now.pid, tid > 0 ? (uint32_t)tid : now.pid, until_ns);
    finish(NULL);
}

static void go_on(int signo, siginfo_t *info, void *context)
{
    int kept = errno;
    struct tb_signal signal = {.signo = signo, .info = info, .context = context, .err = kept};
    struct tb_context *self = tb_context();
    int depth = self->crash_depth - 1;
    if (depth < DEPTH_MAX)
        handle(&signal);
    else
        tb_handoff_give_up(&signal);
    if (depth == 0)
        tb_handoff_end_handlers();
    self->crash_depth = depth;
    errno = kept;
    tb_frame_leave(&signal);
}

/* What the C library's clocks read may be forbidden; a call costs a microsecond. */
static void begin(struct tb_context *self, const ucontext_t *context)
{
    self->is_dying = 0;
    /* A thread that is cancelled in here would leave its death behind. */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &self->cancel_state);
    self->is_quiet = tb_quiet_is_due(&context->uc_sigmask);
    self->asks_kernel = self->is_quiet || sigismember(&context->uc_sigmask, SIGSEGV) != 0 ||
                        !tb_memory_has_counter();
    if (self->asks_kernel)
        tb_clock_enter_handler();
}

void tb_crash_handle(int signo, siginfo_t *info, void *context)
{
    struct tb_signal signal = {.signo = signo, .info = info, .context = context, .err = errno};
    struct tb_context *self = tb_context();
    tb_machine_begin();
    if (tb_memory_has_failed(signo, context))
        return;
    if (self->crash_depth > 0 && signo == SIGSYS && info->si_code == TB_TRAPPED_CALL) {
        tb_machine_set_result(context, -ENOSYS);
        return;
    }
    if (self->crash_depth++ == 0)
        begin(self, context);
    tb_frame_make_room(&signal, go_on);
    go_on(signo, info, context);
}
