/* siblings.c - see siblings.h. The crashing thread's part: it finds the others, lets a helper look
 * at them, waits for it and puts back what was changed.
 *
 * A thread cannot trace its siblings, a process can: the helper is one that shares our memory and
 * descriptors (clone). It is no child that wait sees without __WCLONE or __WALL, and its end sends
 * no signal. It even has this thread's storage, errno with it; while it runs this thread therefore
 * makes bare system calls only, with every signal blocked but SIGSYS, which a filter may raise for
 * them. No fault can happen meanwhile, so that a helper is never left behind. */
#include "capture/threads/siblings.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "capture/lib.h"
#include "capture/crash/machine.h"
#include "capture/threads/siblings_helper.h"
#include "capture/threads/thread.h"
#include "spool/sys.h"

enum {
    STACK_BYTES = 32 << 10,
    HELPER_MS = 500,        /* of the handler's time, at most */
    LEAST_MS = 20,          /* with less there is no use in beginning */
    KILL_MS = 100,          /* what it takes to end it, and what it leaves for that */
    WAIT_STEP_MS = 10,      /* old kernels do not tell of one that was killed */
    SLOT_STACK_LEAST = 256, /* of a thread: less tells nothing, rather leave threads out */
    DIRENT_NAME_AT = 19,    /* of struct linux_dirent64 */
    DIRENT_LEN_AT = 16,
    HELPER_FLAGS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_UNTRACED | CLONE_CHILD_CLEARTID
};

static struct tb_siblings_job job;
static _Alignas(64) char helper_stack[STACK_BYTES];

/* ---- who is there ---- */

static void add_thread(uint32_t pid, uint32_t tid)
{
    /* /proc may be one of another namespace, with other numbers: is it one of ours? */
    if (syscall(SYS_tgkill, pid, tid, 0) != 0)
        return;
    job.n_there++;
    if (job.n_threads < TB_CRASH_THREADS_MAX)
        job.threads[job.n_threads++] = (struct tb_sibling){.tid = tid};
}

static uint32_t read_number(const char *text)
{
    uint32_t n = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint32_t)(*text - '0');
    return n;
}

/* The buffer is free yet. */
static int list_task_folder(uint32_t pid, uint32_t self)
{
    for (;;) {
        long len = syscall(SYS_getdents64, job.task_fd, job.bytes, sizeof(job.bytes));
        if (len <= 0)
            return len < 0 ? -errno : 0;
        uint16_t step;
        for (long at = 0; at < len; at += step) {
            uint32_t tid = read_number((const char *)job.bytes + at + DIRENT_NAME_AT);
            memcpy(&step, job.bytes + at + DIRENT_LEN_AT, sizeof(step));
            if (tid != 0 && tid != self)
                add_thread(pid, tid);
        }
    }
}

static void list_known(uint32_t pid, uint32_t self)
{
    static uint32_t tids[TB_THREAD_IDS];
    size_t n = tb_thread_ids(tids, TB_THREAD_IDS);
    for (size_t i = 0; i < n; i++) {
        if (tids[i] != self)
            add_thread(pid, tids[i]);
    }
}

static int open_task_folder(void)
{
    job.task_fd = tb_sys_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    return job.task_fd < 0 ? job.task_fd : 0;
}

/* Where /proc is not to be seen there are at least those that have a block of ours; the error says
 * that there may be others. */
static int list_threads(uint32_t pid, uint32_t self)
{
    int err = open_task_folder();
    if (err == -EMFILE && tb_sys_raise_files(&job.files))
        err = open_task_folder();
    if (err == 0)
        return list_task_folder(pid, self);
    list_known(pid, self);
    return err;
}

/* ---- the helper's life; bare calls only (the clock needs none, or sets no errno) ---- */

/* The only one that Yama lets trace is told to it by the one that is to be traced. */
static void answer(int helper)
{
    (void)tb_machine_call(SYS_prctl, PR_SET_PTRACER, helper, 0, 0);
    atomic_store(&job.word, TB_HELPER_GOES_ON);
    (void)tb_machine_call(SYS_futex, (long)(uintptr_t)&job.word, FUTEX_WAKE, 1, 0);
}

static int has_ended(int helper)
{
    long got = tb_machine_call(SYS_wait4, helper, 0, WNOHANG | (long)__WALL, 0);
    return got == helper || got == -ECHILD; /* the host may wait for all there is */
}

/* 1 when it has ended and is no zombie any more, 0 when the time is up. asked: whether it did. */
static int wait_for_helper(int helper, uint64_t until_ns, int *asked)
{
    const struct timespec step = {0, (long)WAIT_STEP_MS * TB_NS_PER_MS};
    const struct timespec pause = {0, TB_NS_PER_MS / 10};
    while (tb_clock_mono_ns() < until_ns) {
        uint32_t word = atomic_load(&job.word);
        if (word == TB_HELPER_ASKS) {
            *asked = 1;
            answer(helper);
            continue;
        }
        if (word == TB_HELPER_ENDED || has_ended(helper))
            break;
        long err = tb_machine_call(SYS_futex, (long)(uintptr_t)&job.word, FUTEX_WAIT, (long)word,
                                   (long)(uintptr_t)&step);
        if (err != 0 && err != -EAGAIN && err != -EINTR && err != -ETIMEDOUT)
            (void)tb_machine_call(SYS_nanosleep, (long)(uintptr_t)&pause, 0, 0, 0);
    }
    /* With its memory let go it is about to end, or has. */
    if (atomic_load(&job.word) == TB_HELPER_ENDED)
        while (tb_machine_call(SYS_wait4, helper, 0, (long)__WALL, 0) == -EINTR)
            ;
    else if (!has_ended(helper))
        return 0;
    return 1;
}

static int run_helper(uint64_t until_ns)
{
    int asked = 0;
    int err = 0;
    job.word = TB_HELPER_RUNS;
    int helper = clone(tb_siblings_help, helper_stack + STACK_BYTES, HELPER_FLAGS, &job, NULL, NULL,
                       &job.word);
    if (helper < 0)
        return -errno;
    if (!wait_for_helper(helper, until_ns, &asked)) {
        /* What it traces the kernel lets go. */
        err = -ETIMEDOUT;
        (void)tb_machine_call(SYS_kill, helper, SIGKILL, 0, 0);
        (void)wait_for_helper(helper, until_ns + (uint64_t)KILL_MS * TB_NS_PER_MS, &asked);
    }
    if (asked)
        (void)tb_machine_call(SYS_prctl, PR_SET_PTRACER, 0, 0, 0);
    if (job.is_dumpable_changed)
        (void)tb_machine_call(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0);
    if (err == 0 && !job.is_done)
        err = -EFAULT; /* it was killed, by a fault or by a filter */
    return err;
}

/* With every signal blocked but the one that a filter may raise for a call. */
static int run_helper_alone(uint64_t until_ns)
{
    const uint64_t all = ~((uint64_t)1 << (SIGSYS - 1));
    uint64_t before;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, TB_KERNEL_SIGSET_BYTES) != 0)
        return -errno;
    int err = run_helper(until_ns);
    (void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, TB_KERNEL_SIGSET_BYTES);
    return err;
}

/* ---- the whole ---- */

/* What is left for the stack of each when n threads share so much. */
static size_t share_of(size_t bytes, size_t n)
{
    const size_t rest = TB_CHUNK_HEADER_BYTES + TB_CRASH_THREAD_BYTES;
    size_t each = bytes / n & ~(size_t)7;
    if (each <= rest)
        return 0;
    return each - rest < TB_SIBLINGS_STACK_MAX ? each - rest : TB_SIBLINGS_STACK_MAX;
}

static void prepare(const struct tb_slot *slot, size_t reserve_bytes)
{
    size_t room = tb_slot_room(slot);
    room = room > reserve_bytes ? room - reserve_bytes : 0;
    job.slot_bytes = room < TB_SIBLINGS_SLOT_MAX ? room : TB_SIBLINGS_SLOT_MAX;
    job.slot_stack_bytes = share_of(job.slot_bytes, job.n_threads);
    if (job.slot_stack_bytes < SLOT_STACK_LEAST)
        job.slot_stack_bytes = SLOT_STACK_LEAST;
    job.stack_bytes = share_of(TB_CRASH_MORE_MAX, job.n_threads);
    tb_lib_check_dir();
    /* Without it they go into the slot. */
    if (tb_slot_more_open(&job.more, slot, tb_lib.dirfd) == -EMFILE &&
        tb_sys_raise_files(&job.files))
        (void)tb_slot_more_open(&job.more, slot, tb_lib.dirfd);
}

static void forget_last(void)
{
    job.n_threads = 0;
    job.n_there = 0;
    job.is_file_full = 0;
    job.err = 0;
    job.is_done = 0;
    job.is_dumpable_changed = 0;
    job.n_captured = 0;
    job.n_gone = 0;
    job.stopped_ns = 0;
    job.released_ns = 0;
    job.len = 0;
}

static uint64_t helper_until(uint64_t until_ns)
{
    uint64_t most = tb_clock_mono_ns() + (uint64_t)HELPER_MS * TB_NS_PER_MS;
    until_ns -= (uint64_t)KILL_MS * TB_NS_PER_MS;
    return until_ns < most ? until_ns : most;
}

static int look(const struct tb_slot *slot, uint64_t until_ns, size_t reserve_bytes)
{
    uint64_t end_ns = helper_until(until_ns);
    if (end_ns < tb_clock_mono_ns() + (uint64_t)LEAST_MS * TB_NS_PER_MS)
        return -ETIMEDOUT;
    /* It stops by itself before it is ended. */
    job.until_ns = end_ns - (uint64_t)LEAST_MS / 2 * TB_NS_PER_MS;
    prepare(slot, reserve_bytes);
    int err = run_helper_alone(end_ns);
    tb_slot_more_close(&job.more, tb_lib.dirfd);
    return err;
}

static void tell(int err, struct tb_siblings *out)
{
    if (err == 0)
        err = job.err;
    if (err == 0 && job.n_there > job.n_threads)
        err = -E2BIG;
    out->about.n_there = job.n_there - job.n_gone;
    out->about.n_captured = job.n_captured;
    out->about.err = err;
    if (job.released_ns > job.stopped_ns && job.stopped_ns > 0)
        out->about.stopped_ns = job.released_ns - job.stopped_ns;
    out->chunks = job.bytes;
    out->chunks_len = job.len;
}

int tb_siblings_count(void)
{
    enum { OF_FOLDER = 2, THIS_THREAD = 1 };
    struct stat st;
    if (syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &st, 0) != 0 ||
        st.st_nlink < OF_FOLDER + THIS_THREAD)
        return -1;
    return (int)st.st_nlink - OF_FOLDER - THIS_THREAD;
}

void tb_siblings_look(const struct tb_slot *slot, uint32_t pid, uint64_t until_ns,
                      size_t reserve_bytes, struct tb_siblings *out)
{
    int self = tb_sys_gettid();
    memset(out, 0, sizeof(*out));
    if (tb_siblings_count() == 0)
        return; /* most often: a list of them costs ten times as much */
    if (self <= 0)
        return; /* a filter forbids to ask: no way to tell the others from this one */
    forget_last();
    int err = list_threads(pid, (uint32_t)self);
    if (job.n_threads > 0) {
        int look_err = look(slot, until_ns, reserve_bytes);
        tell(look_err ? look_err : err, out);
    }
    if (job.task_fd >= 0)
        tb_sys_close(job.task_fd);
    tb_sys_restore_files(&job.files);
}
