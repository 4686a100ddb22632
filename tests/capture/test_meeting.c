/* Threads that report at the same moment: the second segment, in the life of a process. */
#include "rig.h"

#include <pthread.h>
#include <sched.h>

#include "../spool/calls.h"
#include "capture/report/loss.h"

enum { N_FDS = 256 };

static atomic_int stage; /* 0: nobody is in its write yet, 1: one stands there, 2: it may go on */

static int count_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < N_FDS; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void stand_still(long call, long fd)
{
    (void)call;
    (void)fd;
    int none = 0;
    if (!atomic_compare_exchange_strong(&stage, &none, 1))
        return;
    while (atomic_load(&stage) == 1)
        sched_yield();
}

static void *report_one(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)-towbar_error("of a thread that is slow");
}

/* Reports while another thread is in the middle of its own: how many of the two failed. */
static int meet(void)
{
    pthread_t thread;
    void *result;
    atomic_store(&stage, 0);
    call_runs(SYS_pwritev, stand_still);
    if (pthread_create(&thread, NULL, report_one, NULL) != 0)
        return 2;
    while (atomic_load(&stage) == 0)
        sched_yield();
    calls_work();
    int bad = towbar_error("of one that comes meanwhile") != 0;
    atomic_store(&stage, 2);
    pthread_join(thread, &result);
    return bad + (result != NULL);
}

static int report_and_count(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("the first") != 0;
    int usual = count_fds();
    bad += meet();
    bad += count_fds() != usual + 1;
    bad += meet(); /* no third */
    bad += towbar_error("alone again") != 0;
    bad += count_fds() != usual + 1;
    towbar_shutdown();
    bad += towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("of the next life") != 0;
    return bad + (count_fds() != usual);
}

static void threads_that_meet_cost_one_descriptor_until_shutdown(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(report_and_count, rig), 0);
    assert_int_equal(rig_read(rig), 7);
    for (size_t i = 0; i < 7; i++)
        assert_true(rig->records[i].process.generation > 0);
    assert_int_equal(rig->stats.n_lost, 0);
}

static int fork_after_meeting(struct rig *rig)
{
    enum { SPARE = 1 }; /* the slot for children, made by the first fork */
    int status = 0;
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("the first") != 0;
    int usual = count_fds();
    bad += meet();
    pid_t pid = fork();
    if (pid == 0) {
        bad = towbar_error("of the child") != 0;
        _exit(bad + (count_fds() != usual + SPARE));
    }
    bad += waitpid(pid, &status, 0) != pid || status != 0;
    bad += count_fds() != usual + SPARE + 1;
    return bad + (towbar_error("of the parent") != 0);
}

static void a_fork_child_has_neither_of_the_two(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(fork_after_meeting, rig), 0);
    assert_int_equal(rig_read(rig), 5);
    assert_int_equal(rig->stats.n_lost, 0);
}

static int fill_both(struct rig *rig)
{
    int bad = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool)) != 0;
    bad += towbar_error("the first") != 0;
    bad += meet();
    call_fails(SYS_pwritev, FOR_EVER, ENOSPC);
    bad += towbar_error("kept") != -ENOSPC;
    bad += tb_loss_n_kept() != 1;
    calls_work();
    bad += towbar_error("finds room") != 0;
    return bad + (tb_loss_n_kept() != 0);
}

static void an_error_that_both_refuse_is_kept_until_there_is_room(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rig_in_child(fill_both, rig), 0);
    assert_int_equal(rig_read(rig), 5);
    rig_assert_has(rig->records[2].data, "\"kept\"");
    rig_assert_has(rig->records[3].data, "finds room");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE(threads_that_meet_cost_one_descriptor_until_shutdown),
        CASE(a_fork_child_has_neither_of_the_two),
        CASE(an_error_that_both_refuse_is_kept_until_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
