/* kill -9 at each call to the system, one after the other: before it, and in the middle of it. What
 * was acknowledged is delivered, once for each uuid, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "workloads.h"

enum { N_RECORDS = 128 };

/* Runs the workload in a child that dies at call number at: 1, or 0 when it ran through. */
static int run_killed(const struct workload *work, struct world *world, enum fault_what what,
                      long at)
{
    int status;
    if (work->prepare)
        work->prepare(world);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        faults_blind(what == FAULT_KILL_WITHIN); /* ending a process that watches takes long */
        faults_arm(&(struct fault_plan){what, FAULT_CALLS, at, 0});
        work->run(world);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (work->finish)
        work->finish();
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFSIGNALED(status);
}

static void kill_at_each_call(const struct workload *work, enum fault_what what)
{
    struct world world;
    struct oracle_totals sum = {0};
    struct oracle *oracle = oracle_new(N_RECORDS, work->len_min, work->len_max);
    int was_killed = 1;
    long at = 0;
    while (was_killed) {
        struct oracle_totals totals;
        oracle_reset(oracle);
        world_open(&world, oracle);
        was_killed = run_killed(work, &world, what, ++at);
        int left = world_settle(&world, NULL);
        oracle_sum(oracle, &totals);
        oracle_add(&sum, &totals);
        oracle_tell(oracle);
        if (left != 0 || totals.lost + totals.foreign + totals.late > 0)
            print_error("%s, call %ld: files left %d, lost %d, foreign %d, late %d\n", work->name,
                        at, left, (int)totals.lost, (int)totals.foreign, (int)totals.late);
        assert_int_equal(left, 0);
        assert_int_equal(totals.lost + totals.foreign + totals.late, 0);
        world_close(&world);
    }
    /* The last one ran through. */
    assert_true(at > 20);
    if (work == &workloads[WORK_SPARE])
        assert_int_equal(sum.unseen, 0);
    else if (work != &workloads[WORK_PRODUCER])
        assert_true(sum.unseen > 0);
    print_message(
        "%s: %ld kills, %llu acknowledged, %llu lost, %llu delivered again, %llu foreign, "
        "%llu died unseen\n",
        work->name, at - 1, (unsigned long long)sum.acked, (unsigned long long)sum.lost,
        (unsigned long long)sum.twice, (unsigned long long)sum.foreign,
        (unsigned long long)sum.unseen);
    oracle_free(oracle);
}

static void a_producer_killed_before_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_PRODUCER], FAULT_KILL_BEFORE);
}

static void a_producer_killed_within_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_PRODUCER], FAULT_KILL_WITHIN);
}

static void a_slot_killed_before_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_SLOT], FAULT_KILL_BEFORE);
}

static void a_slot_killed_within_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_SLOT], FAULT_KILL_WITHIN);
}

static void one_killed_at_any_call_of_making_a_spare_has_not_died_in_it(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_SPARE], FAULT_KILL_BEFORE);
    kill_at_each_call(&workloads[WORK_SPARE], FAULT_KILL_WITHIN);
}

static void an_agent_killed_before_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_READER], FAULT_KILL_BEFORE);
}

static void an_agent_killed_within_any_call_loses_nothing(void **state)
{
    (void)state;
    kill_at_each_call(&workloads[WORK_READER], FAULT_KILL_WITHIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_producer_killed_before_any_call_loses_nothing),
        cmocka_unit_test(a_producer_killed_within_any_call_loses_nothing),
        cmocka_unit_test(a_slot_killed_before_any_call_loses_nothing),
        cmocka_unit_test(a_slot_killed_within_any_call_loses_nothing),
        cmocka_unit_test(one_killed_at_any_call_of_making_a_spare_has_not_died_in_it),
        cmocka_unit_test(an_agent_killed_before_any_call_loses_nothing),
        cmocka_unit_test(an_agent_killed_within_any_call_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
