/* bench_walk.c - a walk of this stack as a report makes it, against one along frame pointers.
 *
 * The stack is made by code that keeps frame pointers (deep.c), so that the limit can be had at
 * all; all methods take its innermost frames and stop. Warm: each has walked the same stack before.
 * The walk of the report is preparation (tb_stack_begin) and rows (tb_stack_walk). */
#include "bench.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <unwind.h>

#include "capture/modules/modules.h"
#include "capture/threads/stack.h"
#include "deep.h"
#include "unwind/rows.h"

enum {
    DEPTH = 70, /* deeper than any walk goes */
    FRAMES_MAX = 64,
    BLOCKS = 7,
    WALKS = 300,     /* in a block */
    SLOW_WALKS = 30, /* of the peers that take microseconds for a frame */
    BLOCKS_BESIDE = 64,
    NEW_THREADS = 31,
};

struct walker {
    struct tb_stack stack;
    struct tb_unwind_frame frames[FRAMES_MAX];
    void *addresses[FRAMES_MAX];
    size_t n; /* frames wanted */
    int err;
};

/* ---- the methods: each walks n_times and says how many frames it found ---- */

__attribute__((noinline)) static size_t by_rows(struct walker *w)
{
    struct tb_unwind_regs here = tb_stack_caller();
    struct tb_modules *modules = tb_modules_take();
    tb_stack_begin(&w->stack, modules, here.sp);
    size_t n = tb_stack_walk(&w->stack, here, 0, w->frames, w->n, NULL);
    tb_modules_give(modules);
    return n;
}

__attribute__((noinline)) static size_t by_frame_pointer(struct walker *w)
{
    const uintptr_t *frame = __builtin_frame_address(0);
    size_t n = 0;
    while (n < w->n && frame) {
        w->addresses[n++] = (void *)frame[1]; /* saved bp, return address */
        frame = (const uintptr_t *)frame[0];
    }
    return n;
}

static size_t by_backtrace(struct walker *w)
{
    int n = backtrace(w->addresses, (int)w->n);
    return n > 0 ? (size_t)n : 0;
}

/* Found by its name: a program that links libunwind gets that one's backtrace for the C library's.
 */
static int (*unw_backtrace)(void **addresses, int max);

static size_t by_libunwind(struct walker *w)
{
    int n = unw_backtrace ? unw_backtrace(w->addresses, (int)w->n) : 0;
    return n > 0 ? (size_t)n : 0;
}

struct collected {
    struct walker *walker;
    size_t n;
};

static _Unwind_Reason_Code collect(struct _Unwind_Context *context, void *arg)
{
    struct collected *to = arg;
    to->walker->addresses[to->n++] = (void *)_Unwind_GetIP(context);
    return to->n < to->walker->n ? _URC_NO_REASON : _URC_END_OF_STACK;
}

static size_t by_libgcc(struct walker *w)
{
    struct collected to = {.walker = w};
    (void)_Unwind_Backtrace(collect, &to);
    return to.n;
}

/* Microseconds for one walk; less than nothing when it did not find all frames. */
static double time_walks(struct walker *w, size_t (*method)(struct walker *), int n_times)
{
    size_t n = method(w);
    double start = bench_us();
    for (int i = 0; i < n_times; i++)
        n = n == w->n ? method(w) : 0;
    double took = (bench_us() - start) / n_times;
    if (n != w->n)
        w->err = -ENODATA;
    return took;
}

/* ---- rows ---- */

static int find_libunwind(void)
{
    void *library = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    void *found = library ? dlsym(library, "unw_backtrace") : NULL;
    memcpy(&unw_backtrace, &found, sizeof(found));
    return found ? 0 : -ENOENT;
}

static int prepare(void)
{
    static const struct tb_process about = {.exe = "/proc/self/exe"};
    struct tb_modules *modules = tb_modules_take();
    tb_modules_give(modules);
    if (modules)
        return 0;
    tb_stack_setup();
    int err = tb_rows_load();
    if (err || (err = find_libunwind()))
        return err;
    return tb_modules_load(&about);
}

static const struct {
    const char *name;
    size_t (*method)(struct walker *);
} peers[] = {
    {"unw_backtrace", by_libunwind}, {"backtrace", by_backtrace}, {"_Unwind_Backtrace", by_libgcc}};
enum { N_PEERS = sizeof(peers) / sizeof(peers[0]) };

struct comparison {
    struct walker walker;
    int has_frame_pointers;
    struct bench_round *out;
};

/* At the end of a deep stack. */
static void compare(void *arg)
{
    struct comparison *c = arg;
    double ours[BLOCKS];
    double limit[BLOCKS];
    double peer[N_PEERS][BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        ours[i] = time_walks(&c->walker, by_rows, WALKS);
        limit[i] = c->has_frame_pointers ? time_walks(&c->walker, by_frame_pointer, WALKS) : 0;
        for (size_t k = 0; k < N_PEERS; k++)
            peer[k][i] = time_walks(&c->walker, peers[k].method, SLOW_WALKS);
    }
    c->out->ours = bench_percentile(ours, BLOCKS, 50);
    c->out->limit = bench_percentile(limit, BLOCKS, 50);
    for (size_t k = 0; k < N_PEERS; k++)
        c->out->peers[k] =
            (struct bench_peer){peers[k].name, bench_percentile(peer[k], BLOCKS, 50)};
}

static int walk_of(size_t n, int has_frame_pointers, struct bench_round *out)
{
    static struct comparison c;
    int err = prepare();
    if (err)
        return err;
    c.walker.n = n;
    c.walker.err = 0;
    c.out = out;
    c.has_frame_pointers = has_frame_pointers;
    (void)(has_frame_pointers ? bench_deep : bench_deep_plain)(DEPTH, compare, &c);
    return c.walker.err;
}

static int walk_10(const char *folder, struct bench_round *out)
{
    (void)folder;
    return walk_of(10, 1, out);
}

static int walk_30(const char *folder, struct bench_round *out)
{
    (void)folder;
    return walk_of(30, 1, out);
}

static int walk_60(const char *folder, struct bench_round *out)
{
    (void)folder;
    return walk_of(60, 1, out);
}

static int walk_30_plain(const char *folder, struct bench_round *out)
{
    (void)folder;
    return walk_of(30, 0, out);
}

/* ---- threads ---- */

struct walking {
    struct walker walker;
    size_t (*method)(struct walker *);
    pthread_barrier_t *start;
    int n_times;
    double took_us; /* of one walk */
};

static void walk_beside(void *arg)
{
    struct walking *t = arg;
    double blocks[BLOCKS_BESIDE]; /* their median: some are interrupted by other work */
    (void)t->method(&t->walker);
    pthread_barrier_wait(t->start);
    for (int i = 0; i < BLOCKS_BESIDE; i++)
        blocks[i] = time_walks(&t->walker, t->method, t->n_times);
    t->took_us = bench_percentile(blocks, BLOCKS_BESIDE, 50);
}

static void walk_once(void *arg)
{
    struct walking *t = arg;
    double start = bench_us();
    size_t n = t->method(&t->walker);
    t->took_us = bench_us() - start;
    if (n != t->walker.n)
        t->walker.err = -ENODATA;
}

static void *run_beside(void *arg)
{
    (void)bench_deep(DEPTH, walk_beside, arg);
    return NULL;
}

static void *run_once(void *arg)
{
    (void)bench_deep(DEPTH, walk_once, arg);
    return NULL;
}

/* Runs n threads to their end; the mean of what they took, or a negative errno. */
static double run_threads(struct walking *threads, size_t n, void *(*body)(void *))
{
    pthread_t ids[2];
    pthread_barrier_t start;
    double sum = 0;
    int err = pthread_barrier_init(&start, NULL, (unsigned)n);
    size_t n_begun = 0;
    for (; n_begun < n && err == 0; n_begun++) {
        threads[n_begun].start = &start;
        err = pthread_create(&ids[n_begun], NULL, body, &threads[n_begun]);
    }
    if (err)
        return -err; /* the program ends now, and the threads with it */
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(ids[i], NULL);
        err = threads[i].walker.err ? threads[i].walker.err : err;
        sum += threads[i].took_us;
    }
    pthread_barrier_destroy(&start);
    return err ? err : sum / (double)n;
}

static int walk_30_2threads(const char *folder, struct bench_round *out)
{
    static struct walking threads[2];
    (void)folder;
    int err = prepare();
    if (err)
        return err;
    for (size_t i = 0; i < 2; i++)
        threads[i] = (struct walking){.walker = {.n = 30}, .method = by_rows, .n_times = WALKS};
    out->ours = run_threads(threads, 2, run_beside);
    out->limit = run_threads(threads, 1, run_beside);
    threads[0].method = threads[1].method = by_libunwind;
    out->peers[0] = (struct bench_peer){"unw_backtrace", run_threads(threads, 2, run_beside)};
    threads[0].method = threads[1].method = by_libgcc;
    threads[0].n_times = threads[1].n_times = SLOW_WALKS;
    out->peers[1] = (struct bench_peer){"_Unwind_Backtrace", run_threads(threads, 2, run_beside)};
    return out->ours < 0 ? (int)out->ours : 0;
}

/* The rows are there; the thread has to find out what of its stack may be read. */
static int walk_first(const char *folder, struct bench_round *out)
{
    static struct walking thread;
    double ours[NEW_THREADS];
    double limit[NEW_THREADS];
    (void)folder;
    int err = prepare();
    for (int i = 0; i < NEW_THREADS && err == 0; i++) {
        thread = (struct walking){.walker = {.n = 30}, .method = by_rows};
        ours[i] = run_threads(&thread, 1, run_once);
        thread.method = by_frame_pointer;
        limit[i] = run_threads(&thread, 1, run_once);
        err = ours[i] < 0 ? (int)ours[i] : 0;
    }
    if (err)
        return err;
    out->ours = bench_percentile(ours, NEW_THREADS, 50);
    out->limit = bench_percentile(limit, NEW_THREADS, 50);
    return 0;
}

const struct bench bench_walk[] = {
    {"capture.walk.10", "us", walk_10},
    {"capture.walk.30", "us", walk_30},
    {"capture.walk.60", "us", walk_60},
    {"capture.walk.plain.30", "us", walk_30_plain},
    {"capture.walk.30.2threads", "us", walk_30_2threads},
    {"capture.walk.first", "us", walk_first},
};
const size_t bench_walk_n = sizeof(bench_walk) / sizeof(bench_walk[0]);
