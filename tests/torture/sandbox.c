/* sandbox.c - system calls are forbidden, in every way that seccomp has. */
#include "torture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALLOW(call)                                                                                \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1),                                         \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

/* All calls but the few of a worker that has its files. */
static void forbid_calls(unsigned otherwise)
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
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        say("no filter: %s\n", strerror(errno));
}

KEEP static void sandboxed_errno(void)
{
    forbid_calls(SECCOMP_RET_ERRNO | EPERM);
    null_write();
}

KEEP static void sandboxed_trap(void)
{
    forbid_calls(SECCOMP_RET_TRAP);
    null_write();
}

KEEP static void sandboxed_kill(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS);
    null_write();
}

KEEP static void sandboxed_strict(void)
{
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
    null_write();
}

KEEP static void forbidden_call_trapped(void)
{
    forbid_calls(SECCOMP_RET_TRAP);
    syscall(SYS_getppid);
    sink++;
}

KEEP static void forbidden_call_killed(void)
{
    forbid_calls(SECCOMP_RET_KILL_PROCESS);
    syscall(SYS_getppid);
    sink++;
}

KEEP static void forbidden_call_kills_thread(void)
{
    forbid_calls(SECCOMP_RET_KILL_THREAD);
    syscall(SYS_getppid);
    sink++;
}

KEEP static void abort_sandboxed(void)
{
    forbid_calls(SECCOMP_RET_ERRNO | EPERM);
    abort();
}

static const struct mode modes[] = {
    MODE("seccomp-errno", "most calls fail with EPERM", .run = sandboxed_errno,
         .frames = "null_write sandboxed_errno" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("seccomp-trap", "most calls raise SIGSYS", .run = sandboxed_trap,
         .frames = "null_write sandboxed_trap" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("seccomp-kill", "most calls kill", .run = sandboxed_kill,
         .frames = "null_write sandboxed_kill" CHAIN, .signal = SIGSEGV, .flags = SHORT,
         .fails = "report,end",
         .why = "the first call of the handler kills, with the filter's signal"),
    MODE("seccomp-strict", "strict mode", .run = sandboxed_strict,
         .frames = "null_write sandboxed_strict" CHAIN, .signal = SIGSEGV, .fails = "report,end",
         .why = "the first call of the handler kills, with SIGKILL"),
    MODE("seccomp-trapped", "a forbidden call raises SIGSYS", UNDER(forbidden_call_trapped),
         .signal = SIGSYS, .flags = SHORT),
    MODE("seccomp-killed", "a forbidden call kills", .run = forbidden_call_killed, .signal = SIGSYS,
         .flags = UNSEEN, .fails = "report",
         .why = "no handler runs; a watcher that notices vanished processes is to come"),
    MODE("seccomp-killed-thread", "a forbidden call kills the thread",
         .run = forbidden_call_kills_thread, .signal = SIGSYS, .flags = UNSEEN, .fails = "report",
         .why = "no handler runs; a watcher that notices vanished processes is to come"),
    MODE("seccomp-abort", "abort() where it can raise nothing: a privileged instruction",
         UNDER(abort_sandboxed), .signal = SIGSEGV),
};

const struct family sandbox = {"sandbox", modes, sizeof(modes) / sizeof(modes[0])};
