/* children.c - crashes in processes that this one made. */
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { CLONE_STACK_BYTES = 256 << 10 };

static atomic_int n_forks;

static void after_fork(void (*deed)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        chain(deed);
        _exit(1);
    }
    reap(pid);
}

static void in_child(void)
{
    after_fork(null_write);
}

static void abort_in_child(void)
{
    after_fork(abort);
}

static void thread_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        chain_in_thread(null_write, 0, 0);
        _exit(1);
    }
    reap(pid);
}

static void *fork_in_thread(void *arg)
{
    (void)arg;
    push_trace();
    after_fork(null_write);
    return NULL;
}

static void child_of_thread(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fork_in_thread, NULL);
    pthread_join(thread, NULL);
}

static void in_grandchild(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        after_fork(null_write);
        _exit(0);
    }
    reap(pid);
}

static void reporting_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!is_bare)
            towbar_note(TOWBAR_INFO, "in the child");
        chain(null_write);
        _exit(1);
    }
    reap(pid);
}

static void cloned_child(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        chain(null_write);
        _exit(1);
    }
    reap(pid);
}

static void vforked_child(void)
{
    pid_t pid = vfork();
    if (pid == 0) {
        chain(null_write);
        _exit(1);
    }
    reap(pid);
}

static int crash_in_clone(void *arg)
{
    (void)arg;
    chain(null_write);
    return 1;
}

/* As posix_spawn makes its child: memory shared, a stack of its own. */
static void sharing_child(void)
{
    char *stack =
        mmap(NULL, CLONE_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t pid =
        clone(crash_in_clone, stack + CLONE_STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    reap(pid);
}

/* The parent is told by the end of the pipe, and by a child of its own that reaps. */
static void daemonize(int closes)
{
    int pipes[2];
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    if (pipe(pipes) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        (void)!chdir("/");
        if (closes) {
            closefrom(0);
            open("/dev/null", O_RDWR);
            (void)!dup(0);
            (void)!dup(0);
        }
        chain(null_write);
        _exit(1);
    }
    close(pipes[1]);
    reap(pid);
    reap(-1);
}

static void daemonized(void)
{
    daemonize(0);
}

static void daemonized_and_closed(void)
{
    daemonize(1);
}

static void parent_after_child(void)
{
    after_fork(null_write);
    chain(abort);
}

static void init_in_child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (!is_bare)
            (void)towbar_init(NULL);
        chain(null_write);
        _exit(1);
    }
    reap(pid);
}

/* ---- around fork ---- */

static int is_in_handler;

static void crash_at_fork(void)
{
    if (is_in_handler)
        chain(null_write);
}

static void atfork_prepare(void)
{
    pthread_atfork(crash_at_fork, NULL, NULL);
    is_in_handler = 1;
    in_child();
}

static void atfork_parent(void)
{
    pthread_atfork(NULL, crash_at_fork, NULL);
    is_in_handler = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
}

static void atfork_child(void)
{
    pthread_atfork(NULL, NULL, crash_at_fork);
    is_in_handler = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    reap(pid);
}

static void *fork_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        n_forks++;
        waitpid(pid, NULL, 0);
    }
    return NULL;
}

KEEP static void crash_among_forks(void)
{
    spawn(fork_for_ever, NULL);
    while (n_forks < 5)
        usleep(100);
    null_write();
}

/* ---- first process of a namespace ---- */

static void as_first(void (*deed)(void))
{
    if (unshare(CLONE_NEWPID) != 0) {
        say("unshare: %s\n", strerror(errno));
        return;
    }
    after_fork(deed);
}

static void first_faults(void)
{
    as_first(null_write);
}

static void first_aborts(void)
{
    as_first(abort);
}

#define IN_CHAIN "null_write chain_here chain_middle"
#define CRASH .frames = IN_CHAIN, .signal = SIGSEGV

static const struct mode modes[] = {
    MODE("fork", "in a forked child", NULL_WRITE, .run = in_child, CRASH,
         .flags = ALONE | SHORT | NO_THREADS),
    MODE("fork-abort", "abort() in a forked child",
         SAYS("^abort.. was called$", "SIGABRT in chain_here"), .run = abort_in_child,
         .frames = "* chain_here chain_middle chain_outer", .signal = SIGABRT,
         .flags = ALONE | NO_THREADS),
    MODE("fork-thread", "in a thread of a forked child", NULL_WRITE, .run = thread_in_child, CRASH,
         .flags = ALONE | NO_THREADS),
    MODE("thread-fork", "in the child of a thread", NULL_WRITE, .run = child_of_thread, CRASH,
         .flags = ALONE | NO_THREADS),
    MODE("fork-fork", "in a grandchild", NULL_WRITE, .run = in_grandchild, CRASH,
         .flags = ALONE | NO_THREADS),
    MODE("fork-note", "in a child that used the library", NULL_WRITE, .run = reporting_child, CRASH,
         .flags = ALONE | NO_THREADS),
    MODE("fork-init", "in a child that calls towbar_init again", NULL_WRITE, .run = init_in_child,
         CRASH, .flags = ALONE | NO_THREADS),
    MODE("clone", "in a child by raw clone", NULL_WRITE, .run = cloned_child, CRASH,
         .flags = ALONE | SHORT | NO_THREADS),
    MODE("vfork", "in a child by vfork", NULL_WRITE, .run = vforked_child, CRASH,
         .flags = ALONE | SHORT | NO_THREADS),
    MODE("clone-vm", "in a child that shares memory, on its own stack", NULL_WRITE,
         .run = sharing_child, CRASH, .flags = ALONE | NO_THREADS),
    MODE("daemon", "after fork, setsid, fork", NULL_WRITE, .run = daemonized, CRASH,
         .flags = ALONE | SHORT | NO_THREADS),
    MODE("daemon-closed", "the same, with all descriptors closed", NULL_WRITE,
         .run = daemonized_and_closed, CRASH, .flags = ALONE | SHORT | NO_THREADS),
    MODE("parent-after-child", "in the child, then abort() in the parent",
         SAYS("^abort.. was called$", "SIGABRT in chain_here"), .run = parent_after_child,
         .frames = "* chain_here chain_middle", .signal = SIGABRT, .flags = ALONE | TWO_REPORTS),
    MODE("atfork-prepare", "in a prepare handler of pthread_atfork", NULL_WRITE,
         .run = atfork_prepare, CRASH, .flags = ALONE),
    MODE("atfork-parent", "in a parent handler of pthread_atfork", NULL_WRITE, .run = atfork_parent,
         CRASH, .flags = ALONE),
    MODE("atfork-child", "in a child handler of pthread_atfork", NULL_WRITE, .run = atfork_child,
         CRASH, .flags = ALONE | SHORT | NO_THREADS),
    MODE("fork-storm", "while another thread forks", NULL_WRITE, .run = crash_among_forks,
         .frames = "null_write crash_among_forks" CHAIN, .signal = SIGSEGV),
    MODE("first-process", "as process 1 of a namespace", NULL_WRITE, .run = first_faults, CRASH,
         .flags = ALONE | ROOT_ONLY | SHORT | NO_THREADS),
    MODE("first-process-abort", "abort() as process 1 of a namespace",
         SAYS("privileged instruction: hlt, which abort.. comes to", "SIGSEGV in chain_here"),
         .run = first_aborts, .frames = "* chain_here chain_middle chain_outer", .signal = SIGSEGV,
         .flags = ALONE | ROOT_ONLY | NO_THREADS),
};

const struct family children = {"children", modes, sizeof(modes) / sizeof(modes[0])};
