/* threads.c - see threads.h. */
#include "symbol/stack/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "symbol/stack/offline.h"

void tb_symbol_threads_done(struct tb_symbol_threads *threads)
{
    if (!threads)
        return;
    for (size_t i = 0; i < threads->n; i++)
        free(threads->groups[i].frames);
    free(threads->groups);
    free(threads->of);
    *threads = (struct tb_symbol_threads){0};
}

/* FNV-1a over the addresses. */
static uint64_t hash_of(const struct tb_symbol_stack_found *found)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < found->n; i++)
        hash = (hash ^ found->frames[i].ip) * 0x100000001b3;
    return hash;
}

static bool is_same(const struct tb_symbol_group *group, const struct tb_symbol_stack_found *found)
{
    if (group->n != found->n || group->cut != found->cut)
        return false;
    for (size_t i = 0; i < found->n; i++) {
        if (group->frames[i].ip != found->frames[i].ip ||
            group->frames[i].trust != found->frames[i].trust)
            return false;
    }
    return true;
}

/* Adds thread i to the group of its stack, which may be a new one. 0 or -ENOMEM. */
static int add_thread(struct tb_symbol_threads *threads, size_t i,
                      const struct tb_symbol_stack_found *found)
{
    uint64_t hash = hash_of(found);
    size_t g = 0;
    while (g < threads->n &&
           !(threads->groups[g].hash == hash && is_same(&threads->groups[g], found)))
        g++;
    if (g == threads->n) {
        struct tb_symbol_raw *frames = calloc(found->n + 1, sizeof(*frames));
        if (!frames)
            return -ENOMEM;
        memcpy(frames, found->frames, found->n * sizeof(*frames));
        threads->groups[threads->n++] = (struct tb_symbol_group){.frames = frames,
                                                                 .n = found->n,
                                                                 .cut = found->cut,
                                                                 .lost_in = found->lost_in,
                                                                 .number = g,
                                                                 .hash = hash};
    }
    threads->groups[g].n_threads++;
    threads->of[i] = g;
    return 0;
}

static int by_worth(const void *a, const void *b)
{
    const struct tb_symbol_group *left = a;
    const struct tb_symbol_group *right = b;
    if (left->n_threads != right->n_threads)
        return left->n_threads > right->n_threads ? -1 : 1;
    if (left->n != right->n)
        return left->n < right->n ? -1 : 1;
    return left->number < right->number ? -1 : 1;
}

static int unwind_all(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                      struct tb_symbol_rows *rows, struct tb_symbol_stack_found *found,
                      struct tb_symbol_threads *threads)
{
    int err = 0;
    for (size_t i = 0; i < crash->n_threads && !err; i++) {
        if (tb_clock_mono_ns() >= threads->ends_ns)
            break;
        tb_symbol_offline_thread(modules, crash, &crash->threads[i], rows, found);
        err = add_thread(threads, i, found);
        threads->n_unwound = i + 1;
    }
    return err;
}

int tb_symbol_threads_make(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                           uint64_t budget_ns, struct tb_symbol_threads *out)
{
    struct tb_symbol_threads threads = {.ends_ns = tb_clock_mono_ns() + budget_ns};
    struct tb_symbol_rows *rows = calloc(1, sizeof(*rows));
    struct tb_symbol_stack_found *found = calloc(1, sizeof(*found));
    threads.groups = calloc(crash->n_threads + 1, sizeof(*threads.groups));
    threads.of = calloc(crash->n_threads + 1, sizeof(*threads.of));
    int err = -ENOMEM;
    if (rows && found && threads.groups && threads.of)
        err = unwind_all(modules, crash, rows, found, &threads);
    free(rows);
    free(found);
    if (err) {
        tb_symbol_threads_done(&threads);
        return err;
    }
    qsort(threads.groups, threads.n, sizeof(*threads.groups), by_worth);
    *out = threads;
    return 0;
}
