/* meaning.h - one sentence on what a signal was about, worded as evidence: what the kernel and the
 * registers say, never what some variable held. Pure. */
#ifndef TB_AGENT_MEANING_H
#define TB_AGENT_MEANING_H

#include <stddef.h>
#include <stdint.h>

#include "record/crash.h"

enum { TB_MEANING_BYTES = 512 };

/* The registers by their place in gregset_t. */
enum tb_greg {
    TB_R8,
    TB_R9,
    TB_R10,
    TB_R11,
    TB_R12,
    TB_R13,
    TB_R14,
    TB_R15,
    TB_RDI,
    TB_RSI,
    TB_RBP,
    TB_RBX,
    TB_RDX,
    TB_RAX,
    TB_RCX,
    TB_RSP,
    TB_RIP,
    TB_EFL,
    TB_N_NAMED_REGS
};

enum tb_access { TB_ACCESS_UNKNOWN, TB_ACCESS_READ, TB_ACCESS_WRITE, TB_ACCESS_EXEC };

/* "SIGSEGV"; "signal 42" in buf for one without a name here. */
const char *tb_signal_name(int signo, char buf[16]);
/* Is it one of those that a crash handler is set for? */
int tb_signal_is_crash(int signo);
/* What it was about that a signal ended a process which had no handler for it; NULL for unknown. */
const char *tb_signal_end_meaning(int signo);
/* "SEGV_MAPERR"; "code 7" in buf for one without a name here. */
const char *tb_signal_code_name(int signo, int code, char buf[16]);
/* "rip" ... for a place in gregset_t, or NULL. */
const char *tb_register_name(size_t reg);
/* What the faulting instruction did; known for page faults only. */
enum tb_access tb_crash_access(const struct tb_crash_fixed *fixed);
/* "read", "write", "exec", or NULL for unknown. */
const char *tb_access_name(enum tb_access access);
/* The signal came from a process (kill, sigqueue, tgkill), not from the processor. */
int tb_crash_is_sent(const struct tb_crash_fixed *fixed);
/* Is it the text of a failed assert()? */
int tb_abort_is_assert(const char *text, size_t len);
/* The exception class: "assert", else the signal's name. */
const char *tb_crash_class(const struct tb_crash *crash, char buf[16]);

/* The sentence, always NUL-terminated, valid UTF-8 if the abort text is. */
void tb_crash_meaning(const struct tb_crash *crash, char out[TB_MEANING_BYTES]);
/* What all occurrences of the bug share, for titles: "SIGSEGV in queue_push", "assertion failed: n
 * <= cap in ring_write". No place and no address. culprit may be "". */
void tb_crash_title(const struct tb_crash *crash, const char *culprit, char out[TB_MEANING_BYTES]);

#endif
