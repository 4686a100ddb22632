/* threads.h - the other threads of a crash, unwound and put together where their stacks are equal:
 * those of a pool that wait for work are one group. */
#ifndef TB_SYMBOL_THREADS_H
#define TB_SYMBOL_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record/crash.h"
#include "symbol/stack/frames.h"
#include "symbol/stack/modules.h"

struct tb_symbol_group {
    struct tb_symbol_raw *frames; /* innermost first; owned */
    size_t n;
    bool cut;                               /* there was more of the stack */
    const struct tb_symbol_module *lost_in; /* whose file is missed for that; or NULL */
    size_t n_threads;
    size_t number; /* as of[] has it */
    uint64_t hash;
};

struct tb_symbol_threads {
    struct tb_symbol_group *groups; /* the most threads first, then the shortest stacks; owned */
    size_t n;
    size_t *of;       /* the number of the group of each thread of the record; owned */
    size_t n_unwound; /* the first so many threads of the record */
    uint64_t ends_ns; /* when there is no more time, on the monotonic clock */
};

/* Works for budget_ns at most: threads that it did not come to are in no group. 0 or -ENOMEM. */
int tb_symbol_threads_make(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                           uint64_t budget_ns, struct tb_symbol_threads *out);
void tb_symbol_threads_done(struct tb_symbol_threads *threads);

#endif
