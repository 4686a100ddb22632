/* process.c - credential_process: a program that prints credentials. See aws_internal.h.
 *
 * 1. No shell: the words are the program and its arguments, and nothing in them is expanded.
 * 2. It has some seconds and 64 KiB; then it is killed, with what it started.
 * 3. What it says on its standard error is not kept: it may hold a secret. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/aws/aws_internal.h"
#include "agent/aws/words.h"
#include "agent/spawn.h"
#include "base/clock.h"

enum { PATIENCE_MS = 10000, LOOK_MS = 10, SLICE_MS = 250 };

static int64_t left_ms(uint64_t deadline_ns)
{
    uint64_t now_ns = tb_clock_mono_ns();
    return now_ns >= deadline_ns ? 0 : (int64_t)((deadline_ns - now_ns) / TB_NS_PER_MS) + 1;
}

static bool is_over(const struct tb_aws_asker *asker)
{
    return asker->is_over != NULL && atomic_load(asker->is_over);
}

/* Until the end of what it prints. The length, or a negative errno. */
static int read_output(const struct tb_aws_asker *asker, int fd, uint64_t deadline_ns, char *out)
{
    int len = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t wait_ms = left_ms(deadline_ns);
        if (wait_ms == 0 || is_over(asker))
            return wait_ms == 0 ? -ETIMEDOUT : -ECANCELED;
        int n = poll(&p, 1, (int)(wait_ms < SLICE_MS ? wait_ms : SLICE_MS));
        if (n == 0)
            continue;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 0)
            continue;
        ssize_t got = read(fd, out + len, (size_t)(TB_AWS_REPLY + 1 - len));
        if (got < 0)
            return -errno;
        if (got == 0)
            return len;
        len += (int)got;
        if (len > TB_AWS_REPLY)
            return -EFBIG;
    }
}

/* Its status, when it ends in time; else it is killed. */
static int wait_for(const struct tb_aws_asker *asker, pid_t pid, uint64_t deadline_ns, bool is_lost)
{
    int status = 0;
    while (!is_lost && !is_over(asker)) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if ((got < 0 && errno != EINTR) || left_ms(deadline_ns) == 0)
            break;
        (void)poll(NULL, 0, LOOK_MS);
    }
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static int run(const struct tb_aws_asker *asker, const struct tb_words *words, char *out)
{
    int pipe_fds[2];
    pid_t pid;
    uint64_t deadline_ns = tb_clock_mono_ns() + (uint64_t)PATIENCE_MS * TB_NS_PER_MS;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    const struct tb_spawn how = {.program = words->argv[0],
                                 .argv = words->argv,
                                 .env = environ,
                                 .fd = pipe_fds[1],
                                 .as_fd = STDOUT_FILENO,
                                 .has_group = true};
    int err = tb_spawn(&how, &pid);
    close(pipe_fds[1]);
    int len = err < 0 ? err : read_output(asker, pipe_fds[0], deadline_ns, out);
    close(pipe_fds[0]);
    if (err < 0)
        return err;
    int status = wait_for(asker, pid, deadline_ns, len < 0);
    if (len < 0)
        return len;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? len : -ECHILD;
}

int tb_aws_run(const struct tb_aws_asker *asker, const char *line, char **out, size_t *len,
               char *why)
{
    static const char NAME[] = "credential_process";
    struct tb_words words = {.n = 0};
    char *text = malloc(TB_AWS_REPLY + 2);
    if (text == NULL)
        return -ENOMEM;
    int n = tb_words_split(line, &words);
    if (n == 0)
        n = run(asker, &words, text);
    /* Its arguments may hold a secret. */
    explicit_bzero(words.text, sizeof(words.text));
    if (n >= 0) {
        text[n] = '\0';
        *out = text;
        *len = (size_t)n;
        return 0;
    }
    tb_aws_wipe(text, TB_AWS_REPLY + 2);
    if (n == -ETIMEDOUT)
        (void)snprintf(why, TB_AWS_WHY, "%s: it did not end within %d s", NAME, PATIENCE_MS / 1000);
    else if (n == -EFBIG)
        (void)snprintf(why, TB_AWS_WHY, "%s: it printed more than 64 KiB", NAME);
    else if (n == -ECHILD)
        (void)snprintf(why, TB_AWS_WHY, "%s: it failed; run it by hand to see why", NAME);
    else
        (void)snprintf(why, TB_AWS_WHY, "%s: %s", NAME, strerrordesc_np(-n));
    return n;
}
