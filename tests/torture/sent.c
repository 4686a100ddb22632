/* sent.c - signals that are sent, by the process itself, by another one, by timers and limits. */
#include "torture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RAISE(function, signo)                                                                     \
    KEEP static void function(void)                                                                \
    {                                                                                              \
        raise(signo);                                                                              \
        sink++;                                                                                    \
    }

RAISE(raise_segv, SIGSEGV)
RAISE(raise_bus, SIGBUS)
RAISE(raise_fpe, SIGFPE)
RAISE(raise_ill, SIGILL)
RAISE(raise_abrt, SIGABRT)
RAISE(raise_trap, SIGTRAP)
RAISE(raise_sys, SIGSYS)
RAISE(raise_quit, SIGQUIT)
RAISE(raise_term, SIGTERM)
RAISE(raise_kill, SIGKILL)

KEEP static void kill_self(void)
{
    kill(getpid(), SIGSEGV);
    sink++;
}

KEEP static void kill_group(void)
{
    setpgid(0, 0);
    kill(0, SIGSEGV);
    sink++;
}

KEEP static void tgkill_self(void)
{
    syscall(SYS_tgkill, getpid(), gettid(), SIGBUS);
    sink++;
}

KEEP static void sigqueue_self(void)
{
    sigqueue(getpid(), SIGABRT, (union sigval){.sival_int = 42});
    sink++;
}

/* As another crash handler re-sends what it got: the code says "fault", but nothing will fault. */
KEEP static void resend_as_fault(void)
{
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    info.si_signo = SIGSEGV;
    info.si_code = SEGV_MAPERR;
    info.si_addr = (void *)(uintptr_t)16;
    syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGSEGV, &info);
    sink++;
}

/* Until the other sleeps, or has worked for so many hundredths of a second. */
static void watch(pid_t target, unsigned long ticks)
{
    char path[64];
    char state = '?';
    unsigned long worked = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)target);
    while (ticks > 0 ? worked < ticks : state != 'S') {
        FILE *file = fopen(path, "r");
        if (!file || fscanf(file, "%*d %*s %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &state,
                            &worked) != 2)
            _exit(1);
        fclose(file);
        usleep(100);
    }
}

/* A child that sends it to us when we sleep, or have worked for a while. */
static void send_from_child(int signo, int stops_first, unsigned long ticks)
{
    pid_t target = getpid();
    if (fork() != 0)
        return;
    watch(target, ticks);
    if (stops_first) {
        kill(target, SIGSTOP);
        syscall(SYS_tgkill, target, target,
                signo); /* of a stopped process any thread may take it */
        kill(target, SIGCONT);
    } else if (signo != SIGKILL) {
        syscall(SYS_tgkill, target, target, signo);
    } else {
        kill(target, signo);
    }
    _exit(0);
}

KEEP static void wait_for_kill(void)
{
    send_from_child(SIGSEGV, 0, 0);
    wait_forever();
}

KEEP static void wait_for_abort(void)
{
    send_from_child(SIGABRT, 0, 0);
    wait_forever();
}

KEEP static void wait_for_sigkill(void)
{
    send_from_child(SIGKILL, 0, 0);
    wait_forever();
}

KEEP static void wait_stopped_for_sigkill(void)
{
    send_from_child(SIGKILL, 1, 0);
    wait_forever();
}

KEEP static void wait_stopped(void)
{
    send_from_child(SIGSEGV, 1, 0);
    wait_forever();
}

KEEP static void wait_in_read(void)
{
    int pipes[2];
    char byte;
    if (pipe(pipes) != 0)
        return;
    send_from_child(SIGSEGV, 0, 0);
    for (;;)
        (void)!read(pipes[0], &byte, 1);
}

/* The signal is let through for this call alone. */
KEEP static void wait_in_ppoll(void)
{
    sigset_t segv;
    sigset_t none;
    sigemptyset(&segv);
    sigemptyset(&none);
    sigaddset(&segv, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &segv, NULL);
    send_from_child(SIGSEGV, 0, 0);
    for (;;)
        ppoll(NULL, 0, NULL, &none);
}

KEEP static void spin_until_kill(void)
{
    send_from_child(SIGSEGV, 0, 3);
    for (;;)
        sink++;
}

static void *wait_in_thread(void *arg)
{
    push_trace();
    *(atomic_int *)arg = 1;
    wait_forever();
    return NULL;
}

KEEP static void join_until_kill(void)
{
    pthread_t thread;
    atomic_int is_there = 0;
    pthread_create(&thread, NULL, wait_in_thread, &is_there);
    while (!is_there)
        usleep(100);
    pthread_kill(thread, SIGSEGV);
    pthread_join(thread, NULL);
}

KEEP static void wait_for_timer(void)
{
    timer_t timer;
    struct sigevent event;
    struct itimerspec soon = {.it_value = {0, 1000000}};
    memset(&event, 0, sizeof(event));
    event.sigev_notify = SIGEV_SIGNAL;
    event.sigev_signo = SIGSEGV;
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    timer_settime(timer, 0, &soon, NULL);
    wait_forever();
}

/* ---- signals that end a program and are none of ours ---- */

KEEP static void wait_for_alarm(void)
{
    struct itimerval soon = {.it_value = {0, 1000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    wait_forever();
}

KEEP static void write_to_nobody(void)
{
    int pipes[2];
    if (pipe(pipes) != 0)
        return;
    close(pipes[0]);
    sink = (int)write(pipes[1], "", 1);
}

KEEP static void use_up_cpu(void)
{
    raise(SIGXCPU); /* as the kernel does after a second of it */
}

KEEP static void write_beyond_limit(void)
{
    struct rlimit none = {0, 0};
    int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    setrlimit(RLIMIT_FSIZE, &none);
    sink = (int)write(fd, "", 1);
}

/* ---- blocked and traced ---- */

static void block(int signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

KEEP static void fault_while_blocked(void)
{
    block(SIGSEGV);
    null_write();
}

KEEP static void raise_blocked_then_unblock(void)
{
    sigset_t set;
    block(SIGSEGV);
    raise(SIGSEGV);
    say("still here\n");
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    sink++;
}

/* As strace does it: every signal is passed on. */
static void trace_parent(void)
{
    pid_t target = getppid();
    int status;
    if (ptrace(PTRACE_SEIZE, target, 0, 0) != 0)
        _exit(1);
    syscall(SYS_tgkill, target, target, SIGUSR1);
    while (waitpid(target, &status, __WALL) == target && WIFSTOPPED(status)) {
        int signo = WSTOPSIG(status);
        int is_event = status >> 16 != 0;
        ptrace(PTRACE_CONT, target, 0,
               (void *)(intptr_t)(is_event || signo == SIGUSR1 ? 0 : signo));
        if (signo == SIGUSR1)
            syscall(SYS_tgkill, target, target, SIGUSR2);
    }
    _exit(0);
}

KEEP static void crash_traced(void)
{
    sigset_t set;
    int got;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (fork() == 0)
        trace_parent();
    sigwait(&set, &got);
    null_write();
}

#define CGROUP "/sys/fs/cgroup/memory/towbar-torture"

static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    if (fd >= 0)
        close(fd);
    return n > 0;
}

/* Where there is such a group (cgroup v1, root) the kernel kills; else it kills itself. */
KEEP static void use_up_memory(void)
{
    enum { CHUNK_BYTES = 1 << 20, CHUNKS = 256 };
    char pid[16];
    (void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
    if ((mkdir(CGROUP, 0755) == 0 || errno == EEXIST) &&
        write_file(CGROUP "/memory.limit_in_bytes", "33554432") &&
        write_file(CGROUP "/cgroup.procs", pid)) {
        for (int i = 0; i < CHUNKS; i++) {
            char *memory = malloc(CHUNK_BYTES);
            if (memory)
                memset(memory, 1, CHUNK_BYTES);
        }
    }
    raise(SIGKILL);
}

static const struct mode modes[] = {
    MODE("raise-segv", "raise(SIGSEGV)",
         SAYS("SIGSEGV raised by the process itself, with raise", "SIGSEGV raised in raise_segv"),
         UNDER(raise_segv), .signal = SIGSEGV, .flags = SHORT),
    MODE("raise-bus", "raise(SIGBUS)",
         SAYS("SIGBUS raised by the process itself, with raise", "SIGBUS raised in raise_bus"),
         UNDER(raise_bus), .signal = SIGBUS),
    MODE("raise-fpe", "raise(SIGFPE)",
         SAYS("SIGFPE raised by the process itself, with raise", "SIGFPE raised in raise_fpe"),
         UNDER(raise_fpe), .signal = SIGFPE),
    MODE("raise-ill", "raise(SIGILL)",
         SAYS("SIGILL raised by the process itself, with raise", "SIGILL raised in raise_ill"),
         UNDER(raise_ill), .signal = SIGILL),
    MODE("raise-abrt", "raise(SIGABRT)",
         SAYS("SIGABRT raised by the process itself, with raise", "SIGABRT in raise_abrt"),
         UNDER(raise_abrt), .signal = SIGABRT),
    MODE("raise-trap", "raise(SIGTRAP)",
         SAYS("SIGTRAP raised by the process itself, with raise", "SIGTRAP raised in raise_trap"),
         UNDER(raise_trap), .signal = SIGTRAP),
    MODE("raise-sys", "raise(SIGSYS)",
         SAYS("SIGSYS raised by the process itself, with raise", "SIGSYS raised in raise_sys"),
         UNDER(raise_sys), .signal = SIGSYS),
    MODE("kill-self", "kill of itself",
         SAYS("SIGSEGV raised by the process itself, with kill", "SIGSEGV raised in kill_self"),
         UNDER(kill_self), .signal = SIGSEGV),
    MODE("kill-group", "kill of its process group",
         SAYS("SIGSEGV raised by the process itself, with kill", "SIGSEGV raised in kill_group"),
         UNDER(kill_group), .signal = SIGSEGV),
    MODE("tgkill-self", "tgkill of itself",
         SAYS("SIGBUS raised by the thread itself", "SIGBUS raised in tgkill_self"),
         UNDER(tgkill_self), .signal = SIGBUS),
    MODE("sigqueue-self", "sigqueue to itself",
         SAYS("SIGABRT raised by the process itself, with sigqueue", "SIGABRT in sigqueue_self"),
         UNDER(sigqueue_self), .signal = SIGABRT),
    MODE("resent-fault", "siginfo of a fault, sent by rt_tgsigqueueinfo",
         SAYS("near-NULL access at 0x", "SIGSEGV in resend_as_fault"), UNDER(resend_as_fault),
         .signal = SIGSEGV, .flags = SHORT),
    MODE("killed", "SIGSEGV from another process",
         SAYS("SIGSEGV sent by another process: pid .* uid .* .tgkill",
              "SIGSEGV from another process in wait_forever"),
         .run = wait_for_kill, .frames = "* wait_forever wait_for_kill" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("killed-abrt", "SIGABRT from another process (a watchdog)",
         SAYS("SIGABRT sent by another process: pid .* uid .* .tgkill",
              "SIGABRT from another process in wait_forever"),
         .run = wait_for_abort, .frames = "* wait_forever wait_for_abort" CHAIN, .signal = SIGABRT),
    MODE("killed-in-read", "the same in read(2)",
         SAYS("SIGSEGV sent by another process: pid .* uid .* .tgkill",
              "SIGSEGV from another process in wait_in_read"),
         UNDER(wait_in_read), .signal = SIGSEGV),
    MODE("killed-in-ppoll", "the same in a ppoll that alone lets it through",
         SAYS("SIGSEGV sent by another process: pid .* uid .* .tgkill",
              "SIGSEGV from another process in wait_in_ppoll"),
         UNDER(wait_in_ppoll), .signal = SIGSEGV),
    MODE("killed-spinning", "the same in a loop",
         SAYS("SIGSEGV sent by another process: pid .* uid .* .tgkill",
              "SIGSEGV from another process in spin_until_kill"),
         AT(spin_until_kill), .signal = SIGSEGV),
    MODE("killed-stopped", "the same while stopped",
         SAYS("SIGSEGV sent by another process: pid .* uid .* .tgkill",
              "SIGSEGV from another process in wait_forever"),
         .run = wait_stopped, .frames = "* wait_forever wait_stopped" CHAIN, .signal = SIGSEGV),
    MODE("pthread-kill", "pthread_kill of another thread",
         SAYS("SIGSEGV sent from within the process .tgkill.: by another thread",
              "SIGSEGV from another thread in wait_forever"),
         .run = join_until_kill, .frames = "* wait_forever wait_in_thread", .signal = SIGSEGV),
    MODE("timer", "SIGSEGV by timer_create",
         SAYS("SIGSEGV sent by a timer of the process", "SIGSEGV from a timer in wait_forever"),
         .run = wait_for_timer, .frames = "* wait_forever wait_for_timer" CHAIN, .signal = SIGSEGV),
    MODE("blocked-then-unblocked", "raised while blocked, then unblocked",
         SAYS("SIGSEGV sent from within the process .tgkill.: .* while it was blocked",
              "SIGSEGV raised in raise_blocked_then_unblock"),
         UNDER(raise_blocked_then_unblock), .signal = SIGSEGV),
    MODE("blocked", "a fault with its signal blocked",
         SAYS("^pid .*, killed by SIGSEGV.*: its signal was blocked, or the program had set "
              "another handler or none, or there was no stack",
              "blocked vanished: killed by SIGSEGV"),
         .run = fault_while_blocked, .signal = SIGSEGV, .flags = UNSEEN | SHORT),
    MODE("traced", "under a tracer that passes signals on", NULL_WRITE, .run = crash_traced,
         .frames = "null_write crash_traced" CHAIN, .signal = SIGSEGV),
    MODE("sigkill", "SIGKILL from another process (the OOM killer)",
         SAYS("^pid .*, killed by SIGKILL", NULL), .run = wait_for_sigkill, .signal = SIGKILL,
         .flags = UNSEEN | SHORT),
    MODE("out-of-memory", "the memory of its control group used up",
         SAYS("^pid .*, killed by SIGKILL", NULL), .run = use_up_memory, .signal = SIGKILL,
         .flags = UNSEEN),
    MODE("sigkill-stopped", "SIGKILL while stopped", SAYS("^pid .*, killed by SIGKILL", NULL),
         .run = wait_stopped_for_sigkill, .signal = SIGKILL, .flags = UNSEEN),
    MODE("sigkill-self", "raise(SIGKILL)", SAYS("^pid .*, killed by SIGKILL", NULL),
         .run = raise_kill, .signal = SIGKILL, .flags = UNSEEN),
    MODE("sigquit", "SIGQUIT",
         SAYS("^pid .*, killed by SIGQUIT.*: a request to quit",
              "sigquit vanished: killed by SIGQUIT"),
         .run = raise_quit, .signal = SIGQUIT, .flags = UNSEEN),
    MODE("sigxcpu", "SIGXCPU",
         SAYS("^pid .*, killed by SIGXCPU.*: the limit of processor time",
              "sigxcpu vanished: killed by SIGXCPU"),
         .run = use_up_cpu, .signal = SIGXCPU, .flags = UNSEEN),
    MODE("sigxfsz", "write beyond RLIMIT_FSIZE",
         SAYS("^pid .*, killed by SIGXFSZ.*: a write past the limit of file sizes",
              "sigxfsz vanished: killed by SIGXFSZ"),
         .run = write_beyond_limit, .signal = SIGXFSZ, .flags = UNSEEN),
    MODE("sigpipe", "write to a pipe that nobody reads",
         SAYS("^pid .*, killed by SIGPIPE.*: a write to a pipe or socket that nobody reads",
              "sigpipe vanished: killed by SIGPIPE"),
         .run = write_to_nobody, .signal = SIGPIPE, .flags = UNSEEN),
    MODE("sigalrm", "SIGALRM without a handler",
         SAYS("^pid .*, killed by SIGALRM.*: an alarm", "sigalrm vanished: killed by SIGALRM"),
         .run = wait_for_alarm, .signal = SIGALRM, .flags = UNSEEN),
    MODE("sigterm", "SIGTERM: an ordinary end", .run = raise_term,
         .flags = NO_REPORT | UNKNOWN_LATER | SHORT),
};

const struct family sent = {"sent", modes, sizeof(modes) / sizeof(modes[0])};
