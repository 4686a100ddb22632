/* agent_rig.c - see agent_rig.h. BENCH_SUBJECT is towbard. */
#include "agent_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

enum { WAIT_MS = 20000, STEP_US = 200 };

static const char OK[] = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"err\":0}";

/* ---- the endpoint ---- */

struct caller {
    int fd; /* -1: none */
    size_t len;
    char data[RIG_REQUEST_BYTES];
};

/* The length of the whole request, or 0 when it is not all there. */
static size_t request_len(struct caller *caller)
{
    caller->data[caller->len] = '\0';
    const char *end = strstr(caller->data, "\r\n\r\n");
    const char *length = strcasestr(caller->data, "\r\nContent-Length:");
    if (end == NULL || length == NULL || length > end)
        return 0;
    size_t whole = (size_t)(end + 4 - caller->data) + strtoul(length + 17, NULL, 10);
    return caller->len >= whole ? whole : 0;
}

static void hear(struct agent_rig *rig, struct caller *caller)
{
    ssize_t n =
        read(caller->fd, caller->data + caller->len, sizeof(caller->data) - 1 - caller->len);
    if (n <= 0) {
        tb_fd_close(&caller->fd);
        return;
    }
    caller->len += (size_t)n;
    size_t len = request_len(caller);
    if (len == 0)
        return;
    atomic_store(&rig->last_us, bench_us());
    atomic_fetch_add(&rig->n_requests, 1);
    caller->len = 0;
    (void)!send(caller->fd, OK, sizeof(OK) - 1, MSG_NOSIGNAL);
}

static void let_in(struct agent_rig *rig, struct caller *callers)
{
    int fd = accept4(rig->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 0; fd >= 0 && i < RIG_CONNECTIONS; i++) {
        if (callers[i].fd >= 0)
            continue;
        callers[i].fd = fd;
        callers[i].len = 0;
        return;
    }
    tb_fd_close(&fd);
}

static void *serve(void *arg)
{
    struct agent_rig *rig = arg;
    struct caller *callers = calloc(RIG_CONNECTIONS, sizeof(*callers));
    struct pollfd fds[RIG_CONNECTIONS + 2];
    for (int i = 0; callers != NULL && i < RIG_CONNECTIONS; i++)
        callers[i].fd = -1;
    while (callers != NULL) {
        for (int i = 0; i < RIG_CONNECTIONS; i++)
            fds[i] = (struct pollfd){.fd = callers[i].fd, .events = POLLIN};
        fds[RIG_CONNECTIONS] = (struct pollfd){.fd = rig->listen_fd, .events = POLLIN};
        fds[RIG_CONNECTIONS + 1] = (struct pollfd){.fd = rig->stop_fd, .events = POLLIN};
        if (poll(fds, RIG_CONNECTIONS + 2, -1) < 0 || fds[RIG_CONNECTIONS + 1].revents != 0)
            break;
        for (int i = 0; i < RIG_CONNECTIONS; i++)
            if (fds[i].revents != 0)
                hear(rig, &callers[i]);
        if (fds[RIG_CONNECTIONS].revents != 0)
            let_in(rig, callers);
    }
    for (int i = 0; callers != NULL && i < RIG_CONNECTIONS; i++)
        tb_fd_close(&callers[i].fd);
    free(callers);
    return NULL;
}

/* Its port, or a negative errno. */
static int open_endpoint(struct agent_rig *rig)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    rig->stop_fd = eventfd(0, EFD_CLOEXEC);
    rig->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (rig->stop_fd < 0 || rig->listen_fd < 0 ||
        bind(rig->listen_fd, (struct sockaddr *)&at, len) < 0 || listen(rig->listen_fd, 64) < 0 ||
        getsockname(rig->listen_fd, (struct sockaddr *)&at, &len) < 0)
        return -errno;
    int err = -pthread_create(&rig->thread, NULL, serve, rig);
    return err ? err : ntohs(at.sin_port);
}

/* ---- the agent ---- */

static int connect_agent(const struct agent_rig *rig)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(rig->socket);
    if (len >= sizeof(at.sun_path))
        return -1;
    memcpy(at.sun_path, rig->socket, len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        tb_fd_close(&fd);
    return fd;
}

static void run_agent(const struct agent_rig *rig, int port)
{
    char endpoint[64];
    char state[BENCH_PATH + 16];
    (void)snprintf(endpoint, sizeof(endpoint), "http://127.0.0.1:%d/api/1/item/", port);
    (void)snprintf(state, sizeof(state), "%s/state", rig->folder);
    (void)clearenv();
    (void)setenv("HOME", rig->folder, 1);
    (void)setenv("ROLLBAR_ENDPOINT", endpoint, 1);
    (void)setenv("ROLLBAR_ACCESS_TOKEN", "0123456789abcdef0123456789abcdef", 1);
    (void)setenv("no_proxy", "127.0.0.1", 1);
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)dup2(null_fd, STDERR_FILENO);
    (void)execl(BENCH_SUBJECT, BENCH_SUBJECT, "--spool", rig->spool, "--state-dir", state,
                "--socket", rig->socket, "--listen", "127.0.0.1:0", (char *)NULL);
    _exit(127);
}

static int start_agent(struct agent_rig *rig, int port)
{
    rig->pid = fork();
    if (rig->pid < 0)
        return -errno;
    if (rig->pid == 0)
        run_agent(rig, port);
    for (int ms = 0; ms < WAIT_MS; ms++) {
        int fd = connect_agent(rig);
        if (fd >= 0) {
            close(fd);
            return 0;
        }
        usleep(1000);
    }
    return -ETIMEDOUT;
}

int agent_rig_open(struct agent_rig *rig, const char *parent)
{
    memset(rig, 0, sizeof(*rig));
    rig->listen_fd = rig->stop_fd = -1;
    int err = bench_folder(parent, rig->folder);
    if (err)
        return err;
    (void)snprintf(rig->spool, sizeof(rig->spool), "%s/spool", rig->folder);
    (void)snprintf(rig->socket, sizeof(rig->socket), "%s/sock", rig->folder);
    int port = open_endpoint(rig);
    return port < 0 ? port : start_agent(rig, port);
}

void agent_rig_close(struct agent_rig *rig)
{
    const uint64_t one = 1;
    if (rig->pid > 0) {
        (void)kill(rig->pid, SIGTERM);
        (void)waitpid(rig->pid, NULL, 0);
    }
    if (rig->thread) {
        (void)!write(rig->stop_fd, &one, sizeof(one));
        (void)pthread_join(rig->thread, NULL);
    }
    tb_fd_close(&rig->listen_fd);
    tb_fd_close(&rig->stop_fd);
    if (rig->folder[0] != '\0')
        bench_remove(rig->folder);
}

int agent_rig_wait(const struct agent_rig *rig, int n)
{
    double until = bench_us() + WAIT_MS * 1000.0;
    while (atomic_load(&rig->n_requests) < n) {
        if (bench_us() > until)
            return -ETIMEDOUT;
        usleep(STEP_US);
    }
    return 0;
}

/* ---- items by HTTP ---- */

static int post_one(int fd, int number, size_t bytes)
{
    static char request[RIG_REQUEST_BYTES];
    char body[256];
    char reply[1024];
    int head = snprintf(body, sizeof(body),
                        "{\"data\":{\"environment\":\"bench\",\"body\":{\"message\":{\"body\":\""
                        "item %d ",
                        number);
    const char tail[] = "\"}}}}";
    size_t body_len = (size_t)head + bytes + sizeof(tail) - 1;
    int len =
        snprintf(request, sizeof(request),
                 "POST /api/1/item/ HTTP/1.1\r\nHost: towbar\r\nContent-Length: %zu\r\n\r\n%s",
                 body_len, body);
    if (len < 0 || (size_t)len + bytes + sizeof(tail) > sizeof(request))
        return -EMSGSIZE;
    memset(request + len, 'x', bytes);
    memcpy(request + (size_t)len + bytes, tail, sizeof(tail));
    int err = tb_fd_write_all(fd, request, (size_t)len + bytes + sizeof(tail) - 1);
    if (err)
        return err;
    ssize_t n = read(fd, reply, sizeof(reply));
    return n > 12 && memcmp(reply + 9, "200", 3) == 0 ? 0 : -EPROTO;
}

int agent_rig_post(const struct agent_rig *rig, int n, size_t bytes)
{
    int fd = connect_agent(rig);
    int err = fd < 0 ? -errno : 0;
    for (int i = 0; i < n && !err; i++)
        err = post_one(fd, i, bytes);
    tb_fd_close(&fd);
    return err;
}
