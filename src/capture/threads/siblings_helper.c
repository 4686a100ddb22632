/* siblings_helper.c - see siblings_helper.h. All are stopped first, then each is looked at and let
 * go, so that the stacks fit each other.
 *
 * It may be killed at any moment: the kernel lets go what it traces then. A fault in it ends it
 * alone. Nothing here may take a lock: one of those that it stops may have it. */
#include "capture/threads/siblings_helper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <elf.h>

#include "base/clock.h"
#include "capture/crash/machine.h"
#include "capture/crash/memory.h"
#include "spool/sys.h"

enum {
    BEFORE_STACK_BYTES = TB_CHUNK_HEADER_BYTES + TB_CRASH_THREAD_BYTES,
    RED_ZONE_BYTES = 128, /* below sp, in use by leaf functions */
    SPIN_NS = 100 * 1000, /* most have stopped by then */
    NAP_FIRST_NS = 20 * 1000,
    NAP_MOST_NS = TB_NS_PER_MS,
    STUCK_NS = 50 * TB_NS_PER_MS, /* then one that sleeps unwakeably is not waited for */
    ANSWER_NS = 100 * TB_NS_PER_MS,
    STOP_EVENT = 128, /* PTRACE_EVENT_STOP */
    NO_CORE = 1,      /* RLIMIT_CORE: 0 would still have a core for a pipe */
    STAT_BYTES = 128, /* of /proc/.../stat, up to behind the state */
    TASK_PATH_BYTES = 32,
    RESTORER = 0x04000000, /* SA_RESTORER of the kernel's headers */
};

static const int synchronous[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
enum { N_SYNCHRONOUS = sizeof(synchronous) / sizeof(synchronous[0]) };

/* ---- how it lives ---- */

static void end_of_helper(int signo, siginfo_t *info, void *context)
{
    if (tb_memory_has_failed(signo, context))
        return;
    if (signo == SIGSYS && info->si_code == TB_TRAPPED_CALL) {
        tb_machine_set_result(context, -ENOSYS);
        return;
    }
    for (;;)
        (void)tb_machine_call(SYS_exit_group, 1, 0, 0, 0);
}

/* As the kernel has it. A sanitizer's sigaction keeps what it sets in memory that we share. */
struct kernel_action {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void *restorer; /* the C library's, which every handler that it set has */
    uint64_t mask;
};

static void catch_signal(int signo)
{
    struct kernel_action action;
    if (syscall(SYS_rt_sigaction, signo, NULL, &action, TB_KERNEL_SIGSET_BYTES) != 0 ||
        !(action.flags & RESTORER))
        return;
    action.handler = end_of_helper;
    action.flags = SA_SIGINFO | SA_NODEFER | RESTORER;
    action.mask = 0;
    (void)syscall(SYS_rt_sigaction, signo, &action, NULL, TB_KERNEL_SIGSET_BYTES);
}

/* Its handlers, its limits are its own. It leaves no core, and does not outlive the other. */
static void settle(void)
{
    const struct rlimit no_core = {NO_CORE, NO_CORE};
    uint64_t open = 0;
    for (int i = 0; i < N_SYNCHRONOUS; i++) {
        catch_signal(synchronous[i]);
        open |= (uint64_t)1 << (synchronous[i] - 1);
    }
    (void)syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &open, NULL, TB_KERNEL_SIGSET_BYTES);
    (void)syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &no_core, NULL);
}

static void keep_error(struct tb_siblings_job *job, int err)
{
    if (job->err == 0)
        job->err = err;
}

/* libc's ptrace asks for more than the kernel does. */
static int trace(long request, uint32_t tid, uintptr_t address, uintptr_t data)
{
    return syscall(SYS_ptrace, request, tid, address, data) < 0 ? -errno : 0;
}

/* ---- what /proc says of a thread ---- */

static void task_path(uint32_t tid, const char *file, char out[TASK_PATH_BYTES])
{
    char digits[12];
    size_t n = 0;
    size_t len = 0;
    do {
        digits[n++] = (char)('0' + tid % 10);
        tid /= 10;
    } while (tid > 0);
    while (n > 0)
        out[len++] = digits[--n];
    while (*file && len < TASK_PATH_BYTES - 1)
        out[len++] = *file++;
    out[len] = '\0';
}

/* How many bytes; 0 without such a file. */
static size_t read_task(const struct tb_siblings_job *job, uint32_t tid, const char *file,
                        char *out, size_t cap)
{
    char path[TASK_PATH_BYTES];
    if (job->task_fd < 0)
        return 0;
    task_path(tid, file, path);
    int fd = tb_sys_openat(job->task_fd, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long n = syscall(SYS_read, fd, out, cap);
    tb_sys_close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* The letter behind the name, which is in brackets and may hold anything; 0 for unknown. */
static char state_of(const struct tb_siblings_job *job, uint32_t tid)
{
    char text[STAT_BYTES];
    size_t len = read_task(job, tid, "/stat", text, sizeof(text));
    for (size_t at = len; at > 2; at--) {
        if (text[at - 3] == ')' && text[at - 2] == ' ')
            return text[at - 1];
    }
    return 0;
}

static void read_name(const struct tb_siblings_job *job, uint32_t tid, char out[16])
{
    memset(out, 0, 16);
    size_t len = read_task(job, tid, "/comm", out, 15);
    if (len > 0 && out[len - 1] == '\n')
        out[len - 1] = '\0';
}

/* ---- stop ---- */

/* Where it is not dumpable, or Yama says no: each is changed only when it is in the way. */
static int seize_anyhow(struct tb_siblings_job *job, uint32_t tid)
{
    const uint64_t end_ns = tb_clock_mono_ns() + ANSWER_NS;
    int err = -EPERM;
    if (syscall(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0) == 0) { /* 2 could not be put back */
        job->is_dumpable_changed = 1;
        (void)syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0);
        err = trace(PTRACE_SEIZE, tid, 0, 0);
    }
    if (err != -EPERM)
        return err;
    atomic_store(&job->word, TB_HELPER_ASKS);
    tb_sys_futex_wake_all(&job->word);
    while (atomic_load(&job->word) == TB_HELPER_ASKS && tb_clock_mono_ns() < end_ns)
        tb_sys_futex_wait(&job->word, TB_HELPER_ASKS, ANSWER_NS);
    return trace(PTRACE_SEIZE, tid, 0, 0);
}

static void seize_one(struct tb_siblings_job *job, struct tb_sibling *thread, int *has_tried)
{
    int err = trace(PTRACE_SEIZE, thread->tid, 0, 0);
    if (err == -EPERM && !*has_tried) {
        *has_tried = 1;
        err = seize_anyhow(job, thread->tid);
    }
    if (err == 0)
        err = trace(PTRACE_INTERRUPT, thread->tid, 0, 0);
    thread->state = err == 0 ? TB_SIBLING_SEIZED : TB_SIBLING_OVER;
    if (err == -ESRCH || (err == -EPERM && state_of(job, thread->tid) == 'Z'))
        job->n_gone++; /* it has ended; the first thread stays as a zombie */
    else if (err)
        keep_error(job, err);
}

static size_t seize_all(struct tb_siblings_job *job)
{
    int has_tried = 0;
    size_t n = 0;
    job->stopped_ns = tb_clock_mono_ns();
    for (size_t i = 0; i < job->n_threads; i++) {
        seize_one(job, &job->threads[i], &has_tried);
        n += job->threads[i].state == TB_SIBLING_SEIZED;
    }
    return n;
}

/* How many fewer are to be waited for. */
static size_t note_stop(struct tb_siblings_job *job, uint32_t tid, int status)
{
    size_t i = 0;
    while (i < job->n_threads && job->threads[i].tid != tid)
        i++;
    if (i == job->n_threads)
        return 0;
    struct tb_sibling *thread = &job->threads[i];
    size_t n = thread->state == TB_SIBLING_SEIZED;
    if (!WIFSTOPPED(status)) {
        job->n_gone += thread->state != TB_SIBLING_OVER;
        thread->state = TB_SIBLING_OVER;
        return n;
    }
    thread->state = TB_SIBLING_STOPPED;
    /* A signal that just came is not lost. */
    thread->signal = status >> 16 == STOP_EVENT ? 0 : (uint8_t)WSTOPSIG(status);
    return n;
}

/* In the kernel, waiting for a disk or for the child of a vfork. */
static size_t leave_stuck(struct tb_siblings_job *job)
{
    size_t n = 0;
    for (size_t i = 0; i < job->n_threads; i++) {
        struct tb_sibling *thread = &job->threads[i];
        if (thread->state != TB_SIBLING_SEIZED || state_of(job, thread->tid) != 'D')
            continue;
        thread->state = TB_SIBLING_STUCK;
        keep_error(job, -EBUSY);
        n++;
    }
    return n;
}

static void nap(uint64_t waited_ns)
{
    uint64_t ns = waited_ns / 8;
    if (waited_ns < SPIN_NS) {
        (void)syscall(SYS_sched_yield);
        return;
    }
    ns = ns < NAP_FIRST_NS ? NAP_FIRST_NS : ns;
    const struct timespec time = {0, (long)(ns < NAP_MOST_NS ? ns : NAP_MOST_NS)};
    (void)syscall(SYS_nanosleep, &time, NULL);
}

static void wait_for_stops(struct tb_siblings_job *job, size_t n)
{
    uint64_t start_ns = tb_clock_mono_ns();
    while (n > 0) {
        int status = 0;
        long tid = syscall(SYS_wait4, -1, &status, WNOHANG | __WALL, NULL);
        if (tid > 0) {
            n -= note_stop(job, (uint32_t)tid, status);
            continue;
        }
        if (tid < 0 && errno != EINTR)
            return;
        uint64_t now_ns = tb_clock_mono_ns();
        if (now_ns >= job->until_ns) {
            keep_error(job, -ETIMEDOUT);
            return;
        }
        if (now_ns - start_ns > STUCK_NS)
            n -= leave_stuck(job);
        nap(now_ns - start_ns);
    }
}

/* ---- look, and let go ---- */

static int has_file(const struct tb_siblings_job *job)
{
    return job->more.fd >= 0 && !job->is_file_full;
}

/* Whole chunks alone count; each begins where the one before ended. */
static uint8_t *place_of(struct tb_siblings_job *job)
{
    return job->bytes + job->len;
}

/* The chunk at its place, whose stack bytes are there already; its length. */
static size_t pack(struct tb_siblings_job *job, struct tb_crash_thread *thread, size_t stack_max)
{
    uint8_t *at = place_of(job);
    if (thread->stack_len > stack_max) {
        thread->stack_len = stack_max;
        thread->flags |= TB_CRASH_STACK_CUT;
    }
    tb_chunk_header(TB_CRASH_THREAD, TB_CRASH_THREAD_BYTES + thread->stack_len, at);
    tb_crash_thread_pack(thread, at + TB_CHUNK_HEADER_BYTES);
    return BEFORE_STACK_BYTES + thread->stack_len;
}

/* 0, or a negative errno where there is no room for it. */
static int put(struct tb_siblings_job *job, struct tb_crash_thread *thread)
{
    if (has_file(job)) {
        size_t len = pack(job, thread, job->stack_bytes);
        if (tb_slot_more_add(&job->more, place_of(job), len) == 0)
            return 0;
        job->is_file_full = 1;
    }
    if (job->len + BEFORE_STACK_BYTES > job->slot_bytes)
        return -ENOSPC;
    size_t len = pack(job, thread, job->slot_stack_bytes);
    if (job->len + len > job->slot_bytes)
        return -ENOSPC;
    job->len += len;
    return 0;
}

static void copy_stack(struct tb_siblings_job *job, uint64_t sp, struct tb_crash_thread *thread)
{
    size_t cap = has_file(job) ? job->stack_bytes : job->slot_stack_bytes;
    size_t room = sizeof(job->bytes) - job->len;
    room = room > BEFORE_STACK_BYTES ? room - BEFORE_STACK_BYTES : 0;
    cap = cap < room ? cap : room;
    thread->stack_address = (sp - RED_ZONE_BYTES) & ~(uint64_t)7;
    thread->stack_len =
        tb_memory_copy(thread->stack_address, place_of(job) + BEFORE_STACK_BYTES, cap) & ~(size_t)7;
    if (thread->stack_len == cap)
        thread->flags |= TB_CRASH_STACK_CUT;
}

static int registers(long request, uint32_t tid, struct user_regs_struct *regs)
{
    struct iovec room = {.iov_base = regs, .iov_len = sizeof(*regs)};
    return trace(request, tid, NT_PRSTATUS, (uintptr_t)&room);
}

static void call_again(uint32_t tid, struct user_regs_struct *regs)
{
    uint8_t before_ip[2];
    if (tb_memory_copy(tb_machine_thread_ip(regs) - sizeof(before_ip), before_ip,
                       sizeof(before_ip)) == sizeof(before_ip) &&
        tb_machine_thread_again(regs, before_ip))
        (void)registers(PTRACE_SETREGSET, tid, regs);
}

static void look_at(struct tb_siblings_job *job, struct tb_sibling *sibling)
{
    struct user_regs_struct regs;
    struct tb_crash_thread thread;
    memset(&thread, 0, sizeof(thread));
    thread.tid = sibling->tid;
    int err = registers(PTRACE_GETREGSET, sibling->tid, &regs);
    if (err == -ESRCH) { /* killed meanwhile */
        sibling->state = TB_SIBLING_OVER;
        job->n_gone++;
        return;
    }
    if (err == 0) {
        tb_machine_thread(&regs, thread.regs);
        copy_stack(job, tb_machine_thread_sp(&regs), &thread);
        call_again(sibling->tid, &regs);
        read_name(job, sibling->tid, thread.name);
        err = put(job, &thread);
    }
    if (err)
        keep_error(job, err);
    else
        job->n_captured++;
}

static void release_all(struct tb_siblings_job *job)
{
    for (size_t i = 0; i < job->n_threads; i++) {
        struct tb_sibling *sibling = &job->threads[i];
        if (sibling->state != TB_SIBLING_STOPPED)
            continue;
        (void)trace(PTRACE_DETACH, sibling->tid, 0, sibling->signal);
        sibling->state = TB_SIBLING_OVER;
    }
    job->released_ns = tb_clock_mono_ns();
}

int tb_siblings_help(void *arg)
{
    struct tb_siblings_job *job = arg;
    settle();
    wait_for_stops(job, seize_all(job));
    for (size_t i = 0; i < job->n_threads; i++) {
        if (job->threads[i].state != TB_SIBLING_STOPPED)
            continue;
        if (tb_clock_mono_ns() >= job->until_ns) {
            keep_error(job, -ETIMEDOUT);
            break;
        }
        look_at(job, &job->threads[i]);
    }
    release_all(job);
    job->is_done = 1;
    return 0;
}
