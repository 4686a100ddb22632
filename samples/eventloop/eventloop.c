/* eventloop.c - one thread serves many requests at once, a step of one and then of another, and
 * each error and crash has the trace of its own request.  cc eventloop.c -ltowbar
 *
 *   eventloop SOCKET         listens there until it is ended
 *
 * A connection is a request. It sends headers as HTTP does (with \n for \r\n), an empty line, and
 * then a line for each step: work, fail, crash, headers (those for a call to another service on its
 * behalf) or end. Each is answered by a line:
 *
 *   printf 'traceparent: 00-%032x-%016x-01\n\nfail\nend\n' 1 2 | nc -NU SOCKET
 *
 * The two things to know are in begin and step: a request keeps its trace, and it is active only
 * while a step of that request runs. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* accept4 */
#endif
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum { REQUEST_BYTES = 4096, N_REQUESTS = 1024, N_EVENTS = 64, BACKLOG = 128 };

enum state { HEADERS, STEPS };

struct request {
    int fd;
    enum state state;
    towbar_trace_state trace; /* zeros until the headers are there */
    size_t len;
    char text[REQUEST_BYTES + 1]; /* what came and is not done yet */
};

static void answer(struct request *r, const char *line)
{
    dprintf(r->fd, "%s\n", line);
}

/* ---- the trace comes in and goes on ---- */

/* For towbar_trace_extract: the value of a header, whatever case its name has. */
static const char *header(void *request, const char *name)
{
    const struct request *r = request;
    size_t len = strlen(name);
    for (const char *line = r->text; *line != '\0'; line += strlen(line) + 1) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 1 + strspn(line + len + 1, " ");
    }
    return NULL;
}

/* The headers are the first len bytes: lines, the last of them empty. */
static void begin(struct request *r, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (r->text[i] == '\n')
            r->text[i] = '\0';
    }
    towbar_trace_state before = towbar_trace_extract(header, r);
    r->trace = towbar_trace_capture();
    towbar_trace_pop(&before);
    r->state = STEPS;
}

static void put_header(void *request, const char *name, const char *value)
{
    const struct request *r = request;
    dprintf(r->fd, "%s: %s\n", name, value);
}

/* ---- the steps of a request ---- */

static volatile int *volatile nowhere;

/* 0 when it was the last. */
static int step(struct request *r, const char *what)
{
    TOWBAR_TRACE_ADOPT(&r->trace); /* until the end of this step */
    if (strcmp(what, "end") == 0)
        return 0;
    if (strcmp(what, "fail") == 0)
        towbar_error("a step failed");
    if (strcmp(what, "headers") == 0)
        (void)towbar_trace_inject(put_header, r);
    if (strcmp(what, "crash") == 0)
        return *nowhere;
    answer(r, what);
    return 1;
}

/* Takes n bytes that are done from the front. */
static void drop(struct request *r, size_t n)
{
    memmove(r->text, r->text + n, r->len - n + 1);
    r->len -= n;
}

/* Does all that has come as a whole; 0 when the request is over. */
static int advance(struct request *r)
{
    if (r->state == HEADERS) {
        const char *end = strstr(r->text, "\n\n");
        if (end == NULL)
            return r->len < REQUEST_BYTES;
        size_t len = (size_t)(end - r->text) + 2;
        begin(r, len);
        drop(r, len);
    }
    for (char *end; (end = strchr(r->text, '\n')) != NULL;) {
        *end = '\0';
        if (!step(r, r->text))
            return 0;
        drop(r, (size_t)(end - r->text) + 1);
    }
    return r->len < REQUEST_BYTES;
}

/* ---- the loop ---- */

static struct request *requests[N_REQUESTS]; /* by descriptor */

static int watch(int loop, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    return epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event);
}

static void accept_one(int loop, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct request *r = fd >= 0 && fd < N_REQUESTS ? calloc(1, sizeof(*r)) : NULL;
    if (r != NULL && watch(loop, fd) == 0) {
        r->fd = fd;
        requests[fd] = r;
        return;
    }
    towbar_perror("no more requests can be taken");
    if (fd >= 0)
        close(fd);
    free(r);
}

static void read_some(struct request *r)
{
    ssize_t n = recv(r->fd, r->text + r->len, REQUEST_BYTES - r->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        r->len += (size_t)n;
        r->text[r->len] = '\0';
        if (advance(r))
            return;
    }
    requests[r->fd] = NULL;
    close(r->fd); /* leaves the loop */
    free(r);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, BACKLOG) < 0)
        return -1;
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[N_EVENTS];
    if (argc != 2) {
        fprintf(stderr, "usage: eventloop SOCKET\n");
        return 2;
    }
    int loop = epoll_create1(EPOLL_CLOEXEC);
    int listener = listen_at(argv[1]);
    if (listener < 0 || loop < 0 || watch(loop, listener) < 0) {
        perror(argv[1]);
        return 1;
    }
    if (towbar_init(NULL) != 0)
        fprintf(stderr, "towbar: %s\n", towbar_status());
    for (;;) {
        int n = epoll_wait(loop, events, N_EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                accept_one(loop, listener);
            else
                read_some(requests[events[i].data.fd]);
        }
    }
}
