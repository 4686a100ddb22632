/* supervisor.c - see supervisor.h. The calls are held by a seccomp filter that asks a listener. */
#include "supervisor.h"

#include <errno.h>
#include <glob.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_PTRACER
#define PR_SET_PTRACER 0x59616d61
#endif

static void say(const char *text)
{
    (void)!write(STDOUT_FILENO, text, strlen(text));
}

static int install(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PTRACER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) /* not for the library to hear */
        exit(5);
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                          &program);
    if (fd < 0)
        exit(5);
    return fd;
}

/* What the call of pid returns: 0 for leave, or an errno. */
static int judge_as_yama(const struct seccomp_notif *call, int *done)
{
    static uint32_t tracer;
    *done = 0;
    if (call->data.nr == SYS_ptrace)
        return tracer == call->pid ? 0 : EPERM;
    *done = 1; /* this kernel may have no Yama */
    tracer = (uint32_t)call->data.args[1];
    say(tracer ? "a tracer was named\n" : "no tracer is named\n");
    return 0;
}

static void cut_slot(void)
{
    glob_t found;
    char pattern[256];
    snprintf(pattern, sizeof(pattern), "%s/in/*.slot", getenv("TOWBAR_SPOOL"));
    if (glob(pattern, 0, NULL, &found) == 0 && truncate(found.gl_pathv[0], 0) == 0)
        say("the slot was cut\n");
}

static void answer(int fd, enum supervision how)
{
    struct seccomp_notif call;
    struct seccomp_notif_resp reply;
    int done = 0;
    static int n_calls;
    memset(&call, 0, sizeof(call));
    if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
        return;
    if (how == SUPERVISE_NEVER_ANSWERS && call.data.nr == SYS_ptrace)
        return;
    memset(&reply, 0, sizeof(reply));
    reply.id = call.id;
    if (how == SUPERVISE_FAULTS && call.data.nr == SYS_ptrace) {
        say("a fault\n");
        kill((pid_t)call.pid, SIGSEGV);
        return;
    }
    if (how == SUPERVISE_CUTS && call.data.nr == SYS_ptrace && !n_calls++)
        cut_slot();
    if (how == SUPERVISE_YAMA)
        reply.error = -judge_as_yama(&call, &done);
    if (reply.error == 0 && !done)
        reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    (void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

void supervise(enum supervision how)
{
    int fd = install();
    pid_t parent = getpid();
    if (fork() != 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        answer(fd, how);
    _exit(0);
}
