/* offline.h - unwinding a process that is gone: registers and stacks from its crash record, all
 * else from the files of its modules. */
#ifndef TB_SYMBOL_OFFLINE_H
#define TB_SYMBOL_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/crash.h"
#include "symbol/stack/frames.h"
#include "symbol/stack/modules.h"
#include "unwind/walk.h"

enum { TB_SYMBOL_THREAD_FRAMES = 128 };

struct tb_symbol_stack_found {
    struct tb_symbol_raw frames[TB_SYMBOL_RAW_MAX]; /* innermost first */
    size_t n;
    bool cut;
    const struct tb_symbol_module *lost_in; /* of a thread: the walk ended for want of its file */
    struct tb_symbol_gap gap;               /* at 0: none */
    bool by_process;                        /* the list that the crash handler made, not our own */
};

/* Rows that were made before: the threads of a process stand in the same functions. Zeroed memory
 * is an empty one. For the modules of one question. */
struct tb_symbol_rows {
    struct {
        uint64_t pc; /* 0: none */
        int err;
        struct tb_unwind_row row;
    } slots[4096];
};

/* Walks the stack of the record. Where that gives fewer frames to trust than the list in the
 * record, the list is taken. Of a stack deeper than that, the outermost frames of the record are
 * put behind either. */
void tb_symbol_offline_unwind(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              struct tb_symbol_stack_found *out);
/* Walks the stack of another thread, at most TB_SYMBOL_THREAD_FRAMES. Where only a part of the
 * stack was copied it ends with that part, and is cut; so it is where it ends in a module whose
 * file cannot be used. */
void tb_symbol_offline_thread(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              const struct tb_crash_thread *thread, struct tb_symbol_rows *rows,
                              struct tb_symbol_stack_found *out);

#endif
