/* stack.h - the walk up a stack of this process: unwind/walk.h over live memory, with the row cache
 * and the module table. Signal-safe: no lock but libunwind's own pool, no allocation. */
#ifndef TB_CAPTURE_STACK_H
#define TB_CAPTURE_STACK_H

#include <stddef.h>
#include <stdint.h>

#include "capture/report/late.h"
#include "capture/crash/memory.h"
#include "capture/modules/modules.h"
#include "unwind/walk.h"

/* What one walk works with. Too large for a stack; zeroed is ready. */
struct tb_stack {
    const struct tb_modules *modules; /* taken by the caller; NULL: nothing is code */
    struct tb_late late;              /* what the walk met that modules does not know */
    const struct tb_module *last;     /* found last: in modules, or in late; or NULL */
    const struct tb_code *last_code;
    int last_is_late;
    struct tb_memory memory;
};

/* Registers as they will be when the function that calls this has returned to its caller. To be
 * inlined into a public function, whose callers are the first frame then. */
__attribute__((always_inline)) static inline struct tb_unwind_regs tb_stack_caller(void)
{
    const uint64_t *frame = __builtin_frame_address(0); /* saved bp, return address */
    return (struct tb_unwind_regs){
        .ip = frame[1], .sp = (uint64_t)(uintptr_t)(frame + 2), .bp = frame[0]};
}

/* Prepares for a walk, with nothing to be loaded directly. */
void tb_stack_reset(struct tb_stack *stack, const struct tb_modules *modules);
/* The same for a walk of the running thread from sp: what of its stack may be loaded directly. */
void tb_stack_begin(struct tb_stack *stack, const struct tb_modules *modules, uint64_t sp);
/* See tb_unwind_walk and tb_unwind_walk_on. */
size_t tb_stack_walk(struct tb_stack *stack, struct tb_unwind_regs regs, int at_fault,
                     struct tb_unwind_frame *frames, size_t max, int *cut);
size_t tb_stack_walk_on(struct tb_stack *stack, struct tb_unwind_place *place,
                        struct tb_unwind_frame *frames, size_t max, int *cut);
/* To be called once by init: finds the top of the first thread's stack. Not signal-safe. */
void tb_stack_setup(void);
/* In a fork child. Signal-safe. */
void tb_stack_forked(void);

#endif
