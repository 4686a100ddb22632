/* feedd - the home feed daemon of Cruddur, the sample application.
 *
 *   feedd [PORT [FOLDER]]     PORT 0 or none: a free one. FOLDER: where the feeds are.
 *
 *   curl 127.0.0.1:PORT/feed?user=andrew     works
 *   curl 127.0.0.1:PORT/feed?user=missing    an error: there is no such file
 *   curl 127.0.0.1:PORT/feed?user=crash      a crash: queue.c has a bug
 *   curl 127.0.0.1:PORT/feed?user=abort      a failed assertion in feed.c */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towbar/towbar.h>

#include "worker.h"

enum { N_WORKERS = 2 };

static volatile sig_atomic_t stopping;

static void stop(int signal_number)
{
    (void)signal_number;
    stopping = 1;
}

/* The threads started after this have the signals blocked; main hears them inside ppoll only. */
static void stop_on_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static int listen_on(uint16_t port)
{
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0) {
        close(fd);
        return -1;
    }
    printf("feedd: listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

/* Until a signal says stop, or nothing more can be accepted. */
static void accept_all(int listen_fd)
{
    struct pollfd ready = {.fd = listen_fd, .events = POLLIN};
    sigset_t none;
    sigemptyset(&none);
    while (!stopping) {
        if (ppoll(&ready, 1, NULL, &none) < 0)
            continue;
        int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            worker_give(fd);
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            towbar_perror("cannot accept");
            return;
        }
    }
}

int main(int argc, char **argv)
{
    const char *folder = argc > 2 ? argv[2] : SAMPLE_ROOT "/samples/cruddur/feeds";
    char *end = NULL;
    unsigned long port = argc > 1 ? strtoul(argv[1], &end, 10) : 0;
    if ((argc > 1 && (*argv[1] == '\0' || *end != '\0')) || port > UINT16_MAX) {
        fprintf(stderr, "usage: feedd [PORT [FOLDER]]\n");
        return 2;
    }
    stop_on_signals();
    if (towbar_init(TOWBAR_OPTIONS(.service = "feedd", .version = "demo", .root = SAMPLE_ROOT)) < 0)
        fprintf(stderr, "feedd: runs without error reports: %s\n", towbar_status());
    for (int n = 1; n <= N_WORKERS; n++)
        if ((errno = worker_start(n, folder)) != 0) {
            towbar_perror("cannot start worker %d", n);
            return 1;
        }
    int listen_fd = listen_on((uint16_t)port);
    if (listen_fd < 0) {
        towbar_perror("cannot listen on port %lu", port); /* first: perror may change errno */
        perror("feedd: cannot listen");
        return 1;
    }
    accept_all(listen_fd);
    towbar_shutdown();
    return stopping ? 0 : 1;
}
