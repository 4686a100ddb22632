/* arch_aarch64.c - see arch.h. Instruction forms: Arm ARM, BL, BLR and BLRAA. Built, not yet run on
 * a machine: there are no rows for this processor, so the walk follows frame pointers. */
#include "unwind/arch.h"

#if defined(__aarch64__)
#include <ucontext.h>

#include "base/pack.h"

enum { SIGINFO_BYTES = 128, FRAME_POINTER = 29 };

/* The kernel's rt_sigframe is a siginfo and then the ucontext. */
const struct tb_arch_signal_frame tb_arch_signal_frame = {
    .ip_offset = SIGINFO_BYTES + offsetof(ucontext_t, uc_mcontext.pc),
    .sp_offset = SIGINFO_BYTES + offsetof(ucontext_t, uc_mcontext.sp),
    .bp_offset = SIGINFO_BYTES + offsetof(ucontext_t, uc_mcontext.regs[FRAME_POINTER]),
};

const bool tb_arch_call_pushes = false;

uint64_t tb_arch_code_address(uint64_t stored)
{
    return stored & 0x0000ffffffffffff; /* user addresses have 48 bits unless asked for more */
}

int tb_arch_follows_call(const struct tb_unwind_ops *ops, uint64_t address, uint64_t *target)
{
    uint8_t bytes[4];
    if (address < sizeof(bytes) || (address & 3) != 0 ||
        ops->read(ops->arg, address - sizeof(bytes), bytes, sizeof(bytes)) != 0)
        return 0;
    uint32_t code = tb_get32(bytes);
    *target = 0;
    if ((code & 0xfc000000) == 0x94000000) {
        int64_t words = (int64_t)((uint64_t)code << 38) >> 38;
        *target = address - 4 + (uint64_t)words * 4;
        return 1;
    }
    return (code & 0xfffffc1f) == 0xd63f0000 || (code & 0xfefff800) == 0xd63f0800;
}

int tb_arch_is_stub(const struct tb_unwind_ops *ops, uint64_t address)
{
    uint8_t bytes[4];
    if (ops->read(ops->arg, address, bytes, sizeof(bytes)) != 0)
        return 0;
    return (tb_get32(bytes) & 0x9f00001f) == 0x90000010; /* adrp x16, page */
}
#endif
