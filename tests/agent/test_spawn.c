/* What a program that the agent starts has of it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/spawn.h"

/* What it says through the pipe that it is given. */
static void hear(struct tb_spawn how, char *out, size_t cap)
{
    int fds[2];
    int status;
    pid_t pid;
    size_t len = 0;
    ssize_t n;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    how.fd = fds[1];
    assert_int_equal(tb_spawn(&how, &pid), 0);
    close(fds[1]);
    while ((n = read(fds[0], out + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* The same of a script, by a program that PATH leads to. */
static void ask(struct tb_spawn how, const char *script, char *out, size_t cap)
{
    char sh[] = "sh";
    char flag[] = "-c";
    char text[128];
    char path[] = "PATH=/usr/bin:/bin";
    char *argv[] = {sh, flag, text, NULL};
    char *env[] = {path, NULL};
    snprintf(text, sizeof(text), "%s", script);
    how.program = "sh";
    how.argv = argv;
    how.env = env;
    hear(how, out, cap);
}

/* What this program does as its own child: writes to that descriptor what it has open. */
static int list_fds(int own)
{
    enum { FDS = 256 };
    for (int fd = 0; fd < FDS; fd++) {
        char name[32];
        char what[64] = "";
        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        if (readlink(name, what, sizeof(what) - 1) > 0)
            dprintf(own, "%d %.4s\n", fd, what);
    }
    return 0;
}

static void only_the_standard_ones_and_its_own_are_open(void **state)
{
    (void)state;
    static const char *const open_ones[] = {"0 pipe\n1 /dev\n2 /dev\n", "0 /dev\n1 pipe\n2 /dev\n",
                                            "0 /dev\n1 /dev\n2 pipe\n",
                                            "0 /dev\n1 /dev\n2 /dev\n3 pipe\n"};
    char own[] = "0";
    char flag[] = "--fds";
    char *argv[] = {own, flag, own, NULL};
    char *env[] = {NULL};
    char out[512];
    int inherited = open("/dev/zero", O_RDONLY); /* not marked to be closed */
    assert_true(inherited >= 0);
    for (int fd = 0; fd <= STDERR_FILENO + 1; fd++) {
        own[0] = (char)('0' + fd);
        hear((struct tb_spawn){.program = "/proc/self/exe", .argv = argv, .env = env, .as_fd = fd},
             out, sizeof(out));
        assert_string_equal(out, open_ones[fd]);
    }
    close(inherited);
}

static void standard_error_stays_where_it_is_asked_for(void **state)
{
    (void)state;
    char here[64];
    char out[64];
    const struct tb_spawn how = {.as_fd = 3, .keeps_stderr = true};
    ssize_t n = readlink("/proc/self/fd/2", here, sizeof(here) - 1);
    assert_true(n > 0);
    here[n] = '\0';
    ask(how, "readlink /proc/$$/fd/2 | tr -d '\\n' >&3", out, sizeof(out));
    assert_string_equal(out, here);
}

static void no_signal_is_blocked_or_ignored(void **state)
{
    (void)state;
    char out[256];
    sigset_t all;
    sigset_t before;
    const struct tb_spawn how = {.as_fd = STDOUT_FILENO};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction was;
    sigfillset(&all);
    assert_int_equal(sigaction(SIGPIPE, &ignore, &was), 0);
    assert_int_equal(sigprocmask(SIG_SETMASK, &all, &before), 0);
    ask(how, "sed -n 's/^Sig...:\t//p' /proc/self/status", out, sizeof(out));
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(sigaction(SIGPIPE, &was, NULL), 0);
    /* Pending, blocked, ignored: of the latter the first 31, as the C library has two of its own.
     */
    unsigned long long blocked;
    unsigned long long ignored;
    assert_int_equal(sscanf(out, "%*x %llx %llx", &blocked, &ignored), 2);
    assert_int_equal(blocked, 0);
    assert_int_equal(ignored & INT32_MAX, 0);
}

static void its_group_is_its_own_where_that_is_asked_for(void **state)
{
    (void)state;
    static const char script[] = "set -- $$ $(cat /proc/$$/stat); test $1 = $6 && echo its own";
    char out[64];
    ask((struct tb_spawn){.as_fd = STDOUT_FILENO, .has_group = true}, script, out, sizeof(out));
    assert_string_equal(out, "its own\n");
    ask((struct tb_spawn){.as_fd = STDOUT_FILENO},
        "set -- $$ $(cat /proc/$$/stat); test $1 != $6 && echo ours", out, sizeof(out));
    assert_string_equal(out, "ours\n");
}

static void a_program_that_is_not_there_is_no_process(void **state)
{
    (void)state;
    char name[] = "no-such-program";
    char *argv[] = {name, NULL};
    char *env[] = {NULL};
    pid_t pid = 1;
    const struct tb_spawn how = {
        .program = "/no/such/program", .argv = argv, .env = env, .fd = 1, .as_fd = 1};
    assert_int_equal(tb_spawn(&how, &pid), -ENOENT);
    assert_int_equal(pid, -1);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--fds") == 0)
        return list_fds(argv[2][0] - '0');
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_standard_ones_and_its_own_are_open),
        cmocka_unit_test(standard_error_stays_where_it_is_asked_for),
        cmocka_unit_test(no_signal_is_blocked_or_ignored),
        cmocka_unit_test(its_group_is_its_own_where_that_is_asked_for),
        cmocka_unit_test(a_program_that_is_not_there_is_no_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
