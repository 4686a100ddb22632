/* why_sent.c - see why.h: signals that a process, a timer or seccomp sends. */
#include <signal.h>

#include "agent/meaning/syscalls.h"
#include "agent/meaning/why.h"

enum { INNERMOST = 10, CODE_SECCOMP = 1, CODE_USER_DISPATCH = 2 };

/* Functions by which a program sends signals to itself; the first that is on the stack is said. */
static const char *const senders[] = {
    "abort", "raise", "pthread_kill", "sigqueue", "pthread_sigqueue", "killpg", "kill", "tgkill"};

static const char *sender_of(const struct tb_why *why)
{
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++)
        if (tb_stack_names_has(why->stack, INNERMOST, senders[i]))
            return senders[i];
    return NULL;
}

/* Pid 0 is a stranger, and also what the kernel says where it has no room for the siginfo. */
int tb_why_is_from_other(const struct tb_why *why)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    return tb_crash_has_sender(fixed) && fixed->sender_pid != fixed->pid &&
           (fixed->sender_pid != 0 || sender_of(why) == NULL);
}

int tb_why_is_watchdog(const struct tb_crash *crash)
{
    return crash->fixed.signo == SIGABRT && crash->fixed.code == SI_USER &&
           crash->fixed.sender_pid == 1 && crash->fixed.pid != 1;
}

static const char *call_of(int code)
{
    return code == SI_TKILL ? "tgkill" : code == SI_QUEUE ? "sigqueue" : "kill";
}

static void say_other(const struct tb_crash_fixed *fixed, const char *name, struct tb_say *say)
{
    if (fixed->sender_pid == 0) {
        tb_say(say,
               "%s sent by pid 0: from outside of its pid namespace, or the kernel could not keep "
               "who sent it",
               name);
        return;
    }
    tb_say(say, "%s sent by another process: pid %u uid %u%s (%s)", name, fixed->sender_pid,
           fixed->sender_uid, fixed->sender_pid == 1 ? ", the init system" : "",
           call_of(fixed->code));
}

/* Does the thread come back from tgkill(pid, tid, signo)? */
static int is_own_tgkill(const struct tb_crash *crash)
{
    const struct tb_crash_fixed *fixed = &crash->fixed;
    size_t len = 0;
    const uint8_t *code = tb_why_code(crash, -2, &len);
    return len >= 2 && code[0] == 0x0f && code[1] == 0x05 && fixed->regs[TB_RDI] == fixed->pid &&
           fixed->regs[TB_RSI] == fixed->tid && fixed->regs[TB_RDX] == (uint64_t)fixed->signo;
}

/* Does the thread come back from rt_sigprocmask, or a call like it? Then the signal had waited. */
static int is_unblocking(const struct tb_crash *crash)
{
    enum { HOW_MOST = 2, MASK_BYTES = 8 };
    size_t len = 0;
    const uint64_t *regs = crash->fixed.regs;
    const uint8_t *code = tb_why_code(crash, -2, &len);
    return len >= 2 && code[0] == 0x0f && code[1] == 0x05 && regs[TB_RDI] <= HOW_MOST &&
           regs[TB_R10] == MASK_BYTES;
}

/* Or from a call that sends a signal to its process: kill, rt_sigqueueinfo, rt_tgsigqueueinfo. */
static int is_own_kill(const struct tb_crash *crash)
{
    size_t len = 0;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    const uint8_t *code = tb_why_code(crash, -2, &len);
    uint64_t signo = (uint64_t)fixed->signo;
    return fixed->code != SI_TKILL && len >= 2 && code[0] == 0x0f && code[1] == 0x05 &&
           (fixed->regs[TB_RSI] == signo || fixed->regs[TB_RDX] == signo);
}

int tb_why_is_from_thread(const struct tb_why *why)
{
    size_t len = 0;
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    if (!tb_crash_has_sender(fixed) || fixed->sender_pid != fixed->pid || sender_of(why) != NULL)
        return 0;
    return why->stack != NULL && why->stack->n > 0 && why->stack->names[0][0] != '\0' &&
           tb_why_code(crash, -2, &len) != NULL && !is_own_tgkill(crash) && !is_own_kill(crash) &&
           !is_unblocking(crash);
}

int tb_why_is_raised(const struct tb_why *why)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    return tb_crash_has_sender(fixed) && fixed->signo != SIGABRT && !tb_why_is_from_other(why);
}

static void say_own(const struct tb_why *why, const char *name, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    const struct tb_why_caller *caller = tb_why_caller(why);
    const char *sender = sender_of(why);
    if (fixed->signo == SIGABRT && caller != NULL)
        tb_say(say, "%s", caller->sentence);
    else if (fixed->signo == SIGABRT && sender == senders[0])
        tb_say(say, "abort() was called");
    else if (sender != NULL)
        tb_say(say, "%s raised by the process itself, with %s()", name, sender);
    else if (fixed->code == SI_TKILL && is_own_tgkill(why->crash))
        tb_say(say, "%s raised by the thread itself (tgkill)", name);
    else if (fixed->code == SI_TKILL)
        tb_say(say,
               "%s sent from within the process (tgkill): by another thread of it, or by this one "
               "while it was blocked",
               name);
    else
        tb_say(say, "%s sent by the process itself (%s)", name, call_of(fixed->code));
}

void tb_why_say_sent(const struct tb_why *why, struct tb_say *say)
{
    static const struct {
        int code;
        const char *who;
    } codes[] = {{SI_TIMER, "a timer of the process (timer_create)"},
                 {SI_ASYNCIO, "asynchronous I/O of the process"},
                 {SI_SIGIO, "queued SIGIO, a descriptor of the process"}};
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    char buf[16];
    const char *name = tb_signal_name(fixed->signo, buf);
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == fixed->code) {
            tb_say(say, "%s sent by %s", name, codes[i].who);
            return;
        }
    }
    if (!tb_crash_has_sender(fixed))
        tb_say(say, "%s sent by the process itself or the kernel (code %d)", name, fixed->code);
    else if (!tb_why_is_from_other(why))
        say_own(why, name, say);
    else
        say_other(fixed, name, say);
    if (tb_why_is_watchdog(why->crash))
        tb_say(say, ": looks like the watchdog of its unit (WatchdogSec), or a stop that took too "
                    "long");
}

/* The kernel has put the number back into rax. */
void tb_why_say_syscall(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    struct tb_why_syscall call;
    if (!tb_why_syscall(why->crash, &call)) {
        tb_say(say, "forbidden system call");
        return;
    }
    tb_say(say, "forbidden system call %s (%u", call.name[0] != '\0' ? call.name : "without a name",
           call.number);
    if (call.arch[0] != 'x' || call.arch[1] != '8')
        tb_say(say, " of %s", call.arch);
    tb_say(say, ") at 0x%llx: %s", (unsigned long long)fixed->fault_address,
           fixed->code == CODE_SECCOMP ? "its seccomp filter says SIGSYS"
                                       : "by its own system call dispatch (prctl)");
}

int tb_why_syscall(const struct tb_crash *crash, struct tb_why_syscall *out)
{
    enum { INSTRUCTION_BYTES = 2 };
    size_t len = 0;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    if (fixed->signo != SIGSYS ||
        (fixed->code != CODE_SECCOMP && fixed->code != CODE_USER_DISPATCH))
        return 0;
    const uint8_t *code = tb_why_code(crash, -INSTRUCTION_BYTES, &len);
    if (len < INSTRUCTION_BYTES)
        code = NULL;
    out->number = (uint32_t)fixed->regs[TB_RAX];
    enum tb_syscall_arch arch = tb_syscall_arch(code, out->number);
    out->arch = tb_syscall_arch_name(arch);
    if (tb_syscall_name(arch, out->number, out->name) == NULL)
        out->name[0] = '\0';
    return 1;
}
