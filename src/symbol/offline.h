/* offline.h - unwinding a process that is gone: registers and stack from its crash record, all else
 * from the files of its modules. */
#ifndef TB_SYMBOL_OFFLINE_H
#define TB_SYMBOL_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "record/crash.h"
#include "symbol/frames.h"
#include "symbol/modules.h"

struct tb_symbol_stack_found {
    struct tb_symbol_raw frames[TB_SYMBOL_RAW_MAX]; /* innermost first */
    size_t n;
    bool cut;
    bool by_process; /* the list that the crash handler made, not our own */
};

/* Walks the stack of the record. Where that gives fewer frames to trust than the list in the
 * record, the list is taken. */
void tb_symbol_offline_unwind(struct tb_symbol_modules *modules, const struct tb_crash *crash,
                              struct tb_symbol_stack_found *out);

#endif
