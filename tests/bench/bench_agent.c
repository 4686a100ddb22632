/* bench_agent.c - what the agent costs a host that has no errors, and how soon an error that comes
 * is on its way. Always the real towbard, as a process of its own.
 *
 * wake: from the call of the library in a program to the whole request at a Rollbar on this host:
 * spool, symbolizer, database, delivery. Each report has a place in the source of its own; the
 * first one, for which indexes are built, does not count.
 * idle: what /proc/PID/smaps_rollup says is anonymous; "rss" beside it. The limit is a program with
 * the same libraries that does nothing.
 * wakeups: of all its threads; the limit is the poll of the pipeline, one a second. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <towbar/towbar.h>

#include "agent_rig.h"
#include "base/buf.h"
#include "base/fd.h"

enum {
    WAKES = 100,
    BETWEEN_US = 20000, /* so that it sleeps again */
    SETTLED_US = 2500000,
    WATCH_S = 5,
    WORK_ITEMS = 2000,
    WORK_BYTES = 9000,
    TEXT_BYTES = 64 << 10
};

/* ---- wake ---- */

struct shared {
    _Atomic(double) began_us;
    atomic_int n_reports;
    atomic_int n_wanted;
};

/* In a process of its own: reports when it is told to. */
static int report(const struct agent_rig *rig, struct shared *shared)
{
    static struct towbar_site sites[WAKES + 1];
    int err = towbar_init(TOWBAR_OPTIONS(.spool = rig->spool, .service = "bench"));
    for (int i = 0; i <= WAKES && !err; i++) {
        while (atomic_load(&shared->n_wanted) <= i)
            usleep(100);
        sites[i] = (struct towbar_site){__FILE__, i + 1, __func__};
        atomic_store(&shared->began_us, bench_us());
        err = towbar_report_at(&sites[i], TOWBAR_ERROR, 0, "wake %d", i);
        atomic_fetch_add(&shared->n_reports, 1);
    }
    return err;
}

static int measure_wakes(struct agent_rig *rig, struct shared *shared, double *samples)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(report(rig, shared) != 0);
    int err = pid < 0 ? -errno : 0;
    for (int i = 0; i <= WAKES && !err; i++) {
        atomic_store(&shared->n_wanted, i + 1);
        err = agent_rig_wait(rig, i + 1);
        if (i > 0)
            samples[i - 1] = (atomic_load(&rig->last_us) - atomic_load(&shared->began_us)) / 1000.0;
        usleep(BETWEEN_US);
    }
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return err;
}

static int wake(const char *folder, double percentile, struct bench_round *out)
{
    static double samples[WAKES];
    struct agent_rig rig;
    struct shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return -errno;
    int err = agent_rig_open(&rig, folder);
    if (!err)
        err = measure_wakes(&rig, shared, samples);
    agent_rig_close(&rig);
    munmap(shared, sizeof(*shared));
    out->ours = bench_percentile(samples, WAKES, percentile);
    return err;
}

static int wake_p50(const char *folder, struct bench_round *out)
{
    return wake(folder, 50, out);
}

static int wake_p99(const char *folder, struct bench_round *out)
{
    return wake(folder, 99, out);
}

/* ---- memory ---- */

/* The number behind name in /proc/PID/FILE, or a negative errno. */
static long proc_number(pid_t pid, const char *file, const char *name)
{
    char path[64];
    struct tb_buf text;
    tb_buf_init(&text, TEXT_BYTES);
    (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    int err = tb_fd_slurp(AT_FDCWD, path, &text);
    const char *at = err ? NULL : strstr(tb_buf_str(&text), name);
    long value = at != NULL ? strtol(at + strlen(name), NULL, 10) : (err ? err : -ENODATA);
    tb_buf_done(&text);
    return value;
}

static double mb(long kib)
{
    return (double)kib * 1024.0 / 1000000.0;
}

/* As much as libraries alone take. */
static long bare_anonymous(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl(BENCH_PROGRAMS "/towbar-bench-idle", "towbar-bench-idle", (char *)NULL);
        _exit(127);
    }
    usleep(SETTLED_US / 10);
    long kib = pid > 0 ? proc_number(pid, "smaps_rollup", "\nAnonymous:") : -errno;
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    return kib;
}

static int memory(const char *folder, int n_items, struct bench_round *out)
{
    struct agent_rig rig;
    int err = agent_rig_open(&rig, folder);
    if (!err && n_items > 0)
        err = agent_rig_post(&rig, n_items, WORK_BYTES);
    if (!err)
        err = agent_rig_wait(&rig, n_items);
    long ours = 0;
    long resident = 0;
    long limit = 0;
    if (!err) {
        usleep(SETTLED_US);
        ours = proc_number(rig.pid, "smaps_rollup", "\nAnonymous:");
        resident = proc_number(rig.pid, "smaps_rollup", "\nRss:");
        limit = bare_anonymous();
        err = ours < 0 ? (int)ours : (limit < 0 ? (int)limit : 0);
    }
    agent_rig_close(&rig);
    out->ours = mb(ours);
    out->limit = mb(limit);
    out->peers[0] = (struct bench_peer){"rss", mb(resident)};
    return err;
}

static int idle(const char *folder, struct bench_round *out)
{
    return memory(folder, 0, out);
}

static int worked(const char *folder, struct bench_round *out)
{
    return memory(folder, WORK_ITEMS, out);
}

/* ---- wake-ups ---- */

static long switches(pid_t pid)
{
    char path[64];
    long sum = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return -errno;
    for (const struct dirent *d; (d = readdir(tasks)) != NULL;) {
        char file[300];
        (void)snprintf(file, sizeof(file), "task/%s/status", d->d_name);
        long n = d->d_name[0] != '.' ? proc_number(pid, file, "\nvoluntary_ctxt_switches:") : 0;
        sum += n > 0 ? n : 0;
    }
    closedir(tasks);
    return sum;
}

static int wakeups(const char *folder, struct bench_round *out)
{
    struct agent_rig rig;
    int err = agent_rig_open(&rig, folder);
    if (!err) {
        usleep(SETTLED_US);
        long before = switches(rig.pid);
        usleep(WATCH_S * 1000000);
        long after = switches(rig.pid);
        out->ours = (double)(after - before) * 60.0 / WATCH_S;
        out->limit = 60;
        err = before < 0 || after < 0 ? -EIO : 0;
    }
    agent_rig_close(&rig);
    return err;
}

const struct bench bench_agent[] = {
    {"agent.wake.p50", "ms", wake_p50}, {"agent.wake.p99", "ms", wake_p99},
    {"agent.idle", "MB", idle},         {"agent.idle.after.2000", "MB", worked},
    {"agent.wakeups", "/min", wakeups},
};
const size_t bench_agent_n = sizeof(bench_agent) / sizeof(bench_agent[0]);
