/* run.c - see run.h.
 *
 * What holds here is checked once, before the first step; whatever else a step may need (a row to
 * be made, another module, a signal frame, a stack that is not this thread's) ends the run, and the
 * walk goes on with that frame by its callbacks, which then lead back here. */
#include "capture/run.h"

#include "capture/rowcache.h"
#include "capture/stack.h"

enum { WORD = 8 };

/* Sanitizers would take the redzones of the host's frames for faults of ours. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static inline uint64_t
load(uint64_t address)
{
    return *(const volatile uint64_t *)(uintptr_t)address;
}

/* Is the word at address one that may be loaded? */
static inline int is_own(const struct tb_memory *memory, uint64_t address)
{
    return address >= memory->low && address < memory->high && memory->high - address >= WORD &&
           address % WORD == 0;
}

/* What most code with frame pointers says, packed: cfa = bp + 16, bp saved below it. */
static inline uint64_t frame_pointer_row(void)
{
    const struct tb_unwind_row row = {
        .kind = TB_ROW_STD, .cfa_from_bp = 1, .cfa_offset = 16, .bp_saved = 1, .bp_offset = -16};
    return tb_rowcache_pack(&row);
}

/* The caller of regs, or -1. */
static inline int step(const struct tb_stack *stack, uint64_t generation,
                       struct tb_unwind_regs *regs)
{
    struct tb_unwind_regs to = *regs;
    uint64_t value = tb_rowcache_find(generation, regs->ip - 1);
    /* The next frame of these is known without the row, but for this branch, and the processor
     * need not wait for it. */
    if (value == frame_pointer_row()) {
        to.sp = regs->bp + (uint64_t)2 * WORD;
        if (to.sp <= regs->sp || !is_own(&stack->memory, regs->bp) ||
            !is_own(&stack->memory, regs->bp + WORD))
            return -1;
        to.bp = load(regs->bp);
    } else {
        struct tb_unwind_row row;
        tb_rowcache_unpack(value, &row);
        if (row.kind != TB_ROW_STD)
            return -1;
        to.sp = (row.cfa_from_bp ? regs->bp : regs->sp) + (uint64_t)(int64_t)row.cfa_offset;
        if (to.sp <= regs->sp || !is_own(&stack->memory, to.sp - WORD))
            return -1;
        if (row.bp_saved) {
            uint64_t saved_at = to.sp + (uint64_t)(int64_t)row.bp_offset;
            if (!is_own(&stack->memory, saved_at))
                return -1;
            to.bp = load(saved_at);
        }
    }
    to.ip = load(to.sp - WORD);
    if (to.ip <= stack->last_code->low || to.ip > stack->last_code->high)
        return -1;
    *regs = to;
    return 0;
}

size_t tb_run_steps(void *arg, struct tb_unwind_regs *regs, struct tb_unwind_frame *frames,
                    size_t max)
{
    const struct tb_stack *stack = arg;
    size_t n = 0;
    if (!stack->modules || !stack->last || stack->last_is_late ||
        regs->ip <= stack->last_code->low || regs->ip > stack->last_code->high)
        return 0;
    uint64_t generation = stack->modules->process.generation;
    struct tb_unwind_regs at = *regs;
    while (n < max) {
        struct tb_unwind_regs before = at;
        if (step(stack, generation, &at) != 0)
            break;
        frames[n].ip = before.ip;
        frames[n].sp = before.sp;
        n++;
    }
    *regs = at;
    return n;
}
