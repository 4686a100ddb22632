/* jobs.h - what would keep the loop waiting (disk, database, large bodies) runs in one thread
 * beside it.
 *
 * 1. run() is called in the jobs' thread, one at a time, in the order of tb_jobs_add.
 * 2. done() is called in the loop's thread, once for each job that was added, in that order too.
 *    But tb_jobs_cancel lets those that wait pass the one that runs.
 * 3. At most TB_JOBS_MAX wait: one more is refused.
 * 4. The thread has all signals blocked. */
#ifndef TB_HTTP_JOBS_H
#define TB_HTTP_JOBS_H

#include <event2/event.h>

enum { TB_JOBS_MAX = 256 };

struct tb_job {
    void (*run)(struct tb_job *job);
    void (*done)(struct tb_job *job); /* may free the job */
    struct tb_job *next;              /* the queue's */
};

struct tb_jobs;

/* 0 or a negative errno. */
int tb_jobs_new(struct event_base *base, struct tb_jobs **out);
/* In the loop's thread. 0, or -EAGAIN: the job is still the caller's. */
int tb_jobs_add(struct tb_jobs *jobs, struct tb_job *job);
/* In the loop's thread, or after the loop: those that have not begun are done without being run. */
void tb_jobs_cancel(struct tb_jobs *jobs);
/* In the loop's thread, or after the loop: every job is run and done before this returns. NULL is
 * nothing. */
void tb_jobs_free(struct tb_jobs *jobs);

#endif
