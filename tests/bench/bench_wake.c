/* bench_wake.c - from an append to an agent that slept over its watch of the folder, and what that
 * costs the one who appends. The limit is a byte through a pipe to the same sleeper.
 *
 * The agent is a process of its own, on a processor of its own where there are two. Each time it
 * says that it will sleep, is given a moment to do so, and notes when it woke. */
#include "bench.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spool/reader.h"
#include "store.h"

enum {
    WAKES = 200, /* of each kind in a round */
    RECORD_BYTES = 2048,
    FALL_ASLEEP_US = 300,
};

struct sleeper {
    int ready[2], bell[2];
    _Atomic(double) *woke_us; /* shared with the agent */
    pid_t pid;
};

/* Best effort: with one processor, or where it is forbidden, the two share. */
static void stay_on(int processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)processor, &set);
    (void)sched_setaffinity(0, sizeof(set), &set);
}

static int empty(struct tb_spool *spool)
{
    struct tb_spool_record record;
    int err;
    while ((err = tb_spool_next(spool, &record)) == 0)
        tb_spool_ack(spool, record.file_id, record.off8, TB_ACK_STORED);
    return err == -EAGAIN ? 0 : err;
}

/* The agent: until the bell's other end is closed. */
static int sleep_and_wake(const struct sleeper *sleeper, const char *folder)
{
    char why[TB_SPOOL_WHY];
    char byte = 0;
    struct tb_spool *spool;
    int err = tb_spool_open(folder, TB_SPOOL_CREATE, &spool, why);
    if (err < 0)
        return err;
    struct pollfd fds[2] = {{.fd = tb_spool_wake_fd(spool), .events = POLLIN},
                            {.fd = sleeper->bell[0], .events = POLLIN}};
    while ((err = empty(spool)) == 0) {
        if (write(sleeper->ready[1], &byte, 1) != 1)
            return -errno;
        if (poll(fds, 2, -1) < 0)
            return -errno;
        atomic_store(sleeper->woke_us, bench_us());
        if ((fds[1].revents & (POLLIN | POLLHUP)) && read(sleeper->bell[0], &byte, 1) != 1)
            break;
    }
    tb_spool_close(spool);
    return err;
}

static int start_sleeper(struct sleeper *sleeper, const char *folder)
{
    size_t len = sizeof(*sleeper->woke_us);
    sleeper->woke_us = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sleeper->woke_us == MAP_FAILED || pipe(sleeper->ready) < 0 || pipe(sleeper->bell) < 0)
        return -errno;
    sleeper->pid = fork();
    if (sleeper->pid == 0) {
        close(sleeper->bell[1]);
        close(sleeper->ready[0]);
        stay_on(1);
        _exit(-sleep_and_wake(sleeper, folder));
    }
    close(sleeper->ready[1]);
    return sleeper->pid < 0 ? -errno : 0;
}

static int stop_sleeper(struct sleeper *sleeper)
{
    int status = 0;
    close(sleeper->bell[1]);
    while (waitpid(sleeper->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    close(sleeper->bell[0]);
    close(sleeper->ready[0]);
    munmap(sleeper->woke_us, sizeof(*sleeper->woke_us));
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

static int wait_for_sleep(const struct sleeper *sleeper)
{
    char byte;
    if (read(sleeper->ready[0], &byte, 1) != 1)
        return -EPIPE;
    double until = bench_us() + FALL_ASLEEP_US;
    while (bench_us() < until)
        continue;
    return 0;
}

struct wakes {
    double latency[WAKES], cost[WAKES];
};

/* Once by a record (store given) or by the bell: how long until the sleeper ran, and for us. */
static int wake(const struct sleeper *sleeper, void *store, struct wakes *wakes, size_t i)
{
    static const char record[RECORD_BYTES];
    int err = 0;
    double start = bench_us();
    if (store)
        err = bench_ours.append(store, record, sizeof(record));
    else if (write(sleeper->bell[1], record, 1) != 1)
        err = -errno;
    wakes->cost[i] = bench_us() - start;
    if (err == 0)
        err = wait_for_sleep(sleeper);
    wakes->latency[i] = atomic_load(sleeper->woke_us) - start;
    return err;
}

static int measure(const char *parent, struct wakes *by_record, struct wakes *by_bell)
{
    struct sleeper sleeper = {{-1, -1}, {-1, -1}, NULL, -1};
    char folder[BENCH_PATH];
    void *store = NULL;
    cpu_set_t before;
    int err = bench_folder(parent, folder);
    if (err < 0)
        return err;
    if (sched_getaffinity(0, sizeof(before), &before) < 0)
        return -errno;
    if ((err = start_sleeper(&sleeper, folder)) < 0)
        return err;
    stay_on(0);
    err = wait_for_sleep(&sleeper);
    if (err == 0)
        err = bench_ours.open(folder, &store);
    if (err == 0)
        err = wake(&sleeper, store, by_record, 0); /* makes the file */
    for (size_t i = 0; i < WAKES && err == 0; i++) {
        err = wake(&sleeper, i % 2 ? store : NULL, i % 2 ? by_record : by_bell, i);
        if (err == 0)
            err = wake(&sleeper, i % 2 ? NULL : store, i % 2 ? by_bell : by_record, i);
    }
    bench_ours.close(store);
    int status = stop_sleeper(&sleeper);
    (void)sched_setaffinity(0, sizeof(before), &before);
    bench_remove(folder);
    return err < 0 ? err : status;
}

static int wake_p50(const char *folder, struct bench_round *out)
{
    static struct wakes by_record;
    static struct wakes by_bell;
    int err = measure(folder, &by_record, &by_bell);
    out->ours = bench_percentile(by_record.latency, WAKES, 50);
    out->limit = bench_percentile(by_bell.latency, WAKES, 50);
    return err;
}

static int cost_p50(const char *folder, struct bench_round *out)
{
    static struct wakes by_record;
    static struct wakes by_bell;
    int err = measure(folder, &by_record, &by_bell);
    out->ours = bench_percentile(by_record.cost, WAKES, 50);
    out->limit = bench_percentile(by_bell.cost, WAKES, 50);
    return err;
}

const struct bench bench_wake[] = {
    {"spool.wake.p50", "us", wake_p50},
    {"spool.append.waking.p50", "us", cost_p50},
};
const size_t bench_wake_n = sizeof(bench_wake) / sizeof(bench_wake[0]);
