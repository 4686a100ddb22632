/* why_memory.c - see why.h: page faults. What an instruction used is said where its operand, by the
 * registers, is the address that the kernel tells; else nothing is said of it. */
#include <signal.h>

#include "agent/meaning/why.h"

enum { NEAR_STACK_BYTES = 64 << 10, WIDEST_ACCESS = 64 };
enum { RIGHTS = TB_MAPPING_READ | TB_MAPPING_WRITE | TB_MAPPING_EXEC };

/* A kernel's address is in the upper half. */
static int is_of_kernel(uint64_t address)
{
    return address >> 63 != 0;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* Had the stack been readable at the address, the write would have come through: what was copied of
 * the stack must begin above it, and what is mapped there must not be readable. */
int tb_why_is_overflow(const struct tb_crash *crash)
{
    const struct tb_crash_fixed *fixed = &crash->fixed;
    uint64_t sp = fixed->regs[TB_RSP];
    uint64_t address = fixed->fault_address;
    const struct tb_crash_mapping *mapping = tb_why_mapping(crash, address);
    if (fixed->signo != SIGSEGV || tb_crash_access(fixed) != TB_ACCESS_WRITE || sp == 0 ||
        address < TB_NEAR_NULL_BYTES || is_of_kernel(address) ||
        distance(address, sp) > NEAR_STACK_BYTES)
        return 0;
    if (mapping != NULL && (mapping->rights & RIGHTS) != 0)
        return 0;
    return crash->stack_len == 0 || address < crash->stack_address || fixed->code == SEGV_ACCERR;
}

static void say_depth(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    const char *other = NULL;
    const char *function = tb_stack_names_recursive(why->stack, &other);
    if (crash->depth > 0)
        tb_say(say, ", %llu frames deep", (unsigned long long)crash->depth);
    if (function != NULL && other != NULL)
        tb_say(say, ", %s and %s call each other", function, other);
    else if (function != NULL)
        tb_say(say, ", %s calls itself", function);
}

static void say_overflow(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    tb_say(say, "stack overflow: write at 0x%llx, next to the stack pointer 0x%llx",
           (unsigned long long)crash->fixed.fault_address,
           (unsigned long long)crash->fixed.regs[TB_RSP]);
    if (tb_why_mapping(crash, crash->fixed.fault_address) != NULL)
        tb_say(say, ", in memory without rights (a guard page)");
    else
        tb_why_say_between(crash, crash->fixed.fault_address, say);
    say_depth(why, say);
}

/* ---- jumps ---- */

static void say_what_is_there(const struct tb_crash *crash, uint64_t address, struct tb_say *say)
{
    const struct tb_crash_mapping *mapping = tb_why_mapping(crash, address);
    uint64_t sp = crash->fixed.regs[TB_RSP];
    char rights[4];
    if (mapping == NULL) {
        if (distance(address, sp) < NEAR_STACK_BYTES)
            tb_say(say, ", next to the stack pointer: looks like the stack");
        return;
    }
    tb_why_rights(mapping->rights, rights);
    tb_say(say, ": ");
    if (sp >= mapping->lo && sp < mapping->hi)
        tb_say(say, "the stack");
    else
        tb_why_say_mapping(mapping, say);
    tb_say(say, " (%s)", rights);
}

static void say_jump(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    unsigned long long address = fixed->fault_address;
    const struct tb_crash_unloaded *gone = tb_why_unloaded(why, address);
    if (gone != NULL) {
        tb_say(say, "jump to 0x%llx in ", address);
        tb_why_say_file(gone->path, gone->len, say);
        tb_say(say, ", which was unloaded");
    } else if (fixed->code == SEGV_ACCERR && !is_of_kernel(address)) {
        tb_say(say, "jump to 0x%llx, which is not executable", address);
        say_what_is_there(why->crash, address, say);
    } else {
        tb_say(say, "jump to unmapped address 0x%llx", address);
        if (address == 0)
            tb_say(say, ": looks like a call of a NULL function pointer");
        else
            tb_why_say_between(why->crash, address, say);
    }
}

/* ---- reads and writes ---- */

/* The operand that the address came from. */
static int find_operand(const struct tb_crash *crash, struct tb_insn *out)
{
    uint64_t address;
    return tb_why_decode(crash, out) == 0 && tb_insn_address(out, crash->fixed.regs, &address) &&
           crash->fixed.fault_address - address < WIDEST_ACCESS && out->base != TB_INSN_NO_REG;
}

/* " through rax", " through rax + 0x18 with rax = 0x41" */
static void say_through(const struct tb_insn *insn, const uint64_t *regs, struct tb_say *say)
{
    tb_say(say, " through ");
    tb_why_say_operand(insn, say);
    if (insn->index == TB_INSN_NO_REG && insn->offset == 0)
        return;
    tb_say(say, " with ");
    tb_why_say_registers(insn, regs, say);
}

/* The one register of the operand is 0: the address is a field of a NULL pointer, however far. */
static int say_far_field(const struct tb_why *why, const char *verb, struct tb_say *say)
{
    enum { FARTHEST = 1 << 30 };
    const uint64_t *regs = why->crash->fixed.regs;
    struct tb_insn insn;
    if (!find_operand(why->crash, &insn) || insn.index != TB_INSN_NO_REG || regs[insn.base] != 0 ||
        insn.offset > FARTHEST || insn.offset < -FARTHEST)
        return 0;
    tb_say(say, "%s at 0x%llx: like a field at offset %s0x%llx of the NULL pointer in %s", verb,
           (unsigned long long)why->crash->fixed.fault_address, insn.offset < 0 ? "-" : "",
           insn.offset < 0 ? -(unsigned long long)insn.offset : (unsigned long long)insn.offset,
           tb_register_name((size_t)insn.base));
    return 1;
}

static void say_near_null(const struct tb_why *why, const char *verb, struct tb_say *say)
{
    const uint64_t *regs = why->crash->fixed.regs;
    unsigned long long address = why->crash->fixed.fault_address;
    struct tb_insn insn;
    int has_operand = find_operand(why->crash, &insn);
    int is_null = has_operand && regs[insn.base] == 0 && insn.index == TB_INSN_NO_REG;
    tb_say(say, "near-NULL %s at 0x%llx", verb, address);
    if (regs[TB_RSP] != 0 && regs[TB_RSP] < TB_NEAR_NULL_BYTES)
        tb_say(say, ": the stack pointer is 0x%llx", (unsigned long long)regs[TB_RSP]);
    else if (is_null && address == 0)
        tb_say(say, ": the NULL pointer in %s", tb_register_name((size_t)insn.base));
    else if (is_null)
        tb_say(say, ": like a field at offset 0x%llx of the NULL pointer in %s", address,
               tb_register_name((size_t)insn.base));
    else if (has_operand)
        say_through(&insn, regs, say);
    else if (address == 0)
        tb_say(say, ": a NULL pointer");
    else
        tb_say(say, ": looks like a field at offset 0x%llx of a NULL pointer", address);
}

static void say_where_in(const struct tb_crash_mapping *mapping, struct tb_say *say)
{
    char rights[4];
    if (mapping == NULL)
        return;
    tb_why_rights(mapping->rights, rights);
    tb_say(say, ", in ");
    tb_why_say_mapping(mapping, say);
    tb_say(say, " (%s)", rights);
}

/* The mapping that begins or ends where the other does, and may be used. */
static const struct tb_crash_mapping *neighbour(const struct tb_crash *crash,
                                                const struct tb_crash_mapping *mapping)
{
    for (size_t i = 0; i < crash->n_mappings; i++) {
        const struct tb_crash_mapping *m = &crash->mappings[i];
        if ((m->hi == mapping->lo || m->lo == mapping->hi) && (m->rights & RIGHTS) != 0)
            return m;
    }
    return NULL;
}

static void say_forbidden(const struct tb_why *why, const char *verb, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    unsigned long long address = crash->fixed.fault_address;
    const struct tb_crash_mapping *mapping = tb_why_mapping(crash, address);
    int is_write = tb_crash_access(&crash->fixed) == TB_ACCESS_WRITE;
    if (mapping != NULL && (mapping->rights & RIGHTS) == 0) {
        const struct tb_crash_mapping *next = neighbour(crash, mapping);
        tb_say(say, "%s of memory without any rights at 0x%llx", verb, address);
        if (next != NULL) {
            tb_say(say, ": looks like a guard page, next to ");
            tb_why_say_mapping(next, say);
        }
        return;
    }
    if (is_write)
        tb_say(say, "write to read-only memory at 0x%llx", address);
    else
        tb_say(say, "%s of protected memory at 0x%llx", verb, address);
    say_where_in(mapping, say);
    if (crash->fixed.code == SEGV_PKUERR)
        tb_say(say, ", forbidden by a protection key");
}

static void say_unmapped(const struct tb_why *why, const char *verb, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    unsigned long long address = crash->fixed.fault_address;
    const struct tb_crash_unloaded *gone = tb_why_unloaded(why, address);
    struct tb_insn insn;
    if (say_far_field(why, verb, say))
        return;
    if (is_of_kernel(address))
        tb_say(say, "%s of an address of the kernel, 0x%llx", verb, address);
    else
        tb_say(say, "%s of unmapped memory at 0x%llx", verb, address);
    if (find_operand(crash, &insn))
        say_through(&insn, crash->fixed.regs, say);
    if (gone != NULL) {
        tb_say(say, ", in ");
        tb_why_say_file(gone->path, gone->len, say);
        tb_say(say, ", which was unloaded");
    } else if (!is_of_kernel(address)) {
        tb_why_say_between(crash, address, say);
    }
}

void tb_why_say_page_fault(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    enum tb_access access = tb_crash_access(fixed);
    const char *verb = tb_why_verb(access);
    if (access == TB_ACCESS_EXEC ||
        (access == TB_ACCESS_UNKNOWN && fixed->regs[TB_RIP] == fixed->fault_address))
        say_jump(why, say);
    else if (tb_why_is_overflow(why->crash))
        say_overflow(why, say);
    else if (fixed->fault_address < TB_NEAR_NULL_BYTES)
        say_near_null(why, verb, say);
    else if (fixed->code == SEGV_MAPERR || is_of_kernel(fixed->fault_address))
        say_unmapped(why, verb, say);
    else
        say_forbidden(why, verb, say);
}

void tb_why_say_bus_page(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    const struct tb_crash_mapping *mapping = tb_why_mapping(why->crash, fixed->fault_address);
    tb_say(say, "%s beyond the end of ", tb_why_verb(tb_crash_access(fixed)));
    if (mapping != NULL && mapping->len > 0)
        tb_why_say_file(mapping->path, mapping->len, say);
    else
        tb_say(say, "a mapped file");
    tb_say(say, ", or a disk error, at 0x%llx", (unsigned long long)fixed->fault_address);
}
