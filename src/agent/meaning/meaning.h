/* meaning.h - what a crash was about: its class, a title and a sentence. Pure.
 *
 * 1. The sentence is worded as evidence: what the kernel, the registers and the record say. What is
 *    concluded from them says so ("looks like", "next to").
 * 2. The class is one of a few, and the title has no address, number of the run or text that
 * varies: all occurrences of one bug have the same. Rollbar keeps the title of the first.
 * 3. Texts of the record and names of functions are somebody else's: nothing is executed, and what
 *    does not fit is cut before a whole character. */
#ifndef TB_AGENT_MEANING_H
#define TB_AGENT_MEANING_H

#include "agent/meaning/signals.h"
#include "agent/meaning/stack_names.h"
#include "agent/meaning/syscalls.h"
#include "record/crash.h"
#include "record/process.h"

enum { TB_MEANING_BYTES = 768, TB_TITLE_BYTES = 256, TB_CLASS_BYTES = 200, TB_CAUSE_BYTES = 64 };

/* What is known of a crash. Borrowed. */
struct tb_why {
    const struct tb_crash *crash;
    const struct tb_process *process;   /* NULL: not known */
    const char *exception_type;         /* demangled; NULL or "": not known */
    const struct tb_stack_names *stack; /* NULL: no frames */
    const char *culprit;                /* the function that is blamed; NULL or "": none */
};

/* A system call that was forbidden: number is the one of arch ("x86_64", "i386", "x32"). */
struct tb_why_syscall {
    uint32_t number;
    const char *arch;
    char name[TB_SYSCALL_NAME_BYTES]; /* "" for a number without one */
};

/* False where the signal is not about a system call. */
int tb_why_syscall(const struct tb_crash *crash, struct tb_why_syscall *out);

/* "assert", "stack overflow", the type of an uncaught exception, else the signal's name. */
const char *tb_why_class(const struct tb_why *why, char buf[TB_CLASS_BYTES]);
void tb_why_meaning(const struct tb_why *why, char out[TB_MEANING_BYTES]);
void tb_why_title(const struct tb_why *why, char out[TB_TITLE_BYTES]);
/* What else than signal and function tells deaths apart, in few words that are the same at each
 * occurrence of a bug, whoever compiled it: "sent", "double free"; "" for a plain fault. */
void tb_why_cause(const struct tb_why *why, char out[TB_CAUSE_BYTES]);
/* Does what the C library said last belong to this death? */
int tb_why_is_text_of(const struct tb_why *why);
/* Two assertions in one function are two bugs: the text that tells them apart. False where it is
 * no assertion. */
int tb_why_assertion(const struct tb_why *why, char out[TB_TITLE_BYTES]);

#endif
