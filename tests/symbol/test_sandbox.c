/* test_sandbox.c - what is left to a process after tb_symbol_sandbox. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "symbol/sandbox.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* Runs check in a child that is limited. Its result is the child's exit code; -signal when killed.
 */
static int in_sandbox(int (*check)(void))
{
    int status;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(tb_symbol_sandbox(pipe_fds[1]) == 0 && write(pipe_fds[1], "x", 1) == 1 ? check()
                                                                                     : 100);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int try_reading(void)
{
    char byte;
    struct stat st;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    void *memory = malloc(32 << 20);
    int is_ok = fd >= 0 && read(fd, &byte, 1) == 1 && stat("/", &st) == 0 && memory;
    free(memory);
    return is_ok ? 0 : 1;
}

static int try_socket(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == EPERM ? 0 : 1;
}

static int try_exec(void)
{
    char name[] = "true";
    char *const argv[] = {name, NULL};
    execve("/bin/true", argv, NULL);
    return errno == EPERM ? 0 : 1;
}

/* What fork is made of is allowed with the flags of fork alone. */
static int try_clone(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return pid == -1 && errno == EPERM ? 0 : 1;
}

static int try_vfork(void)
{
    return try_clone(CLONE_VM | CLONE_VFORK);
}

static int try_thread(void)
{
    return try_clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD);
}

static int try_namespace(void)
{
    return try_clone(CLONE_NEWUSER);
}

static int try_clone3(void)
{
    char args[64] = {0};
    return syscall(SYS_clone3, args, sizeof(args)) == -1 && errno == EPERM ? 0 : 1;
}

static int try_prctl(void)
{
    return prctl(PR_SET_DUMPABLE, 1) == -1 && errno == EPERM ? 0 : 1;
}

static int try_sendmsg_elsewhere(void)
{
    struct msghdr message = {0};
    return sendmsg(0, &message, 0) == -1 && errno == EPERM ? 0 : 1;
}

static int try_kill(void)
{
    return kill(getppid(), 0) == -1 && errno == EPERM ? 0 : 1;
}

/* Signals by way of a descriptor, leases, watches of folders, other pipes. */
static int try_fcntl(void)
{
    static const int commands[] = {F_SETOWN,   F_SETOWN_EX,  F_SETSIG,   F_SETFL,
                                   F_SETLEASE, F_NOTIFY,     F_SETLK,    F_SETLKW,
                                   F_DUPFD,    F_SETPIPE_SZ, F_OFD_SETLK};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        errno = 0;
        if (fcntl(0, commands[i], 0) != -1 || errno != EPERM)
            return 1 + (int)i;
    }
    return 0;
}

static int try_plain_fcntl(void)
{
    int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int other = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return other >= 0 && fcntl(other, F_GETFL) >= 0 && fcntl(other, F_GETFD) == FD_CLOEXEC &&
                   fcntl(other, F_SETFD, FD_CLOEXEC) == 0 &&
                   fcntl(other, F_ADD_SEALS, F_SEAL_GROW) == 0 &&
                   fcntl(fd, F_GET_SEALS) == F_SEAL_GROW
               ? 0
               : 1;
}

/* MADV_COLD stands for those that would do harm if they were not refused. */
static int try_madvise(void)
{
    size_t len = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, len, MADV_DONTNEED) != 0)
        return 1;
    return madvise(page, len, MADV_COLD) == -1 && errno == EPERM ? 0 : 2;
}

static int try_write_elsewhere(void)
{
    return write(2, "", 0) == -1 && errno == EPERM ? 0 : 1;
}

static int try_new_file(void)
{
    int fd = open("/tmp/towbar-sandbox-test", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlink("/tmp/towbar-sandbox-test"); /* refused too, where open was not */
    return fd == -1 ? 0 : 1;
}

static int try_limits_of_another(void)
{
    struct rlimit limit = {0};
    return prlimit(getppid(), RLIMIT_CPU, &limit, NULL) == -1 && errno == EPERM ? 0 : 1;
}

static int spin(void)
{
    struct rlimit limit = {.rlim_cur = 1, .rlim_max = 60};
    /* What renew grants is too long for a test: it must have set the same limit. */
    if (tb_symbol_sandbox_renew() != 0 || getrlimit(RLIMIT_CPU, &limit) != 0 ||
        limit.rlim_cur > TB_SYMBOL_CPU_S_MAX + 2)
        return 1;
    limit.rlim_cur = 1;
    if (setrlimit(RLIMIT_CPU, &limit) != 0)
        return 2;
    for (volatile unsigned i = 0;; i++) {
    }
}

static void files_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(try_reading), 0);
    assert_int_equal(in_sandbox(try_plain_fcntl), 0);
}

static void nothing_else_can_be_done(void **state)
{
    static int (*const checks[])(void) = {try_socket,
                                          try_exec,
                                          try_kill,
                                          try_fcntl,
                                          try_madvise,
                                          try_write_elsewhere,
                                          try_limits_of_another,
                                          try_vfork,
                                          try_thread,
                                          try_namespace,
                                          try_clone3,
                                          try_prctl,
                                          try_sendmsg_elsewhere};
    (void)state;
    if (SANITIZED)
        skip();
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        assert_int_equal(in_sandbox(checks[i]), 0);
}

/* ---- the child that builds an index ---- */

/* The same for a child that is limited as a builder, after the worker's limits or without them. */
static int in_builder(bool in_worker, int ms, int (*check)(void))
{
    int status;
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t worker = fork();
    if (worker == 0) {
        if (in_worker && tb_symbol_sandbox(pipe_fds[1]) != 0)
            _exit(100);
        pid_t parent = getpid();
        pid_t pid = fork();
        if (pid == 0)
            _exit(tb_symbol_sandbox_builder(parent, ms) == 0 ? check() : 101);
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            _exit(102);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    }
    assert_int_equal(waitpid(worker, &status, 0), worker);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int use_memory(void)
{
    char *memory = malloc(32 << 20);
    if (memory)
        memset(memory, 1, 32 << 20);
    free(memory);
    return memory ? 0 : 1;
}

static volatile bool forever = true;

static int try_open(void)
{
    return open("/proc/self/exe", O_RDONLY | O_CLOEXEC) == -1 && errno == EPERM ? 0 : 1;
}

static int try_read(void)
{
    char byte;
    return read(0, &byte, 0) == -1 && errno == EPERM ? 0 : 1;
}

static int try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid == -1 && errno == EPERM ? 0 : 1;
}

static int try_to_live_on(void)
{
    const struct itimerval never = {0};
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    (void)signal(SIGALRM, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &alarm_only, NULL);
    (void)setitimer(ITIMER_REAL, &never, NULL);
    while (forever) {
    }
    return 1;
}

static int wait_for_alarm(void)
{
    while (forever) {
    }
    return 1;
}

static void builder_has_memory_and_nothing_else(void **state)
{
    static int (*const checks[])(void) = {try_open,
                                          try_read,
                                          try_fork,
                                          try_exec,
                                          try_kill,
                                          try_write_elsewhere,
                                          try_fcntl,
                                          try_madvise,
                                          try_socket,
                                          try_prctl,
                                          try_limits_of_another};
    (void)state;
    for (int in_worker = 0; in_worker < 2; in_worker++) {
        assert_int_equal(in_builder(in_worker, 60000, use_memory), 0);
        for (size_t i = 0; !SANITIZED && i < sizeof(checks) / sizeof(checks[0]); i++)
            assert_int_equal(in_builder(in_worker, 60000, checks[i]), 0);
    }
}

static void builder_that_takes_too_long_is_ended_by_its_timer(void **state)
{
    (void)state;
    for (int in_worker = 0; in_worker < 2; in_worker++) {
        assert_int_equal(in_builder(in_worker, 50, wait_for_alarm), 128 + SIGALRM);
        if (!SANITIZED)
            assert_int_equal(in_builder(in_worker, 50, try_to_live_on), 128 + SIGALRM);
    }
}

static void builder_without_its_parent_does_not_begin(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(tb_symbol_sandbox_builder(getpid(), 1000) == -ESRCH ? 0 : 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Asked of the kernel as landlock(7) says. */
static int has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION) >
           0;
}

static void no_file_can_be_made(void **state)
{
    (void)state;
    if (SANITIZED || !has_landlock())
        skip();
    assert_int_equal(in_sandbox(try_new_file), 0);
}

static void answer_that_takes_too_long_is_ended_by_the_kernel(void **state)
{
    (void)state;
    assert_int_equal(in_sandbox(spin), -SIGXCPU);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_can_be_read),
        cmocka_unit_test(nothing_else_can_be_done),
        cmocka_unit_test(no_file_can_be_made),
        cmocka_unit_test(answer_that_takes_too_long_is_ended_by_the_kernel),
        cmocka_unit_test(builder_has_memory_and_nothing_else),
        cmocka_unit_test(builder_that_takes_too_long_is_ended_by_its_timer),
        cmocka_unit_test(builder_without_its_parent_does_not_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
