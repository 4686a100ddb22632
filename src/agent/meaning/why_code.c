/* why_code.c - see why.h: the instruction at the fault, its operand and the registers in it. */
#include <errno.h>
#include <string.h>

#include "agent/meaning/why.h"
#include "base/pack.h"

const uint8_t *tb_why_code(const struct tb_crash *crash, int offset, size_t *len)
{
    uint64_t address = crash->fixed.regs[TB_RIP] + (uint64_t)(int64_t)offset;
    if (crash->code == NULL || address < crash->code_address ||
        address - crash->code_address >= crash->code_len)
        return NULL;
    *len = crash->code_len - (size_t)(address - crash->code_address);
    return crash->code + (address - crash->code_address);
}

int tb_why_decode(const struct tb_crash *crash, struct tb_insn *out)
{
    size_t len = 0;
    const uint8_t *code = tb_why_code(crash, 0, &len);
    memset(out, 0, sizeof(*out));
    return code != NULL ? tb_insn_decode(code, len, out) : -ENODATA;
}

int tb_why_stack_word(const struct tb_crash *crash, uint64_t address, uint64_t *out)
{
    if (crash->stack == NULL || address < crash->stack_address || crash->stack_len < sizeof(*out) ||
        address - crash->stack_address > crash->stack_len - sizeof(*out))
        return 0;
    *out = tb_get64(crash->stack + (address - crash->stack_address));
    return 1;
}

/* With four levels of page tables; what five levels add belongs to nobody who did not ask. */
int tb_why_is_canonical(uint64_t address)
{
    uint64_t top = address >> 47;
    return top == 0 || top == 0x1ffff;
}

void tb_why_say_operand(const struct tb_insn *insn, struct tb_say *say)
{
    const char *plus = "";
    if (insn->base != TB_INSN_NO_REG) {
        tb_say(say, "%s", tb_register_name((size_t)insn->base));
        plus = " + ";
    }
    if (insn->index != TB_INSN_NO_REG) {
        tb_say(say, "%s", plus);
        if (insn->scale > 1)
            tb_say(say, "%u * ", insn->scale);
        tb_say(say, "%s", tb_register_name((size_t)insn->index));
        plus = " + ";
    }
    if (insn->offset < 0)
        tb_say(say, " - 0x%llx", -(unsigned long long)insn->offset);
    else if (insn->offset > 0)
        tb_say(say, "%s0x%llx", plus, (unsigned long long)insn->offset);
}

void tb_why_say_registers(const struct tb_insn *insn, const uint64_t *regs, struct tb_say *say)
{
    const int used[] = {insn->base, insn->index};
    const char *comma = "";
    for (size_t i = 0; i < 2; i++) {
        if (used[i] == TB_INSN_NO_REG || (i == 1 && used[1] == used[0]))
            continue;
        tb_say(say, "%s%s = 0x%llx", comma, tb_register_name((size_t)used[i]),
               (unsigned long long)regs[used[i]]);
        comma = ", ";
    }
}

const char *tb_why_verb(enum tb_access access)
{
    static const char *const verbs[] = {"access", "read", "write", "jump"};
    return verbs[access];
}
