/* crowd.c - dies while other threads are there; for tests/capture/threads/test_siblings.c.
 *
 * crowd WAY, with CROWD_THREADS others (50). Each is in wait_here with its number on its stack. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

#include "supervisor.h"

/* Aligned, so that tests can tell the functions apart by address alone. */
#define NOINLINE __attribute__((noinline, aligned(256)))
enum { NOBODY = 65534, MARK = 0x7ea5 };

static volatile int n_ready;
static volatile int zero;
static volatile int is_spinning;
static int n_threads = 50;

static void start(void)
{
    int err = towbar_init(NULL);
    if (err)
        fprintf(stderr, "towbar_init: %d %s\n", err, towbar_status());
}

/* The address that the kernel sees is in this function, not in libc. */
NOINLINE static void wait_here(long number)
{
    volatile long mark[64];
    for (int i = 0; i < 64; i++)
        mark[i] = (long)MARK << 32 | number;
    __sync_fetch_and_add(&n_ready, 1);
    while (is_spinning)
        ;
    for (;;) {
        long result = SYS_pause;
        __asm__ volatile("syscall" : "+a"(result) : "r"(mark) : "rcx", "r11", "memory");
    }
}

static void *one(void *number)
{
    char name[16];
    snprintf(name, sizeof(name), "crowd-%ld", (long)number);
    prctl(PR_SET_NAME, name);
    wait_here((long)number);
    return NULL;
}

static void gather(int n)
{
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    for (int i = 0; i < n; i++)
        if (pthread_create(&thread, &attr, one, (void *)(long)i) != 0)
            exit(3);
    while (n_ready < n)
        usleep(100);
}

NOINLINE static void die(void)
{
    *(volatile int *)(size_t)(zero + 16) = 1;
}

static void drop_root(void)
{
    if (geteuid() == 0 && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
        exit(4);
}

static void limit(int what, rlim_t to)
{
    const struct rlimit none = {to, to};
    setrlimit(what, &none);
}

static void limit_soft(int what, rlim_t to)
{
    struct rlimit now;
    getrlimit(what, &now);
    now.rlim_cur = to;
    setrlimit(what, &now);
}

/* The system call answers with action. The library does not hear of it, as of a filter from before
 * exec. */
static void filter(unsigned number, unsigned action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        exit(5);
}

/* ---- ways ---- */

static void sleepers(void)
{
    start();
    gather(n_threads);
}

static void spinners(void)
{
    start();
    is_spinning = 1;
    gather(n_threads);
}

static void blocked(void)
{
    sigset_t all;
    start();
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    gather(n_threads);
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}

static void alone(void)
{
    start();
}

/* Its slot is its own, then. */
static void nobody(void)
{
    drop_root();
    sleepers();
}

/* Its slot is root's. */
static void dropped(void)
{
    start();
    drop_root();
    gather(n_threads);
}

/* Real and saved user stay root. */
static void effective_user(void)
{
    sleepers();
    if (seteuid(NOBODY))
        exit(4);
}

static void not_dumpable(void)
{
    sleepers();
    prctl(PR_SET_DUMPABLE, 0);
}

static void nobody_not_dumpable(void)
{
    nobody();
    prctl(PR_SET_DUMPABLE, 0);
}

static void nobody_dumpable(void)
{
    nobody();
    prctl(PR_SET_DUMPABLE, 1);
}

static void leave(int signo)
{
    (void)signo;
    _exit(9);
}

static void has_handler(void)
{
    struct sigaction action = {.sa_handler = leave};
    sigaction(SIGSEGV, &action, NULL);
    sleepers();
}

static void *wait_for_all(void *arg)
{
    __sync_fetch_and_add(&n_ready, 1);
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid >= 0 || errno != ECHILD)
            (void)!write(STDOUT_FILENO, "waited\n", 7);
    }
    return arg;
}

static void waiter(void)
{
    pthread_t thread;
    sleepers();
    pthread_create(&thread, NULL, wait_for_all, NULL);
    while (n_ready <= n_threads)
        usleep(100);
}

static void on_child(int signo)
{
    (void)signo;
    (void)!write(STDOUT_FILENO, "a child\n", 8);
}

static void child_handler(void)
{
    struct sigaction action = {.sa_handler = on_child};
    sigaction(SIGCHLD, &action, NULL);
    sleepers();
}

static void no_ptrace(void)
{
    sleepers();
    filter(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM);
}

static void trapped_ptrace(void)
{
    sleepers();
    filter(SYS_ptrace, SECCOMP_RET_TRAP);
}

static void killed_ptrace(void)
{
    sleepers();
    filter(SYS_ptrace, SECCOMP_RET_KILL_PROCESS);
}

static void held_ptrace(void)
{
    sleepers();
    supervise(SUPERVISE_NEVER_ANSWERS);
}

static void faulting_ptrace(void)
{
    sleepers();
    supervise(SUPERVISE_FAULTS);
}

static void cut_slot(void)
{
    sleepers();
    supervise(SUPERVISE_CUTS);
}

static void yama(void)
{
    sleepers();
    supervise(SUPERVISE_YAMA);
}

static void no_clone(void)
{
    sleepers();
    filter(SYS_clone, SECCOMP_RET_ERRNO | EAGAIN);
}

static void trapped_clone(void)
{
    sleepers();
    filter(SYS_clone, SECCOMP_RET_TRAP);
}

static void no_file_size(void)
{
    sleepers();
    limit(RLIMIT_FSIZE, 0);
}

/* Room for the header and a few frames. */
static void small_file_size(void)
{
    sleepers();
    limit(RLIMIT_FSIZE, 256 << 10);
}

static void no_descriptors(void)
{
    sleepers();
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

static void use_up_descriptors(void)
{
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
}

static void no_descriptor_left(void)
{
    limit_soft(RLIMIT_NOFILE, 256);
    sleepers();
    use_up_descriptors();
}

static void no_descriptor_to_be_had(void)
{
    limit(RLIMIT_NOFILE, 256);
    sleepers();
    use_up_descriptors();
}

static void no_proc(void)
{
    sleepers();
    if (chroot(".") != 0)
        exit(7);
}

static void no_processes(void)
{
    nobody();
    limit(RLIMIT_NPROC, 1);
}

static void no_memory(void)
{
    sleepers();
    limit(RLIMIT_AS, 1);
    limit(RLIMIT_DATA, 1);
}

static volatile int vfork_tid;

static void *in_vfork(void *arg)
{
    static const struct timespec long_time = {1000, 0};
    (void)arg;
    vfork_tid = (int)syscall(SYS_gettid);
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        syscall(SYS_nanosleep, &long_time, NULL);
        _exit(0);
    }
    return NULL;
}

static void wait_for_state(const volatile int *tid, const char *state)
{
    char text[512] = "";
    char path[64];
    while (!strstr(text, state)) {
        snprintf(path, sizeof(path), "/proc/self/task/%d/stat", *tid);
        int fd = open(path, O_RDONLY);
        (void)!read(fd, text, sizeof(text) - 1);
        close(fd);
    }
}

/* The kernel says that the thread waits for the child. */
static void vforker(void)
{
    pthread_t thread;
    sleepers();
    pthread_create(&thread, NULL, in_vfork, NULL);
    wait_for_state(&vfork_tid, ") D ");
}

static void *die_now(void *arg)
{
    const int pid = getpid();
    (void)arg;
    wait_for_state(&pid, ") Z ");
    die();
    return NULL;
}

static void main_ended(void)
{
    pthread_t thread;
    sleepers();
    pthread_create(&thread, NULL, die_now, NULL);
    pthread_exit(NULL);
}

/* A tracer has the last thread already. */
static void traced(void)
{
    int ready[2];
    char byte;
    sleepers();
    if (pipe(ready))
        exit(6);
    pid_t victim = getpid();
    if (fork() == 0) {
        for (int tid = victim + 1;; tid++) {
            if (syscall(SYS_tgkill, victim, tid, 0) != 0)
                continue;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0)
                _exit(1);
            (void)!write(ready[1], "", 1);
            for (;;)
                pause();
        }
    }
    (void)!read(ready[0], &byte, 1);
}

static void *end_at_once(void *arg)
{
    return arg;
}

static void *start_more(void *arg)
{
    for (;;) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, end_at_once, arg) == 0)
            pthread_detach(thread);
    }
    return NULL;
}

static void storm(void)
{
    pthread_t thread;
    sleepers();
    for (int i = 0; i < 2; i++)
        pthread_create(&thread, NULL, start_more, NULL);
    usleep(1000);
}

static const struct {
    const char *name;
    void (*go)(void);
} ways[] = {
    {"sleepers", sleepers},
    {"spinners", spinners},
    {"blocked", blocked},
    {"alone", alone},
    {"nobody", nobody},
    {"dropped", dropped},
    {"effective-user", effective_user},
    {"not-dumpable", not_dumpable},
    {"nobody-not-dumpable", nobody_not_dumpable},
    {"nobody-dumpable", nobody_dumpable},
    {"has-handler", has_handler},
    {"waiter", waiter},
    {"child-handler", child_handler},
    {"no-ptrace", no_ptrace},
    {"trapped-ptrace", trapped_ptrace},
    {"killed-ptrace", killed_ptrace},
    {"held-ptrace", held_ptrace},
    {"faulting-ptrace", faulting_ptrace},
    {"cut-slot", cut_slot},
    {"yama", yama},
    {"no-clone", no_clone},
    {"trapped-clone", trapped_clone},
    {"no-file-size", no_file_size},
    {"small-file-size", small_file_size},
    {"no-descriptors", no_descriptors},
    {"no-descriptor-left", no_descriptor_left},
    {"no-descriptor-to-be-had", no_descriptor_to_be_had},
    {"no-proc", no_proc},
    {"no-processes", no_processes},
    {"no-memory", no_memory},
    {"vforker", vforker},
    {"main-ended", main_ended},
    {"traced", traced},
    {"storm", storm},
};

int main(int argc, char **argv)
{
    const char *n = getenv("CROWD_THREADS");
    if (n)
        n_threads = (int)strtol(n, NULL, 10);
    printf("wait_here %p\n", (void *)(size_t)wait_here);
    fflush(stdout);
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(ways[i].name, argv[1]) != 0)
            continue;
        ways[i].go();
        die();
    }
    return 2;
}
