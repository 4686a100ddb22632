/* machine.h - where a signal's registers are. The fields are those of docs/spool-format.md 7. */
#ifndef TB_CAPTURE_MACHINE_H
#define TB_CAPTURE_MACHINE_H

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/user.h>
#include <ucontext.h>

#include "record/crash.h"
#include "unwind/walk.h"

/* Of the kernel, which its headers for programs do not name, or name otherwise. */
enum {
    TB_KERNEL_SIGSET_BYTES = 8,
    TB_TRAPPED_CALL = 1 /* SYS_SECCOMP, si_code of a SIGSYS */
};

#if defined(__x86_64__)
static inline void tb_machine_registers(const ucontext_t *context, struct tb_crash_fixed *out)
{
    const greg_t *from = context->uc_mcontext.gregs;
    for (int i = 0; i < TB_CRASH_N_REGS; i++)
        out->regs[i] = (uint64_t)from[i];
    out->trap = (uint64_t)from[REG_TRAPNO];
    out->trap_err = (uint64_t)from[REG_ERR];
    out->cr2 = (uint64_t)from[REG_CR2];
}

static inline struct tb_unwind_regs tb_machine_start(const ucontext_t *context)
{
    const greg_t *from = context->uc_mcontext.gregs;
    return (struct tb_unwind_regs){.ip = (uint64_t)from[REG_RIP],
                                   .sp = (uint64_t)from[REG_RSP],
                                   .bp = (uint64_t)from[REG_RBP]};
}

/* What ptrace says of another thread, in the order of gregset_t. */
static inline void tb_machine_thread(const struct user_regs_struct *from,
                                     uint64_t out[TB_CRASH_N_REGS])
{
    memset(out, 0, TB_CRASH_N_REGS * sizeof(out[0]));
    out[REG_R8] = from->r8;
    out[REG_R9] = from->r9;
    out[REG_R10] = from->r10;
    out[REG_R11] = from->r11;
    out[REG_R12] = from->r12;
    out[REG_R13] = from->r13;
    out[REG_R14] = from->r14;
    out[REG_R15] = from->r15;
    out[REG_RDI] = from->rdi;
    out[REG_RSI] = from->rsi;
    out[REG_RBP] = from->rbp;
    out[REG_RBX] = from->rbx;
    out[REG_RDX] = from->rdx;
    out[REG_RAX] = from->rax;
    out[REG_RCX] = from->rcx;
    out[REG_RSP] = from->rsp;
    out[REG_RIP] = from->rip;
    out[REG_EFL] = from->eflags;
    out[REG_CSGSFS] = (from->cs & 0xffff) | (from->gs & 0xffff) << 16 | (from->fs & 0xffff) << 32 |
                      (from->ss & 0xffff) << 48;
}

static inline uint64_t tb_machine_thread_sp(const struct user_regs_struct *regs)
{
    return regs->rsp;
}

/* Where the stop broke off a call that the kernel does not make again by itself (epoll_wait,
 * semop): with these registers it is. 1 when it is such a call, which bytes before ip must be. */
static inline int tb_machine_thread_again(struct user_regs_struct *regs, const uint8_t before_ip[2])
{
    const uint8_t syscall_bytes[2] = {0x0f, 0x05};
    if ((long)regs->rax != -EINTR || (long)regs->orig_rax < 0 ||
        memcmp(before_ip, syscall_bytes, sizeof(syscall_bytes)) != 0)
        return 0;
    regs->rax = regs->orig_rax;
    regs->orig_rax = ~0ul;
    regs->rip -= sizeof(syscall_bytes);
    return 1;
}

static inline uint64_t tb_machine_thread_ip(const struct user_regs_struct *regs)
{
    return regs->rip;
}

/* A system call that touches nothing of this thread, errno neither: its result, or a negative
 * errno. */
static inline long tb_machine_call(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = 0;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
}

/* A system call that a filter trapped (SIGSYS) returns this. */
static inline void tb_machine_set_result(ucontext_t *context, long result)
{
    context->uc_mcontext.gregs[REG_RAX] = result;
}

/* It is made again: the filter traps it again. */
static inline int tb_machine_call_again(ucontext_t *context, int number)
{
    enum { CALL_BYTES = 2 };
    context->uc_mcontext.gregs[REG_RIP] -= CALL_BYTES;
    context->uc_mcontext.gregs[REG_RAX] = number;
    return 1;
}

/* Back to the breakpoint that trapped, if that is the byte before ip. */
static inline int tb_machine_break_again(ucontext_t *context, uint8_t before_ip)
{
    enum { INT3 = 0xcc };
    if (before_ip != INT3)
        return 0;
    context->uc_mcontext.gregs[REG_RIP]--;
    return 1;
}

static inline void tb_machine_go_to(ucontext_t *context, uint64_t ip)
{
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)ip;
}

/* Is a SIGSEGV or SIGBUS with a code above 0 what the processor says, or did somebody send such a
 * siginfo? A protection fault has no address. */
static inline int tb_machine_is_fault(const ucontext_t *context, const siginfo_t *info)
{
    enum { TRAP_PROTECTION = 13, TRAP_PAGE = 14, TRAP_ALIGNMENT = 17 };
    const greg_t *from = context->uc_mcontext.gregs;
    switch (from[REG_TRAPNO]) {
    case TRAP_PAGE:
        return info->si_code != SI_KERNEL && (uint64_t)from[REG_CR2] == (uint64_t)info->si_addr;
    case TRAP_PROTECTION:
        return info->si_code == SI_KERNEL;
    case TRAP_ALIGNMENT:
        return info->si_code == BUS_ADRALN;
    default:
        return 0;
    }
}

/* A handler runs with the alignment check of what it interrupted. */
static inline void tb_machine_begin(void)
{
    __asm__ volatile("pushfq\n\tandq $~0x40000, (%%rsp)\n\tpopfq" ::: "memory", "cc");
}
#else
/* aarch64: there is no place for 31 registers in the record yet; those of the walk are kept where
 * x86-64 has its own (bp 10, sp 15, ip 16). */
static inline struct tb_unwind_regs tb_machine_start(const ucontext_t *context)
{
    return (struct tb_unwind_regs){.ip = context->uc_mcontext.pc,
                                   .sp = context->uc_mcontext.sp,
                                   .bp = context->uc_mcontext.regs[29]};
}

static inline void tb_machine_thread(const struct user_regs_struct *from,
                                     uint64_t out[TB_CRASH_N_REGS])
{
    memset(out, 0, TB_CRASH_N_REGS * sizeof(out[0]));
    out[10] = from->regs[29];
    out[15] = from->sp;
    out[16] = from->pc;
}

static inline uint64_t tb_machine_thread_sp(const struct user_regs_struct *regs)
{
    return regs->sp;
}

static inline int tb_machine_thread_again(struct user_regs_struct *regs, const uint8_t before_ip[2])
{
    (void)regs;
    (void)before_ip;
    return 0;
}

static inline uint64_t tb_machine_thread_ip(const struct user_regs_struct *regs)
{
    return regs->pc;
}

static inline long tb_machine_call(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = 0;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
    return x0;
}

static inline void tb_machine_set_result(ucontext_t *context, long result)
{
    context->uc_mcontext.regs[0] = (uint64_t)result;
}

static inline int tb_machine_call_again(ucontext_t *context, int number)
{
    (void)context;
    (void)number;
    return 0;
}

static inline int tb_machine_break_again(ucontext_t *context, uint8_t before_ip)
{
    (void)context;
    (void)before_ip;
    return 0;
}

static inline void tb_machine_go_to(ucontext_t *context, uint64_t ip)
{
    context->uc_mcontext.pc = ip;
}

static inline int tb_machine_is_fault(const ucontext_t *context, const siginfo_t *info)
{
    (void)context;
    return info->si_code != SI_KERNEL;
}

static inline void tb_machine_begin(void)
{
}

static inline void tb_machine_registers(const ucontext_t *context, struct tb_crash_fixed *out)
{
    struct tb_unwind_regs start = tb_machine_start(context);
    out->regs[10] = start.bp;
    out->regs[15] = start.sp;
    out->regs[16] = start.ip;
}
#endif

#endif
