/* decode.h - what the machine instruction at a fault did: as much of x86-64 as sentences need.
 * Pure.
 *
 * 1. Known are the kind of instruction and the memory operand of all that have a ModRM byte in the
 *    one-byte map and in 0F, 0F38, 0F3A, also behind VEX and EVEX; not those of gathers and of EVEX
 *    with an offset of one byte, nor operands that are implied (string instructions, push, pop).
 * 2. It reads the bytes it is given and no others; what is cut short or not known is refused. */
#ifndef TB_AGENT_DECODE_H
#define TB_AGENT_DECODE_H

#include <stddef.h>
#include <stdint.h>

#include "agent/meaning/signals.h"

enum tb_insn_kind {
    TB_INSN_OTHER,
    TB_INSN_UD,         /* ud0, ud1, ud2: there to fault */
    TB_INSN_BREAKPOINT, /* int3, int1 */
    TB_INSN_INTERRUPT,  /* int n */
    TB_INSN_PRIVILEGED,
    TB_INSN_COUNTER, /* rdtsc, rdtscp, rdpmc: the kernel may forbid them */
    TB_INSN_RETURN,
    TB_INSN_CALL, /* through a register or memory */
    TB_INSN_JUMP,
    TB_INSN_DIVIDE,
    TB_INSN_SYSCALL,
    TB_INSN_VECTOR, /* behind VEX or EVEX */
};
enum { TB_INSN_NO_REG = -1, TB_INSN_BYTES_MAX = 15 };

struct tb_insn {
    enum tb_insn_kind kind;
    const char *name; /* "hlt"; NULL where no sentence needs it */
    unsigned vector;  /* of int n */
    int has_memory;   /* the operand is memory: base + index * scale + offset */
    int base, index;  /* enum tb_greg, or TB_INSN_NO_REG */
    unsigned scale;
    int64_t offset;
    int is_relative;    /* to rip, or with a segment: the address cannot be told from registers */
    int operand;        /* the register that stands where memory could: enum tb_greg, or none */
    unsigned bytes;     /* of the operand; 0: not known */
    unsigned alignment; /* of its address; 0: any will do */
    enum tb_access access;
    int is_signed; /* of a division */
};

/* 0; -ENODATA: cut short; -ENOTSUP: not known. Then out->kind may be TB_INSN_VECTOR still. */
int tb_insn_decode(const uint8_t *code, size_t len, struct tb_insn *out);
/* The address of the memory operand by these registers (gregset_t). False when it has none, or one
 * that cannot be told. */
int tb_insn_address(const struct tb_insn *insn, const uint64_t *regs, uint64_t *out);

#endif
