/* sandbox.c - system calls are forbidden, in every way that seccomp has. */
#include "torture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

enum how {
    BY_PRCTL,   /* the library hears of it */
    BY_SECCOMP, /* seccomp(2), as libseccomp does it: of what comes before it alone */
    UNHEARD     /* as a service manager does it before exec */
};

static void set_filter(struct sock_fprog *program, enum how how)
{
    long err;
    if (how == UNHEARD)
        syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    else
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (how == BY_PRCTL)
        err = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program);
    else
        err = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program);
    if (err != 0)
        say("no filter: %s\n", strerror(errno));
}

/* All calls but the few of a worker that has its files. */
static void forbid_calls(unsigned otherwise, enum how how)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(exit),
        ALLOW(exit_group),
        ALLOW(rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, otherwise),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    set_filter(&program, how);
}

/* Those that abort() makes are allowed too. */
static void forbid_all_but_abort(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(write),
        ALLOW(getpid),
        ALLOW(gettid),
        ALLOW(tgkill),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigaction),
        ALLOW(rt_sigreturn),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    set_filter(&program, BY_PRCTL);
}

/* As a service manager does it for services that are to debug nothing. */
static void forbid_ptrace(unsigned how)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, how),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    set_filter(&program, UNHEARD);
}

static void *wait_sandboxed(void *arg)
{
    pthread_barrier_wait(arg);
    wait_forever();
    return NULL;
}

KEEP static void without_ptrace(unsigned how)
{
    static pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    forbid_ptrace(how);
    spawn(wait_sandboxed, &barrier);
    pthread_barrier_wait(&barrier);
    null_write();
}

KEEP static void ptrace_fails(void)
{
    without_ptrace(SECCOMP_RET_ERRNO | EPERM);
    sink++;
}

KEEP static void ptrace_traps(void)
{
    without_ptrace(SECCOMP_RET_TRAP);
    sink++;
}

KEEP static void ptrace_kills(void)
{
    without_ptrace(SECCOMP_RET_KILL_PROCESS);
    sink++;
}

KEEP static void ptrace_kills_thread(void)
{
    without_ptrace(SECCOMP_RET_KILL_THREAD);
    sink++;
}

KEEP static void sandboxed_errno(void)
{
    forbid_calls(SECCOMP_RET_ERRNO | EPERM, BY_PRCTL);
    null_write();
}

KEEP static void sandboxed_trap(void)
{
    forbid_calls(SECCOMP_RET_TRAP, BY_PRCTL);
    null_write();
}

KEEP static void sandboxed_kill(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS, BY_PRCTL);
    null_write();
}

KEEP static void unheard_errno(void)
{
    forbid_calls(SECCOMP_RET_ERRNO | EPERM, UNHEARD);
    null_write();
}

KEEP static void unheard_trap(void)
{
    forbid_calls(SECCOMP_RET_TRAP, UNHEARD);
    null_write();
}

KEEP static void sandboxed_by_seccomp(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS, BY_SECCOMP);
    null_write();
}

static void sandboxed_in_thread(void)
{
    chain_in_thread(sandboxed_kill, 0, 0);
}

KEEP static void break_sandboxed(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS, BY_PRCTL);
    __asm__ volatile("int3");
}

KEEP static void abort_in_kill(void)
{
    forbid_all_but_abort();
    abort();
}

KEEP static void sandboxed_strict(void)
{
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    null_write();
}

KEEP static void forbidden_call_trapped(void)
{
    forbid_calls(SECCOMP_RET_TRAP, BY_PRCTL);
    syscall(SYS_getppid);
    sink++;
}

KEEP static void forbidden_call_killed(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS, BY_PRCTL);
    syscall(SYS_getppid);
    sink++;
}

KEEP static void forbidden_call_kills_thread(void)
{
    forbid_calls(SECCOMP_RET_KILL_THREAD, BY_PRCTL);
    syscall(SYS_getppid);
    sink++;
}

/* Its child has its memory, and is killed in the middle of the handler. */
KEEP static void abort_after_vfork(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    int status;
    pid_t pid = vfork();
    if (pid == 0) {
        /* Not by the library's prctl, which would know. */
        syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
        null_write();
    }
    waitpid(pid, &status, 0);
    abort();
}

KEEP static void abort_sandboxed(void)
{
    forbid_calls(SECCOMP_RET_ERRNO | EPERM, BY_PRCTL);
    abort();
}

static const struct mode modes[] = {
    MODE("seccomp-errno", "most calls fail with EPERM", NULL_WRITE, .run = sandboxed_errno,
         .frames = "null_write sandboxed_errno" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-trap", "most calls raise SIGSYS", NULL_WRITE, .run = sandboxed_trap,
         .frames = "null_write sandboxed_trap" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-kill", "most calls kill", NULL_WRITE, .run = sandboxed_kill,
         .frames = "null_write sandboxed_kill" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-errno-unheard", "most calls fail with EPERM, by a filter from before exec",
         NULL_WRITE, .run = unheard_errno, .frames = "null_write unheard_errno" CHAIN,
         .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("seccomp-trap-unheard", "most calls raise SIGSYS, by a filter from before exec",
         NULL_WRITE, .run = unheard_trap, .frames = "null_write unheard_trap" CHAIN,
         .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("seccomp-kill-call", "most calls kill, by a filter that seccomp(2) set", NULL_WRITE,
         .run = sandboxed_by_seccomp, .frames = "null_write sandboxed_by_seccomp" CHAIN,
         .signal = SIGSEGV, .flags = NO_THREADS),
    MODE("seccomp-kill-thread", "most calls of a thread kill", NULL_WRITE,
         .run = sandboxed_in_thread, .frames = "null_write sandboxed_kill" CHAIN, .signal = SIGSEGV,
         .flags = ALONE | NO_THREADS),
    MODE("seccomp-kill-int3", "a breakpoint where most calls kill",
         SAYS("breakpoint instruction int3", "SIGTRAP in break_sandboxed"), AT(break_sandboxed),
         .signal = SIGTRAP, .flags = NO_THREADS),
    MODE("seccomp-kill-abort", "abort() where most other calls kill",
         SAYS("^abort.. was called$", "SIGABRT in abort_in_kill"), UNDER(abort_in_kill),
         .signal = SIGABRT, .flags = NO_THREADS | SHORT),
    MODE("seccomp-kill-vfork", "abort() after a child by vfork was killed in the handler",
         SAYS("^abort.. was called$", "SIGABRT in abort_after_vfork"), UNDER(abort_after_vfork),
         .signal = SIGABRT, .flags = TWO_REPORTS | NO_SANITIZER),
    MODE("seccomp-strict", "strict mode", NULL_WRITE, .run = sandboxed_strict,
         .frames = "null_write sandboxed_strict" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-trapped", "a forbidden call raises SIGSYS",
         SAYS("forbidden system call getppid .110. at 0x.*seccomp",
              "forbidden system call getppid in forbidden_call_trapped"),
         UNDER(forbidden_call_trapped), .signal = SIGSYS, .flags = NO_THREADS | SHORT),
    MODE("seccomp-killed", "a forbidden call kills",
         SAYS("^pid .*, killed by SIGSYS.*: a system call forbidden by seccomp",
              "seccomp-killed vanished: killed by SIGSYS"),
         .run = forbidden_call_killed, .signal = SIGSYS, .flags = UNSEEN),
    MODE("seccomp-killed-thread", "a forbidden call kills the thread",
         SAYS("^pid .*, killed by SIGSYS.*: a system call forbidden by seccomp",
              "seccomp-killed-thread vanished: killed by SIGSYS"),
         .run = forbidden_call_kills_thread, .signal = SIGSYS, .flags = UNSEEN),
    MODE("seccomp-ptrace", "ptrace fails with EPERM", NULL_WRITE, .run = ptrace_fails,
         .frames = "null_write without_ptrace ptrace_fails" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS),
    MODE("seccomp-ptrace-trap", "ptrace raises SIGSYS", NULL_WRITE, .run = ptrace_traps,
         .frames = "null_write without_ptrace ptrace_traps" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-ptrace-kill", "ptrace kills", NULL_WRITE, .run = ptrace_kills,
         .frames = "null_write without_ptrace ptrace_kills" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS | SHORT),
    MODE("seccomp-ptrace-kill-thread", "ptrace kills the thread", NULL_WRITE,
         .run = ptrace_kills_thread,
         .frames = "null_write without_ptrace ptrace_kills_thread" CHAIN, .signal = SIGSEGV,
         .flags = NO_THREADS),
    MODE("seccomp-abort", "abort() where it can raise nothing: a privileged instruction",
         SAYS("privileged instruction: hlt, which abort.. comes to", "SIGSEGV in abort_sandboxed"),
         UNDER(abort_sandboxed), .signal = SIGSEGV, .flags = NO_THREADS),
};

const struct family sandbox = {"sandbox", modes, sizeof(modes) / sizeof(modes[0])};
