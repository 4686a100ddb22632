/* arch_x86_64.c - see arch.h. Instruction forms: Intel SDM volume 2, CALL and JMP. */
#include "unwind/arch.h"

#if defined(__x86_64__)
#include <string.h>
#include <ucontext.h>

#include "base/pack.h"

enum { CALL_BYTES_MAX = 7, DIRECT_CALL_BYTES = 5, STUB_BYTES = 11 };

#define GREG_OFFSET(n) (offsetof(ucontext_t, uc_mcontext.gregs) + (n) * sizeof(greg_t))
const struct tb_arch_signal_frame tb_arch_signal_frame = {
    .ip_offset = GREG_OFFSET(REG_RIP),
    .sp_offset = GREG_OFFSET(REG_RSP),
    .bp_offset = GREG_OFFSET(REG_RBP),
};

const bool tb_arch_call_pushes = true;

uint64_t tb_arch_code_address(uint64_t stored)
{
    return stored;
}

/* Length of the memory or register form "FF /2" by its second byte and the one after it. */
static size_t indirect_call_len(uint8_t modrm)
{
    static const size_t displacement[] = {0, 1, 4, 0};
    unsigned mod = modrm >> 6;
    unsigned rm = modrm & 7;
    size_t len = 2 + displacement[mod];
    if (((modrm >> 3) & 7) != 2)
        return 0;
    if (mod != 3 && rm == 4)
        len++; /* SIB */
    if (mod == 0 && rm == 5)
        len += 4; /* [rip + disp32] */
    return len;
}

int tb_arch_follows_call(const struct tb_unwind_ops *ops, uint64_t address, uint64_t *target)
{
    uint8_t bytes[CALL_BYTES_MAX];
    if (address < CALL_BYTES_MAX ||
        ops->read(ops->arg, address - CALL_BYTES_MAX, bytes, sizeof(bytes)) != 0)
        return 0;
    const uint8_t *direct = bytes + CALL_BYTES_MAX - DIRECT_CALL_BYTES;
    if (*direct == 0xe8) {
        *target = address + (uint64_t)(int64_t)(int32_t)tb_get32(direct + 1);
        if (ops->is_code(ops->arg, *target))
            return 1;
    }
    *target = 0;
    for (size_t len = 2; len <= CALL_BYTES_MAX; len++) {
        const uint8_t *at = bytes + CALL_BYTES_MAX - len;
        if (at[0] == 0xff && indirect_call_len(at[1]) == len)
            return 1;
    }
    return 0;
}

int tb_arch_is_stub(const struct tb_unwind_ops *ops, uint64_t address)
{
    static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
    uint8_t bytes[STUB_BYTES];
    if (ops->read(ops->arg, address, bytes, sizeof(bytes)) != 0)
        return 0;
    const uint8_t *at = bytes;
    if (memcmp(at, endbr, sizeof(endbr)) == 0)
        at += sizeof(endbr);
    if (*at == 0xf2) /* bnd */
        at++;
    return at[0] == 0xff && at[1] == 0x25;
}
#endif
