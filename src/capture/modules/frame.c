/* frame.c - see frame.h. The frame of x86-64, from the handler's stack pointer up:
 *
 *   0    return address: the C library's restorer, which calls rt_sigreturn
 *   8    context: as ucontext_t, but its signal mask has 8 bytes and nothing follows it
 *   312  siginfo
 *   ...  registers of the FPU, where the context points to, at a multiple of 64 */
#include "capture/modules/frame.h"

#if defined(__x86_64__)

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "capture/crash/machine.h"
#include "capture/crash/memory.h"

enum {
    PAGE_BYTES = 4096,
    RED_ZONE_BYTES = 128,
    RETURN_BYTES = 8,
    CONTEXT_BYTES = offsetof(ucontext_t, uc_sigmask) + TB_KERNEL_SIGSET_BYTES,
    FRAME_BYTES = RETURN_BYTES + CONTEXT_BYTES + sizeof(siginfo_t),
    FPU_ALIGNMENT = 64,
    FPU_LEAST_BYTES = 512,
    FPU_MAGIC_AT = 464, /* of struct _fpx_sw_bytes: magic1, extended_size */
    FPU_MAGIC = 0x46505853,
    ROOM_BYTES = 16 << 10, /* the handler needs 6 KiB; a test measures it */
    RESERVE_BYTES = 64 << 10,
    WAIT_STEPS = 4000,
    WAIT_STEP_NS = 500 * 1000,
};

/* Only one thread crashes at a time. */
static _Alignas(FPU_ALIGNMENT) char reserve[RESERVE_BYTES];
static atomic_int is_reserved;
static atomic_int nothing; /* to be cleared where there is nothing to give back */

/* (stack pointer, handler, signal number, siginfo, context, what to clear once it is left) */
_Noreturn void tb_frame_jump(uint64_t frame, void *handler, int signo, void *info, void *context,
                             atomic_int *done);
__asm__(".text\n"
        ".globl tb_frame_jump\n"
        ".hidden tb_frame_jump\n"
        ".type tb_frame_jump, @function\n"
        "tb_frame_jump:\n"
        "    movq %rdi, %rsp\n"
        "    movl $0, (%r9)\n"
        "    movq %rsi, %r11\n"
        "    movl %edx, %edi\n"
        "    movq %rcx, %rsi\n"
        "    movq %r8, %rdx\n"
        "    xorl %eax, %eax\n"
        "    cld\n"
        "    jmp *%r11\n"
        ".size tb_frame_jump, . - tb_frame_jump\n");

static int has_shadow_stack(void)
{
    uint64_t pointer = 0;
    __asm__ volatile("rdsspq %0" : "+r"(pointer)); /* does nothing where there is none */
    return pointer != 0;
}

static uint64_t address_of(const void *at)
{
    return (uint64_t)(uintptr_t)at;
}

static int is_in_reserve(uint64_t address)
{
    return address > address_of(reserve) && address <= address_of(reserve) + RESERVE_BYTES;
}

static int is_in_alternate(const ucontext_t *context, uint64_t address)
{
    uint64_t low = address_of(context->uc_stack.ss_sp);
    return !(context->uc_stack.ss_flags & SS_DISABLE) && address > low &&
           address - low <= context->uc_stack.ss_size;
}

static size_t fpu_bytes(const ucontext_t *context)
{
    const char *fpu = (const char *)context->uc_mcontext.fpregs;
    uint32_t said[2];
    if (!fpu)
        return 0;
    memcpy(said, fpu + FPU_MAGIC_AT, sizeof(said));
    return said[0] == FPU_MAGIC && said[1] > FPU_LEAST_BYTES ? said[1] : FPU_LEAST_BYTES;
}

/* The frame below top. */
static uint64_t frame_below(const ucontext_t *context, uint64_t top, uint64_t *fpu_out)
{
    *fpu_out = (top - fpu_bytes(context)) & ~(uint64_t)(FPU_ALIGNMENT - 1);
    /* As after a call: 8 off from a multiple of 16. */
    return ((*fpu_out - FRAME_BYTES) & ~(uint64_t)15) - RETURN_BYTES;
}

/* Sanitizers know neither the kernel's frame nor the stack of the interrupted function. */
__attribute__((no_sanitize("address"), no_sanitize("undefined"))) static void
copy_bytes(uint64_t to, uint64_t from, size_t len)
{
    volatile unsigned char *out = (volatile unsigned char *)(uintptr_t)to;
    const volatile unsigned char *in = (const volatile unsigned char *)(uintptr_t)from;
    for (size_t i = 0; i < len; i++)
        out[i] = in[i];
}

static void move(const struct tb_signal *signal, uint64_t top, struct tb_signal *out)
{
    const ucontext_t *context = signal->context;
    uint64_t fpu;
    uint64_t frame = frame_below(context, top, &fpu);
    uint64_t fpu_from = address_of(context->uc_mcontext.fpregs);
    copy_bytes(fpu, fpu_from, fpu_bytes(context));
    copy_bytes(frame, address_of(context) - RETURN_BYTES, RETURN_BYTES + CONTEXT_BYTES);
    copy_bytes(frame + RETURN_BYTES + CONTEXT_BYTES, address_of(signal->info), sizeof(siginfo_t));
    *out = *signal;
    out->context = (void *)(uintptr_t)(frame + RETURN_BYTES);
    out->info = (void *)(uintptr_t)(frame + RETURN_BYTES + CONTEXT_BYTES);
    if (fpu_from != 0)
        ((ucontext_t *)out->context)->uc_mcontext.fpregs = (void *)(uintptr_t)fpu;
}

#if defined(__SANITIZE_ADDRESS__)
void __asan_unpoison_memory_region(const volatile void *address, size_t len);

/* The marks of functions that never return are to go: it does that for ordinary stacks alone. */
static void forget_frames(const ucontext_t *context, uint64_t here)
{
    uint64_t end = here;
    if (is_in_reserve(here))
        end = address_of(reserve) + RESERVE_BYTES;
    else if (is_in_alternate(context, here))
        end = address_of(context->uc_stack.ss_sp) + context->uc_stack.ss_size;
    __asan_unpoison_memory_region((void *)(uintptr_t)here, end - here);
}
#else
static void forget_frames(const ucontext_t *context, uint64_t here)
{
    (void)context;
    (void)here;
}
#endif

/* ---- a stack of ours ---- */

static void claim_reserve(void)
{
    const struct timespec step = {0, WAIT_STEP_NS};
    /* Kept longer than a crash takes, it was lost with a child that shared our memory. */
    for (int i = 0; i < WAIT_STEPS && atomic_exchange(&is_reserved, 1) != 0; i++)
        (void)syscall(SYS_nanosleep, &step, NULL);
}

void tb_frame_make_room(const struct tb_signal *signal, void (*handler)(int, siginfo_t *, void *))
{
    const ucontext_t *context = signal->context;
    struct tb_signal moved;
    uint64_t here = address_of(__builtin_frame_address(0));
    uint64_t sp = tb_machine_start(context).sp;
    uint64_t top = address_of(reserve) + RESERVE_BYTES;
    if (!is_in_alternate(context, here) ||
        here - address_of(context->uc_stack.ss_sp) >= ROOM_BYTES || has_shadow_stack())
        return;
    if (is_in_reserve(sp)) /* a fault in the handler that runs there */
        top = sp - RED_ZONE_BYTES;
    else
        claim_reserve();
    move(signal, top, &moved);
    forget_frames(context, here);
    errno = signal->err;
    tb_frame_jump(address_of(moved.context) - RETURN_BYTES, (void *)(uintptr_t)handler, moved.signo,
                  moved.info, moved.context, &nothing);
}

static void do_nothing(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)info;
    (void)context;
}

void tb_frame_leave(const struct tb_signal *signal)
{
    const ucontext_t *context = signal->context;
    struct tb_signal moved;
    if (!is_in_reserve(address_of(context)) || is_in_reserve(tb_machine_start(context).sp))
        return;
    move(signal, address_of(context->uc_stack.ss_sp) + context->uc_stack.ss_size, &moved);
    tb_frame_enter(&moved, (void *)(uintptr_t)do_nothing);
}

/* ---- the stack of the program's handler ---- */

/* Where the frame of a handler with these flags ends; 0 when it is on its stack already. */
static uint64_t find_top(const struct tb_signal *signal, int flags)
{
    const ucontext_t *context = signal->context;
    uint64_t frame = address_of(context);
    uint64_t sp = tb_machine_start(context).sp;
    int was_on_alternate = is_in_alternate(context, sp);
    int is_moved = is_in_reserve(frame) && !is_in_reserve(sp);
    if (!(flags & SA_ONSTACK) || was_on_alternate || (context->uc_stack.ss_flags & SS_DISABLE))
        return is_moved || (is_in_alternate(context, frame) && !was_on_alternate)
                   ? sp - RED_ZONE_BYTES
                   : 0;
    return is_moved ? address_of(context->uc_stack.ss_sp) + context->uc_stack.ss_size : 0;
}

/* The kernel writes there, which also makes the stack of the first thread grow as it would have. */
static int is_writable(uint64_t address)
{
    return syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, (void *)(uintptr_t)address,
                   TB_KERNEL_SIGSET_BYTES) == 0 ||
           errno != EFAULT;
}

int tb_frame_fits(const struct tb_signal *signal, int flags)
{
    uint64_t fpu;
    uint64_t top = find_top(signal, flags);
    if (top == 0 || has_shadow_stack())
        return 1;
    uint64_t at = frame_below(signal->context, top, &fpu);
    for (; at < top - TB_KERNEL_SIGSET_BYTES; at += PAGE_BYTES) {
        if (!is_writable(at))
            return 0;
    }
    return is_writable(top - TB_KERNEL_SIGSET_BYTES);
}

int tb_frame_place(const struct tb_signal *signal, int flags, struct tb_signal *out)
{
    uint64_t top = find_top(signal, flags);
    if (has_shadow_stack())
        return 0;
    *out = *signal;
    if (top != 0)
        move(signal, top, out);
    return 1;
}

static int is_copied(void *to, const void *from, size_t len)
{
    return tb_memory_copy(address_of(from), to, len) == len;
}

/* The registers of the FPU keep their place: there are as many for each signal of a thread. */
int tb_frame_replace(const struct tb_signal *inner, const struct tb_signal *outer)
{
    ucontext_t *to = inner->context;
    void *fpu = to->uc_mcontext.fpregs;
    ucontext_t from;
    if (!is_copied(&from, outer->context, CONTEXT_BYTES))
        return 0;
    const void *outer_fpu = from.uc_mcontext.fpregs;
    if (!fpu != !outer_fpu || (fpu && !is_copied(fpu, outer_fpu, fpu_bytes(to))))
        return 0;
    from.uc_mcontext.fpregs = fpu;
    copy_bytes(address_of(to), address_of(&from), CONTEXT_BYTES);
    return 1;
}

void tb_frame_enter(const struct tb_signal *signal, void *handler)
{
    uint64_t here = address_of(__builtin_frame_address(0));
    int is_ours = is_in_reserve(here);
    forget_frames(signal->context, here);
    errno = signal->err;
    tb_frame_jump(address_of(signal->context) - RETURN_BYTES, handler, signal->signo, signal->info,
                  signal->context, is_ours ? &is_reserved : &nothing);
}

#else

void tb_frame_make_room(const struct tb_signal *signal, void (*handler)(int, siginfo_t *, void *))
{
    (void)signal;
    (void)handler;
}

void tb_frame_leave(const struct tb_signal *signal)
{
    (void)signal;
}

int tb_frame_fits(const struct tb_signal *signal, int flags)
{
    (void)signal;
    (void)flags;
    return 1;
}

int tb_frame_replace(const struct tb_signal *inner, const struct tb_signal *outer)
{
    (void)inner;
    (void)outer;
    return 0;
}

int tb_frame_place(const struct tb_signal *signal, int flags, struct tb_signal *out)
{
    (void)signal;
    (void)flags;
    (void)out;
    return 0;
}

void tb_frame_enter(const struct tb_signal *signal, void *handler)
{
    (void)signal;
    (void)handler;
    __builtin_trap(); /* tb_frame_place has said no */
}

#endif
