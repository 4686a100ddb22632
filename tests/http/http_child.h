/* http_child.h - the agent's HTTP server in a process of its own, with one route, for tests of what
 * it does with strangers. */
#ifndef TEST_HTTP_CHILD_H
#define TEST_HTTP_CHILD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "http/http.h"
#include "http/listen.h"
#include "../support/folder.h"

enum { CHILD_DESCRIPTORS = 64, CHILD_HELD = 256, ANSWER_MS = 1000, CHILD_LARGE = 8 << 20 };

struct http_child {
    pid_t pid;
    int port;
    /* To be set before the start: */
    int keeps_all;       /* the child has no free descriptor until SIGUSR1 */
    int answers_quickly; /* plain requests, unless their body is "none" */
    int request_ms;      /* as in struct tb_http_options */
    size_t held_max;
};

static int child_held[CHILD_HELD];
static int child_n_held;

static inline void child_answers(void *arg, struct evhttp_request *request)
{
    (void)arg;
    tb_http_reply(request, 200, "text/plain", "ok\n", 3);
}

static inline void child_answers_much(void *arg, struct evhttp_request *request)
{
    static char text[CHILD_LARGE];
    (void)arg;
    tb_http_reply(request, 200, "text/plain", text, sizeof(text));
}

static inline size_t child_answers_quickly(void *arg, enum tb_http_input input,
                                           const struct tb_quick *request, char *out, size_t cap)
{
    (void)arg;
    (void)input;
    if (request->body_len == 4 && memcmp(request->body, "none", 4) == 0)
        return 0;
    return (size_t)snprintf(out, cap, "quick\n");
}

static inline void child_lets_go(evutil_socket_t signo, short events, void *arg)
{
    (void)signo;
    (void)events;
    (void)arg;
    while (child_n_held > 0)
        close(child_held[--child_n_held]);
}

static inline void child_warns(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static inline void child_runs(int unix_fd, int tcp_fd, const struct http_child *child)
{
    static const struct tb_http_route routes[] = {{"/healthz", EVHTTP_REQ_GET, child_answers},
                                                  {"/large", EVHTTP_REQ_GET, child_answers_much},
                                                  {"/post", EVHTTP_REQ_POST, child_answers}};
    struct rlimit limit = {CHILD_DESCRIPTORS / 2, CHILD_DESCRIPTORS};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)sigaction(SIGPIPE, &(const struct sigaction){.sa_handler = SIG_IGN}, NULL);
    int log = open(in_folder("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(log, STDERR_FILENO);
    close(log);
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    struct event_base *base = event_base_new();
    struct tb_http_options options = {.base = base,
                                      .routes = routes,
                                      .n_routes = 3,
                                      .quick =
                                          child->answers_quickly ? child_answers_quickly : NULL,
                                      .warn = child_warns,
                                      .request_ms = child->request_ms,
                                      .held_max = child->held_max};
    struct tb_http *http = NULL;
    struct event *usr1 = evsignal_new(base, SIGUSR1, child_lets_go, NULL);
    if (tb_http_new(&options, &http) != 0 || tb_http_serve(http, unix_fd, 0) != 0 ||
        tb_http_serve(http, tcp_fd, 1) != 0 || event_add(usr1, NULL) < 0)
        _exit(1);
    put_file("ready", ""); /* the sockets listen; what comes now waits */
    while (child->keeps_all && child_n_held < CHILD_HELD) {
        int fd = open("/dev/null", O_RDONLY);
        if (fd < 0)
            break;
        child_held[child_n_held++] = fd;
    }
    _exit(event_base_dispatch(base) < 0);
}

static inline int start_http_child(struct http_child *child)
{
    char address[TB_LISTEN_ADDRESS];
    char why[TB_LISTEN_WHY];
    struct tb_listen_file file = {0};
    int tcp_fd = tb_listen_tcp("127.0.0.1:0", address, why);
    int unix_fd = tb_listen_unix(in_folder("s"), 0, &file, why);
    if (tcp_fd < 0 || unix_fd < 0)
        return -1;
    child->port = (int)strtol(strchr(address, ':') + 1, NULL, 10);
    child->pid = fork();
    if (child->pid == 0)
        child_runs(unix_fd, tcp_fd, child);
    close(tcp_fd);
    close(unix_fd);
    return child->pid > 0 ? 0 : -1;
}

static inline void stop_http_child(const struct http_child *child)
{
    kill(child->pid, SIGKILL);
    (void)waitpid(child->pid, NULL, 0);
}

/* A connection that says nothing; port 0 is the Unix socket. */
static inline int connect_to(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", in_folder("s"));
    int fd = socket(port != 0 ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int err = port != 0 ? connect(fd, (const struct sockaddr *)&in, sizeof(in))
                        : connect(fd, (const struct sockaddr *)&un, sizeof(un));
    if (err == 0)
        return fd;
    close(fd);
    return -1;
}

/* All that comes until the server closes or is silent for wait_ms. Closes fd. */
static inline const char *answer_on(int fd, int wait_ms)
{
    static char answer[8192];
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (n < sizeof(answer) - 1 && poll(&p, 1, wait_ms) > 0) {
        ssize_t got = recv(fd, answer + n, sizeof(answer) - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    answer[n] = '\0';
    close(fd);
    return answer;
}

/* Sends the request's bytes; the answer's text, or "" for none. */
static inline const char *answer_to_bytes(int port, const char *request, size_t len)
{
    int fd = connect_to(port);
    if (fd >= 0 && send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len)
        return answer_on(fd, ANSWER_MS);
    close(fd);
    return "";
}

static inline const char *answer_to(int port, const char *request)
{
    return answer_to_bytes(port, request, strlen(request));
}

static inline int is_healthy(int port)
{
    return strstr(answer_to(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                                  "Connection: close\r\n\r\n"),
                  "\r\n\r\nok\n") != NULL;
}

#endif
