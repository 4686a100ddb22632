/* stacks.c - stacks that are used up, broken, strange or deep. */
#include "torture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <towbar/towbar.h>

enum {
    PAGE = 4096,
    SMALL_STACK_BYTES = 64 << 10,
    COROUTINE_BYTES = 256 << 10,
    DEEP = 100000,
};

static sigjmp_buf back;

KEEP static void overflow(void)
{
    volatile char room[512];
    room[0] = (char)sink;
    overflow();
    sink += room[0];
}

KEEP static void overflow_at_once(void)
{
    volatile size_t bytes = (size_t)1 << 30;
    volatile char *room = __builtin_alloca(bytes);
    room[0] = 1;
    sink = room[0];
}

static void overflow_thread(void)
{
    chain_in_thread(overflow, 0, 0);
}

static void overflow_entered_thread(void)
{
    chain_in_thread(overflow, 1, 0);
}

static void overflow_small_thread(void)
{
    chain_in_thread(overflow, 1, SMALL_STACK_BYTES);
}

KEEP static void descend(int depth)
{
    if (depth == 0)
        null_write();
    else
        descend(depth - 1);
    sink++;
}

KEEP static void crash_deep(void)
{
    descend(DEEP);
}

KEEP static void descend_20000(void)
{
    descend(20000);
}

/* ---- broken ---- */

KEEP static void break_sp(void)
{
    __asm__ volatile("movq $0x10, %rsp\n pushq $1");
}

KEEP static void break_sp_wild(void)
{
    __asm__ volatile("movq $0x41414140, %rsp\n movl $1, 0");
}

KEEP static void break_bp(void)
{
    __asm__ volatile("movq $0x4141414141414141, %%rbp\n movl $1, 0" ::: "memory");
}

KEEP static void return_wild(void)
{
    __asm__ volatile("movq $0x41414141, (%rsp)\n ret");
}

KEEP static void return_non_canonical(void)
{
    __asm__ volatile("movabsq $0x4141414141414141, %rax\n movq %rax, (%rsp)\n ret");
}

KEEP static void overwrite_callers(void)
{
    volatile uint64_t *from = __builtin_frame_address(0);
    for (int i = 0; i < 128; i++)
        from[i] = 0x4141414141414141;
    null_write();
}

/* Written by hand, without unwind data and without a frame pointer. */
void torture_no_cfi(void);
__asm__(".text\n"
        ".globl torture_no_cfi\n"
        ".type torture_no_cfi, @function\n"
        "torture_no_cfi:\n"
        "    subq $72, %rsp\n"
        "    movl $1, 16\n"
        "    addq $72, %rsp\n"
        "    ret\n"
        ".size torture_no_cfi, . - torture_no_cfi\n");

KEEP static void call_no_cfi(void)
{
    torture_no_cfi();
    sink++;
}

static const unsigned char generated[] = {
    0x48, 0x83, 0xec, 0x48,                            /* sub $72, %rsp */
    0xc7, 0x04, 0x25, 0x10, 0,    0, 0, 0x01, 0, 0, 0, /* movl $1, 16 */
    0x48, 0x83, 0xc4, 0x48, 0xc3,
};
static const unsigned char generated_with_fp[] = {
    0x55, 0x48, 0x89, 0xe5,                         /* push %rbp; mov %rsp, %rbp */
    0x48, 0x83, 0xec, 0x40,                         /* sub $64, %rsp */
    0xc7, 0x04, 0x25, 0x10, 0, 0, 0, 0x01, 0, 0, 0, /* movl $1, 16 */
    0xc9, 0xc3,
};

static void run_generated(const unsigned char *code, size_t len)
{
    void *page =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    memcpy(page, code, len);
    ((void (*)(void))(uintptr_t)page)();
}

KEEP static void call_jit(void)
{
    run_generated(generated, sizeof(generated));
    sink++;
}

KEEP static void call_jit_fp(void)
{
    run_generated(generated_with_fp, sizeof(generated_with_fp));
    sink++;
}

/* ---- strange ---- */

static ucontext_t outside;
static ucontext_t coroutine;
static void (*volatile coroutine_deed)(void);

static void coroutine_main(void)
{
    chain(coroutine_deed);
}

static void in_coroutine_by(void (*deed)(void))
{
    char *stack =
        mmap(NULL, COROUTINE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(stack, PAGE, PROT_NONE);
    getcontext(&coroutine);
    coroutine.uc_stack.ss_sp = stack;
    coroutine.uc_stack.ss_size = COROUTINE_BYTES;
    coroutine.uc_link = &outside;
    coroutine_deed = deed;
    makecontext(&coroutine, coroutine_main, 0);
    swapcontext(&outside, &coroutine);
}

static void in_coroutine(void)
{
    in_coroutine_by(null_write);
}

static void overflow_coroutine(void)
{
    in_coroutine_by(overflow);
}

KEEP static void jump_back(int depth)
{
    if (depth > 0)
        jump_back(depth - 1);
    else
        siglongjmp(back, 1);
    sink++;
}

KEEP static void after_longjmp(void)
{
    if (sigsetjmp(back, 1) == 0)
        jump_back(50);
    null_write();
    sink++;
}

static void unmap_own(void)
{
    munmap(coroutine.uc_stack.ss_sp, COROUTINE_BYTES);
}

static void unmap_coroutine(void)
{
    in_coroutine_by(unmap_own);
}

KEEP static void forbid_own(void)
{
    char here;
    char *page = (char *)((uintptr_t)&here & ~(uintptr_t)(PAGE - 1));
    mprotect(page - PAGE, 2 * PAGE, PROT_READ);
    null_write();
    sink++;
}

/* Alone in its page, which may not be read any more either. */
KEEP __attribute__((aligned(4096))) static void in_forbidden_code(void)
{
    mprotect((void *)(uintptr_t)in_forbidden_code, PAGE, PROT_NONE);
    sink++;
}
KEEP __attribute__((aligned(4096))) static void behind_forbidden_code(void)
{
    in_forbidden_code();
    sink++;
}

/* One that does not return, called last: its return address is in the next function. */
KEEP static void __attribute__((noreturn)) never_returns(void)
{
    null_write();
    abort();
}

KEEP static void calls_noreturn(void)
{
    never_returns();
}

KEEP static void in_large_frame(void)
{
    volatile char room[200000];
    for (size_t i = 0; i < sizeof(room); i += 512)
        room[i] = 1;
    null_write();
    sink += room[3];
}

KEEP static void in_variable_frame(void)
{
    volatile size_t bytes = 3000;
    volatile char *room = __builtin_alloca(bytes);
    room[1] = 1;
    null_write();
    sink += room[1];
}

KEEP static void in_aligned_frame(void)
{
    volatile char room[64] __attribute__((aligned(256)));
    room[1] = 1;
    null_write();
    sink += room[1];
}

#define OVERFLOW "overflow overflow overflow"

static const struct mode modes[] = {
    MODE("overflow", "stack overflow of the first thread",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*, 0x.* before the "
              "stack, .* frames deep, overflow calls itself",
              "stack overflow in overflow"),
         .run = overflow, .frames = OVERFLOW, .signal = SIGSEGV, .flags = SHORT),
    MODE("overflow-at-once", "one frame of 1 GiB",
         SAYS("stack overflow: write at 0x", "stack overflow in overflow_at_once"),
         AT(overflow_at_once), .signal = SIGSEGV),
    MODE("overflow-thread", "stack overflow of a thread without towbar_thread_enter",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow calls itself",
              "stack overflow in overflow"),
         .run = overflow_thread, .frames = OVERFLOW, .signal = SIGSEGV,
         .flags = ALONE | SHORT | NO_SANITIZER),
    MODE("overflow-entered", "the same after towbar_thread_enter",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow calls itself",
              "stack overflow in overflow"),
         .run = overflow_entered_thread, .frames = OVERFLOW, .signal = SIGSEGV,
         .flags = ALONE | SHORT),
    MODE("overflow-small", "the same on a stack of 64 KiB",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow calls itself",
              "stack overflow in overflow"),
         .run = overflow_small_thread, .frames = OVERFLOW, .signal = SIGSEGV, .flags = ALONE),
    MODE("deep", "100,000 frames deep", NULL_WRITE, .run = crash_deep,
         .frames = "null_write descend descend", .signal = SIGSEGV, .flags = SHORT),
    MODE("deep-20000", "20,000 frames deep", NULL_WRITE, .run = descend_20000,
         .frames = "null_write descend descend", .signal = SIGSEGV),
    MODE("sp-null", "stack pointer near 0",
         SAYS("near-NULL write at 0x.*: the stack pointer is 0x", "SIGSEGV in break_sp"),
         .run = break_sp, .frames = "break_sp", .signal = SIGSEGV, .flags = SHORT),
    MODE("sp-wild", "stack pointer wild", SAYS("near-NULL write at 0x", "SIGSEGV in break_sp_wild"),
         .run = break_sp_wild, .frames = "break_sp_wild", .signal = SIGSEGV),
    MODE("bp-wild", "frame pointer overwritten",
         SAYS("near-NULL write at 0x", "SIGSEGV in break_bp"), AT(break_bp), .signal = SIGSEGV,
         .flags = SHORT),
    MODE("return-wild", "return address overwritten with an unmapped one",
         SAYS("jump to unmapped address 0x", "SIGSEGV in chain_middle"), .run = return_wild,
         .frames = "? chain_middle chain_outer", .signal = SIGSEGV, .flags = SHORT),
    MODE("return-non-canonical", "return address overwritten with nonsense",
         SAYS("return to the non-canonical address 0x.* was overwritten",
              "SIGSEGV in return_non_canonical"),
         .run = return_non_canonical, .frames = "return_non_canonical chain_middle chain_outer",
         .signal = SIGSEGV),
    MODE("callers-overwritten", "1 KiB of the callers' stack overwritten", NULL_WRITE,
         .run = overwrite_callers, .frames = "null_write overwrite_callers", .signal = SIGSEGV,
         .flags = SHORT),
    MODE("no-cfi", "code without unwind data and frame pointer",
         SAYS("near-NULL write at 0x", "SIGSEGV in torture_no_cfi"), .run = call_no_cfi,
         .frames = "torture_no_cfi call_no_cfi chain_here chain_middle", .signal = SIGSEGV,
         .flags = SHORT),
    MODE("jit", "code made at run time, no frame pointer", SAYS("near-NULL write at 0x", NULL),
         .run = call_jit, .frames = "? run_generated call_jit" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("jit-fp", "code made at run time, with frame pointer", SAYS("near-NULL write at 0x", NULL),
         .run = call_jit_fp, .frames = "? run_generated call_jit_fp" CHAIN, .signal = SIGSEGV),
    MODE("coroutine", "on a stack of the program's own", NULL_WRITE, .run = in_coroutine,
         .frames = "null_write" CHAIN, .signal = SIGSEGV, .flags = ALONE | SHORT),
    MODE("overflow-coroutine", "overflow of a stack of the program's own",
         SAYS("stack overflow: write at 0x.*, next to the stack pointer 0x.*a guard page.*, "
              "overflow calls itself",
              "stack overflow in overflow"),
         .run = overflow_coroutine, .frames = OVERFLOW, .signal = SIGSEGV, .flags = ALONE),
    MODE("stack-unmapped", "a stack of the program's own that is unmapped",
         SAYS("of unmapped memory at 0x", "SIGSEGV in libc.so.6"), .run = unmap_coroutine,
         .signal = SIGSEGV, .flags = ALONE),
    MODE("stack-read-only", "the stack made read-only",
         SAYS("write to read-only memory at 0x.*, in .*.r--", "SIGSEGV in forbid_own"),
         .run = forbid_own, .frames = "forbid_own" CHAIN, .signal = SIGSEGV),
    MODE(
        "code-forbidden", "the page of code that runs made unreadable",
        SAYS("jump to 0x.*, which is not executable: torture .---", "SIGSEGV in in_forbidden_code"),
        .run = behind_forbidden_code, .frames = "in_forbidden_code behind_forbidden_code" CHAIN,
        .signal = SIGSEGV),
    MODE("longjmp", "after longjmp over 50 frames", NULL_WRITE, .run = after_longjmp,
         .frames = "null_write after_longjmp" CHAIN, .signal = SIGSEGV),
    MODE("noreturn", "called by a function that does not return", NULL_WRITE, .run = calls_noreturn,
         .frames = "null_write never_returns calls_noreturn" CHAIN, .signal = SIGSEGV,
         .flags = SHORT),
    MODE("large-frame", "below a frame of 200 kB", NULL_WRITE, .run = in_large_frame,
         .frames = "null_write in_large_frame" CHAIN, .signal = SIGSEGV),
    MODE("variable-frame", "below a frame made by alloca", NULL_WRITE, .run = in_variable_frame,
         .frames = "null_write in_variable_frame" CHAIN, .signal = SIGSEGV),
    MODE("aligned-frame", "below a realigned frame", NULL_WRITE, .run = in_aligned_frame,
         .frames = "null_write in_aligned_frame" CHAIN, .signal = SIGSEGV),
};

const struct family stacks = {"stacks", modes, sizeof(modes) / sizeof(modes[0])};
