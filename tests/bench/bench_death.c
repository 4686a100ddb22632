/* bench_death.c - what a crash costs: the time in the handler, and until the process is gone.
 *
 * Processes die of a store through NULL, 20 frames deep, with no core dump. The handler's time is
 * what it says in its record; the limit is a handler that saves registers and 8 KiB of the stack
 * (host/without_library.c). A death lasts from before the faulting instruction until waitpid
 * returns here; the limit is the same program without the library. */
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "record/crash.h"
#include "run_host.h"
#include "spool/reader.h"

enum { CRASHES = 9, WARM = 1000, OTHER_THREADS = 50 };

static int check_death(const struct run_host *run)
{
    return WIFSIGNALED(run->status) && WTERMSIG(run->status) == SIGSEGV ? 0 : -ENODATA;
}

/* ---- the handler ---- */

/* What a record says of its handler. */
struct told {
    double handler_us;
    double n_captured; /* other threads */
};

static int read_crash(const struct tb_spool_record *record, struct told *out)
{
    struct tb_crash crash;
    int err = tb_crash_unpack(record->data, record->len, &crash);
    if (err < 0)
        return err;
    out->handler_us = (double)crash.handler_ns / 1000;
    out->n_captured = crash.about_threads.n_captured;
    err = crash.handler_ns == 0 || crash.n_frames < HOST_DEPTH ? -ENODATA : 0;
    tb_crash_done(&crash);
    return err;
}

/* Of the one crash in the spool. */
static int find_crash(const char *folder, struct told *out)
{
    char path[BENCH_PATH + 16];
    char why[TB_SPOOL_WHY];
    struct tb_spool *spool = NULL;
    struct tb_spool_record record;
    (void)snprintf(path, sizeof(path), "%s/spool", folder);
    int err = tb_spool_open(path, 0, &spool, why);
    if (err < 0)
        return err;
    while ((err = tb_spool_next(spool, &record)) == 0 && record.kind != TB_KIND_CRASH)
        ;
    if (err == 0)
        err = read_crash(&record, out);
    tb_spool_close(spool);
    return err;
}

static int handler_once(const char *folder, int argument, double *ours, double *limit)
{
    struct run_host run;
    struct told told = {0};
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "die", argument);
    if (err == 0 && (err = check_death(&run)) == 0)
        err = find_crash(run.folder, &told);
    if (err == 0)
        err = run_host(&run, RUN_BARE, "handle", 0);
    if (err == 0)
        err = check_death(&run);
    *ours = told.handler_us;
    *limit = run.results[0];
    run_host_done(&run);
    return err;
}

static int handler_of(const char *folder, struct bench_round *out, int argument)
{
    double ours[CRASHES];
    double limit[CRASHES];
    for (int i = 0; i < CRASHES; i++) {
        int err = handler_once(folder, argument, &ours[i], &limit[i]);
        if (err < 0)
            return err;
    }
    out->ours = bench_percentile(ours, CRASHES, 50);
    out->limit = bench_percentile(limit, CRASHES, 50);
    return 0;
}

static int handler_warm(const char *folder, struct bench_round *out)
{
    return handler_of(folder, out, WARM);
}

static int handler_cold(const char *folder, struct bench_round *out)
{
    return handler_of(folder, out, 0);
}

/* ---- the death ---- */

/* Milliseconds. */
static int death_once(const char *folder, enum run_host_program program, int n_threads, double *out)
{
    struct run_host run;
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, program, "die", n_threads);
    if (err == 0)
        err = check_death(&run);
    *out = (run.ended_us - run.results[0]) / 1000;
    run_host_done(&run);
    return err;
}

static int death_of(const char *folder, struct bench_round *out, int n_threads)
{
    double ours[CRASHES];
    double limit[CRASHES];
    for (int i = 0; i < CRASHES; i++) {
        int err = death_once(folder, RUN_HOST, n_threads, &ours[i]);
        if (err < 0 || (err = death_once(folder, RUN_BARE, n_threads, &limit[i])) < 0)
            return err;
    }
    out->ours = bench_percentile(ours, CRASHES, 50);
    out->limit = bench_percentile(limit, CRASHES, 50);
    return 0;
}

static int death_1(const char *folder, struct bench_round *out)
{
    return death_of(folder, out, 0);
}

static int death_50(const char *folder, struct bench_round *out)
{
    return death_of(folder, out, OTHER_THREADS);
}

static int above(const char *folder, struct bench_round *out, int n_threads)
{
    struct bench_round both = {0};
    int err = death_of(folder, &both, n_threads);
    out->ours = both.ours - both.limit;
    return err;
}

static int above_1(const char *folder, struct bench_round *out)
{
    return above(folder, out, 0);
}

static int above_50(const char *folder, struct bench_round *out)
{
    return above(folder, out, OTHER_THREADS);
}

static int captured_50(const char *folder, struct bench_round *out)
{
    struct run_host run;
    struct told told = {0};
    int err = run_host_init(&run, folder);
    if (err < 0)
        return err;
    err = run_host(&run, RUN_HOST, "die", OTHER_THREADS);
    if (err == 0 && (err = check_death(&run)) == 0)
        err = find_crash(run.folder, &told);
    out->ours = told.n_captured;
    run_host_done(&run);
    return err;
}

const struct bench bench_death[] = {
    {"crash.handler.warm.p50", "us", handler_warm}, {"crash.handler.cold.p50", "us", handler_cold},
    {"crash.death.1.p50", "ms", death_1},           {"crash.death.1.above", "ms", above_1},
    {"crash.death.50.p50", "ms", death_50},         {"crash.death.50.above", "ms", above_50},
    {"crash.death.50.captured", "", captured_50},
};
const size_t bench_death_n = sizeof(bench_death) / sizeof(bench_death[0]);
