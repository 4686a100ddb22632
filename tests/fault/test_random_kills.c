/* kill -9 at any moment: producers with threads and a signal handler that all append, some of them
 * in the middle of a crash, and an agent that drains what they write. 200 kills; the long form has
 * 100,000 (TOWBAR_KILLS says another number).
 *
 * A round is a fresh spool. Two producers and an agent run; one of them is killed and started anew,
 * again and again, until the numbers of the oracle are used up. Then all are killed, and what an
 * agent finds must be what was acknowledged. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "workloads.h"

enum {
    SHORT_KILLS = 200,
    LONG_KILLS = 100000,
    LONG_MAX_S = 1500, /* then it ends, and says after how many */
    N_RECORDS = 20000, /* in a round */
    N_PRODUCERS = 2,
    AGENT = N_PRODUCERS,
    N_PROCESSES,
    N_THREADS = 2,
    ALARM_US = 100,
    PAUSE_NS = 1000000, /* at most, between two kills */
    BATCH = 16,
    KILLS_MAX = 1000, /* in a round */
};

/* ---- a producer; all of it runs in a child ---- */

static struct world *shared;
static struct tb_writer errors, infos;

static struct tb_writer *choose(uint32_t i)
{
    return i % 3 == 0 ? &infos : &errors;
}

static void on_alarm(int signo)
{
    (void)signo;
    int kept = errno;
    (void)oracle_append(shared->oracle, &errors, 1);
    errno = kept;
}

static void *append_on(void *arg)
{
    (void)arg;
    for (uint32_t i = 0;; i++) {
        if (oracle_append(shared->oracle, choose(i), 1 + i / 50) == -ENOBUFS)
            return NULL;
    }
}

static void produce(uint64_t seed)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct itimerval timer = {{0, ALARM_US}, {0, ALARM_US}};
    static const uint8_t boot[16] = {7};
    struct tb_slot slot = {.fd = -1};
    pthread_t thread;
    tb_writer_init(&errors, TB_CLASS_ERROR, shared->in_fd);
    tb_writer_init(&infos, TB_CLASS_INFO, shared->in_fd);
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &timer, NULL);
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_create(&thread, NULL, append_on, NULL);
    if (world_dice(&seed, 4) == 0 && tb_slot_open(&slot, shared->in_fd, boot, 0) == 0) {
        for (uint32_t i = world_dice(&seed, 100); i > 0; i--)
            (void)oracle_append(shared->oracle, choose(i), 1);
        (void)oracle_crash(shared->oracle, &slot, shared->in_fd);
    }
    (void)append_on(NULL);
    for (;;)
        pause();
}

/* ---- an agent, in a child ---- */

static void take_batch(struct tb_spool *spool, uint32_t max)
{
    int64_t numbers[BATCH];
    struct tb_spool_record record;
    uint32_t n = 0;
    while (n < max && tb_spool_next(spool, &record) == 0) {
        numbers[n] = oracle_deliver(shared->oracle, &record);
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
        n += numbers[n] >= 0;
    }
    if (tb_spool_flush(spool) < 0)
        return;
    for (uint32_t i = 0; i < n; i++)
        atomic_store(&shared->oracle->entries[numbers[i]].flushed, 1);
    if (n == 0)
        (void)sched_yield();
}

static void drain(uint64_t seed)
{
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool;
    faults_blind(world_dice(&seed, 8) != 0); /* ending a process that watches takes long */
    if (tb_spool_open(shared->path, TB_SPOOL_CREATE, &spool, why) < 0)
        _exit(1);
    for (;;) {
        take_batch(spool, 1 + world_dice(&seed, BATCH));
        if (world_dice(&seed, 4) == 0)
            (void)tb_spool_collect(spool);
    }
}

/* ---- the one who kills ---- */

static pid_t start(int which, uint64_t seed)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    if (which == AGENT)
        drain(seed);
    produce(seed);
    _exit(1);
}

static void end(pid_t child)
{
    int status;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The number of kills of one round. */
static long run_round(struct world *world, uint64_t *seed)
{
    pid_t children[N_PROCESSES];
    long n_kills = 0;
    shared = world;
    for (int i = 0; i < N_PROCESSES; i++)
        children[i] = start(i, *seed + (unsigned)i);
    while (atomic_load(&world->oracle->n) < world->oracle->n_max && n_kills < KILLS_MAX) {
        /* Waits for nothing: the kill comes at any moment. */
        struct timespec pause = {0, world_dice(seed, PAUSE_NS)};
        nanosleep(&pause, NULL);
        int which = (int)world_dice(seed, N_PROCESSES);
        end(children[which]);
        children[which] = start(which, *seed);
        n_kills++;
    }
    for (int i = 0; i < N_PROCESSES; i++)
        end(children[i]);
    return n_kills + N_PROCESSES;
}

static long wanted_kills(void)
{
    const char *text = getenv("TOWBAR_KILLS");
    long n = text ? strtol(text, NULL, 10) : 0;
    if (n > 0)
        return n;
    return world_is_long() ? LONG_KILLS : SHORT_KILLS;
}

static void print_sum(long n_kills, const struct oracle_totals *sum)
{
    print_message("%ld kills: %llu records acknowledged, %llu lost, %llu delivered again under "
                  "their uuid, %llu of them after their acknowledgement, %llu foreign\n",
                  n_kills, (unsigned long long)sum->acked, (unsigned long long)sum->lost,
                  (unsigned long long)sum->twice, (unsigned long long)sum->late,
                  (unsigned long long)sum->foreign);
}

static void random_kills_lose_and_invent_nothing(void **state)
{
    (void)state;
    uint64_t seed = 20261125;
    long n_kills = 0;
    struct oracle_totals sum = {0};
    struct oracle *oracle = oracle_new(N_RECORDS, 512, 64 << 10);
    time_t end = time(NULL) + LONG_MAX_S;
    for (long wanted = wanted_kills(); n_kills < wanted && time(NULL) < end;) {
        struct world world;
        struct oracle_totals totals;
        oracle_reset(oracle);
        world_open(&world, oracle);
        n_kills += run_round(&world, &seed);
        int left = world_settle(&world, NULL);
        oracle_sum(oracle, &totals);
        oracle_add(&sum, &totals);
        oracle_tell(oracle);
        if (totals.lost + totals.late + totals.foreign > 0 || left != 0)
            print_sum(n_kills, &sum);
        assert_int_equal(left, 0);
        assert_int_equal(totals.lost + totals.late + totals.foreign, 0);
        world_close(&world);
    }
    print_sum(n_kills, &sum);
    assert_true(sum.acked > (uint64_t)n_kills);
    oracle_free(oracle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_kills_lose_and_invent_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
