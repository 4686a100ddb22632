/* signals.c - see signals.h.
 *
 * Sources: sigaction(2) for codes; Intel SDM volume 3, "Page-Fault Exceptions", for the error code:
 * bit 1 write, bit 4 instruction fetch. */
#include "agent/meaning/signals.h"

#include <signal.h>
#include <stdio.h>

enum { ERR_WRITE = 2, ERR_FETCH = 16 };

struct name {
    int signo; /* 0: any signal */
    int code;
    const char *text;
};

static const struct name signal_names[] = {
    {SIGSEGV, 0, "SIGSEGV"},     {SIGBUS, 0, "SIGBUS"},   {SIGFPE, 0, "SIGFPE"},
    {SIGILL, 0, "SIGILL"},       {SIGABRT, 0, "SIGABRT"}, {SIGTRAP, 0, "SIGTRAP"},
    {SIGSYS, 0, "SIGSYS"},       {SIGKILL, 0, "SIGKILL"}, {SIGQUIT, 0, "SIGQUIT"},
    {SIGXCPU, 0, "SIGXCPU"},     {SIGXFSZ, 0, "SIGXFSZ"}, {SIGPIPE, 0, "SIGPIPE"},
    {SIGALRM, 0, "SIGALRM"},     {SIGUSR1, 0, "SIGUSR1"}, {SIGUSR2, 0, "SIGUSR2"},
    {SIGVTALRM, 0, "SIGVTALRM"}, {SIGPROF, 0, "SIGPROF"}, {SIGTERM, 0, "SIGTERM"},
    {SIGINT, 0, "SIGINT"},       {SIGHUP, 0, "SIGHUP"},
};

static const struct name code_names[] = {
    {SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR"},
    {SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR"},
    {SIGSEGV, SEGV_BNDERR, "SEGV_BNDERR"},
    {SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR"},
    {SIGBUS, BUS_ADRALN, "BUS_ADRALN"},
    {SIGBUS, BUS_ADRERR, "BUS_ADRERR"},
    {SIGBUS, BUS_OBJERR, "BUS_OBJERR"},
    {SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR"},
    {SIGBUS, BUS_MCEERR_AO, "BUS_MCEERR_AO"},
    {SIGFPE, FPE_INTDIV, "FPE_INTDIV"},
    {SIGFPE, FPE_INTOVF, "FPE_INTOVF"},
    {SIGFPE, FPE_FLTDIV, "FPE_FLTDIV"},
    {SIGFPE, FPE_FLTOVF, "FPE_FLTOVF"},
    {SIGFPE, FPE_FLTUND, "FPE_FLTUND"},
    {SIGFPE, FPE_FLTRES, "FPE_FLTRES"},
    {SIGFPE, FPE_FLTINV, "FPE_FLTINV"},
    {SIGILL, ILL_ILLOPC, "ILL_ILLOPC"},
    {SIGILL, ILL_ILLOPN, "ILL_ILLOPN"},
    {SIGILL, ILL_ILLADR, "ILL_ILLADR"},
    {SIGILL, ILL_ILLTRP, "ILL_ILLTRP"},
    {SIGILL, ILL_PRVOPC, "ILL_PRVOPC"},
    {SIGILL, ILL_PRVREG, "ILL_PRVREG"},
    {SIGTRAP, TRAP_BRKPT, "TRAP_BRKPT"},
    {SIGTRAP, TRAP_TRACE, "TRAP_TRACE"},
    {SIGTRAP, TRAP_HWBKPT, "TRAP_HWBKPT"},
    {SIGSYS, 1, "SYS_SECCOMP"},
    {0, SI_USER, "SI_USER"},
    {0, SI_KERNEL, "SI_KERNEL"},
    {0, SI_QUEUE, "SI_QUEUE"},
    {0, SI_TKILL, "SI_TKILL"},
    {0, SI_TIMER, "SI_TIMER"},
    {0, SI_MESGQ, "SI_MESGQ"},
    {0, SI_ASYNCIO, "SI_ASYNCIO"},
    {0, SI_SIGIO, "SI_SIGIO"},
};

static const char *const register_names[TB_N_NAMED_REGS] = {
    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rdi",
    "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "eflags"};

#define N(table) (sizeof(table) / sizeof((table)[0]))

/* Why the default action of these ended a process. */
static const struct name end_meanings[] = {
    {SIGSEGV, 0,
     "a fault that the library's handler did not see: its signal was blocked, or the program had "
     "set another handler or none, or there was no stack for it"},
    {SIGSYS, 0, "a system call forbidden by seccomp, whose filter lets no handler run"},
    {SIGABRT, 0,
     "abort() or somebody's SIGABRT, which the library's handler did not see: the program ignored "
     "it, or had set another handler"},
    {SIGUSR1, 0, "a signal for which there was no handler"},
    {SIGUSR2, 0, "a signal for which there was no handler"},
    {SIGVTALRM, 0, "a timer for which there was no handler"},
    {SIGPROF, 0, "a timer for which there was no handler"},
    {SIGQUIT, 0, "a request to quit, from a terminal or a program"},
    {SIGXCPU, 0, "the limit of processor time (RLIMIT_CPU)"},
    {SIGXFSZ, 0, "a write past the limit of file sizes (RLIMIT_FSIZE)"},
    {SIGPIPE, 0, "a write to a pipe or socket that nobody reads"},
    {SIGALRM, 0, "an alarm for which there was no handler"},
};

static const char *look_up(const struct name *table, size_t n, int signo, int code)
{
    for (size_t i = 0; i < n; i++)
        if ((table[i].signo == signo || table[i].signo == 0) && table[i].code == code)
            return table[i].text;
    return NULL;
}

const char *tb_signal_name(int signo, char buf[16])
{
    const char *name = look_up(signal_names, N(signal_names), signo, 0);
    if (name == NULL)
        snprintf(buf, 16, "signal %d", signo);
    return name != NULL ? name : buf;
}

int tb_signal_is_crash(int signo)
{
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < N(crashes); i++)
        if (crashes[i] == signo)
            return 1;
    return 0;
}

const char *tb_signal_end_meaning(int signo)
{
    const char *text = look_up(end_meanings, N(end_meanings), signo, 0);
    if (text == NULL && tb_signal_is_crash(signo))
        text = look_up(end_meanings, N(end_meanings), SIGSEGV, 0);
    return text;
}

const char *tb_signal_code_name(int signo, int code, char buf[16])
{
    const char *name = look_up(code_names, N(code_names), signo, code);
    if (name == NULL)
        snprintf(buf, 16, "code %d", code);
    return name != NULL ? name : buf;
}

const char *tb_register_name(size_t reg)
{
    return reg < TB_N_NAMED_REGS ? register_names[reg] : NULL;
}

int tb_crash_is_sent(const struct tb_crash_fixed *fixed)
{
    return fixed->code <= 0;
}

int tb_crash_has_sender(const struct tb_crash_fixed *fixed)
{
    return fixed->code == SI_USER || fixed->code == SI_QUEUE || fixed->code == SI_TKILL ||
           fixed->code == SI_MESGQ;
}

enum tb_access tb_crash_access(const struct tb_crash_fixed *fixed)
{
    if (tb_crash_is_sent(fixed) || fixed->trap != TB_TRAP_PAGE)
        return TB_ACCESS_UNKNOWN;
    if (fixed->trap_err & ERR_FETCH)
        return TB_ACCESS_EXEC;
    return fixed->trap_err & ERR_WRITE ? TB_ACCESS_WRITE : TB_ACCESS_READ;
}

const char *tb_access_name(enum tb_access access)
{
    static const char *const names[] = {NULL, "read", "write", "exec"};
    return names[access];
}
