/* walk.h - the walk up a stack over two callbacks: read memory, and find the row for an address.
 *
 * Library and agent use the same walk: in the process over live memory, in the agent over the copy
 * in a crash record. Signal-safe if the callbacks are. A row says, for one address, how to get to
 * the caller. Where there is none the walk goes on by its own fix-ups, and marks what it found:
 *   - the address is in no code (call of NULL or of an unmapped address): the caller is at [sp];
 *   - code without rows: a stack scan for return addresses that follow a call, bounded by bp, then
 *     the frame pointer; first for calls that can have led there, then for any. */
#ifndef TB_UNWIND_WALK_H
#define TB_UNWIND_WALK_H

#include <stddef.h>
#include <stdint.h>

enum tb_unwind_trust {
    TB_TRUST_CONTEXT, /* the registers say so */
    TB_TRUST_CFI,     /* the compiler's unwind data say so */
    TB_TRUST_FP,      /* a frame pointer says so */
    TB_TRUST_SCAN     /* it looked like a return address */
};

struct tb_unwind_regs {
    uint64_t ip, sp, bp;
};

struct tb_unwind_frame {
    uint64_t ip, sp;
    int trust;     /* enum tb_unwind_trust */
    int is_signal; /* the frame below this one is a signal frame: ip is exact, not a return address
                    */
};

enum tb_row_kind {
    TB_ROW_STD = 1, /* cfa = sp or bp + cfa_offset; ip at cfa - 8; bp perhaps saved */
    TB_ROW_SIGNAL,  /* a signal frame: registers are in the ucontext at sp */
    TB_ROW_END,     /* outermost frame */
    TB_ROW_OTHER    /* too odd for a row: ask step */
};

struct tb_unwind_row {
    int kind;
    int cfa_from_bp;
    int32_t cfa_offset;
    int bp_saved;
    int32_t bp_offset; /* from cfa */
};

struct tb_unwind_ops {
    void *arg;
    /* Copies len bytes at address: 0, or -EFAULT. */
    int (*read)(void *arg, uint64_t address, void *out, size_t len);
    /* The row for a code address: 0, -ENOENT when there is no unwind data. pc is already moved back
     * into the calling instruction. */
    int (*row)(void *arg, uint64_t pc, struct tb_unwind_row *out);
    /* One full step for TB_ROW_OTHER: 0 with regs moved to the caller, or negative. May be NULL. */
    int (*step)(void *arg, uint64_t pc, struct tb_unwind_regs *regs);
    /* Is address inside executable code of a module? */
    int (*is_code)(void *arg, uint64_t address);
    /* Was it so in a module that is not there any more? May be NULL. */
    int (*was_code)(void *arg, uint64_t address);
    /* Steps that need no other callback, as quickly as may be: regs is a return address; stores it
     * and the frames above it for as long as the row of each is at hand, and the caller's ip is
     * code and its sp higher. Returns how many were stored, at most max, of which ip and sp are
     * filled; regs is the frame after them. May be NULL. */
    size_t (*run)(void *arg, struct tb_unwind_regs *regs, struct tb_unwind_frame *frames,
                  size_t max);
};

/* Where a walk is: the next frame. */
struct tb_unwind_place {
    struct tb_unwind_regs regs;
    int is_exact, trust, is_begun;
};

/* Walks from regs, whose ip is exact when at_fault, else a return address. The first frame is regs
 * itself. Returns the number of frames, at most max, innermost first. cut, if not NULL, becomes 1
 * when max was met. */
size_t tb_unwind_walk(const struct tb_unwind_ops *ops, struct tb_unwind_regs regs, int at_fault,
                      struct tb_unwind_frame *frames, size_t max, int *cut);
/* Where such a walk begins. */
struct tb_unwind_place tb_unwind_start(struct tb_unwind_regs regs, int at_fault);
/* The same from place on, which becomes where the walk may go on when cut becomes 1. */
size_t tb_unwind_walk_on(const struct tb_unwind_ops *ops, struct tb_unwind_place *place,
                         struct tb_unwind_frame *frames, size_t max, int *cut);

#endif
