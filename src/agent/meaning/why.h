/* why.h - the sentences of meaning.c, by cause; for this folder alone. Each appends to say. */
#ifndef TB_AGENT_WHY_H
#define TB_AGENT_WHY_H

#include "agent/meaning/decode.h"
#include "agent/meaning/meaning.h"
#include "agent/meaning/say.h"

enum { TB_NEAR_NULL_BYTES = 64 << 10 };

/* ---- why_memory.c: faults that have an address ---- */

int tb_why_is_overflow(const struct tb_crash *crash);
void tb_why_say_page_fault(const struct tb_why *why, struct tb_say *say);
/* SIGBUS for a page: behind the end of which file. */
void tb_why_say_bus_page(const struct tb_why *why, struct tb_say *say);

/* ---- why_place.c: what is where ---- */

const struct tb_crash_mapping *tb_why_mapping(const struct tb_crash *crash, uint64_t address);
/* "the heap", "the stack", "libfoo.so", "anonymous memory" */
void tb_why_say_mapping(const struct tb_crash_mapping *mapping, struct tb_say *say);
/* ", 0x10 bytes behind the heap", ", between the heap and libfoo.so", or nothing. */
void tb_why_say_between(const struct tb_crash *crash, uint64_t address, struct tb_say *say);
/* The library that was unloaded from there and has no successor, or NULL. */
const struct tb_crash_unloaded *tb_why_unloaded(const struct tb_why *why, uint64_t address);
/* The same for the innermost functions that led to the crash. */
const struct tb_crash_unloaded *tb_why_unloaded_caller(const struct tb_why *why);
void tb_why_say_file(const char *path, size_t len, struct tb_say *say); /* its last part */
void tb_why_rights(uint32_t rights, char out[4]);                       /* "rw-" */

/* ---- why_code.c: the instruction and the registers ---- */

/* The bytes at the instruction pointer plus offset, to their end; NULL for none. */
const uint8_t *tb_why_code(const struct tb_crash *crash, int offset, size_t *len);
int tb_why_decode(const struct tb_crash *crash, struct tb_insn *out);
/* A word of the copied stack. */
int tb_why_stack_word(const struct tb_crash *crash, uint64_t address, uint64_t *out);
int tb_why_is_canonical(uint64_t address);
/* "rax + 8 * rcx + 0x18" */
void tb_why_say_operand(const struct tb_insn *insn, struct tb_say *say);
/* "rax = 0x4141414141414141, rcx = 0x1": the registers of the operand. */
void tb_why_say_registers(const struct tb_insn *insn, const uint64_t *regs, struct tb_say *say);
const char *tb_why_verb(enum tb_access access); /* "read", "write", "access" */

/* ---- why_processor.c: faults without an address ---- */

void tb_why_say_general(const struct tb_why *why, struct tb_say *say);
/* But the one that abort() ends in. */
int tb_why_is_privileged(const struct tb_why *why);
void tb_why_say_stack_segment(const struct tb_why *why, struct tb_say *say);
void tb_why_say_illegal(const struct tb_why *why, struct tb_say *say);
void tb_why_say_trap(const struct tb_why *why, struct tb_say *say);
void tb_why_say_arithmetic(const struct tb_why *why, struct tb_say *say);

/* ---- why_sent.c: signals that somebody sends ---- */

void tb_why_say_sent(const struct tb_why *why, struct tb_say *say);
/* SIGABRT from the init system. */
int tb_why_is_watchdog(const struct tb_crash *crash);
int tb_why_is_from_other(const struct tb_why *why);
/* By another thread, as this one was elsewhere when it came. */
int tb_why_is_from_thread(const struct tb_why *why);
/* By the process itself, and not SIGABRT, which abort() does. */
int tb_why_is_raised(const struct tb_why *why);
void tb_why_say_syscall(const struct tb_why *why, struct tb_say *say);

/* ---- why_abort.c: what the program, the C library and the C++ runtime say ---- */

int tb_why_is_assert(const struct tb_why *why);
/* Without place: what is the same at each occurrence. */
void tb_why_say_assert(const struct tb_why *why, int with_place, struct tb_say *say);
/* A text that belongs to this death (tb_why_is_text_of). */
int tb_why_has_text(const struct tb_why *why);
/* The first line of what the C library said before it aborted, without its asterisks. */
void tb_why_say_text(const struct tb_crash *crash, struct tb_say *say);
/* Nothing, or what else is known of such a text: ": a block was freed twice". */
void tb_why_say_hint(const struct tb_why *why, struct tb_say *say);
int tb_why_has_exception(const struct tb_crash *crash);
const char *tb_why_exception_type(const struct tb_why *why); /* "" where there is none */
void tb_why_say_exception(const struct tb_why *why, struct tb_say *say);

/* Who called abort(), by the names of the innermost frames. */
struct tb_why_caller {
    const char *function;
    const char *title; /* "pure virtual call" */
    const char *sentence;
};
const struct tb_why_caller *tb_why_caller(const struct tb_why *why); /* or NULL */

#endif
