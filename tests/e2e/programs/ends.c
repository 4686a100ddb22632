/* ends.c - lives until its standard input says a word or closes, then ends in the way that its
 * first argument names. Says "ready" when it lives. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

static void sigkill(void)
{
    for (int i = 1; i <= 20; i++)
        towbar_note(TOWBAR_INFO, "step %d", i);
    (void)raise(SIGKILL);
}

static void last_word(void)
{
    towbar_note(TOWBAR_WARNING, "the last word");
    (void)raise(SIGKILL);
}

static void blocked_fault(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigprocmask(SIG_BLOCK, &set, NULL);
    *(volatile int *)16 = 1;
}

static void seccomp_kill(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), /* the number of the call */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {.len = sizeof(code) / sizeof(code[0]), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        exit(3);
    (void)getppid();
}

static void sigpipe(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    (void)signal(SIGPIPE, SIG_DFL);
    (void)close(ends[0]);
    (void)!write(ends[1], "x", 1);
}

static void sigterm(void)
{
    (void)raise(SIGTERM);
}

static void exit_fast(void)
{
    _exit(3);
}

static void exit_raw(void)
{
    (void)syscall(SYS_exit_group, 3);
}

/* Lives on as another program until its input closes. */
static void other_program(void)
{
    (void)execl("/bin/cat", "cat", (char *)NULL);
    _exit(99);
}

static void children(void)
{
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            towbar_note(TOWBAR_INFO, "child %d", i);
            _exit(0);
        }
        (void)waitpid(pid, NULL, 0);
    }
    exit(0);
}

/* As a worker with separated privileges: it makes its slot where it sees no /proc. */
static void chrooted_child(void)
{
    char word;
    pid_t pid = fork();
    if (pid == 0) {
        if (chroot("/dev") != 0 || chdir("/") != 0)
            _exit(99);
        towbar_note(TOWBAR_INFO, "inside");
        puts("inside");
        fflush(stdout);
        (void)!read(STDIN_FILENO, &word, 1);
        (void)raise(SIGTERM);
    }
    (void)waitpid(pid, NULL, 0);
    exit(0);
}

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    {"sigkill", sigkill},
    {"last-word", last_word},
    {"blocked-fault", blocked_fault},
    {"seccomp-kill", seccomp_kill},
    {"sigpipe", sigpipe},
    {"sigterm", sigterm},
    {"_exit", exit_fast},
    {"raw-exit", exit_raw},
    {"exec", other_program},
    {"children", children},
    {"chrooted-child", chrooted_child},
};

int main(int argc, char **argv)
{
    char word;
    if (towbar_init(TOWBAR_OPTIONS(.version = "1.2")) != 0)
        return 2;
    towbar_note(TOWBAR_INFO, "started");
    puts("ready");
    fflush(stdout);
    (void)!read(STDIN_FILENO, &word, 1);
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[1], ways[i].name) == 0)
            ways[i].run();
    }
    return 4;
}
