/* bench_ingest.c - items of 2 KiB a second into a running towbard, by the Unix socket and by
 * loopback TCP, each answered when it is in the spool; and how long the answers take at half of
 * that load.
 *
 * The client keeps CONNECTIONS alive, one request under way on each. The limit is a bare libevent
 * server that reads the body and says 200, under the same client. The agent is the real one, with
 * its pipeline at work beside the loop. */
#include "bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ITEM_BYTES = 2048,
    CONNECTIONS = 8,
    WARM = 500,
    ITEMS = 4000,
    PACED = 10000,
    START_MS = 10000,
    REQUEST_BYTES = ITEM_BYTES + 512,
    ANSWER_BYTES = 1024,
    PORT_BYTES = 80
};

struct server {
    pid_t pid;
    char socket[BENCH_PATH + 16];
    int port;
};

struct client {
    int fds[CONNECTIONS];
    double due_us[CONNECTIONS]; /* when the request under way was due; 0: none is */
    unsigned long n_sent;
    char request[REQUEST_BYTES];
    size_t len;
    char *number; /* in the request */
};

/* ---- the limit ---- */

static void say_200(struct evhttp_request *request, void *arg)
{
    static const char text[] = "{\"err\":0}";
    (void)arg;
    (void)evbuffer_add(evhttp_request_get_output_buffer(request), text, sizeof(text) - 1);
    evhttp_send_reply(request, 200, NULL, NULL);
}

static int listen_on(const char *path, int *port)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int fd =
        socket(path != NULL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (path != NULL)
        (void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
    int err = path != NULL ? bind(fd, (struct sockaddr *)&un, sizeof(un))
                           : bind(fd, (struct sockaddr *)&in, sizeof(in));
    if (fd < 0 || err < 0 || listen(fd, 64) < 0)
        return -errno;
    if (path == NULL && getsockname(fd, (struct sockaddr *)&in, &len) == 0)
        *port = ntohs(in.sin_port);
    return fd;
}

static int start_bare(const char *folder, struct server *out)
{
    (void)snprintf(out->socket, sizeof(out->socket), "%s/s", folder);
    int unix_fd = listen_on(out->socket, NULL);
    int tcp_fd = listen_on(NULL, &out->port);
    if (unix_fd < 0 || tcp_fd < 0)
        return -EIO;
    out->pid = fork();
    if (out->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct event_base *base = event_base_new();
        struct evhttp *http = evhttp_new(base);
        evhttp_set_gencb(http, say_200, NULL);
        _exit(evhttp_accept_socket(http, unix_fd) < 0 || evhttp_accept_socket(http, tcp_fd) < 0 ||
              event_base_dispatch(base) < 0);
    }
    close(unix_fd);
    close(tcp_fd);
    return out->pid < 0 ? -errno : 0;
}

/* ---- ours ---- */

static int write_settings(const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return -errno;
    (void)fputs("limits: {item_per_minute: 0, service_per_minute: 0, sender_per_minute: 0}\n",
                file);
    return fclose(file) == 0 ? 0 : -errno;
}

/* The agent writes its address down when it is about to serve. */
static int wait_for_port(const char *state, int *port)
{
    char path[BENCH_PATH + 32];
    char text[PORT_BYTES] = "";
    (void)snprintf(path, sizeof(path), "%s/listen", state);
    for (int i = 0; i < START_MS; i++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
        if (fd >= 0)
            close(fd);
        const char *colon = n > 0 ? strrchr(text, ':') : NULL;
        if (colon != NULL) {
            *port = (int)strtol(colon + 1, NULL, 10);
            return 0;
        }
        (void)poll(NULL, 0, 1);
    }
    return -ETIMEDOUT;
}

static int start_ours(const char *folder, struct server *out)
{
    char settings[BENCH_PATH + 16];
    char state[BENCH_PATH + 16];
    char spool[BENCH_PATH + 16];
    (void)snprintf(settings, sizeof(settings), "%s/yaml", folder);
    (void)snprintf(state, sizeof(state), "%s/state", folder);
    (void)snprintf(spool, sizeof(spool), "%s/spool", folder);
    (void)snprintf(out->socket, sizeof(out->socket), "%s/s", folder);
    int err = write_settings(settings);
    if (err < 0)
        return err;
    out->pid = fork();
    if (out->pid == 0) {
        static char *const nothing[] = {NULL};
        int null_fd = open("/dev/null", O_RDWR);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(null_fd, STDERR_FILENO);
        (void)execle(BENCH_SUBJECT, BENCH_SUBJECT, "--config", settings, "--state-dir", state,
                     "--spool", spool, "--socket", out->socket, "--listen", "127.0.0.1:0",
                     (char *)NULL, nothing);
        _exit(127);
    }
    return out->pid < 0 ? -errno : wait_for_port(state, &out->port);
}

static void stop(struct server *server)
{
    if (server->pid <= 0)
        return;
    (void)kill(server->pid, SIGKILL);
    (void)waitpid(server->pid, NULL, 0);
}

/* ---- the client ---- */

static int connect_once(const struct server *server, int is_tcp)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)server->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    (void)snprintf(un.sun_path, sizeof(un.sun_path), "%.100s", server->socket);
    int fd = socket(is_tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = is_tcp ? connect(fd, (struct sockaddr *)&in, sizeof(in))
                     : connect(fd, (struct sockaddr *)&un, sizeof(un));
    if (err < 0)
        return -errno;
    if (is_tcp)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* A request as an SDK sends it, whose uuid has a number in it. */
static void make_request(struct client *c)
{
    static char body[ITEM_BYTES + 1];
    int len = snprintf(
        body, sizeof(body),
        "{\"access_token\":\"0123456789abcdef0123456789abcdef\",\"data\":{\"environment\":"
        "\"bench\","
        "\"uuid\":\"00000000-0000-4000-8000-000000000000\",\"level\":\"error\",\"language\":"
        "\"python 3.11.7\","
        "\"framework\":\"flask\",\"timestamp\":1700000000,\"body\":{\"trace\":{\"frames\":[");
    for (int i = 0; len < ITEM_BYTES - 320; i++)
        len += snprintf(body + len, sizeof(body) - (size_t)len,
                        "%s{\"filename\":\"/srv/app/handlers/views%d.py\",\"lineno\":%d,"
                        "\"method\":\"dispatch_%d\",\"code\":\"return view(request)\"}",
                        i > 0 ? "," : "", i, 10 + i, i);
    len += snprintf(body + len, sizeof(body) - (size_t)len,
                    "],\"exception\":{\"class\":\"ValueError\",\"message\":\"no such thing\"}}},"
                    "\"custom\":{\"pad\":\"");
    while (len < ITEM_BYTES - 4)
        body[len++] = 'x';
    memcpy(body + len, "\"}}}", 5);
    c->len = (size_t)snprintf(c->request, sizeof(c->request),
                              "POST /api/1/item/ HTTP/1.1\r\nHost: localhost\r\n"
                              "User-Agent: python-requests/2.31.0\r\n"
                              "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
                              "Connection: keep-alive\r\nContent-Type: application/json\r\n"
                              "X-Rollbar-Access-Token: 0123456789abcdef0123456789abcdef\r\n"
                              "Content-Length: %d\r\n\r\n%s",
                              ITEM_BYTES, body);
    c->number = strstr(c->request, "-8000-") + 6;
}

static int open_client(struct client *c, const struct server *server, int is_tcp)
{
    memset(c, 0, sizeof(*c));
    make_request(c);
    for (int i = 0; i < CONNECTIONS; i++) {
        c->fds[i] = connect_once(server, is_tcp);
        if (c->fds[i] < 0)
            return c->fds[i];
    }
    return 0;
}

static void close_client(const struct client *c)
{
    for (int i = 0; i < CONNECTIONS; i++)
        if (c->fds[i] > 0)
            close(c->fds[i]);
}

static int send_one(struct client *c, int i, double due_us)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%012lx", c->n_sent++);
    memcpy(c->number, number, 12);
    c->due_us[i] = due_us;
    return send(c->fds[i], c->request, c->len, MSG_NOSIGNAL) == (ssize_t)c->len ? 0 : -EPIPE;
}

/* The answers are short: each comes in one piece. */
static int take_answer(struct client *c, int i)
{
    char answer[ANSWER_BYTES];
    ssize_t n = recv(c->fds[i], answer, sizeof(answer) - 1, 0);
    answer[n > 0 ? n : 0] = '\0';
    c->due_us[i] = 0;
    return strncmp(answer, "HTTP/1.1 200", 12) == 0 && strstr(answer, "\"err\":0") != NULL
               ? 0
               : -EBADMSG;
}

/* n requests as fast as they are answered, or one each step_us; samples get how long each took
 * since it was due, in ms, and may be NULL. */
static int run(struct client *c, int n, double step_us, double *samples)
{
    struct pollfd polled[CONNECTIONS];
    double begun_us = bench_us();
    int n_sent = 0;
    int n_done = 0;
    int err = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        polled[i] = (struct pollfd){.fd = c->fds[i], .events = POLLIN};
    while (n_done < n && err == 0) {
        for (int i = 0; i < CONNECTIONS && err == 0; i++) {
            double due_us = begun_us + n_sent * step_us;
            if (c->due_us[i] == 0 && n_sent < n && bench_us() >= due_us) {
                err = send_one(c, i, due_us);
                n_sent++;
            }
        }
        /* Without a free connection there is nothing to be early for: a client that asks again and
         * again keeps a processor that the server needs. */
        int is_due = step_us > 0 && n_sent < n && n_sent - n_done < CONNECTIONS;
        double wait_us = is_due ? begun_us + n_sent * step_us - bench_us() : 1e6;
        wait_us = wait_us > 0 ? wait_us : 0;
        struct timespec wait = {.tv_sec = (time_t)(wait_us / 1e6),
                                .tv_nsec = (long)(wait_us * 1e3) % 1000000000L};
        if (ppoll(polled, CONNECTIONS, &wait, NULL) < 0)
            return -errno;
        for (int i = 0; i < CONNECTIONS && err == 0; i++) {
            if ((polled[i].revents & (POLLIN | POLLHUP)) == 0 || c->due_us[i] == 0)
                continue;
            double due_us = c->due_us[i];
            err = take_answer(c, i);
            if (samples != NULL)
                samples[n_done] = (bench_us() - due_us) / 1000;
            n_done++;
        }
    }
    return err;
}

static int rate(const struct server *server, int is_tcp, int n, double *out)
{
    struct client c;
    int err = open_client(&c, server, is_tcp);
    if (err == 0)
        err = run(&c, WARM, 0, NULL);
    double begun_us = bench_us();
    if (err == 0)
        err = run(&c, n, 0, NULL);
    *out = n / (bench_us() - begun_us) * 1e6;
    close_client(&c);
    return err;
}

/* ---- the benchmarks ---- */

typedef int (*starter)(const char *folder, struct server *out);

static int rate_of(starter start, const char *parent, int is_tcp, double *out)
{
    char folder[BENCH_PATH];
    struct server server = {0};
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    err = start(folder, &server);
    if (err == 0)
        err = rate(&server, is_tcp, ITEMS, out);
    stop(&server);
    bench_remove(folder);
    return err;
}

static int both(const char *folder, int is_tcp, struct bench_round *out)
{
    int err = rate_of(start_ours, folder, is_tcp, &out->ours);
    return err == 0 ? rate_of(start_bare, folder, is_tcp, &out->limit) : err;
}

static int by_unix(const char *folder, struct bench_round *out)
{
    return both(folder, 0, out);
}

static int by_http(const char *folder, struct bench_round *out)
{
    return both(folder, 1, out);
}

static int pace(const struct server *server, double step_us, double *out)
{
    static double samples[PACED];
    struct client c;
    int err = open_client(&c, server, 1);
    if (err == 0)
        err = run(&c, WARM, 2 * step_us, NULL);
    if (err == 0)
        err = run(&c, PACED, step_us, samples);
    close_client(&c);
    *out = bench_percentile(samples, PACED, 99);
    return err;
}

/* The limit takes the same requests at the same times. */
static int latency(const char *parent, struct bench_round *out)
{
    char folder[BENCH_PATH];
    struct server ours = {0};
    struct server bare = {0};
    double full = 0;
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    err = start_ours(folder, &ours);
    if (err == 0)
        err = rate(&ours, 1, ITEMS / 2, &full);
    if (err == 0)
        err = pace(&ours, 2e6 / full, &out->ours);
    stop(&ours);
    bench_remove(folder);
    if (err == 0)
        err = bench_folder(parent, folder);
    if (err == 0)
        err = start_bare(folder, &bare);
    if (err == 0)
        err = pace(&bare, 2e6 / full, &out->limit);
    stop(&bare);
    bench_remove(folder);
    return err;
}

const struct bench bench_ingest[] = {
    {"ingest.unix", "/s", by_unix},
    {"ingest.http", "/s", by_http},
    {"ingest.latency.p99", "ms", latency},
};
const size_t bench_ingest_n = sizeof(bench_ingest) / sizeof(bench_ingest[0]);
