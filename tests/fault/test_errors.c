/* Each call to the system fails once, and then from there on: with a full disk, a quota, an I/O
 * error, an interruption, no descriptors, or only a part done. Whoever writes hears the error or
 * goes on; nothing acknowledged is lost, nothing is written anywhere else, no descriptor is left
 * behind, and when the trouble is over it works again. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "workloads.h"

enum { N_RECORDS = 128, STRIDE = 3, DECOY_BYTES = 4096, N_DECOYS = 4 };

/* Files of the host, which the spool has no business with. */
static int decoys[N_DECOYS];

static void open_decoys(const struct world *world)
{
    static const char text[DECOY_BYTES] = "the host's own";
    for (int i = 0; i < N_DECOYS; i++) {
        char name[96];
        (void)snprintf(name, sizeof(name), "%s/decoy%d", world->path, i);
        decoys[i] = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        assert_true(decoys[i] >= 0);
        assert_int_equal(write(decoys[i], text, sizeof(text)), sizeof(text));
    }
}

static void check_decoys(void)
{
    for (int i = 0; i < N_DECOYS; i++) {
        char bytes[DECOY_BYTES + 1];
        assert_int_equal(pread(decoys[i], bytes, sizeof(bytes), 0), DECOY_BYTES);
        assert_string_equal(bytes, "the host's own");
        close(decoys[i]);
    }
}

struct sweep {
    const struct workload *work;
    struct fault_plan plan;
    struct oracle *oracle;
    struct oracle_totals sum;
    int is_blind; /* closing a watch takes milliseconds */
};

static void fail_here(const struct sweep *sweep, const char *what, long number)
{
    print_error("%s: errno %d as of call %ld, %s (mode %d): %s %ld\n", sweep->work->name,
                sweep->plan.err, sweep->plan.at, faults_hit() ? faults_hit() : "none",
                (int)sweep->plan.what, what, number);
    oracle_tell(sweep->oracle);
    fail();
}

/* Where the identity of a descriptor cannot be asked it is kept: it may be the host's by now. */
static int may_keep_one(void)
{
    const char *hit = faults_hit();
    return hit && (strcmp(hit, "fstat") == 0 || strcmp(hit, "lseek") == 0);
}

static void check_reader_stats(const struct sweep *sweep)
{
    if (work_reader_stats.n_lost > 0)
        fail_here(sweep, "records counted as lost:", (long)work_reader_stats.n_lost);
    /* One file is damaged; the next agent meets it again when it could not be moved. */
    if (work_reader_stats.n_damaged > 2)
        fail_here(sweep, "damage that is none:", (long)work_reader_stats.n_damaged);
}

/* One run with the plan; nonzero when the plan met a call. */
static int run_once(struct sweep *sweep)
{
    struct world world;
    struct oracle_totals totals;
    oracle_reset(sweep->oracle);
    world_open(&world, sweep->oracle);
    open_decoys(&world);
    if (sweep->work->prepare)
        sweep->work->prepare(&world);
    if (sweep->plan.err == EIO)
        oracle_forgive_threads(sweep->oracle);
    int n_fds = world_n_fds();
    int n_nameless = world_n_nameless();
    faults_blind(sweep->is_blind);
    memset(&work_reader_stats, 0, sizeof(work_reader_stats));
    faults_arm(&sweep->plan);
    sweep->work->run(&world);
    (void)faults_disarm();
    faults_blind(0);
    const char *hit = faults_hit();
    int err = sweep->work->go_on ? sweep->work->go_on(&world) : 0;
    /* Where the folder's identity could not be asked in the beginning nothing is written to it. */
    if (err < 0 && !(err == -ESTALE && may_keep_one()))
        fail_here(sweep, "does not work again:", err);
    int kept = world_n_fds() - n_fds;
    if (kept > may_keep_one() || kept < 0)
        fail_here(sweep, "descriptors left:", kept);
    if (world_n_nameless() > n_nameless)
        fail_here(sweep, "descriptors left of files that were given up:", kept);
    check_reader_stats(sweep);
    if (sweep->work->finish)
        sweep->work->finish();
    int left = world_settle(&world, NULL);
    oracle_sum(sweep->oracle, &totals);
    oracle_add(&sweep->sum, &totals);
    if (left > kept)
        fail_here(sweep, "files left in the spool:", left);
    if (totals.lost > 0)
        fail_here(sweep, "records lost:", (long)totals.lost);
    if (totals.foreign > 0)
        fail_here(sweep, "records that nobody wrote:", (long)totals.foreign);
    if (totals.late > 0 && !(hit && strcmp(hit, "pread of ack.log") == 0))
        fail_here(sweep, "records delivered after their acknowledgement:", (long)totals.late);
    check_decoys();
    world_close(&world);
    return hit != NULL;
}

static void sweep_one(const struct workload *work, enum fault_what what, unsigned groups, int err)
{
    struct sweep sweep = {.work = work, .plan = {what, groups, 0, err}};
    sweep.is_blind = !world_is_long() || err != EMFILE;
    sweep.oracle = oracle_new(N_RECORDS, work->len_min, work->len_max);
    (void)run_once(&sweep); /* undisturbed */
    if (work->prepare)
        assert_int_equal(work_reader_stats.n_damaged, 1);
    /* The errors share the calls among them, but in the long form each meets every one. */
    long stride = world_is_long() || !work->prepare || groups == FAULT_MEMORY ? 1 : STRIDE;
    sweep.plan.at = 1 - stride + err % stride;
    do {
        sweep.plan.at += stride;
    } while (run_once(&sweep));
    oracle_free(sweep.oracle);
    print_message("%s, errno %d%s: %ld calls, %llu acknowledged, %llu lost\n", work->name, err,
                  what == FAULT_ERRORS ? " from there on" : "", sweep.plan.at - 1,
                  (unsigned long long)sweep.sum.acked, (unsigned long long)sweep.sum.lost);
    assert_true(sweep.plan.at > 5);
}

static void sweep_writes(const struct workload *work)
{
    static const int errors[] = {ENOSPC, EDQUOT, EIO, EINTR, EMFILE};
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        sweep_one(work, FAULT_ERROR, FAULT_WRITE | FAULT_CLOSE, errors[i]);
    sweep_one(work, FAULT_SHORT, FAULT_WRITE, 0);
    sweep_one(work, FAULT_ERRORS, FAULT_WRITE, ENOSPC);
    sweep_one(work, FAULT_ERRORS, FAULT_WRITE, EIO);
}

static void a_producer_bears_any_failing_call(void **state)
{
    (void)state;
    sweep_writes(&workloads[WORK_PRODUCER]);
    sweep_one(&workloads[WORK_PRODUCER], FAULT_ERROR, FAULT_READ, EIO);
}

static void a_slot_bears_any_failing_call(void **state)
{
    (void)state;
    sweep_writes(&workloads[WORK_SLOT]);
    sweep_one(&workloads[WORK_SLOT], FAULT_ERROR, FAULT_READ, EIO);
}

static void an_agent_bears_any_failing_write(void **state)
{
    (void)state;
    sweep_writes(&workloads[WORK_READER]);
}

static void an_unreadable_place_is_not_the_end_of_a_file(void **state)
{
    static const int errors[] = {EIO, EINTR, EMFILE, ENOMEM};
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
        sweep_one(&workloads[WORK_READER], FAULT_ERROR, FAULT_READ, errors[i]);
    sweep_one(&workloads[WORK_READER], FAULT_ERRORS, FAULT_READ, EIO);
    sweep_one(&workloads[WORK_READER], FAULT_SHORT, FAULT_READ, 0);
}

static void an_agent_bears_any_failing_allocation(void **state)
{
    (void)state;
    sweep_one(&workloads[WORK_READER], FAULT_ERROR, FAULT_MEMORY, ENOMEM);
    sweep_one(&workloads[WORK_READER], FAULT_ERRORS, FAULT_MEMORY, ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_producer_bears_any_failing_call),
        cmocka_unit_test(a_slot_bears_any_failing_call),
        cmocka_unit_test(an_agent_bears_any_failing_write),
        cmocka_unit_test(an_unreadable_place_is_not_the_end_of_a_file),
        cmocka_unit_test(an_agent_bears_any_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
