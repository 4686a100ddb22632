/* demo_child.c - the processes of the demo: none of them outlives it, however it ends. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "cli/demo.h"

enum { STEP_NS = 5 * TB_NS_PER_MS, STOP_MS = 5000, NOT_FOUND = 127 };

static volatile sig_atomic_t over;

static void say_over(int signal_number)
{
    (void)signal_number;
    over = 1;
}

void tb_demo_catch_signals(void)
{
    /* Without SA_RESTART: a wait is to end. */
    const struct sigaction action = {.sa_handler = say_over};
    over = 0;
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)sigaction(SIGHUP, &action, NULL);
}

int tb_demo_is_over(void)
{
    return over;
}

void tb_demo_wait_for_end(void)
{
    const struct timespec step = {.tv_sec = 1};
    while (!over)
        nanosleep(&step, NULL); /* a signal that comes just before it is seen a second later */
}

/* Takes away all whose names begin so. */
static void unset_prefix(const char *prefix)
{
    size_t len = strlen(prefix);
    for (char **entry = environ; *entry != NULL;) {
        char name[256];
        size_t name_len = strcspn(*entry, "=");
        if (strncmp(*entry, prefix, len) != 0 || name_len >= sizeof(name)) {
            entry++;
            continue;
        }
        memcpy(name, *entry, name_len);
        name[name_len] = '\0';
        (void)unsetenv(name);
        entry = environ; /* it may be another list now */
    }
}

/* Nothing of the caller's settings may reach the demo, above all no token or key for a real
 * project: what it makes up would be filed there. */
static void set_environment(const struct tb_demo *demo)
{
    static const char *const foreign[] = {
        "TOWBAR_SERVICE", "TOWBAR_ENVIRONMENT", "TOWBAR_VERSION",     "TOWBAR_ROOT",
        "TRACEPARENT",    "_X_AMZN_TRACE_ID",   "ROLLBAR_ENVIRONMENT"};
    static const char *const prefixes[] = {
        "OTEL_",        "HONEYCOMB_",         "AWS_",       "CLOUDWATCH_", "TOWBAR_OTLP_",
        "TOWBAR_XRAY_", "TOWBAR_CLOUDWATCH_", "TOWBAR_AWS_"};
    for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
        (void)unsetenv(foreign[i]);
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        unset_prefix(prefixes[i]);
    if (!demo->sends) {
        (void)unsetenv("ROLLBAR_ACCESS_TOKEN");
        (void)unsetenv("ROLLBAR_ENDPOINT");
    }
    (void)setenv("TOWBAR_SPOOL", demo->config.spool, 1);
    (void)setenv("TOWBAR_SOCKET", demo->config.socket, 1);
}

/* In the new process. Does not return. */
static void become(const struct tb_demo *demo, const struct tb_demo_child *child,
                   char *const argv[], const int fds[3], pid_t parent)
{
    const struct rlimit none = {0, 0};
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(NOT_FOUND);
    (void)setpgid(0, 0); /* Ctrl-C is for the demo, which ends the others in order */
    (void)setrlimit(RLIMIT_CORE, &none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
        _exit(NOT_FOUND);
    set_environment(demo);
    if (child->set_environment != NULL)
        child->set_environment(demo);
    execv(argv[0], argv);
    dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(NOT_FOUND);
}

int tb_demo_start(struct tb_demo *demo, struct tb_demo_child *child, char *const argv[])
{
    char log[TB_DEMO_PATH + 32];
    int pipe_fds[2] = {-1, -1};
    int null_fd = -1;
    int err = 0;
    const pid_t parent = getpid();
    snprintf(log, sizeof(log), "%s/%s.log", demo->dir, child->name);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    tb_fd_close(&child->output_fd);
    if (log_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0 ||
        (null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
        err = -errno;
        goto out;
    }
    const int fds[3] = {null_fd, pipe_fds[1], log_fd};
    fflush(stdout);
    child->pid = fork();
    if (child->pid == 0)
        become(demo, child, argv, fds, parent);
    if (child->pid < 0) {
        err = -errno;
        child->pid = 0;
        goto out;
    }
    (void)setpgid(child->pid, child->pid); /* it does so too: whoever comes first */
    child->output_fd = pipe_fds[0];
    pipe_fds[0] = -1;
out:
    tb_fd_close(&log_fd);
    tb_fd_close(&null_fd);
    tb_fd_close(&pipe_fds[0]);
    tb_fd_close(&pipe_fds[1]);
    return err;
}

int tb_demo_read_line(struct tb_demo_child *child, char *out, size_t cap)
{
    const uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)TB_DEMO_WAIT_MS * TB_NS_PER_MS;
    size_t len = 0;
    while (len + 1 < cap) {
        struct pollfd ready = {.fd = child->output_fd, .events = POLLIN};
        int64_t left_ms = ((int64_t)end_ns - (int64_t)tb_clock_mono_ns()) / TB_NS_PER_MS;
        if (left_ms <= 0)
            return -ETIMEDOUT;
        if (over)
            return -EINTR;
        if (poll(&ready, 1, (int)left_ms) <= 0)
            continue;
        ssize_t n = read(child->output_fd, out + len, 1);
        if (n <= 0)
            return -EPIPE;
        if (out[len] == '\n')
            break;
        len++;
    }
    out[len] = '\0';
    return 0;
}

int tb_demo_ended(struct tb_demo_child *child)
{
    if (child->pid > 0 && waitpid(child->pid, &child->status, WNOHANG) == child->pid)
        child->pid = 0;
    return child->pid == 0;
}

void tb_demo_stop(struct tb_demo_child *child, int signal_number)
{
    const struct timespec step = {.tv_nsec = STEP_NS};
    const uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)STOP_MS * TB_NS_PER_MS;
    const pid_t group = child->pid;
    if (group > 0 && signal_number != 0)
        (void)kill(group, signal_number);
    while (!tb_demo_ended(child) && tb_clock_mono_ns() < end_ns)
        nanosleep(&step, NULL);
    if (child->pid > 0) {
        (void)kill(child->pid, SIGKILL);
        while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
            ;
        child->pid = 0;
    }
    if (group > 0)
        (void)kill(-group, SIGKILL); /* what it had started itself */
    tb_fd_close(&child->output_fd);
}

int tb_demo_wait(struct tb_demo *demo, int (*ready)(struct tb_demo *demo))
{
    const struct timespec step = {.tv_nsec = STEP_NS};
    const uint64_t end_ns = tb_clock_mono_ns() + (uint64_t)TB_DEMO_WAIT_MS * TB_NS_PER_MS;
    for (;;) {
        int is = ready(demo);
        if (is != 0)
            return is < 0 ? is : 0;
        if (over)
            return -EINTR;
        if (tb_clock_mono_ns() >= end_ns)
            return -ETIMEDOUT;
        nanosleep(&step, NULL);
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void tb_demo_remove(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        fprintf(stderr, "towbar: cannot remove %s: %s\n", dir, strerror(errno));
}
