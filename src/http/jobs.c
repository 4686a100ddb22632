/* jobs.c - see jobs.h. Two queues behind one lock; an eventfd wakes the loop, a condition the
 * thread. */
#include "http/jobs.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"

struct queue {
    struct tb_job *first, **end;
};

struct tb_jobs {
    pthread_t thread;
    struct event *wake; /* the loop's, on wake_fd */
    int wake_fd;
    int n_waiting; /* added and not done; the loop's alone */
    pthread_mutex_t lock;
    pthread_cond_t added;
    struct queue todo, ran; /* under the lock */
    int ends;               /* under the lock */
};

static void push(struct queue *queue, struct tb_job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

/* Takes the whole queue. */
static struct tb_job *detach(struct queue *queue)
{
    struct tb_job *first = queue->first;
    queue->first = NULL;
    queue->end = &queue->first;
    return first;
}

static struct tb_job *pop(struct queue *queue)
{
    struct tb_job *job = queue->first;
    if (job != NULL && (queue->first = job->next) == NULL)
        queue->end = &queue->first;
    return job;
}

static void *run_all(void *arg)
{
    struct tb_jobs *jobs = arg;
    const uint64_t one = 1;
    pthread_mutex_lock(&jobs->lock);
    for (;;) {
        struct tb_job *job = pop(&jobs->todo);
        if (job == NULL && jobs->ends)
            break;
        if (job == NULL) {
            pthread_cond_wait(&jobs->added, &jobs->lock);
            continue;
        }
        pthread_mutex_unlock(&jobs->lock);
        job->run(job);
        pthread_mutex_lock(&jobs->lock);
        push(&jobs->ran, job);
        (void)!write(jobs->wake_fd, &one, sizeof(one)); /* full means that it wakes already */
    }
    pthread_mutex_unlock(&jobs->lock);
    return NULL;
}

static void finish(struct tb_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct tb_job *job = detach(&jobs->ran);
    pthread_mutex_unlock(&jobs->lock);
    while (job != NULL) {
        struct tb_job *next = job->next;
        jobs->n_waiting--;
        job->done(job);
        job = next;
    }
}

static void wake(evutil_socket_t fd, short events, void *arg)
{
    uint64_t n;
    (void)events;
    (void)!read(fd, &n, sizeof(n)); /* only wakes */
    finish(arg);
}

static int start_thread(struct tb_jobs *jobs)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = -pthread_create(&jobs->thread, NULL, run_all, jobs);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

static void release(struct tb_jobs *jobs)
{
    if (jobs->wake != NULL)
        event_free(jobs->wake);
    tb_fd_close(&jobs->wake_fd);
    pthread_cond_destroy(&jobs->added);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

int tb_jobs_new(struct event_base *base, struct tb_jobs **out)
{
    struct tb_jobs *jobs = calloc(1, sizeof(*jobs));
    if (jobs == NULL)
        return -ENOMEM;
    (void)pthread_mutex_init(&jobs->lock, NULL);
    (void)pthread_cond_init(&jobs->added, NULL);
    (void)detach(&jobs->todo);
    (void)detach(&jobs->ran);
    int err = 0;
    jobs->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (jobs->wake_fd < 0)
        err = -errno;
    else if ((jobs->wake = event_new(base, jobs->wake_fd, EV_READ | EV_PERSIST, wake, jobs)) ==
                 NULL ||
             event_add(jobs->wake, NULL) < 0)
        err = -ENOMEM;
    else
        err = start_thread(jobs);
    if (err) {
        release(jobs);
        return err;
    }
    *out = jobs;
    return 0;
}

int tb_jobs_add(struct tb_jobs *jobs, struct tb_job *job)
{
    if (jobs->n_waiting >= TB_JOBS_MAX)
        return -EAGAIN;
    jobs->n_waiting++;
    pthread_mutex_lock(&jobs->lock);
    push(&jobs->todo, job);
    pthread_cond_signal(&jobs->added);
    pthread_mutex_unlock(&jobs->lock);
    return 0;
}

void tb_jobs_cancel(struct tb_jobs *jobs)
{
    struct tb_job *job;
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    while ((job = pop(&jobs->todo)) != NULL)
        push(&jobs->ran, job);
    pthread_mutex_unlock(&jobs->lock);
    finish(jobs);
}

void tb_jobs_free(struct tb_jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->ends = 1;
    pthread_cond_signal(&jobs->added);
    pthread_mutex_unlock(&jobs->lock);
    (void)pthread_join(jobs->thread, NULL);
    finish(jobs);
    release(jobs);
}
