/* main.c - relayd LABEL RUNS [FAULT...]: each fault in a process of its own, RUNS times, with the
 * version LABEL.FAULT.RUN. relayd --list prints the faults and their bugs. */
#include "relayd.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <towbar/towbar.h>
#include <unistd.h>

int run_number;
int served;

static const struct fault *const parts[] = {
    config_faults,  heap_faults,   metrics_faults, parse_faults, report_faults,
    session_faults, shapes_faults, table_faults,   text_faults,  timer_faults,
    worker_faults,  plugin_faults, ring_faults,    wire_faults};

enum { N_PARTS = sizeof(parts) / sizeof(parts[0]), VERSION_BYTES = 41, HANG_S = 60 };

static int fail_once(const char *name, int run)
{
    struct rlimit none = {0, 0};
    struct rlimit stack = {256 << 10, 256 << 10};
    run_number = run;
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_STACK, &stack);
    alarm(HANG_S);
    if (towbar_init(TOWBAR_OPTIONS(.service = "relayd")) != 0)
        return 3;
    for (size_t p = 0; p < N_PARTS; p++) {
        for (const struct fault *f = parts[p]; f->name != NULL; f++) {
            if (strcmp(f->name, name) == 0) {
                f->run();
                return 0;
            }
        }
    }
    return 2;
}

/* By exec, so that each run has addresses of its own. */
static void start(const char *program, const char *label, const char *name, int run)
{
    char version[VERSION_BYTES];
    char number[12];
    pid_t pid = fork();
    if (pid == 0) {
        snprintf(version, sizeof(version), "%s.%s.%d", label, name, run);
        snprintf(number, sizeof(number), "%d", run);
        setenv("TOWBAR_VERSION", version, 1);
        execl(program, program, "--fail", name, number, (char *)NULL);
        _exit(4);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        exit(5);
    if (WIFSIGNALED(status))
        printf("%s %d\n", name, WTERMSIG(status));
    else
        printf("%s exit %d\n", name, WEXITSTATUS(status));
}

static int is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 3; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return 1;
    return argc == 3;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--fail") == 0)
        return fail_once(argv[2], atoi(argv[3]));
    int is_list = argc == 2 && strcmp(argv[1], "--list") == 0;
    if (!is_list && argc < 3)
        return 1;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t p = 0; p < N_PARTS; p++) {
        for (const struct fault *f = parts[p]; f->name != NULL; f++) {
            if (is_list)
                printf("%s %s\n", f->name, f->bug != NULL ? f->bug : f->name);
            else if (is_wanted(f->name, argc, argv))
                for (int run = 0; run < atoi(argv[2]); run++)
                    start("/proc/self/exe", argv[1], f->name, run);
        }
    }
    return 0;
}
