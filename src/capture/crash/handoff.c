/* handoff.c - see handoff.h.
 *
 * Death by default. A fault of the processor happens again when the handler returns, now with the
 * default action: nothing could be truer. Everything else (abort, raise, kill, int3) would not, so
 * the original siginfo is queued again for this thread while the signal is blocked, and delivered
 * at the return: a core then shows the place of the signal, not this file. So it does after a fault
 * in our own handler, whose frame gets what the first one holds.
 *
 * Where a filter forbids even those calls, or may kill for them, the signal stays blocked when the
 * handler returns: the kernel kills by default whoever faults then, and a call that the filter
 * trapped is made again. */
#include "capture/crash/handoff.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/report/context.h"
#include "capture/modules/frame.h"
#include "capture/crash/machine.h"
#include "capture/crash/memory.h"
#include "capture/crash/quiet.h"

enum {
    EXIT_BY_SIGNAL = 128,
    HANDLER_STACK_BYTES = 8 << 20,
};

static struct caught {
    int signo;
    const char *name;
    struct sigaction before;
    atomic_int is_spent; /* before had SA_RESETHAND and was called: it is the default now */
    int is_set;
} table[] = {
    {.signo = SIGSEGV, .name = "SIGSEGV"}, {.signo = SIGBUS, .name = "SIGBUS"},
    {.signo = SIGFPE, .name = "SIGFPE"},   {.signo = SIGILL, .name = "SIGILL"},
    {.signo = SIGABRT, .name = "SIGABRT"}, {.signo = SIGTRAP, .name = "SIGTRAP"},
    {.signo = SIGSYS, .name = "SIGSYS"},
};
enum { N_CAUGHT = sizeof(table) / sizeof(table[0]) };

/* The delivery that was last handed to a handler of the program. */
static struct {
    atomic_int tid;
    const ucontext_t *context;
    int signo; /* blocked while it runs; 0: it is not */
    gregset_t registers;
} given;

static void (*our_handler)(int, siginfo_t *, void *);

static struct caught *find(int signo)
{
    for (int i = 0; i < N_CAUGHT; i++) {
        if (table[i].signo == signo)
            return &table[i];
    }
    return NULL;
}

static int is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == our_handler;
}

/* ---- set and unset ---- */

/* Every signal, also the one by which the C library cancels threads, which sigfillset leaves out: a
 * thread that is cancelled in our handler would leave it, and its death behind. Not the one by
 * which it changes users: all threads must answer that. */
static void fill(sigset_t *set)
{
    enum { SIG_CANCEL = 32, BITS = 8 * sizeof(uint64_t) };
    uint64_t first;
    _Static_assert(SIG_CANCEL <= BITS, "it is in the first word");
    sigfillset(set);
    memcpy(&first, set, sizeof(first));
    first |= (uint64_t)1 << (SIG_CANCEL - 1);
    memcpy(set, &first, sizeof(first));
}

/* One that is still set, behind a handler that the program put in front and that may lead to it,
 * stays as it is: in front as well, it would go round in a circle. What is ignored stays so: exec
 * hands that down, and an ignored signal interrupts no call. */
static int install_one(struct caught *caught)
{
    struct sigaction ours;
    struct sigaction now;
    memset(&ours, 0, sizeof(ours));
    if (sigaction(caught->signo, NULL, &now) != 0)
        return -errno;
    if (now.sa_handler == SIG_IGN || (caught->is_set && now.sa_handler != SIG_DFL))
        return 0;
    caught->before = now;
    ours.sa_sigaction = our_handler;
    /* NODEFER: a second fault inside, or a call of ours that is trapped, is to reach us, not to
     * kill at once. A call that the signal interrupts is to end as it would have: EINTR only where
     * the program's handler asked so. */
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (caught->signo == SIGTRAP ? 0 : SA_NODEFER);
    if (now.sa_handler == SIG_DFL || (now.sa_flags & SA_RESTART))
        ours.sa_flags |= SA_RESTART;
    /* No other handler of the program runs inside ours; faults get through. */
    fill(&ours.sa_mask);
    for (int i = 0; i < N_CAUGHT; i++)
        sigdelset(&ours.sa_mask, table[i].signo);
    atomic_store(&caught->is_spent, 0);
    if (sigaction(caught->signo, &ours, NULL) != 0)
        return -errno;
    caught->is_set = 1;
    return 0;
}

int tb_handoff_install(void (*handler)(int, siginfo_t *, void *))
{
    our_handler = handler;
    for (int i = 0; i < N_CAUGHT; i++) {
        int err = install_one(&table[i]);
        if (err) {
            tb_handoff_remove();
            return err;
        }
    }
    return 0;
}

void tb_handoff_remove(void)
{
    for (int i = 0; i < N_CAUGHT; i++) {
        struct sigaction now;
        if (!table[i].is_set)
            continue;
        if (sigaction(table[i].signo, NULL, &now) != 0 || !is_ours(&now))
            continue; /* another stands in front, and may call ours: that still knows whom to call
                       */
        (void)sigaction(table[i].signo, &table[i].before, NULL);
        table[i].is_set = 0;
    }
}

int tb_handoff_is_in_front(void)
{
    const int faults[] = {SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct sigaction now;
        if (!find(faults[i])->is_set || sigaction(faults[i], NULL, &now) != 0 || !is_ours(&now))
            return 0;
    }
    return 1;
}

void tb_handoff_replaced(char out[TB_HANDOFF_TEXT])
{
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < N_CAUGHT; i++) {
        struct sigaction now;
        size_t name_len = strlen(table[i].name);
        if (!table[i].is_set || sigaction(table[i].signo, NULL, &now) != 0 || is_ours(&now))
            continue;
        if (len > 0)
            out[len++] = ' ';
        memcpy(out + len, table[i].name, name_len + 1);
        len += name_len;
    }
}

/* ---- hand on ---- */

static int happens_again(const struct tb_signal *signal)
{
    int code = signal->info->si_code;
    switch (signal->signo) {
    case SIGFPE:
    case SIGILL:
        return code > 0 && code != SI_KERNEL;
    case SIGSEGV:
    case SIGBUS: /* BUS_MCEERR_AO tells of memory that nobody touched yet */
        return code > 0 && code != BUS_MCEERR_AO &&
               tb_machine_is_fault(signal->context, signal->info);
    default:
        return 0;
    }
}

/* A signal that is sent does not kill the first process of a namespace, unless it has a handler. */
static enum tb_handoff_way default_way(const struct tb_signal *signal)
{
    int is_first = signal->info->si_code <= 0 && tb_context_pid() == 1 && syscall(SYS_getpid) == 1;
    return is_first ? TB_WAY_IGNORE : TB_WAY_DEATH;
}

enum tb_handoff_way tb_handoff_way(const struct tb_signal *signal)
{
    const struct caught *caught = find(signal->signo);
    if (!caught || caught->before.sa_handler == SIG_DFL || atomic_load(&caught->is_spent))
        return default_way(signal);
    /* On a stack without room for it, the kernel would have killed. */
    return tb_frame_fits(signal, caught->before.sa_flags) ? TB_WAY_HANDLER : TB_WAY_DEATH;
}

static void set_mask(const sigset_t *set)
{
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, set, NULL, TB_KERNEL_SIGSET_BYTES);
}

void tb_handoff_give_up(const struct tb_signal *signal)
{
    struct sigaction standard;
    ucontext_t *context = signal->context;
    memset(&standard, 0, sizeof(standard));
    standard.sa_handler = SIG_DFL;
    if (sigaction(signal->signo, &standard, NULL) == 0)
        sigdelset(&context->uc_sigmask, signal->signo);
    else
        sigaddset(&context->uc_sigmask, signal->signo);
}

/* What does not happen again by itself, but for the instruction before: a call that a filter traps,
 * a breakpoint. 1 when it will. */
static int repeat(const struct tb_signal *signal)
{
    int code = signal->info->si_code;
    uint64_t before_ip = tb_machine_start(signal->context).ip - 1;
    uint8_t byte;
    if (signal->signo == SIGSYS && code == TB_TRAPPED_CALL)
        return tb_machine_call_again(signal->context, signal->info->si_syscall);
    return signal->signo == SIGTRAP && code == SI_KERNEL &&
           tb_memory_copy(before_ip, &byte, 1) == 1 &&
           tb_machine_break_again(signal->context, byte);
}

/* Of what came meanwhile nothing is to be delivered before the death, which would have been first.
 */
static void hold_others(const struct tb_signal *signal)
{
    ucontext_t *context = signal->context;
    tb_context()->is_dying = 1;
    int is_held = sigismember(&context->uc_sigmask, signal->signo) == 1;
    sigset_t all;
    fill(&all);
    memcpy(&context->uc_sigmask, &all, TB_KERNEL_SIGSET_BYTES); /* of more the frame has no room */
    if (!is_held)
        sigdelset(&context->uc_sigmask, signal->signo);
}

/* Without a call: the kernel kills by default whoever faults with the signal blocked. 0 for what
 * does not happen again. */
static int die_quietly(const struct tb_signal *signal)
{
    ucontext_t *context = signal->context;
    if (!happens_again(signal) && !repeat(signal))
        return 0;
    sigaddset(&context->uc_sigmask, signal->signo);
    hold_others(signal);
    return 1;
}

/* With the siginfo that it had. What it sent to itself by tgkill it may send so again, whatever a
 * filter forbids. */
static int send_again(const struct tb_signal *signal, pid_t pid, pid_t tid)
{
    const siginfo_t *info = signal->info;
    if (tb_quiet() && info->si_code == SI_TKILL && info->si_pid == pid)
        return syscall(SYS_tgkill, pid, tid, signal->signo) == 0;
    return syscall(SYS_rt_tgsigqueueinfo, pid, tid, signal->signo, info) == 0 ||
           syscall(SYS_tgkill, pid, tid, signal->signo) == 0;
}

static void die(const struct tb_signal *signal, int is_nested)
{
    sigset_t all;
    if (tb_quiet() && !is_nested && die_quietly(signal))
        return;
    /* Not what is known without a call: a child by vfork must not hit its parent. */
    pid_t pid = (pid_t)syscall(SYS_getpid);
    pid_t tid = (pid_t)syscall(SYS_gettid);
    /* Unblocked too: it may have come inside a ppoll that let it through for the moment. */
    tb_handoff_give_up(signal);
    hold_others(signal);
    if (happens_again(signal) && !is_nested)
        return;
    /* abort comes to this at last, where its signal kills nobody: hlt, again and again. */
    if (pid == 1 && signal->signo == SIGSEGV && signal->info->si_code > 0 && !is_nested)
        return;
    fill(&all);
    set_mask(&all);
    if (pid != 1 && send_again(signal, pid, tid))
        return;
    if (signal->signo == SIGSYS && signal->info->si_code == TB_TRAPPED_CALL && !is_nested) {
        sigaddset(&((ucontext_t *)signal->context)->uc_sigmask, SIGSYS);
        if (tb_machine_call_again(signal->context, signal->info->si_syscall))
            return;
    }
    /* The first process of a namespace survives its own signals, and a filter may forbid them. */
    for (;;)
        (void)syscall(SYS_exit_group, EXIT_BY_SIGNAL + signal->signo); /* not the interposed one */
}

/* Keeps what tells later whether the program's handler still runs. */
static void keep_given(const struct tb_signal *signal, int flags)
{
    given.tid = 0;
    given.context = signal->context;
    given.signo = flags & (int)SA_NODEFER ? 0 : signal->signo;
    memcpy(&given.registers, &given.context->uc_mcontext, sizeof(given.registers));
    given.tid = tb_context_tid();
}

static int is_inside(int tid, uint64_t sp, const sigset_t *blocked)
{
    uint64_t from = (uint64_t)(uintptr_t)given.context;
    gregset_t now;
    if (given.tid != tid || sp >= from || from - sp > HANDLER_STACK_BYTES)
        return 0;
    if (given.signo != 0 && sigismember(blocked, given.signo) != 1)
        return 0;
    return tb_memory_copy(from + offsetof(ucontext_t, uc_mcontext), &now, sizeof(now)) ==
               sizeof(now) &&
           memcmp(&now, &given.registers, sizeof(now)) == 0;
}

int tb_handoff_is_inside(const struct tb_signal *signal, int tid)
{
    const ucontext_t *context = signal->context;
    return is_inside(tid, tb_machine_start(context).sp, &context->uc_sigmask);
}

int tb_handoff_is_running(void)
{
    sigset_t blocked;
    uint64_t sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    return given.tid != 0 && sigprocmask(SIG_BLOCK, NULL, &blocked) == 0 &&
           is_inside(tb_context_tid(), sp, &blocked);
}

void tb_handoff_end_handlers(void)
{
    struct tb_context *self = tb_context();
    if (self->asks_kernel)
        tb_clock_leave_handler();
    if (self->crash_depth > 0 && !self->is_dying)
        (void)pthread_setcancelstate(self->cancel_state, NULL);
    self->asks_kernel = 0;
    self->crash_depth = 0;
    self->is_quiet = 0;
}

static void call_handler(const struct tb_signal *signal)
{
    struct caught *caught = find(signal->signo);
    const ucontext_t *context = signal->context;
    struct sigaction before = caught->before;
    struct tb_signal placed = *signal;
    int is_placed = tb_frame_place(signal, before.sa_flags, &placed);
    sigset_t mask;
    /* As the kernel would have: what was blocked, what the handler asks for, the signal itself. */
    sigorset(&mask, &context->uc_sigmask, &before.sa_mask);
    if (!(before.sa_flags & SA_NODEFER))
        sigaddset(&mask, signal->signo);
    if (before.sa_flags & SA_RESETHAND)
        atomic_store(&caught->is_spent, 1);
    keep_given(&placed, before.sa_flags);
    tb_handoff_end_handlers(); /* it may never come back here */
    set_mask(&mask);
    if (is_placed)
        tb_frame_enter(&placed, (void *)(uintptr_t)before.sa_sigaction);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(signal->signo, signal->info, signal->context);
    else
        before.sa_handler(signal->signo);
}

/* The nested handler returns to where the first signal was raised, not into our handler for it.
 * Where that one's frame cannot be read any more it goes on as it is. */
static void die_nested(const struct tb_signal *signal, const struct tb_signal *nested)
{
    struct tb_signal same = *signal;
    int is_nested = !tb_frame_replace(nested, signal);
    if (!is_nested)
        same.context = nested->context;
    die(&same, is_nested);
}

void tb_handoff(const struct tb_signal *signal, const struct tb_signal *nested)
{
    enum tb_handoff_way way = tb_handoff_way(signal);
    if (way == TB_WAY_HANDLER) {
        call_handler(signal);
        if (!nested)
            return;
        way = TB_WAY_DEATH;
    }
    if (way == TB_WAY_DEATH && nested)
        die_nested(signal, nested);
    else if (way == TB_WAY_DEATH)
        die(signal, 0);
}
