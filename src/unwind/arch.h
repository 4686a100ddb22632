/* arch.h - what the walk must know of the processor. One arch_*.c per processor has it. */
#ifndef TB_UNWIND_ARCH_H
#define TB_UNWIND_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/walk.h"

/* Where the registers are in the ucontext of a signal frame, from its sp. */
struct tb_arch_signal_frame {
    uint32_t ip_offset, sp_offset, bp_offset;
};
extern const struct tb_arch_signal_frame tb_arch_signal_frame;

/* A call leaves the return address at [sp]. */
extern const bool tb_arch_call_pushes;

/* The address in a return address as it is stored (without its authentication code). Signal-safe.
 */
uint64_t tb_arch_code_address(uint64_t stored);

/* Do the bytes before address end with a call? Then 1, and *target is where a direct call goes, 0
 * for an indirect one. 0 when they do not or cannot be read. Signal-safe if ops->read is. */
int tb_arch_follows_call(const struct tb_unwind_ops *ops, uint64_t address, uint64_t *target);

/* Are the bytes at address a stub that jumps through a pointer (PLT)? Signal-safe likewise. */
int tb_arch_is_stub(const struct tb_unwind_ops *ops, uint64_t address);

#endif
