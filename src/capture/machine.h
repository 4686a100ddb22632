/* machine.h - where a signal's registers are. The fields are those of docs/spool-format.md 7. */
#ifndef TB_CAPTURE_MACHINE_H
#define TB_CAPTURE_MACHINE_H

#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "record/crash.h"
#include "unwind/walk.h"

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
