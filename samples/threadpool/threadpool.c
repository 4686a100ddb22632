/* threadpool.c - requests are read by one thread and worked on by others, and each error and crash
 * has the trace of its own request.  cc threadpool.c -ltowbar -pthread
 *
 *   threadpool [THREADS] < requests        a request a line: TRACEPARENT WHAT
 *
 *   00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01 work
 *
 * WHAT is work, fail or crash. The two things to know are in submit and run: a trace is captured
 * with the job, and adopted in the thread that does it. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <towbar/towbar.h>

enum { N_THREADS = 4, THREADS_MAX = 64, N_WAITING = 32, LINE_BYTES = 256 };

struct job {
    towbar_trace_state trace;
    char what[LINE_BYTES];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct job waiting[N_WAITING];
static unsigned n_given, n_taken;
static int is_closed;

/* ---- the queue ---- */

static void give(const struct job *job)
{
    pthread_mutex_lock(&lock);
    while (n_given - n_taken == N_WAITING)
        pthread_cond_wait(&changed, &lock);
    waiting[n_given++ % N_WAITING] = *job;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* 0 when there will be no more. */
static int take(struct job *job)
{
    pthread_mutex_lock(&lock);
    while (n_given == n_taken && !is_closed)
        pthread_cond_wait(&changed, &lock);
    int is_there = n_given != n_taken;
    if (is_there)
        *job = waiting[n_taken++ % N_WAITING];
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return is_there;
}

static void close_queue(void)
{
    pthread_mutex_lock(&lock);
    is_closed = 1;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

/* ---- what is done ---- */

static volatile int *volatile nowhere;

static int do_work(const char *what)
{
    if (strcmp(what, "fail") == 0)
        return -1;
    if (strcmp(what, "crash") == 0)
        return *nowhere;
    return 0;
}

static void run(const struct job *job)
{
    TOWBAR_TRACE_ADOPT(&job->trace); /* until the end of this block */
    if (do_work(job->what) != 0)
        towbar_error("a request failed");
}

static void *worker(void *n)
{
    struct job job;
    towbar_thread_enter("worker-%d", (int)(intptr_t)n);
    while (take(&job))
        run(&job);
    return NULL;
}

/* ---- what comes in ---- */

static void submit(const char *traceparent, const char *what)
{
    struct job job;
    TOWBAR_TRACE(traceparent); /* the request's, for what this thread does for it */
    job.trace = towbar_trace_capture();
    snprintf(job.what, sizeof(job.what), "%s", what);
    give(&job);
}

static int start(pthread_t *threads, int n)
{
    for (int i = 0; i < n; i++) {
        int err = pthread_create(&threads[i], NULL, worker, (void *)(intptr_t)(i + 1));
        if (err != 0) {
            fprintf(stderr, "threadpool: %s\n", strerror(err));
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    pthread_t threads[THREADS_MAX];
    char line[LINE_BYTES];
    int n_threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : N_THREADS;
    if (n_threads < 1 || n_threads > THREADS_MAX) {
        fprintf(stderr, "usage: threadpool [1..%d]\n", THREADS_MAX);
        return 2;
    }
    if (towbar_init(NULL) != 0)
        fprintf(stderr, "towbar: %s\n", towbar_status());
    if (start(threads, n_threads) != 0)
        return 1;
    while (fgets(line, sizeof(line), stdin) != NULL) {
        char *rest;
        const char *traceparent = strtok_r(line, " \n", &rest);
        const char *what = strtok_r(NULL, " \n", &rest);
        if (what != NULL)
            submit(traceparent, what);
    }
    close_queue();
    for (int i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    towbar_shutdown();
    return 0;
}
