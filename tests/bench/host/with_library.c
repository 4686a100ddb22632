/* with_library.c - towbar-bench-host: a daemon that links libtowbar. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <towbar/towbar.h>

#include "base/clock.h"
#include "deep.h"
#include "host.h"

enum {
    BURST = 10,  /* reports of one call site; more at once are counted only */
    SITES = 250, /* whose reports fit one segment */
    NOTES = 20000,
    SUPPRESSED = 20000,
    TRACES = 20000,
};

int host_start(const char *spool)
{
    return towbar_init(TOWBAR_OPTIONS(.spool = spool, .service = "bench"));
}

int host_report(int n)
{
    struct towbar_site site = {__FILE__, n, __func__};
    return towbar_report_at(&site, TOWBAR_ERROR, 0, "cannot read the feed of %s", "andrew");
}

static double now_us(void)
{
    return (double)tb_clock_mono_ns() / 1000;
}

static int start_in(const char *folder)
{
    char spool[HOST_PATH];
    (void)snprintf(spool, sizeof(spool), "%s/spool", folder);
    return host_start(spool);
}

/* ---- errors, one by one ---- */

struct samples {
    double *out;
    int n, err;
};

static void report_all(void *arg)
{
    struct samples *samples = arg;
    for (int i = 0; i < samples->n && samples->err == 0; i++) {
        double start = now_us();
        samples->err = host_report(i / BURST + 1);
        samples->out[i] = now_us() - start;
    }
}

static int errors(const char *folder, int n, double *results)
{
    struct samples samples = {.out = results, .n = n};
    samples.err = start_in(folder);
    if (samples.err == 0)
        (void)bench_deep(HOST_DEPTH, report_all, &samples);
    return samples.err;
}

/* ---- errors of several threads ---- */

struct reporter {
    pthread_barrier_t *start;
    int own_site; /* for the report that makes what the others need */
    int first_site, n_sites;
    double begun_us, ended_us;
    int err;
};

static void report_sites(void *arg)
{
    struct reporter *r = arg;
    r->err = host_report(r->own_site);
    pthread_barrier_wait(r->start);
    r->begun_us = now_us();
    for (int i = 0; i < r->n_sites * BURST && r->err == 0; i++)
        r->err = host_report(r->first_site + i % r->n_sites);
    r->ended_us = now_us();
}

static void *run_reporter(void *arg)
{
    (void)bench_deep(HOST_DEPTH, report_sites, arg);
    return NULL;
}

/* Reports per second of n threads together, from the first begun to the last ended. */
static int rate(const char *folder, int n, double *results)
{
    struct reporter threads[2] = {{.err = 0}};
    pthread_t ids[2];
    pthread_barrier_t start;
    double begun = 0;
    double ended = 0;
    int err = n > 2 ? -EINVAL : start_in(folder);
    if (err || (err = -pthread_barrier_init(&start, NULL, (unsigned)n)))
        return err;
    for (int i = 0; i < n && err == 0; i++) {
        threads[i].start = &start;
        threads[i].own_site = SITES + 1 + i;
        threads[i].n_sites = SITES / n;
        threads[i].first_site = 1 + i * SITES / n;
        err = -pthread_create(&ids[i], NULL, run_reporter, &threads[i]);
    }
    for (int i = 0; i < n && err == 0; i++) {
        (void)pthread_join(ids[i], NULL);
        err = threads[i].err;
        begun = i == 0 || threads[i].begun_us < begun ? threads[i].begun_us : begun;
        ended = threads[i].ended_us > ended ? threads[i].ended_us : ended;
    }
    results[0] = SITES * BURST / ((ended - begun) / 1e6);
    return err;
}

/* ---- what costs less ---- */

static int note(const char *folder, int argument, double *results)
{
    static char text[232];
    (void)argument;
    int err = start_in(folder);
    double start = now_us();
    for (int i = 0; i < NOTES; i++)
        towbar_note(TOWBAR_INFO, "feed %d of %s is read", i, "andrew");
    results[0] = (now_us() - start) / NOTES * 1000;
    start = now_us();
    for (int i = 0; i < NOTES; i++)
        (void)snprintf(text, sizeof(text), "feed %d of %s is read", i, "andrew");
    results[1] = (now_us() - start) / NOTES * 1000;
    return err;
}

static int suppressed(const char *folder, int argument, double *results)
{
    (void)argument;
    int err = start_in(folder);
    for (int i = 0; i < BURST && err == 0; i++)
        err = host_report(1);
    int n_kept = 0;
    double start = now_us();
    for (int i = 0; i < SUPPRESSED; i++)
        n_kept += host_report(1) != -EAGAIN;
    results[0] = (now_us() - start) / SUPPRESSED * 1000;
    return err ? err : n_kept ? -ENODATA : 0;
}

static const char traceparent[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
static const char xray[] = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;"
                           "Sampled=1;Lineage=a87bd80c:1|68fd508a:5";

static const char *get_header(void *arg, const char *name)
{
    (void)arg;
    if (strcasecmp(name, "traceparent") == 0)
        return traceparent;
    if (strcasecmp(name, "tracestate") == 0)
        return "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7";
    return strcasecmp(name, "x-amzn-trace-id") == 0 ? xray : NULL;
}

static void put_header(void *arg, const char *name, const char *value)
{
    *(size_t *)arg += strlen(name) + strlen(value);
}

/* One way to make a trace active, or to hand it on, and back again. */
static void change_trace(int way, const towbar_trace_state *other)
{
    size_t n = 0;
    towbar_trace_state before;
    if (way == 0)
        before = towbar_trace_push(traceparent);
    else if (way == 1)
        before = towbar_trace_push(xray);
    else if (way == 2)
        before = towbar_trace_extract(get_header, NULL);
    else if (way == 3)
        before = towbar_trace_adopt(other);
    else {
        (void)towbar_trace_inject(put_header, &n);
        return;
    }
    towbar_trace_pop(&before);
}

/* Nanoseconds of each way. */
static int traces(const char *folder, int n_ways, double *results)
{
    int err = start_in(folder);
    (void)towbar_trace_extract(get_header, NULL);
    towbar_trace_state other = towbar_trace_capture();
    for (int way = 0; way < n_ways; way++) {
        double start = now_us();
        for (int i = 0; i < TRACES; i++)
            change_trace(way, &other);
        results[way] = (now_us() - start) / TRACES * 1000;
    }
    return err;
}

static int init(const char *folder, int argument, double *results)
{
    (void)argument;
    double start = now_us();
    int err = start_in(folder);
    results[0] = now_us() - start;
    return err;
}

const struct host_role host_roles[] = {{"errors", errors}, {"rate", rate},
                                       {"note", note},     {"suppressed", suppressed},
                                       {"traces", traces}, {"init", init}};
const size_t host_n_roles = sizeof(host_roles) / sizeof(host_roles[0]);
