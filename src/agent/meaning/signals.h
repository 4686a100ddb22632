/* signals.h - names of signals, codes and registers, and what the kernel tells of an access. Pure.
 */
#ifndef TB_AGENT_SIGNALS_H
#define TB_AGENT_SIGNALS_H

#include <stddef.h>

#include "record/crash.h"

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

/* Exceptions of the processor, by their vector (Intel SDM volume 3, chapter 6). */
enum tb_trap {
    TB_TRAP_DIVIDE = 0,
    TB_TRAP_DEBUG = 1,
    TB_TRAP_BREAKPOINT = 3,
    TB_TRAP_STACK = 12,
    TB_TRAP_GENERAL = 13,
    TB_TRAP_PAGE = 14
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
/* The signal came from a process or a timer (kill, sigqueue, tgkill), not from the processor. */
int tb_crash_is_sent(const struct tb_crash_fixed *fixed);
/* Does the kernel name a sending process? */
int tb_crash_has_sender(const struct tb_crash_fixed *fixed);

#endif
