/* stack.c - see stack.h.
 *
 * A thread's stack reaches from its sp to where the C library keeps the thread's own data (to the
 * arguments of the program for the first thread). That this range is readable is proven once, with
 * the kernel's help, and remembered by the thread for as long as sp stays in it: so a stack that
 * the host made itself (a coroutine's) is never loaded from on trust. */
#include "capture/threads/stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "capture/report/context.h"
#include "capture/crash/quiet.h"
#include "capture/modules/gone.h"
#include "capture/modules/rowcache.h"
#include "capture/report/run.h"
#include "unwind/rows.h"

enum { PROVEN_MAX_BYTES = 1 << 20 };

static uint64_t first_thread_top;
/* Threads inside libunwind, whose memory pool has a mutex: a child that is forked meanwhile
 * inherits that locked, for good, and has to do with the rows it knows and the fix-ups of the walk.
 */
static atomic_int n_in_libunwind;
static atomic_int is_libunwind_locked;

void tb_stack_setup(void)
{
    void *const *end = dlsym(RTLD_DEFAULT, "__libc_stack_end");
    if (end && *end)
        first_thread_top = ((uint64_t)(uintptr_t)*end | (TB_MEMORY_PAGE - 1)) + 1;
}

void tb_stack_forked(void)
{
    if (atomic_exchange(&n_in_libunwind, 0) > 0)
        atomic_store(&is_libunwind_locked, 1);
}

/* ---- what may be loaded directly ---- */

static int is_below(uint64_t sp, uint64_t top)
{
    return sp < top && top - sp <= PROVEN_MAX_BYTES;
}

static int prove(struct tb_context *context, uint64_t sp)
{
    const uint64_t tops[] = {(uint64_t)pthread_self(), first_thread_top};
    uint64_t low = sp & ~(uint64_t)(TB_MEMORY_PAGE - 1);
    for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
        if (!is_below(sp, tops[i]) || !tb_memory_is_readable(low, tops[i]))
            continue;
        context->stack_low = low;
        context->stack_high = tops[i];
        return 1;
    }
    return 0;
}

void tb_stack_reset(struct tb_stack *stack, const struct tb_modules *modules)
{
    stack->modules = modules;
    stack->last = NULL;
    tb_late_begin(&stack->late, modules);
    tb_memory_reset(&stack->memory);
}

void tb_stack_begin(struct tb_stack *stack, const struct tb_modules *modules, uint64_t sp)
{
    int kept = errno;
    struct tb_context *context = tb_context();
    tb_stack_reset(stack, modules);
    if ((sp >= context->stack_low && sp < context->stack_high) || prove(context, sp)) {
        stack->memory.low = sp;
        stack->memory.high = context->stack_high;
    }
    errno = kept;
}

/* ---- the callbacks ---- */

/* Makes last the module that holds address: 0 or -ENOENT. */
static int find_place(struct tb_stack *stack, uint64_t address)
{
    size_t place;
    if (stack->last && address >= stack->last->lo && address < stack->last->hi)
        return 0;
    if (!stack->modules)
        return -ENOENT;
    int where = tb_late_find(&stack->late, stack->modules, &stack->memory, address, &place);
    if (where < 0)
        return where;
    stack->last_is_late = where == 0;
    stack->last =
        where == 0 ? &stack->late.modules[place] : &stack->modules->process.modules[place];
    stack->last_code = where == 0 ? &stack->late.code[place] : &stack->modules->code[place];
    return 0;
}

static int read_memory(void *arg, uint64_t address, void *out, size_t len)
{
    struct tb_stack *stack = arg;
    return tb_memory_read(&stack->memory, address, out, len);
}

static int is_code(void *arg, uint64_t address)
{
    struct tb_stack *stack = arg;
    return find_place(stack, address) == 0 && address >= stack->last_code->low &&
           address < stack->last_code->high;
}

/* Of what is_code has denied: one of the table, or one that was noted. */
static int was_code(void *arg, uint64_t address)
{
    const struct tb_stack *stack = arg;
    struct tb_gone gone;
    long place = stack->modules ? tb_modules_find(stack->modules, address) : -1;
    if (place >= 0)
        return address >= stack->modules->code[place].low &&
               address < stack->modules->code[place].high;
    return tb_gone_find(address, &gone) == 0 && address >= gone.code.low &&
           address < gone.code.high;
}

static int find_module(void *arg, uint64_t address, struct tb_rows_module *out)
{
    struct tb_stack *stack = arg;
    int err = find_place(stack, address);
    if (err)
        return err;
    *out = (struct tb_rows_module){
        .lo = stack->last->lo, .hi = stack->last->hi, .eh_frame_hdr = stack->last->eh_frame_hdr};
    return 0;
}

static struct tb_rows_source source_of(struct tb_stack *stack)
{
    return (struct tb_rows_source){.arg = stack, .module = find_module, .read = read_memory};
}

static int may_ask_libunwind(void)
{
    return !atomic_load_explicit(&is_libunwind_locked, memory_order_relaxed) && !tb_quiet();
}

static int make_row(struct tb_stack *stack, uint64_t pc, struct tb_unwind_row *out)
{
    struct tb_rows_source source = source_of(stack);
    if (!may_ask_libunwind())
        return -EDEADLK;
    atomic_fetch_add(&n_in_libunwind, 1);
    int err = tb_rows_make(&source, pc, out);
    atomic_fetch_sub(&n_in_libunwind, 1);
    return err;
}

static int find_row(void *arg, uint64_t pc, struct tb_unwind_row *out)
{
    struct tb_stack *stack = arg;
    int err = find_place(stack, pc);
    if (err)
        return err;
    if (stack->last_is_late) /* what is cached may be of the one before it */
        return make_row(stack, pc, out);
    uint64_t generation = stack->modules->process.generation;
    err = tb_rowcache_get(generation, pc, out);
    if (err != -EAGAIN)
        return err;
    err = make_row(stack, pc, out);
    if (err == 0 || err == -ENOENT)
        tb_rowcache_put(generation, pc, err == 0 ? out : NULL);
    return err;
}

static int step(void *arg, uint64_t pc, struct tb_unwind_regs *regs)
{
    struct tb_rows_source source = source_of(arg);
    if (!may_ask_libunwind())
        return -EDEADLK;
    atomic_fetch_add(&n_in_libunwind, 1);
    int err = tb_rows_step(&source, read_memory, pc, regs);
    atomic_fetch_sub(&n_in_libunwind, 1);
    return err;
}

size_t tb_stack_walk_on(struct tb_stack *stack, struct tb_unwind_place *place,
                        struct tb_unwind_frame *frames, size_t max, int *cut)
{
    const struct tb_unwind_ops ops = {.arg = stack,
                                      .read = read_memory,
                                      .row = find_row,
                                      .step = step,
                                      .is_code = is_code,
                                      .was_code = was_code,
                                      .run = tb_run_steps};
    int kept = errno;
    size_t n = tb_unwind_walk_on(&ops, place, frames, max, cut);
    errno = kept;
    return n;
}

size_t tb_stack_walk(struct tb_stack *stack, struct tb_unwind_regs regs, int at_fault,
                     struct tb_unwind_frame *frames, size_t max, int *cut)
{
    struct tb_unwind_place place = tb_unwind_start(regs, at_fault);
    return tb_stack_walk_on(stack, &place, frames, max, cut);
}
