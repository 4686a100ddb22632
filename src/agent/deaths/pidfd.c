/* pidfd.c - see pidfd.h. Sources: pidfd_open(2); PIDFD_GET_INFO is in the kernel's
 * include/uapi/linux/pidfd.h since 6.13, its exit status since 6.15 (fs/pidfs.c: kept when the
 * process is reaped, and told to whoever holds a descriptor from before, of any user). Headers of
 * the C library may not have it yet. */
#include "agent/deaths/pidfd.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* struct pidfd_info in its first size, PIDFD_INFO_SIZE_VER0: 64 bytes. */
struct info {
    uint64_t mask; /* what is wanted, then what is there */
    uint64_t cgroup_id;
    uint32_t pid, tgid, ppid;
    uint32_t ids[8];
    int32_t exit_code;
};
_Static_assert(sizeof(struct info) == 64, "the first size that the kernel knows");

enum { INFO_EXIT = 1 << 3 }; /* PIDFD_INFO_EXIT */
#define GET_INFO _IOWR(0xff, 11, struct info)

int tb_pidfd_open(pid_t pid)
{
    long fd = syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by itself */
    return fd < 0 ? -errno : (int)fd;
}

enum tb_pidfd_end tb_pidfd_ask(int fd, int *status)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    struct info info = {.mask = INFO_EXIT};
    if (poll(&end, 1, 0) <= 0)
        return TB_PIDFD_LIVES;
    if (ioctl(fd, GET_INFO, &info) < 0)
        return TB_PIDFD_SILENT;
    if ((info.mask & INFO_EXIT) != 0) {
        *status = info.exit_code;
        return TB_PIDFD_KNOWN;
    }
    return end.revents & POLLHUP ? TB_PIDFD_SILENT : TB_PIDFD_ENDED;
}
