/* notify.c - see notify.h. */
#include "agent/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"

/* 0, and the length of the address, or -EINVAL. */
static int address(const char *path, struct sockaddr_un *out, socklen_t *len)
{
    size_t n = strlen(path);
    if (n < 2 || n >= sizeof(out->sun_path) || (path[0] != '/' && path[0] != '@'))
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, path, n);
    if (path[0] == '@')
        out->sun_path[0] = '\0';
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return 0;
}

void tb_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to;
    socklen_t len;
    if (path == NULL || address(path, &to, &len) != 0)
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    /* Never in the way of the loop: a manager that is behind gets the next one. */
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)&to, len);
    tb_fd_close(&fd);
}

void tb_notify_reloading(void)
{
    char state[64];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             tb_clock_mono_ns() / 1000);
    tb_notify(state);
}

/* The whole text is a number. */
static int number(const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    if (text == NULL || text[0] < '0' || text[0] > '9')
        return -EINVAL;
    *out = strtoull(text, &end, 10);
    return errno != 0 || *end != '\0' ? -EINVAL : 0;
}

uint64_t tb_notify_watchdog_us(void)
{
    uint64_t us;
    uint64_t pid;
    const char *whose = getenv("WATCHDOG_PID");
    if (number(getenv("WATCHDOG_USEC"), &us) != 0)
        return 0;
    if (whose != NULL && (number(whose, &pid) != 0 || pid != (uint64_t)getpid()))
        return 0;
    return us;
}
