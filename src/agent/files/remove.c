/* remove.c - see remove.h. */
#include "agent/files/remove.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "agent/deaths/proc.h"
#include "base/clock.h"

#define RELAY "rollbar-relay."
#define PROCESSED "_processed_"
#define SUFFIX ".rollbar"

static bool is_number(const char *text, size_t len, const char *others)
{
    for (size_t i = 0; i < len; i++)
        if ((text[i] < '0' || text[i] > '9') && strchr(others, text[i]) == NULL)
            return false;
    return len > 0;
}

/* PID.TIME, where the time has a point itself. */
static bool is_relay(const char *text, size_t len, int *pid)
{
    const char *dot = memchr(text, '.', len);
    size_t pid_len = dot != NULL ? (size_t)(dot - text) : 0;
    if (dot == NULL || pid_len > 9 || !is_number(text, pid_len, "") ||
        !is_number(dot + 1, len - pid_len - 1, "."))
        return false;
    *pid = (int)strtol(text, NULL, 10);
    return *pid > 0;
}

bool tb_remove_name(const char *name, int *pid)
{
    size_t len = strlen(name);
    if (len <= strlen(SUFFIX) || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
        return false;
    len -= strlen(SUFFIX);
    if (len > strlen(RELAY) && strncmp(name, RELAY, strlen(RELAY)) == 0)
        return is_relay(name + strlen(RELAY), len - strlen(RELAY), pid);
    size_t n_digits = 0;
    while (n_digits < len && name[len - n_digits - 1] >= '0' && name[len - n_digits - 1] <= '9')
        n_digits++;
    *pid = 0;
    return n_digits > 0 && len - n_digits > strlen(PROCESSED) &&
           memcmp(name + len - n_digits - strlen(PROCESSED), PROCESSED, strlen(PROCESSED)) == 0;
}

/* When it began, by the wall clock as it is now. */
static int64_t began_ns(const struct tb_proc *proc)
{
    struct timespec up;
    int64_t ticks = sysconf(_SC_CLK_TCK);
    if (ticks <= 0 || clock_gettime(CLOCK_BOOTTIME, &up) < 0)
        return INT64_MIN;
    int64_t up_ns = up.tv_sec * TB_NS_PER_S + up.tv_nsec;
    int64_t start_ns = (int64_t)proc->start_ticks / ticks * TB_NS_PER_S;
    return (int64_t)tb_clock_wall_ns() - up_ns + start_ns;
}

bool tb_remove_is_gone(int pid, int64_t mtime_ns)
{
    struct tb_proc proc;
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return true;
    return tb_proc_read(pid, &proc) == 0 && began_ns(&proc) > mtime_ns + TB_NS_PER_S;
}

/* The kernel gives a lease for reading only where nobody has the file open for writing. Should
 * somebody open it while we have it, the signal is one that is ignored. */
bool tb_remove_is_closed(int fd)
{
    if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno != EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return true;
}
