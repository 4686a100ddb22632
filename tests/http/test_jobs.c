/* Jobs beside the loop: each is run in the thread and done in the loop, in order, and none is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "http/jobs.h"

enum { N_JOBS = 100 };

struct step {
    struct tb_job job; /* first */
    int number;
    pthread_t ran_in;
};

static struct step steps[TB_JOBS_MAX + 1];
static int done_order[TB_JOBS_MAX + 1];
static int n_done;
static int stop_at;
static sem_t gate, begun;
static struct event_base *base;
static struct tb_jobs *jobs;

static void run(struct tb_job *job)
{
    ((struct step *)job)->ran_in = pthread_self();
}

static void run_behind_the_gate(struct tb_job *job)
{
    (void)sem_post(&begun);
    while (sem_wait(&gate) != 0)
        ;
    run(job);
}

static void done(struct tb_job *job)
{
    struct step *step = (struct step *)job;
    assert_false(pthread_equal(step->ran_in, pthread_self()));
    done_order[n_done++] = step->number;
    if (n_done == stop_at)
        (void)event_base_loopbreak(base);
}

static int begin(void **state)
{
    (void)state;
    n_done = 0;
    stop_at = -1;
    for (int i = 0; i <= TB_JOBS_MAX; i++)
        steps[i] = (struct step){.job = {.run = run, .done = done}, .number = i};
    base = event_base_new();
    return sem_init(&gate, 0, 0) != 0 || sem_init(&begun, 0, 0) != 0 || base == NULL
               ? -1
               : tb_jobs_new(base, &jobs);
}

static int end(void **state)
{
    (void)state;
    tb_jobs_free(jobs);
    jobs = NULL;
    event_base_free(base);
    (void)sem_destroy(&begun);
    return sem_destroy(&gate);
}

static void in_order(int n)
{
    assert_int_equal(n_done, n);
    for (int i = 0; i < n; i++)
        assert_int_equal(done_order[i], i);
}

static void jobs_are_run_beside_the_loop_and_done_in_it_in_order(void **state)
{
    (void)state;
    stop_at = N_JOBS;
    for (int i = 0; i < N_JOBS; i++)
        assert_int_equal(tb_jobs_add(jobs, &steps[i].job), 0);
    assert_int_equal(event_base_dispatch(base), 0);
    in_order(N_JOBS);
}

static void jobs_that_wait_at_the_end_are_done_all_the_same(void **state)
{
    (void)state;
    for (int i = 0; i < N_JOBS; i++) {
        steps[i].job.run = run_behind_the_gate;
        assert_int_equal(tb_jobs_add(jobs, &steps[i].job), 0);
    }
    for (int i = 0; i < N_JOBS; i++)
        sem_post(&gate);
    tb_jobs_free(jobs);
    jobs = NULL;
    in_order(N_JOBS);
}

/* Of a job that was not run ran_in stays as it was: nobody's. */
static void done_without_a_run(struct tb_job *job)
{
    assert_ptr_equal(job, &steps[n_done + 1].job);
    n_done++;
}

static void jobs_that_have_not_begun_can_be_cancelled(void **state)
{
    (void)state;
    for (int i = 0; i < N_JOBS; i++) {
        steps[i].job.run = run_behind_the_gate;
        if (i > 0)
            steps[i].job.done = done_without_a_run;
        assert_int_equal(tb_jobs_add(jobs, &steps[i].job), 0);
        if (i == 0)
            assert_int_equal(sem_wait(&begun), 0);
    }
    tb_jobs_cancel(jobs);
    assert_int_equal(n_done, N_JOBS - 1);
    sem_post(&gate);
    tb_jobs_free(jobs);
    jobs = NULL;
    assert_int_equal(n_done, N_JOBS);
    assert_int_equal(done_order[N_JOBS - 1], 0);
}

static void one_job_too_many_is_refused_and_there_is_room_again_later(void **state)
{
    (void)state;
    for (int i = 0; i < TB_JOBS_MAX; i++) {
        steps[i].job.run = run_behind_the_gate;
        assert_int_equal(tb_jobs_add(jobs, &steps[i].job), 0);
    }
    assert_int_equal(tb_jobs_add(jobs, &steps[TB_JOBS_MAX].job), -EAGAIN);
    for (int i = 0; i < TB_JOBS_MAX; i++)
        sem_post(&gate);
    stop_at = TB_JOBS_MAX;
    assert_int_equal(event_base_dispatch(base), 0);
    stop_at = TB_JOBS_MAX + 1;
    assert_int_equal(tb_jobs_add(jobs, &steps[TB_JOBS_MAX].job), 0);
    assert_int_equal(event_base_dispatch(base), 0);
    in_order(TB_JOBS_MAX + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_run_beside_the_loop_and_done_in_it_in_order),
        TEST(jobs_that_wait_at_the_end_are_done_all_the_same),
        TEST(jobs_that_have_not_begun_can_be_cancelled),
        TEST(one_job_too_many_is_refused_and_there_is_room_again_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
