/* siblings.c - what the other threads do when one crashes: their stacks are to be in the report,
 * and they are not to notice. */
#include "torture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { MANY = 1000, SMALL_STACK_BYTES = 16 << 10, LEAST_US = 20000, COROUTINE_BYTES = 64 << 10 };

static atomic_int n_ready;

/* In the state that they are to be in a moment later. */
static void wait_for(int n)
{
    while (n_ready < n)
        usleep(100);
    usleep(LEAST_US);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

/* ---- calls that a stop must not break off: whoever comes back says so, and ends the program ----
 */

KEEP static void *wait_in_epoll(void *arg)
{
    struct epoll_event event;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    (void)arg;
    n_ready++;
    int n = epoll_wait(fd, &event, 1, -1);
    say("epoll_wait %d errno %d\n", n, errno);
    _exit(11);
}

KEEP static void *wait_in_sigwait(void *arg)
{
    sigset_t all;
    siginfo_t info;
    (void)arg;
    block_all();
    sigfillset(&all);
    n_ready++;
    int signo = sigwaitinfo(&all, &info);
    say("sigwaitinfo %d errno %d\n", signo, errno);
    _exit(12);
}

KEEP static void *wait_in_semop(void *arg)
{
    struct sembuf take = {.sem_op = -1};
    int id = semget(IPC_PRIVATE, 1, 0600);
    (void)arg;
    n_ready++;
    if (fork() == 0) { /* removes it, whoever lives then */
        setsid();
        sleep(1);
        semctl(id, 0, IPC_RMID);
        _exit(0);
    }
    int err = semop(id, &take, 1);
    say("semop %d errno %d\n", err, errno);
    _exit(13);
}

KEEP static void *wait_in_nanosleep(void *arg)
{
    const struct timespec long_time = {1000, 0};
    (void)arg;
    n_ready++;
    int err = nanosleep(&long_time, NULL);
    say("nanosleep %d errno %d\n", err, errno);
    _exit(14);
}

KEEP static void *wait_in_read(void *arg)
{
    int ends[2];
    char byte;
    (void)arg;
    if (pipe(ends) != 0)
        return NULL;
    n_ready++;
    ssize_t n = read(ends[0], &byte, 1);
    say("read %zd errno %d\n", n, errno);
    _exit(15);
}

/* Every child there is, made how so ever. */
KEEP static void *wait_for_any_child(void *arg)
{
    int status;
    (void)arg;
    n_ready++;
    pid_t pid = waitpid(-1, &status, 0);
    say("waitpid %s\n", pid > 0 ? "got a child" : "failed");
    _exit(16);
}

KEEP static void crash_among_waiters(void)
{
    spawn(wait_in_epoll, NULL);
    spawn(wait_in_sigwait, NULL);
    spawn(wait_in_nanosleep, NULL);
    spawn(wait_in_read, NULL);
    wait_for(4);
    null_write();
}

KEEP static void crash_beside_semop(void)
{
    spawn(wait_in_semop, NULL);
    wait_for(1);
    null_write();
}

KEEP static void crash_beside_waitpid(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        wait_forever();
    }
    spawn(wait_for_any_child, NULL);
    wait_for(1);
    null_write();
}

/* ---- states that are hard to stop or to read ---- */

KEEP static void *wait_blocked(void *arg)
{
    (void)arg;
    block_all();
    n_ready++;
    wait_forever();
    return NULL;
}

KEEP static void crash_among_blocked(void)
{
    for (int i = 0; i < 4; i++)
        spawn(wait_blocked, NULL);
    wait_for(4);
    null_write();
}

/* The kernel wakes it for nothing but death until the child is gone. */
KEEP static void *wait_in_vfork(void *arg)
{
    (void)arg;
    n_ready++;
    pid_t pid = vfork();
    if (pid == 0) {
        sleep(1000);
        _exit(0);
    }
    return NULL;
}

KEEP static void crash_beside_vfork(void)
{
    spawn(wait_in_vfork, NULL);
    wait_for(1);
    null_write();
}

KEEP static void *wait_on_own_stack(void *arg)
{
    static char stack[COROUTINE_BYTES];
    static ucontext_t here;
    static ucontext_t there;
    (void)arg;
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof(stack);
    makecontext(&there, wait_forever, 0);
    n_ready++;
    swapcontext(&here, &there);
    return NULL;
}

KEEP static void crash_beside_coroutine(void)
{
    spawn(wait_on_own_stack, NULL);
    wait_for(1);
    null_write();
}

KEEP static void *wait_without_stack(void *arg)
{
    (void)arg;
    n_ready++;
#if defined(__x86_64__)
    __asm__ volatile("mov $16, %%rsp\n\tmov $16, %%rbp\n1:\tpause\n\tjmp 1b" ::: "memory");
#endif
    return NULL;
}

KEEP static void crash_beside_lost_stack(void)
{
    spawn(wait_without_stack, NULL);
    wait_for(1);
    null_write();
}

KEEP static void *end_for_ever(void *arg)
{
    (void)arg;
    spawn(end_for_ever, NULL);
    n_ready++;
    return NULL;
}

KEEP static void crash_among_ends(void)
{
    spawn(end_for_ever, NULL);
    spawn(end_for_ever, NULL);
    wait_for(100);
    null_write();
}

static void wait_small(void *(*body)(void *), int n)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, SMALL_STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < n; i++)
        if (pthread_create(&thread, &attributes, body, NULL) != 0)
            say("no thread\n");
}

KEEP static void crash_among_many(void)
{
    wait_small(wait_blocked, MANY);
    wait_for(MANY);
    null_write();
}

/* As strace -f does it. */
static void trace_thread(pid_t traced_tid, int fd)
{
    int status;
    pid_t tid;
    if (ptrace(PTRACE_SEIZE, traced_tid, 0, 0) != 0 || write(fd, "", 1) != 1)
        _exit(1);
    while ((tid = waitpid(-1, &status, __WALL)) > 0) {
        if (!WIFSTOPPED(status))
            continue;
        int signo = status >> 16 != 0 ? 0 : WSTOPSIG(status);
        ptrace(PTRACE_CONT, tid, 0, (void *)(intptr_t)signo);
    }
    _exit(0);
}

static pid_t traced;

KEEP static void *wait_traced(void *arg)
{
    traced = (pid_t)syscall(SYS_gettid);
    (void)arg;
    n_ready++;
    wait_forever();
    return NULL;
}

KEEP static void crash_beside_traced(void)
{
    char byte;
    int ends[2];
    spawn(wait_traced, NULL);
    wait_for(1);
    if (pipe(ends) != 0)
        return;
    if (fork() == 0)
        trace_thread(traced, ends[1]);
    if (read(ends[0], &byte, 1) != 1)
        say("not traced\n");
    null_write();
}

/* ---- what reaches the thread while it dies ---- */

/* The word of its slot that says whether a record is being written; NULL without. */
static volatile unsigned *find_state(void)
{
    enum { STATE_AT = 128 };
    char line[512];
    unsigned long start;
    FILE *maps = fopen("/proc/self/maps", "r");
    volatile unsigned *found = NULL;
    while (maps && !found && fgets(line, sizeof(line), maps))
        if (strstr(line, ".slot") && sscanf(line, "%lx-", &start) == 1)
            found = (volatile unsigned *)(start + STATE_AT);
    if (maps)
        fclose(maps);
    return found;
}

static void *crash_cancellable(void *arg)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    push_trace();
    n_ready++;
    chain((void (*)(void))arg);
    return NULL;
}

static void crash_and_be_cancelled(void)
{
    enum { ARMED = 1 };
    pthread_t thread;
    volatile unsigned *state = find_state();
    pthread_create(&thread, NULL, crash_cancellable, (void *)null_write);
    while (!state || *state == ARMED)
        sink++;
    pthread_cancel(thread);
    pthread_join(thread, NULL);
}

/* ---- threads that others make ---- */

static int overflow_c11(void *deed)
{
    push_trace();
    chain((void (*)(void))deed);
    return 0;
}

KEEP static void overflow_here(void)
{
    volatile char room[512];
    room[0] = (char)sink;
    overflow_here();
    sink += room[0];
}

static void overflow_in_c11_thread(void)
{
    thrd_t thread;
    if (thrd_create(&thread, overflow_c11, (void *)overflow_here) == thrd_success)
        thrd_join(thread, NULL);
}

static atomic_int may_crash;

static void *overflow_when_told(void *arg)
{
    (void)arg;
    while (!may_crash)
        usleep(100);
    push_trace();
    chain(overflow_here);
    return NULL;
}

static void start_early(void)
{
    spawn(overflow_when_told, NULL);
}

static void overflow_in_early_thread(void)
{
    may_crash = 1;
    wait_forever();
}

static void *do_nothing(void *arg)
{
    return arg;
}

static void overflow_twice(void)
{
    for (int i = 0; i < 64; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, do_nothing, NULL) == 0)
            pthread_join(thread, NULL);
    }
    chain_in_thread(overflow_here, 0, 0);
}

#define OVERFLOW "overflow_here overflow_here overflow_here"

static const struct mode modes[] = {
    MODE("sibling-waits", "others in epoll_wait, sigwaitinfo, nanosleep and read", NULL_WRITE,
         .run = crash_among_waiters, .frames = "null_write crash_among_waiters" CHAIN,
         .signal = SIGSEGV, .flags = SHORT,
         .siblings = "wait_in_epoll wait_in_sigwait wait_in_nanosleep wait_in_read"),
    MODE("sibling-semop", "another in semop", NULL_WRITE, .run = crash_beside_semop,
         .frames = "null_write crash_beside_semop" CHAIN, .signal = SIGSEGV,
         .siblings = "wait_in_semop"),
    MODE("sibling-waitpid", "another in waitpid for any child", NULL_WRITE,
         .run = crash_beside_waitpid, .frames = "null_write crash_beside_waitpid" CHAIN,
         .signal = SIGSEGV, .siblings = "wait_for_any_child"),
    MODE("sibling-blocked", "others with all signals blocked", NULL_WRITE,
         .run = crash_among_blocked, .frames = "null_write crash_among_blocked" CHAIN,
         .signal = SIGSEGV, .siblings = "wait_blocked"),
    MODE("sibling-vfork", "another waits for its child by vfork", NULL_WRITE,
         .run = crash_beside_vfork, .frames = "null_write crash_beside_vfork" CHAIN,
         .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("sibling-coroutine", "another on a stack of the program's own", NULL_WRITE,
         .run = crash_beside_coroutine, .frames = "null_write crash_beside_coroutine" CHAIN,
         .signal = SIGSEGV, .siblings = "wait_forever"),
    MODE("sibling-lost", "another whose stack pointer is wild", NULL_WRITE,
         .run = crash_beside_lost_stack, .frames = "null_write crash_beside_lost_stack" CHAIN,
         .signal = SIGSEGV, .siblings = "wait_without_stack"),
    MODE("sibling-ends", "others end and start", NULL_WRITE, .run = crash_among_ends,
         .frames = "null_write crash_among_ends" CHAIN, .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("sibling-many", "a thousand others", NULL_WRITE, .run = crash_among_many,
         .frames = "null_write crash_among_many" CHAIN, .signal = SIGSEGV, .flags = NO_SANITIZER,
         .siblings = "wait_blocked"),
    MODE("sibling-traced", "another has a tracer already", NULL_WRITE, .run = crash_beside_traced,
         .frames = "null_write crash_beside_traced" CHAIN, .signal = SIGSEGV),
    MODE("cancelled", "cancelled asynchronously while it crashes", NULL_WRITE,
         .run = crash_and_be_cancelled, .frames = "null_write" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | SHORT | NO_SANITIZER),
    MODE("overflow-c11", "stack overflow of a thread by thrd_create",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow_here calls itself",
              "stack overflow in overflow_here"),
         .run = overflow_in_c11_thread, .frames = OVERFLOW, .signal = SIGSEGV,
         .flags = ALONE | NO_SANITIZER),
    MODE("overflow-reused", "the same after many threads came and went",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow_here calls itself",
              "stack overflow in overflow_here"),
         .run = overflow_twice, .frames = OVERFLOW, .signal = SIGSEGV,
         .flags = ALONE | NO_SANITIZER),
    MODE("overflow-early", "the same in a thread made before towbar_init",
         SAYS("^pid .*, killed by SIGSEGV.*: its signal was blocked, or the program had set "
              "another handler or none, or there was no stack",
              "overflow-early vanished: killed by SIGSEGV"),
         .before = start_early, .run = overflow_in_early_thread, .frames = OVERFLOW,
         .signal = SIGSEGV, .flags = ALONE | UNSEEN | NO_SANITIZER, .fails = "core",
         .why = "made before towbar_init, it has an alternate stack only after "
                "towbar_thread_enter; the core's si_code says so"),
};

const struct family siblings = {"siblings", modes, sizeof(modes) / sizeof(modes[0])};
