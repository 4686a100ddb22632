/* worker.c - connections wait in a small ring; a worker takes one, reads the request, answers.
 *
 *   GET /feed?user=NAME HTTP/1.0
 *   traceparent: 00-...        and, or        X-Amzn-Trace-Id: Root=1-...
 *
 * The five things towbar needs to know are in worker_loop and worker_handle. */
#include "worker.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <towbar/towbar.h>

#include "feed.h"
#include "request.h"

enum { N_WAITING = 16, REQUEST_MAX = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int waiting[N_WAITING];
static unsigned n_given, n_taken;
static const char *feeds;

void worker_give(int fd)
{
    pthread_mutex_lock(&lock);
    while (n_given - n_taken == N_WAITING)
        pthread_cond_wait(&changed, &lock);
    waiting[n_given++ % N_WAITING] = fd;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static int take(void)
{
    pthread_mutex_lock(&lock);
    while (n_given == n_taken)
        pthread_cond_wait(&changed, &lock);
    int fd = waiting[n_taken++ % N_WAITING];
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return fd;
}

static void answer(int fd, const char *status, struct queue *q)
{
    dprintf(fd, "HTTP/1.0 %s\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", status);
    struct message *m;
    while (q != NULL && (m = queue_pop(q)) != NULL) {
        dprintf(fd, "%s\n", m->text);
        message_free(m);
    }
}

static void worker_handle(int fd, const char *request)
{
    char user[32];
    struct request_headers headers = {.request = request};
    /* Its trace, by whichever header has one, until this block ends. */
    TOWBAR_TRACE_EXTRACT(request_header, &headers);

    int matched = 0;
    if (sscanf(request, "GET /feed?user=%31[a-z0-9] HTTP/%n", user, &matched) < 1 || matched == 0) {
        answer(fd, "400 Bad Request", NULL);
        return;
    }
    TOWBAR_SCOPE("user", "%s", user);

    struct queue q;
    int err = queue_init(&q) || feed_read(&q, feeds, user);
    answer(fd, err ? "500 Internal Server Error" : "200 OK", err ? NULL : &q);
    queue_clear(&q);
}

static void *worker_loop(void *n)
{
    char request[REQUEST_MAX];
    towbar_thread_enter("worker-%d", (int)(intptr_t)n);
    for (;;) {
        int fd = take();
        request_receive(fd, request, sizeof(request));
        worker_handle(fd, request);
        close(fd);
    }
    return NULL;
}

int worker_start(int n, const char *folder)
{
    pthread_t thread;
    feeds = folder;
    int err = pthread_create(&thread, NULL, worker_loop, (void *)(intptr_t)n);
    return err != 0 ? err : pthread_detach(thread);
}
