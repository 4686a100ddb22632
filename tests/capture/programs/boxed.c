/* boxed.c - crashes after it asked prctl for less, in the way that its argument names; for
 * tests/capture/crash/test_quiet.c. */
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

static volatile int zero;

static void start(void)
{
    int err = towbar_init(NULL);
    if (err)
        fprintf(stderr, "towbar_init: %d %s\n", err, towbar_status());
    towbar_note(TOWBAR_INFO, "a note");
}

static void gain_nothing(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        exit(3);
}

static void crash(void)
{
    *(volatile int *)(size_t)(zero + 16) = 1;
}

static void strict(void)
{
    start();
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        exit(4);
    crash();
}

static void no_privileges(void)
{
    start();
    gain_nothing();
    crash();
}

static void no_privileges_before(void)
{
    gain_nothing();
    start();
    crash();
}

static void refused(void)
{
    start();
    if (prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0) == 0)
        exit(5);
    crash();
}

static void other_calls(void)
{
    char name[16] = "";
    start();
    if (prctl(PR_SET_NAME, "renamed") != 0 || prctl(PR_GET_NAME, name) != 0 ||
        strcmp(name, "renamed") != 0)
        exit(6);
    crash();
}

/* As one does before exec. */
static void by_vfork(void)
{
    int status = 0;
    start();
    pid_t pid = vfork();
    if (pid == 0) {
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        exit(7);
    crash();
}

static void leave(int signo)
{
    (void)signo;
    _exit(8);
}

static void own_handler(void)
{
    start();
    (void)signal(SIGSEGV, leave);
    gain_nothing();
    (void)raise(SIGFPE);
}

static void blocked(void)
{
    sigset_t set;
    start();
    gain_nothing();
    sigemptyset(&set);
    sigaddset(&set, SIGBUS);
    sigprocmask(SIG_BLOCK, &set, NULL);
    crash();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = {
        {"strict", strict},
        {"no-privileges", no_privileges},
        {"no-privileges-before", no_privileges_before},
        {"refused", refused},
        {"other-calls", other_calls},
        {"by-vfork", by_vfork},
        {"own-handler", own_handler},
        {"blocked", blocked},
    };
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[1], ways[i].name) == 0)
            ways[i].run();
    }
    return 2;
}
