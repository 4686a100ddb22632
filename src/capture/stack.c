/* stack.c - see stack.h.
 *
 * A thread's stack reaches from its sp to where the C library keeps the thread's own data (to the
 * arguments of the program for the first thread). That this range is readable is proven once, with
 * the kernel's help, and remembered by the thread for as long as sp stays in it: so a stack that
 * the host made itself (a coroutine's) is never loaded from on trust. */
#include "capture/stack.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "capture/context.h"
#include "capture/rowcache.h"
#include "unwind/rows.h"

enum { PROVEN_MAX_BYTES = 1 << 20 };

static uint64_t first_thread_top;

void tb_stack_setup(void)
{
    void *const *end = dlsym(RTLD_DEFAULT, "__libc_stack_end");
    if (end && *end)
        first_thread_top = ((uint64_t)(uintptr_t)*end | (TB_MEMORY_PAGE - 1)) + 1;
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

void tb_stack_begin(struct tb_stack *stack, const struct tb_modules *modules, uint64_t sp)
{
    int kept = errno;
    struct tb_context *context = tb_context();
    stack->modules = modules;
    stack->last = 0;
    stack->late = NULL;
    tb_memory_reset(&stack->memory);
    if ((sp >= context->stack_low && sp < context->stack_high) || prove(context, sp)) {
        stack->memory.low = sp;
        stack->memory.high = context->stack_high;
    }
    errno = kept;
}

/* ---- the callbacks ---- */

struct place {
    const struct tb_module *module;
    const struct tb_code *code;
    int is_late;
};

static int is_in(const struct tb_module *module, uint64_t address)
{
    return address >= module->lo && address < module->hi;
}

static int find_place(struct tb_stack *stack, uint64_t address, struct place *out)
{
    const struct tb_modules *modules = stack->modules;
    if (!modules)
        return -ENOENT;
    if (stack->late) {
        long i = tb_late_find(stack->late, modules, &stack->memory, address);
        if (i >= 0) {
            *out = (struct place){&stack->late->modules[i], &stack->late->code[i], 1};
            return 0;
        }
    }
    if (stack->last >= modules->process.n_modules ||
        !is_in(&modules->process.modules[stack->last], address)) {
        long i = tb_modules_find(modules, address);
        if (i < 0)
            return -ENOENT;
        stack->last = (size_t)i;
    }
    *out = (struct place){&modules->process.modules[stack->last], &modules->code[stack->last], 0};
    return 0;
}

static int read_memory(void *arg, uint64_t address, void *out, size_t len)
{
    struct tb_stack *stack = arg;
    return tb_memory_read(&stack->memory, address, out, len);
}

static int is_code(void *arg, uint64_t address)
{
    struct place place;
    return find_place(arg, address, &place) == 0 && address >= place.code->low &&
           address < place.code->high;
}

static int find_module(void *arg, uint64_t address, struct tb_rows_module *out)
{
    struct place place;
    int err = find_place(arg, address, &place);
    if (err)
        return err;
    *out = (struct tb_rows_module){
        .lo = place.module->lo, .hi = place.module->hi, .eh_frame_hdr = place.module->eh_frame_hdr};
    return 0;
}

static struct tb_rows_source source_of(struct tb_stack *stack)
{
    return (struct tb_rows_source){.arg = stack, .module = find_module, .read = read_memory};
}

static int find_row(void *arg, uint64_t pc, struct tb_unwind_row *out)
{
    struct tb_stack *stack = arg;
    struct tb_rows_source source = source_of(stack);
    struct place place;
    if (!stack->modules)
        return -ENOENT;
    uint64_t generation = stack->modules->process.generation;
    if (stack->late && find_place(stack, pc, &place) == 0 && place.is_late)
        return tb_rows_make(&source, pc, out); /* what is cached may be of the one before it */
    int err = tb_rowcache_get(generation, pc, out);
    if (err != -EAGAIN)
        return err;
    err = tb_rows_make(&source, pc, out);
    if (err == 0 || err == -ENOENT)
        tb_rowcache_put(generation, pc, err == 0 ? out : NULL);
    return err;
}

static int step(void *arg, uint64_t pc, struct tb_unwind_regs *regs)
{
    struct tb_rows_source source = source_of(arg);
    return tb_rows_step(&source, read_memory, pc, regs);
}

size_t tb_stack_walk(struct tb_stack *stack, struct tb_unwind_regs regs, int at_fault,
                     struct tb_unwind_frame *frames, size_t max, int *cut)
{
    const struct tb_unwind_ops ops = {
        .arg = stack, .read = read_memory, .row = find_row, .step = step, .is_code = is_code};
    int kept = errno;
    size_t n = tb_unwind_walk(&ops, regs, at_fault, frames, max, cut);
    errno = kept;
    return n;
}
