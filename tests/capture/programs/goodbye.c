/* goodbye.c - ends in the way that its first argument names; for tests/capture. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { STATUS = 7 };

static void end_by__exit(void)
{
    _exit(STATUS);
}

static void end_by__Exit(void)
{
    _Exit(STATUS);
}

static void end_by_quick_exit(void)
{
    quick_exit(STATUS);
}

static void end_raw(void)
{
    (void)syscall(SYS_exit_group, STATUS);
}

static void end_by_kill(void)
{
    (void)raise(SIGKILL);
}

/* Before towbar_init too: main says the first. */
static void note_then_kill(void)
{
    for (int i = 1; i <= 10; i++)
        towbar_note(TOWBAR_WARNING, "note %d", i);
    (void)raise(SIGKILL);
}

static void storm_then_kill(void)
{
    for (int i = 1; i <= 1000; i++)
        towbar_note(TOWBAR_INFO, "note %d", i);
    (void)raise(SIGKILL);
}

/* A report takes along what waits. */
static void storm_then_report(void)
{
    for (int i = 1; i <= 1000; i++)
        towbar_note(TOWBAR_INFO, "note %d", i);
    (void)towbar_error("it goes wrong");
    (void)raise(SIGKILL);
}

/* The notes that a child has of its parent are in its slot as well. */
static void child_notes(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        towbar_note(TOWBAR_INFO, "of the child");
        (void)raise(SIGKILL);
    }
    (void)waitpid(pid, NULL, 0);
    exit(0);
}

/* What the child that borrows the memory says is not the parent's word. */
static void vfork_then_kill(void)
{
    pid_t pid = vfork();
    if (pid == 0)
        _exit(0);
    (void)waitpid(pid, NULL, 0);
    (void)raise(SIGKILL);
}

static void fork_then_kill(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    (void)waitpid(pid, NULL, 0);
    (void)raise(SIGKILL);
}

/* One with files of its own, and a grandchild without. */
static void children_exit(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        towbar_note(TOWBAR_INFO, "of the child");
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(0);
        (void)waitpid(grandchild, NULL, 0);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
    _exit(STATUS);
}

static void become_daemon(void)
{
    int words[2];
    char end;
    if (pipe(words) != 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(words[0]);
        towbar_note(TOWBAR_INFO, "before");
        if (daemon(1, 1) != 0)
            exit(1);
        towbar_note(TOWBAR_INFO, "in the background");
        exit(0);
    }
    (void)close(words[1]);
    (void)!read(words[0], &end, 1); /* until the daemon has ended too */
    (void)waitpid(pid, NULL, 0);
    _exit(STATUS);
}

static void crash(int signo)
{
    (void)signo;
    _exit(STATUS);
}

static void end_in_handler(void)
{
    *(volatile int *)16 = 1;
}

static const struct {
    const char *name;
    void (*run)(void);
} ways[] = {
    {"_exit", end_by__exit},
    {"_Exit", end_by__Exit},
    {"quick_exit", end_by_quick_exit},
    {"raw", end_raw},
    {"kill", end_by_kill},
    {"notes", note_then_kill},
    {"storm", storm_then_kill},
    {"storm-report", storm_then_report},
    {"child-notes", child_notes},
    {"vfork", vfork_then_kill},
    {"fork", fork_then_kill},
    {"children", children_exit},
    {"daemon", become_daemon},
    {"handler", end_in_handler},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (strcmp(argv[1], ways[i].name) != 0)
            continue;
        if (ways[i].run == end_in_handler)
            (void)signal(SIGSEGV, crash);
        towbar_note(TOWBAR_INFO, "before the start");
        if (towbar_init(NULL) != 0) {
            puts(towbar_status());
            return 1;
        }
        ways[i].run();
        return 0;
    }
    return 2;
}
