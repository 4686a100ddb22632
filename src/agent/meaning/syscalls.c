/* syscalls.c - see syscalls.h. Source: <asm/unistd_64.h>, <asm/unistd_32.h> and <asm/unistd_x32.h>
 * of Linux; numbers are never given twice, so a table can only be too short. */
#include "agent/meaning/syscalls.h"

#include <string.h>

enum { PER_ROW = 16, X32_BIT = 0x40000000, X32_FIRST = 512 };

/* Sixteen names in each row; "-" for a number without one. */
static const char *const x86_64_names[] = {
    /* 0 */ "read write open close stat fstat lstat poll lseek mmap mprotect munmap brk "
            "rt_sigaction rt_sigprocmask rt_sigreturn",
    /* 16 */
    "ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore "
    "madvise shmget shmat shmctl",
    /* 32 */
    "dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept "
    "sendto recvfrom sendmsg recvmsg",
    /* 48 */
    "shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt clone fork "
    "vfork execve exit wait4 kill uname",
    /* 64 */
    "semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl flock fsync fdatasync truncate "
    "ftruncate getdents getcwd",
    /* 80 */
    "chdir fchdir rename mkdir rmdir creat link unlink symlink readlink chmod fchmod chown fchown "
    "lchown umask",
    /* 96 */
    "gettimeofday getrlimit getrusage sysinfo times ptrace getuid syslog getgid setuid setgid "
    "geteuid getegid setpgid getppid getpgrp",
    /* 112 */
    "setsid setreuid setregid getgroups setgroups setresuid getresuid setresgid getresgid getpgid "
    "setfsuid setfsgid getsid capget capset rt_sigpending",
    /* 128 */
    "rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality "
    "ustat statfs fstatfs sysfs getpriority setpriority sched_setparam sched_getparam",
    /* 144 */
    "sched_setscheduler sched_getscheduler sched_get_priority_max sched_get_priority_min "
    "sched_rr_get_interval mlock munlock mlockall munlockall vhangup modify_ldt pivot_root _sysctl "
    "prctl arch_prctl adjtimex",
    /* 160 */
    "setrlimit chroot sync acct settimeofday mount umount2 swapon swapoff reboot sethostname "
    "setdomainname iopl ioperm create_module init_module",
    /* 176 */
    "delete_module get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall "
    "tuxcall security gettid readahead setxattr lsetxattr fsetxattr getxattr",
    /* 192 */
    "lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr "
    "tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup io_destroy",
    /* 208 */
    "io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old "
    "epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop "
    "fadvise64 timer_create timer_settime",
    /* 224 */
    "timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres "
    "clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy "
    "get_mempolicy",
    /* 240 */
    "mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid "
    "add_key request_key keyctl ioprio_set ioprio_get inotify_init inotify_add_watch "
    "inotify_rm_watch",
    /* 256 */
    "migrate_pages openat mkdirat mknodat fchownat futimesat newfstatat unlinkat renameat linkat "
    "symlinkat readlinkat fchmodat faccessat pselect6 ppoll",
    /* 272 */
    "unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages "
    "utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime "
    "timerfd_gettime",
    /* 288 */
    "accept4 signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev "
    "rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64 "
    "name_to_handle_at",
    /* 304 */
    "open_by_handle_at clock_adjtime syncfs sendmmsg setns getcpu process_vm_readv "
    "process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom "
    "memfd_create",
    /* 320 */
    "kexec_file_load bpf execveat userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 "
    "pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq",
    /* 336 */ "",
    /* 352 */ "",
    /* 368 */ "",
    /* 384 */ "",
    /* 400 */ "",
    /* 416 */
    "- - - - - - - - pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree "
    "move_mount fsopen fsconfig",
    /* 432 */
    "fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise "
    "epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule "
    "landlock_restrict_self memfd_secret",
    /* 448 */
    "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack "
    "futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr "
    "lsm_list_modules mseal setxattrat",
    /* 464 */
    "getxattrat listxattrat removexattrat open_tree_attr",
};

static const char *const i386_names[] = {
    /* 0 */ "restart_syscall exit fork read write open close waitpid creat link unlink execve "
            "chdir time mknod chmod",
    /* 16 */
    "lchown break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat "
    "pause utime stty",
    /* 32 */
    "gtty access nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid getgid",
    /* 48 */
    "signal geteuid getegid acct umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask "
    "chroot ustat dup2",
    /* 64 */
    "getppid getpgrp setsid sigaction sgetmask ssetmask setreuid setregid sigsuspend sigpending "
    "sethostname setrlimit getrlimit getrusage gettimeofday settimeofday",
    /* 80 */
    "getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir mmap munmap "
    "truncate ftruncate fchmod fchown",
    /* 96 */
    "getpriority setpriority profil statfs fstatfs ioperm socketcall syslog setitimer getitimer "
    "stat lstat fstat olduname iopl vhangup",
    /* 112 */
    "idle vm86old wait4 swapoff sysinfo ipc fsync sigreturn clone setdomainname uname modify_ldt "
    "adjtimex mprotect sigprocmask create_module",
    /* 128 */
    "init_module delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality "
    "afs_syscall setfsuid setfsgid _llseek getdents _newselect flock",
    /* 144 */
    "msync readv writev getsid fdatasync _sysctl mlock munlock mlockall munlockall sched_setparam "
    "sched_getparam sched_setscheduler sched_getscheduler sched_yield sched_get_priority_max",
    /* 160 */
    "sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid getresuid vm86 "
    "query_module poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction "
    "rt_sigprocmask",
    /* 176 */
    "rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd "
    "capget capset sigaltstack sendfile getpmsg putpmsg vfork ugetrlimit",
    /* 192 */
    "mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 getgid32 geteuid32 "
    "getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32",
    /* 208 */
    "setresuid32 getresuid32 setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 "
    "setfsgid32 pivot_root mincore madvise getdents64 fcntl64",
    /* 224 */
    "gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr "
    "llistxattr flistxattr removexattr lremovexattr fremovexattr tkill sendfile64",
    /* 240 */
    "futex sched_setaffinity sched_getaffinity set_thread_area get_thread_area io_setup io_destroy "
    "io_getevents io_submit io_cancel fadvise64 - exit_group lookup_dcookie epoll_create epoll_ctl",
    /* 256 */
    "epoll_wait remap_file_pages set_tid_address timer_create timer_settime timer_gettime "
    "timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep "
    "statfs64 fstatfs64 tgkill utimes",
    /* 272 */
    "fadvise64_64 vserver mbind get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend "
    "mq_timedreceive mq_notify mq_getsetattr kexec_load waitid - add_key request_key",
    /* 288 */
    "keyctl ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages "
    "openat mkdirat mknodat fchownat futimesat fstatat64 unlinkat renameat linkat",
    /* 304 */
    "symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare set_robust_list "
    "get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait",
    /* 320 */
    "utimensat signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4 "
    "eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo",
    /* 336 */
    "perf_event_open recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at "
    "open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv process_vm_writev kcmp "
    "finit_module sched_setattr",
    /* 352 */
    "sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat socket socketpair bind "
    "connect listen accept4 getsockopt setsockopt getsockname",
    /* 368 */
    "getpeername sendto sendmsg recvfrom recvmsg shutdown userfaultfd membarrier mlock2 "
    "copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx",
    /* 384 */
    "arch_prctl io_pgetevents rseq - - - - - - semget semctl shmget shmctl shmat shmdt msgget",
    /* 400 */
    "msgsnd msgrcv msgctl clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 "
    "clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 "
    "utimensat_time64 pselect6_time64 ppoll_time64",
    /* 416 */
    "io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 "
    "semtimedop_time64 rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64 "
    "pidfd_send_signal io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen "
    "fsconfig",
    /* 432 */
    "fsmount fspick pidfd_open clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise "
    "epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset landlock_add_rule "
    "landlock_restrict_self memfd_secret",
    /* 448 */
    "process_mrelease futex_waitv set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack "
    "futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr lsm_set_self_attr "
    "lsm_list_modules mseal setxattrat",
    /* 464 */
    "getxattrat listxattrat removexattrat open_tree_attr",
};

/* Those of x32 that have a number of their own. */
static const char *const x32_names[] = {
    /* 512 */ "rt_sigaction rt_sigreturn ioctl readv writev recvfrom sendmsg recvmsg execve ptrace "
              "rt_sigpending rt_sigtimedwait rt_sigqueueinfo sigaltstack timer_create mq_notify",
    /* 528 */
    "kexec_load waitid set_robust_list get_robust_list vmsplice move_pages preadv pwritev "
    "rt_tgsigqueueinfo recvmmsg sendmmsg process_vm_readv process_vm_writev setsockopt getsockopt "
    "io_setup",
    /* 544 */ "io_submit execveat preadv2 pwritev2",
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

static const char *look_up(const char *const *rows, size_t n_rows, uint64_t number,
                           char name[TB_SYSCALL_NAME_BYTES])
{
    if (number / PER_ROW >= n_rows)
        return NULL;
    const char *at = rows[number / PER_ROW];
    for (uint64_t i = number % PER_ROW; i > 0 && *at != '\0'; i--) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    size_t len = strcspn(at, " ");
    if (len == 0 || len >= TB_SYSCALL_NAME_BYTES || (len == 1 && *at == '-'))
        return NULL;
    memcpy(name, at, len);
    name[len] = '\0';
    return name;
}

enum tb_syscall_arch tb_syscall_arch(const uint8_t *code, uint64_t number)
{
    if (code != NULL &&
        ((code[0] == 0xcd && code[1] == 0x80) || (code[0] == 0x0f && code[1] == 0x34)))
        return TB_SYSCALL_I386;
    return number & X32_BIT ? TB_SYSCALL_X32 : TB_SYSCALL_X86_64;
}

const char *tb_syscall_arch_name(enum tb_syscall_arch arch)
{
    static const char *const names[] = {"x86_64", "i386", "x32"};
    return names[arch];
}

const char *tb_syscall_name(enum tb_syscall_arch arch, uint64_t number,
                            char name[TB_SYSCALL_NAME_BYTES])
{
    if (arch == TB_SYSCALL_I386)
        return look_up(i386_names, N(i386_names), number, name);
    if (arch == TB_SYSCALL_X32)
        number &= ~(uint64_t)X32_BIT;
    if (arch == TB_SYSCALL_X32 && number >= X32_FIRST)
        return look_up(x32_names, N(x32_names), number - X32_FIRST, name);
    return look_up(x86_64_names, N(x86_64_names), number, name);
}
