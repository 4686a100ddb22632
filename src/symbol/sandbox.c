/* sandbox.c - see sandbox.h. */
#include "symbol/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

enum { FILES_MAX = 256, LANDLOCK_TRUNCATE_BIT = 14, LANDLOCK_TRUNCATE_ABI = 3 };

static int limit(int resource, rlim_t value)
{
    struct rlimit old;
    if (getrlimit(resource, &old) < 0)
        return -errno;
    if (old.rlim_max != RLIM_INFINITY && old.rlim_max < value)
        value = old.rlim_max;
    struct rlimit new = {.rlim_cur = value, .rlim_max = value};
    return setrlimit(resource, &new) < 0 ? -errno : 0;
}

int tb_symbol_sandbox_renew(void)
{
    struct timespec used;
    struct rlimit cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0 || getrlimit(RLIMIT_CPU, &cpu) < 0)
        return -errno;
    rlim_t until = (rlim_t)used.tv_sec + TB_SYMBOL_CPU_S_MAX;
    cpu.rlim_cur = cpu.rlim_max < until ? cpu.rlim_max : until;
    return setrlimit(RLIMIT_CPU, &cpu) < 0 ? -errno : 0;
}

/* No file of any folder may be changed from here on. Kernels without Landlock have seccomp alone.
 */
static void forbid_changes(void)
{
    struct landlock_ruleset_attr rules = {
        .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                             LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
                             LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                             LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
                             LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                             LANDLOCK_ACCESS_FS_MAKE_SYM,
    };
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi >= LANDLOCK_TRUNCATE_ABI)
        rules.handled_access_fs |= UINT64_C(1) << LANDLOCK_TRUNCATE_BIT;
    long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules), 0);
    if (fd < 0)
        return;
    (void)syscall(SYS_landlock_restrict_self, (int)fd, 0);
    close((int)fd);
}

/* What reading files, the C library's memory, and a child that builds an index (index/indexer.h)
 * take. The child is limited once more, see builder_calls. */
static const unsigned reader_calls[] = {
    __NR_read,         __NR_pread64,       __NR_openat,       __NR_openat2,
    __NR_close,        __NR_lseek,         __NR_fstat,        __NR_newfstatat,
    __NR_statx,        __NR_readlinkat,    __NR_mmap,         __NR_munmap,
    __NR_mprotect,     __NR_mremap,        __NR_brk,          __NR_futex,
    __NR_getrandom,    __NR_clock_gettime, __NR_rt_sigreturn, __NR_rt_sigprocmask,
    __NR_getrusage,    __NR_exit,          __NR_exit_group,   __NR_restart_syscall,
    __NR_memfd_create, __NR_ftruncate,     __NR_wait4,        __NR_set_robust_list,
    __NR_getpid,       __NR_getppid,       __NR_setitimer,    __NR_close_range,
    __NR_fstatfs,      __NR_geteuid,
#if defined(__NR_readlink)
    __NR_readlink,
#endif
};

/* Memory, and the end. */
static const unsigned builder_calls[] = {
    __NR_mmap, __NR_munmap,       __NR_mprotect,   __NR_mremap,
    __NR_brk,  __NR_futex,        __NR_getrandom,  __NR_clock_gettime,
    __NR_exit, __NR_rt_sigreturn, __NR_exit_group, __NR_restart_syscall,
};

/* A call that is allowed when one argument has one value. */
struct rule {
    unsigned call, arg;
    uint32_t value;
};

/* As the C library's fork has it: no thread, no namespace, nothing shared. */
static const uint32_t fork_flags = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;

enum { RULE_STATEMENTS = 5, FILTER_ROOM = 192 };

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define LOAD_ARG(n)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS,                                                             \
             (uint32_t)(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t))) /* LE */
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, (what))
#define REFUSE ANSWER(SECCOMP_RET_ERRNO | EPERM)
#define ALLOW ANSWER(SECCOMP_RET_ALLOW)

static size_t add(struct sock_filter *to, size_t n, const struct sock_filter *what, size_t n_what)
{
    memcpy(to + n, what, n_what * sizeof(*what));
    return n + n_what;
}

static int filter_calls(const struct rule *rules, size_t n_rules, const unsigned *calls,
                        size_t n_calls)
{
    const struct sock_filter first[] = {
        LOAD(arch),
        UNLESS(THIS_ARCH, 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
    };
    enum { N_FIRST = sizeof(first) / sizeof(first[0]) };
    struct sock_filter filter[FILTER_ROOM];
    if (N_FIRST + n_rules * RULE_STATEMENTS + n_calls + 2 > FILTER_ROOM)
        return -ENOSPC;
    size_t n = add(filter, 0, first, N_FIRST);
    for (size_t i = 0; i < n_rules; i++) {
        const struct sock_filter rule[RULE_STATEMENTS] = {
            UNLESS(rules[i].call, 4),
            LOAD_ARG(rules[i].arg),
            UNLESS(rules[i].value, 1),
            ALLOW,
            LOAD(nr),
        };
        n = add(filter, n, rule, RULE_STATEMENTS);
    }
    for (size_t i = 0; i < n_calls; i++) {
        size_t to_allow = n_calls - i;
        filter[n++] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], (uint8_t)to_allow, 0);
    }
    filter[n++] = (struct sock_filter)REFUSE;
    filter[n++] = (struct sock_filter)ALLOW;
    struct sock_fprog program = {.len = (unsigned short)n, .filter = filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

static int filter_reader(int fd)
{
    const struct rule rules[] = {
        /* What malloc gives back. Root's advice may be for all who map the page, as poison. */
        {__NR_madvise, 2, MADV_DONTNEED},
        {__NR_madvise, 2, MADV_FREE},
        {__NR_madvise, 2, MADV_HUGEPAGE},
        /* No F_SETOWN, F_SETSIG, F_SETFL: they send any signal to any process of the user. */
        {__NR_fcntl, 1, F_GETFD},
        {__NR_fcntl, 1, F_SETFD},
        {__NR_fcntl, 1, F_GETFL},
        {__NR_fcntl, 1, F_DUPFD_CLOEXEC},
        {__NR_fcntl, 1, F_ADD_SEALS},
        {__NR_fcntl, 1, F_GET_SEALS},
        {__NR_write, 0, (uint32_t)fd},
        {__NR_sendmsg, 0, (uint32_t)fd}, /* hands over what was built */
        {__NR_prlimit64, 0, 0},          /* of this process alone */
        {__NR_clone, 0, fork_flags},
        {__NR_prctl, 0, PR_SET_PDEATHSIG},
        {__NR_prctl, 0, PR_SET_SECCOMP}, /* which can only take away */
    };
    return filter_calls(rules, sizeof(rules) / sizeof(rules[0]), reader_calls,
                        sizeof(reader_calls) / sizeof(reader_calls[0]));
}

static int filter_builder(void)
{
    const struct rule rules[] = {
        {__NR_madvise, 2, MADV_DONTNEED},
        {__NR_madvise, 2, MADV_FREE},
        {__NR_madvise, 2, MADV_HUGEPAGE},
    };
    return filter_calls(rules, sizeof(rules) / sizeof(rules[0]), builder_calls,
                        sizeof(builder_calls) / sizeof(builder_calls[0]));
}

int tb_symbol_sandbox_builder(pid_t parent, int deadline_ms)
{
    const rlim_t gib = (rlim_t)1 << 30;
    const struct itimerval timer = {
        .it_value = {.tv_sec = deadline_ms / 1000,
                     .tv_usec = (suseconds_t)(deadline_ms % 1000) * 1000}};
    sigset_t alarm_only;
    int err;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    (void)signal(SIGALRM, SIG_DFL); /* refused in the worker, where it is that */
    if (sigprocmask(SIG_UNBLOCK, &alarm_only, NULL) < 0 ||
        setitimer(ITIMER_REAL, &timer, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    if (getppid() != parent)
        return -ESRCH;
    if (close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
        return -errno;
    if ((err = limit(RLIMIT_CORE, 0)) || (err = limit(RLIMIT_CPU, (rlim_t)deadline_ms / 1000 + 2)))
        return err;
    if (SANITIZED)
        return 0;
    if ((err = limit(RLIMIT_NOFILE, 0)) ||
        (err = limit(RLIMIT_AS, TB_SYMBOL_MEMORY_BYTES_MAX_GIB * gib)))
        return err;
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); /* refused in the worker, which has it */
    (void)filter_builder();
    return 0;
}

int tb_symbol_sandbox(int fd)
{
    const rlim_t gib = (rlim_t)1 << 30;
    int err;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if ((err = limit(RLIMIT_CORE, 0)) || (err = limit(RLIMIT_NOFILE, FILES_MAX)))
        return err;
    if (SANITIZED)
        return 0;
    if ((err = limit(RLIMIT_AS, TB_SYMBOL_MEMORY_BYTES_MAX_GIB * gib)))
        return err;
    forbid_changes();
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return -errno;
    /* A kernel or a container without seccomp: the limits above still hold. */
    (void)filter_reader(fd);
    return 0;
}
