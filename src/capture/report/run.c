/* run.c - see run.h.
 *
 * What holds here is checked once, before the first step; whatever else a step may need (a row to
 * be made, another module, a signal frame, a stack that is not this thread's) ends the run, and the
 * walk goes on with that frame by its callbacks, which then lead back here. */
#include "capture/report/run.h"

#include "capture/modules/rowcache.h"
#include "capture/threads/stack.h"

enum { WORD = 8 };

/* Sanitizers would take the redzones of the host's frames for faults of ours. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static inline uint64_t
load(uint64_t address)
{
    return *(const volatile uint64_t *)(uintptr_t)address;
}

/* What holds for all steps of a run. A span is the last place less the first. */
struct bounds {
    uint64_t generation;
    uint64_t stack_low, stack_span; /* of words that may be loaded */
    uint64_t code_low, code_span;   /* of return addresses into the module */
};

static inline int is_own(const struct bounds *bounds, uint64_t address)
{
    return address % WORD == 0 && address - bounds->stack_low <= bounds->stack_span;
}

static inline int is_return(const struct bounds *bounds, uint64_t address)
{
    return address - bounds->code_low <= bounds->code_span;
}

/* What code with frame pointers says, packed: cfa = bp + 16, bp saved below it. */
static inline uint64_t frame_pointer_row(void)
{
    const struct tb_unwind_row row = {
        .kind = TB_ROW_STD, .cfa_from_bp = 1, .cfa_offset = 16, .bp_saved = 1, .bp_offset = -16};
    return tb_rowcache_pack(&row);
}

/* The next frame of these is known without the row, but for the branch that leads here, and the
 * processor need not wait for it. Rows with another rule from bp are rare: they are not for here.
 */
static inline int step_by_bp(const struct bounds *bounds, struct tb_unwind_regs *to)
{
    uint64_t bp = to->bp;
    if (!is_own(bounds, bp) || !is_own(bounds, bp + WORD) || bp + (uint64_t)2 * WORD <= to->sp)
        return -1;
    to->sp = bp + (uint64_t)2 * WORD;
    to->bp = load(bp);
    return 0;
}

static inline int step_by_sp(const struct bounds *bounds, uint64_t value, struct tb_unwind_regs *to)
{
    struct tb_unwind_row row;
    tb_rowcache_unpack(value, &row);
    uint64_t cfa = to->sp + (uint64_t)(int64_t)row.cfa_offset;
    if (row.kind != TB_ROW_STD || row.cfa_from_bp || cfa <= to->sp || !is_own(bounds, cfa - WORD))
        return -1;
    if (row.bp_saved) {
        uint64_t saved_at = cfa + (uint64_t)(int64_t)row.bp_offset;
        if (!is_own(bounds, saved_at))
            return -1;
        to->bp = load(saved_at);
    }
    to->sp = cfa;
    return 0;
}

/* Moves regs to the caller: 0, or -1 and regs are as they were. */
static inline int step(const struct bounds *bounds, struct tb_unwind_regs *regs)
{
    struct tb_unwind_regs to = *regs;
    uint64_t value = tb_rowcache_find(bounds->generation, regs->ip - 1);
    int err =
        value == frame_pointer_row() ? step_by_bp(bounds, &to) : step_by_sp(bounds, value, &to);
    if (err)
        return err;
    to.ip = load(to.sp - WORD);
    if (!is_return(bounds, to.ip))
        return -1;
    *regs = to;
    return 0;
}

/* 0, or -1 when there is nothing to go by. */
static int find_bounds(const struct tb_stack *stack, struct bounds *out)
{
    const struct tb_memory *memory = &stack->memory;
    const struct tb_code *code = stack->last_code;
    if (!stack->modules || !stack->last || stack->last_is_late || code->high <= code->low ||
        memory->high < memory->low + WORD)
        return -1;
    *out = (struct bounds){
        .generation = stack->modules->process.generation,
        .stack_low = memory->low,
        .stack_span = memory->high - memory->low - WORD,
        .code_low = code->low + 1,
        .code_span = code->high - code->low - 1,
    };
    return 0;
}

size_t tb_run_steps(void *arg, struct tb_unwind_regs *regs, struct tb_unwind_frame *frames,
                    size_t max)
{
    struct bounds bounds;
    struct tb_unwind_regs at = *regs;
    size_t n = 0;
    if (find_bounds(arg, &bounds) != 0 || !is_return(&bounds, at.ip))
        return 0;
    while (n < max) {
        struct tb_unwind_regs before = at;
        if (step(&bounds, &at) != 0)
            break;
        frames[n].ip = before.ip;
        frames[n].sp = before.sp;
        n++;
    }
    *regs = at;
    return n;
}
