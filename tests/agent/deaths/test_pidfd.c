/* What the kernel says of a process that is watched from outside. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "agent/deaths/pidfd.h"

static pid_t start(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            (void)pause();
    }
    assert_true(pid > 0);
    return pid;
}

static void one_that_lives_has_not_ended(void **state)
{
    int status = 0;
    (void)state;
    pid_t pid = start();
    int fd = tb_pidfd_open(pid);
    assert_true(fd >= 0);
    assert_int_equal(tb_pidfd_ask(fd, &status), TB_PIDFD_LIVES);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    close(fd);
}

static void end_is_seen_at_once_and_its_kind_when_it_is_reaped(void **state)
{
    int status = 0;
    siginfo_t info;
    (void)state;
    pid_t pid = start();
    int fd = tb_pidfd_open(pid);
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    enum tb_pidfd_end end = tb_pidfd_ask(fd, &status);
    assert_true(end == TB_PIDFD_ENDED || end == TB_PIDFD_SILENT);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    end = tb_pidfd_ask(fd, &status);
    close(fd);
    if (end == TB_PIDFD_SILENT) {
        print_message("this kernel does not tell: skipped\n");
        skip();
    }
    assert_int_equal(end, TB_PIDFD_KNOWN);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void one_that_is_gone_has_no_descriptor(void **state)
{
    (void)state;
    pid_t pid = start();
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_true(tb_pidfd_open(pid) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_lives_has_not_ended),
        cmocka_unit_test(end_is_seen_at_once_and_its_kind_when_it_is_reaped),
        cmocka_unit_test(one_that_is_gone_has_no_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
