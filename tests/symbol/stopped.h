/* stopped.h - for the tests of src/symbol: a process with threads, each stopped where it stands;
 * its registers and stacks are read as a crash record has them. After support.h. */
#ifndef TB_TESTS_SYMBOL_STOPPED_H
#define TB_TESTS_SYMBOL_STOPPED_H

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <ucontext.h>

#include "self.h"

enum {
    N_WORKERS = 4,
    SPINNER = N_WORKERS,
    DIVER,
    N_THREADS,
    DEPTH = 60,
    STACK_BYTES = 32 << 10,
    RED_ZONE = 128,
};

/* Shared with the process whose threads these are. */
static struct {
    volatile pid_t tids[N_THREADS];
    volatile uint64_t tops[N_THREADS];
    volatile int n_ready;
} * shared;

static int work_fds[2];
static volatile int sink;

/* ---- a process with threads ---- */

__attribute__((noinline)) static void wait_for_work(void)
{
    char job;
    sink += (int)read(work_fds[0], &job, 1); /* mark: wait_for_work */
}

__attribute__((noinline)) static void spin(void)
{
    shared->n_ready++;
    for (;;)
        sink++;
}

__attribute__((noinline)) static void dive(int depth)
{
    if (depth > 0)
        dive(depth - 1);
    else
        wait_for_work();
    sink++;
}

static inline void *thread_main(void *arg)
{
    size_t k = (size_t)(uintptr_t)arg;
    char name[16];
    (void)snprintf(name, sizeof(name), k < N_WORKERS ? "worker-%zu" : "<odd>%zu", k);
    prctl(PR_SET_NAME, name);
    shared->tids[k] = (pid_t)syscall(SYS_gettid);
    shared->tops[k] = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    if (k == SPINNER)
        spin();
    else if (k == DIVER)
        dive(DEPTH);
    else
        wait_for_work();
    return NULL;
}

static inline void be_the_process(void)
{
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t k = 0; k < N_THREADS; k++) {
        if (pthread_create(&thread, NULL, thread_main, (void *)(uintptr_t)k) != 0)
            _exit(1);
    }
    pthread_join(thread, NULL);
    _exit(0);
}

/* ---- what is read of it ---- */

static struct tb_crash_thread captured[N_THREADS];
static uint8_t stacks[N_THREADS][STACK_BYTES];

/* The threads that wait do so in read; looked at until it is so. */
static inline void wait_until_blocked(pid_t pid, pid_t tid)
{
    char path[64];
    char text[64];
    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", (int)pid, (int)tid);
    for (;;) {
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        if (!fgets(text, sizeof(text), file))
            text[0] = '\0';
        fclose(file);
        if (atoi(text) == SYS_read && strncmp(text, "running", 7) != 0)
            return;
        sched_yield();
    }
}

static inline void read_thread(pid_t pid, size_t k)
{
    struct tb_crash_thread *thread = &captured[k];
    struct user_regs_struct r;
    int status;
    pid_t tid = shared->tids[k];
    assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
    assert_int_equal(waitpid(tid, &status, __WALL), tid);
    assert_int_equal(ptrace(PTRACE_GETREGS, tid, NULL, &r), 0);
    const uint64_t regs[TB_CRASH_N_REGS] = {r.r8,  r.r9,  r.r10, r.r11, r.r12, r.r13,
                                            r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx,
                                            r.rdx, r.rax, r.rcx, r.rsp, r.rip, r.eflags};
    *thread = (struct tb_crash_thread){.tid = (uint32_t)tid, .stack_address = r.rsp - RED_ZONE};
    memcpy(thread->regs, regs, sizeof(regs));
    uint64_t len = shared->tops[k] + 512 - thread->stack_address;
    assert_true(len <= STACK_BYTES);
    struct iovec to = {stacks[k], len};
    struct iovec from = {(void *)(uintptr_t)thread->stack_address, len};
    assert_int_equal(process_vm_readv(pid, &to, 1, &from, 1, 0), (ssize_t)len);
    thread->stack = stacks[k];
    thread->stack_len = len;
    (void)snprintf(thread->name, sizeof(thread->name), k < N_WORKERS ? "worker-%zu" : "<odd>%zu",
                   k);
    assert_int_equal(ptrace(PTRACE_DETACH, tid, NULL, NULL), 0);
}

static inline int capture_all(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || self_init() != 0 || pipe2(work_fds, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        be_the_process();
    while (!shared->n_ready)
        sched_yield();
    for (size_t k = 0; k < N_THREADS; k++) {
        while (shared->tids[k] == 0)
            sched_yield();
        if (k != SPINNER)
            wait_until_blocked(pid, shared->tids[k]);
        read_thread(pid, k);
    }
    kill(pid, SIGKILL);
    return waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    self_done();
    close(work_fds[0]);
    close(work_fds[1]);
    return munmap(shared, sizeof(*shared));
}

/* A crash in this function, with those threads beside it. */
static inline struct tb_crash crash_with(struct tb_crash_thread *threads, size_t n)
{
    static struct tb_crash_frame frame;
    struct tb_crash crash = {.threads = threads, .n_threads = n, .frames = &frame, .n_frames = 1};
    frame.ip = (uint64_t)(uintptr_t)crash_with + 4;
    crash.fixed.signo = SIGSEGV;
    crash.fixed.regs[REG_RIP] = frame.ip;
    return crash;
}

/* ---- groups in an answer ---- */

static inline const cJSON *threads_of(const cJSON *answer)
{
    return cJSON_GetObjectItemCaseSensitive(answer, "threads");
}

static inline const cJSON *group_with(const cJSON *answer, uint32_t tid)
{
    const cJSON *group;
    const cJSON *item;
    cJSON_ArrayForEach(group, threads_of(answer))
    {
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(group, "tids"))
        {
            if (item->valueint == (int)tid)
                return group;
        }
    }
    fail_msg("thread %u is in no group", tid);
    return NULL;
}

/* The innermost frame of that function, or NULL. */
static inline const cJSON *frame_of(const cJSON *group, const char *method)
{
    for (int i = 0; i < n_frames_of(group); i++) {
        if (strcmp(text_of(frame_at(group, i), "method"), method) == 0)
            return frame_at(group, i);
    }
    return NULL;
}

static inline int count_threads(const cJSON *answer)
{
    int n = number_of(answer, "threads_omitted");
    const cJSON *group;
    cJSON_ArrayForEach(group, threads_of(answer))
    {
        int n_tids = cJSON_GetArraySize(cJSON_GetObjectItem(group, "tids"));
        assert_true(n_tids > 0);
        assert_int_equal(n_tids, cJSON_GetArraySize(cJSON_GetObjectItem(group, "names")));
        n += n_tids;
    }
    return n;
}

#endif
