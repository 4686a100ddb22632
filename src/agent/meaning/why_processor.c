/* why_processor.c - see why.h: exceptions of the processor that come without an address. What they
 * were about follows from the instruction and the registers; where it does not, nothing is claimed.
 */
#include <signal.h>
#include <stdint.h>

#include "agent/meaning/why.h"

enum { BYTES_SHOWN = 8, FLAG_TRAP = 0x100 };

/* "0f 0b 90" */
static void say_bytes(const struct tb_crash *crash, size_t most, struct tb_say *say)
{
    size_t len = 0;
    const uint8_t *code = tb_why_code(crash, 0, &len);
    for (size_t i = 0; code != NULL && i < len && i < most; i++)
        tb_say(say, "%s%02x", i == 0 ? "" : " ", code[i]);
}

/* ---- general protection ---- */

/* The general registers that hold no possible address. */
static void say_suspects(const struct tb_crash_fixed *fixed, struct tb_say *say)
{
    unsigned n = 0;
    for (size_t r = TB_R8; r <= TB_RCX && n < 3; r++) {
        if (tb_why_is_canonical(fixed->regs[r]))
            continue;
        tb_say(say, "%s%s = 0x%llx",
               n++ == 0 ? "; looks like access to a non-canonical address: registers hold " : ", ",
               tb_register_name(r), (unsigned long long)fixed->regs[r]);
    }
}

static void say_unknown(const struct tb_crash_fixed *fixed, struct tb_say *say)
{
    tb_say(say, "general protection fault, of which the kernel tells no address");
    say_suspects(fixed, say);
}

static int say_return(const struct tb_crash *crash, struct tb_say *say)
{
    uint64_t target;
    if (!tb_why_stack_word(crash, crash->fixed.regs[TB_RSP], &target) ||
        tb_why_is_canonical(target))
        return 0;
    tb_say(say,
           "return to the non-canonical address 0x%llx: looks like the return address on the stack "
           "was overwritten",
           (unsigned long long)target);
    return 1;
}

/* Where to, or through which memory. */
static int say_branch(const struct tb_crash *crash, const struct tb_insn *insn, struct tb_say *say)
{
    const char *what = insn->kind == TB_INSN_CALL ? "call of" : "jump to";
    if (insn->operand == TB_INSN_NO_REG || tb_why_is_canonical(crash->fixed.regs[insn->operand]))
        return 0;
    tb_say(say, "%s a non-canonical address: %s = 0x%llx", what,
           tb_register_name((size_t)insn->operand),
           (unsigned long long)crash->fixed.regs[insn->operand]);
    return 1;
}

static int say_operand(const struct tb_crash *crash, const struct tb_insn *insn, struct tb_say *say)
{
    uint64_t address;
    if (!tb_insn_address(insn, crash->fixed.regs, &address))
        return 0;
    if (!tb_why_is_canonical(address)) {
        tb_say(say, "%s of a non-canonical address, 0x%llx, through ", tb_why_verb(insn->access),
               (unsigned long long)address);
        tb_why_say_operand(insn, say);
        tb_say(say, " with ");
        tb_why_say_registers(insn, crash->fixed.regs, say);
        return 1;
    }
    if (insn->alignment == 0 || address % insn->alignment == 0)
        return 0;
    tb_say(say,
           "misaligned %s of %u bytes at 0x%llx: this vector instruction needs a multiple of %u",
           tb_why_verb(insn->access), insn->bytes, (unsigned long long)address, insn->alignment);
    return 1;
}

/* The pointer itself is read well, or that were the fault. */
static int say_pointer(const struct tb_insn *insn, const uint64_t *regs, struct tb_say *say)
{
    if (!insn->has_memory)
        return 0;
    tb_say(say, "indirect %s through ", insn->kind == TB_INSN_CALL ? "call" : "jump");
    if (insn->is_relative) {
        tb_say(say, "a pointer at a fixed place");
    } else {
        tb_say(say, "the pointer at [");
        tb_why_say_operand(insn, say);
        tb_say(say, "]");
    }
    if (!insn->is_relative && insn->base != TB_INSN_NO_REG) {
        tb_say(say, " with ");
        tb_why_say_registers(insn, regs, say);
    }
    tb_say(say, ": it looks like a non-canonical address");
    return 1;
}

static int say_instruction(const struct tb_insn *insn, struct tb_say *say)
{
    if (insn->kind == TB_INSN_PRIVILEGED)
        tb_say(say, "privileged instruction: %s", insn->name);
    else if (insn->kind == TB_INSN_INTERRUPT)
        tb_say(say, "software interrupt that programs may not raise: int 0x%x", insn->vector);
    else if (insn->kind == TB_INSN_COUNTER)
        tb_say(say, "%s, which is forbidden here (by prctl PR_SET_TSC, or by the kernel)",
               insn->name);
    else
        return 0;
    return 1;
}

void tb_why_say_general(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    struct tb_insn insn;
    int is_said = 0;
    if (tb_why_decode(crash, &insn) == 0) {
        if (insn.kind == TB_INSN_RETURN)
            is_said = say_return(crash, say);
        else if (insn.kind == TB_INSN_CALL || insn.kind == TB_INSN_JUMP)
            is_said = say_branch(crash, &insn, say) || say_operand(crash, &insn, say) ||
                      say_pointer(&insn, crash->fixed.regs, say);
        else
            is_said = say_instruction(&insn, say) || say_operand(crash, &insn, say);
    }
    if (!is_said)
        say_unknown(&crash->fixed, say);
    else if (insn.kind == TB_INSN_PRIVILEGED && tb_stack_names_has(why->stack, 3, "abort"))
        tb_say(say, ", which abort() comes to when its signal did not end the process");
}

int tb_why_is_privileged(const struct tb_why *why)
{
    struct tb_insn insn;
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    return fixed->signo == SIGSEGV && fixed->code == SI_KERNEL &&
           tb_why_decode(why->crash, &insn) == 0 && insn.kind == TB_INSN_PRIVILEGED &&
           !tb_stack_names_has(why->stack, 3, "abort");
}

void tb_why_say_stack_segment(const struct tb_why *why, struct tb_say *say)
{
    static const enum tb_greg pointers[] = {TB_RSP, TB_RBP};
    const uint64_t *regs = why->crash->fixed.regs;
    unsigned n = 0;
    tb_say(say, "access to a non-canonical address through the stack or frame pointer");
    for (size_t i = 0; i < 2; i++)
        if (!tb_why_is_canonical(regs[pointers[i]]))
            tb_say(say, "%s%s = 0x%llx", n++ == 0 ? ": " : ", ", tb_register_name(pointers[i]),
                   (unsigned long long)regs[pointers[i]]);
}

/* ---- illegal instructions and traps ---- */

void tb_why_say_illegal(const struct tb_why *why, struct tb_say *say)
{
    struct tb_insn insn;
    size_t len = 0;
    int err = tb_why_decode(why->crash, &insn);
    tb_say(say, "illegal instruction");
    if (tb_why_code(why->crash, 0, &len) == NULL)
        return;
    if (!err && insn.kind == TB_INSN_UD) {
        tb_say(say, " %s (", insn.name);
        say_bytes(why->crash, 2, say);
        tb_say(say, "): compilers put it where code must not come, as for __builtin_trap");
        return;
    }
    tb_say(say, " (bytes ");
    say_bytes(why->crash, BYTES_SHOWN, say);
    tb_say(say, ")");
    if (insn.kind == TB_INSN_VECTOR)
        tb_say(say, ": looks like an AVX instruction that this processor or kernel does not have");
}

/* After int3 the instruction pointer is behind it. */
void tb_why_say_trap(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    size_t len = 0;
    const uint8_t *code = tb_why_code(why->crash, -1, &len);
    if (fixed->code == TRAP_HWBKPT)
        tb_say(say, "hardware breakpoint or watchpoint");
    else if (code != NULL && code[0] == 0xf1)
        tb_say(say, "breakpoint instruction int1");
    else if (fixed->trap == TB_TRAP_BREAKPOINT && code != NULL && code[0] == 0xcc)
        tb_say(say, "breakpoint instruction int3, and no debugger");
    else if (fixed->trap == TB_TRAP_BREAKPOINT || fixed->code == TRAP_BRKPT)
        tb_say(say, "breakpoint instruction");
    else
        tb_say(say, "trace trap%s",
               fixed->regs[TB_EFL] & FLAG_TRAP ? ": single step, the trap flag is set" : "");
}

/* ---- arithmetic ---- */

struct division {
    uint64_t low, high; /* of the dividend, cut to its width */
    uint64_t divisor;
    int knows_divisor;
    unsigned bytes;
};

static uint64_t cut_to(uint64_t value, unsigned bytes)
{
    return bytes == 8 ? value : value & ((1ull << (8 * bytes)) - 1);
}

static int read_division(const struct tb_crash *crash, struct tb_insn *insn, struct division *out)
{
    const uint64_t *regs = crash->fixed.regs;
    uint64_t address;
    if (tb_why_decode(crash, insn) != 0 || insn->kind != TB_INSN_DIVIDE || insn->bytes == 1)
        return 0;
    out->bytes = insn->bytes;
    out->low = cut_to(regs[TB_RAX], out->bytes);
    out->high = cut_to(regs[TB_RDX], out->bytes);
    out->knows_divisor = insn->operand != TB_INSN_NO_REG;
    if (out->knows_divisor)
        out->divisor = regs[insn->operand];
    else if (tb_insn_address(insn, regs, &address))
        out->knows_divisor = tb_why_stack_word(crash, address, &out->divisor);
    out->divisor = cut_to(out->divisor, out->bytes);
    return 1;
}

/* The processor says the same of a zero and of a quotient that does not fit. A dividend that fits
 * one register divided by anything but 0 fits again, with one exception: the least number by -1. */
static void say_division(const struct tb_crash *crash, struct tb_say *say)
{
    struct tb_insn insn;
    struct division d = {0};
    if (!read_division(crash, &insn, &d)) {
        tb_say(say, "integer division by zero, or a quotient that does not fit");
        return;
    }
    uint64_t top = 1ull << (8 * d.bytes - 1);
    uint64_t ones = cut_to(UINT64_MAX, d.bytes);
    int is_narrow = insn.is_signed ? d.high == (d.low & top ? ones : 0) : d.high == 0;
    int is_least = insn.is_signed && is_narrow && d.low == top;
    const char *least = d.bytes == 8 ? "INT64_MIN" : d.bytes == 4 ? "INT_MIN" : "INT16_MIN";
    if (d.knows_divisor ? d.divisor == 0 : is_narrow && !is_least)
        tb_say(say, "integer division by zero");
    else if (is_least && d.knows_divisor)
        tb_say(say, "integer overflow: %s divided by -1", least);
    else if (is_least)
        tb_say(say, "integer division of %s, by zero or by -1", least);
    else if (d.knows_divisor)
        tb_say(say, "integer division whose quotient does not fit");
    else
        tb_say(say, "integer division by zero, or a quotient that does not fit");
}

void tb_why_say_arithmetic(const struct tb_why *why, struct tb_say *say)
{
    static const struct {
        int code;
        const char *text;
    } codes[] = {
        {FPE_INTOVF, "integer overflow"},
        {FPE_FLTDIV, "floating-point division by zero, which the program had made a trap"},
        {FPE_FLTOVF, "floating-point overflow, which the program had made a trap"},
        {FPE_FLTUND, "floating-point underflow, which the program had made a trap"},
        {FPE_FLTRES, "inexact floating-point result, which the program had made a trap"},
        {FPE_FLTINV, "invalid floating-point operation, which the program had made a trap"},
    };
    if (why->crash->fixed.code == FPE_INTDIV)
        say_division(why->crash, say);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (codes[i].code == why->crash->fixed.code)
            tb_say(say, "%s", codes[i].text);
}
