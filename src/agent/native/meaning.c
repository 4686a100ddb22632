/* meaning.c - see meaning.h.
 *
 * Sources: sigaction(2) for codes; Intel SDM volume 3, "Page-Fault Exceptions", for the error code:
 * bit 0 the page was there, bit 1 write, bit 4 instruction fetch. Trap 14 is the page fault, trap
 * 13 the general protection fault that a non-canonical address raises. */
#include "agent/native/meaning.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { TRAP_GENERAL = 13, TRAP_PAGE = 14, ERR_PRESENT = 1, ERR_WRITE = 2, ERR_FETCH = 16 };
enum { NEAR_NULL_BYTES = 64 << 10, NEAR_STACK_BYTES = 64 << 10 };

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
    {SIGSYS, 1, "SYS_SECCOMP"},
    {0, SI_USER, "SI_USER"},
    {0, SI_KERNEL, "SI_KERNEL"},
    {0, SI_QUEUE, "SI_QUEUE"},
    {0, SI_TKILL, "SI_TKILL"},
    {0, SI_TIMER, "SI_TIMER"},
};

/* What the codes of these signals mean, as a sentence. */
static const struct name code_meanings[] = {
    {SIGFPE, FPE_INTDIV, "integer division by zero"},
    {SIGFPE, FPE_INTOVF, "integer overflow"},
    {SIGFPE, FPE_FLTDIV, "floating-point division by zero"},
    {SIGFPE, FPE_FLTOVF, "floating-point overflow"},
    {SIGFPE, FPE_FLTINV, "invalid floating-point operation"},
    {SIGILL, ILL_ILLOPC, "illegal instruction"},
    {SIGILL, ILL_ILLOPN, "illegal instruction (operand)"},
    {SIGILL, ILL_PRVOPC, "privileged instruction"},
    {SIGTRAP, TRAP_BRKPT, "breakpoint instruction"},
    {SIGTRAP, SI_KERNEL, "breakpoint instruction"},
    {SIGTRAP, TRAP_TRACE, "trace trap"},
    {SIGBUS, BUS_ADRALN, "misaligned access"},
    {SIGBUS, BUS_MCEERR_AR, "the memory has a hardware fault"},
    {SIGSYS, 1, "system call forbidden by seccomp"},
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

enum tb_access tb_crash_access(const struct tb_crash_fixed *fixed)
{
    if (tb_crash_is_sent(fixed) || fixed->trap != TRAP_PAGE)
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

static int contains(const char *text, size_t len, const char *word)
{
    return text != NULL && memmem(text, len, word, strlen(word)) != NULL;
}

int tb_abort_is_assert(const char *text, size_t len)
{
    return contains(text, len, ": Assertion `") && contains(text, len, "' failed");
}

const char *tb_crash_class(const struct tb_crash *crash, char buf[16])
{
    if (crash->fixed.signo == SIGABRT && tb_abort_is_assert(crash->abort_text, crash->abort_len))
        return "assert";
    return tb_signal_name(crash->fixed.signo, buf);
}

/* glibc: "prog: file.c:41: function: Assertion `n <= cap' failed." The function may itself hold
 * ": " in C++, so the place is cut from both ends of what stands before " Assertion". */
static void say_assert(const char *text, size_t len, int with_place, char out[TB_MEANING_BYTES])
{
    char copy[TB_MEANING_BYTES - 32]; /* room for what is said before it */
    snprintf(copy, sizeof(copy), "%.*s", (int)(len < sizeof(copy) ? len : sizeof(copy) - 1), text);
    char *mark = strstr(copy, ": Assertion `");
    char *expression = mark != NULL ? mark + strlen(": Assertion `") : NULL;
    char *end = expression != NULL ? strstr(expression, "' failed") : NULL;
    for (char *later = end; later != NULL; later = strstr(later + 1, "' failed"))
        end = later;
    if (end == NULL) { /* longer than we keep: say it as it is */
        snprintf(out, TB_MEANING_BYTES, "assertion failed: %s", copy);
        return;
    }
    *mark = '\0';
    *end = '\0';
    char *file = strstr(copy, ": ");
    char *function = file != NULL ? strstr(file + 2, ": ") : NULL;
    if (function == NULL) {
        snprintf(out, TB_MEANING_BYTES, "assertion failed: %s", expression);
        return;
    }
    *function = '\0';
    const char *slash = strrchr(file, '/');
    const char *place = slash != NULL ? slash + 1 : file + 2;
    int n = snprintf(out, TB_MEANING_BYTES, "assertion failed: %s in %s", expression, function + 2);
    if (with_place && n > 0 && n < TB_MEANING_BYTES)
        snprintf(out + n, TB_MEANING_BYTES - (size_t)n, " (%s)", place);
}

/* The first line of what the C library said before it aborted, without its asterisks. */
static void say_abort(const struct tb_crash *crash, int with_place, char out[TB_MEANING_BYTES])
{
    const char *text = crash->abort_text;
    size_t len = crash->abort_len;
    if (tb_abort_is_assert(text, len)) {
        say_assert(text, len, with_place, out);
        return;
    }
    while (len > 0 && (*text == '*' || *text == ' ')) {
        text++;
        len--;
    }
    size_t line = 0;
    while (line < len && text[line] != '\n' && text[line] != '\0')
        line++;
    size_t cut = 0; /* "*** stack smashing detected ***: terminated" */
    const char *stars = line > 0 ? memmem(text, line, " ***", 4) : NULL;
    cut = stars != NULL ? (size_t)(stars - text) : line;
    if (cut >= TB_MEANING_BYTES)
        cut = TB_MEANING_BYTES - 1;
    snprintf(out, TB_MEANING_BYTES, "%.*s", (int)cut, text);
}

static int is_canonical(uint64_t address)
{
    uint64_t top = address >> 47;
    return top == 0 || top == 0x1ffff;
}

/* The general registers that hold no possible address: one of them was dereferenced. */
static void say_non_canonical(const struct tb_crash_fixed *fixed, char out[TB_MEANING_BYTES])
{
    int len = snprintf(out, TB_MEANING_BYTES, "access to a non-canonical address");
    unsigned n = 0;
    for (size_t r = TB_R8; r <= TB_RCX && n < 3; r++) {
        if (is_canonical(fixed->regs[r]))
            continue;
        len += snprintf(out + len, TB_MEANING_BYTES - (size_t)len, "%s%s = 0x%llx",
                        n == 0 ? " (registers hold " : ", ", register_names[r],
                        (unsigned long long)fixed->regs[r]);
        n++;
    }
    if (n > 0)
        snprintf(out + len, TB_MEANING_BYTES - (size_t)len, ")");
}

static int is_stack_overflow(const struct tb_crash_fixed *fixed, const struct tb_crash *crash)
{
    uint64_t sp = fixed->regs[TB_RSP];
    uint64_t address = fixed->fault_address;
    uint64_t gap = address > sp ? address - sp : sp - address;
    if (tb_crash_access(fixed) != TB_ACCESS_WRITE || gap > NEAR_STACK_BYTES || sp == 0)
        return 0;
    /* Had the stack been readable at the address, the write would have come through: what was
     * copied of the stack must begin above it. */
    return crash->stack_len == 0 || address < crash->stack_address || fixed->code == SEGV_ACCERR;
}

static void say_overflow(const struct tb_crash *crash, char out[TB_MEANING_BYTES])
{
    int len = snprintf(out, TB_MEANING_BYTES,
                       "stack overflow: write at 0x%llx, next to the stack pointer 0x%llx",
                       (unsigned long long)crash->fixed.fault_address,
                       (unsigned long long)crash->fixed.regs[TB_RSP]);
    if (crash->depth > 0)
        snprintf(out + len, TB_MEANING_BYTES - (size_t)len, ", %llu frames deep",
                 (unsigned long long)crash->depth);
}

static void say_segv(const struct tb_crash *crash, char out[TB_MEANING_BYTES])
{
    const struct tb_crash_fixed *fixed = &crash->fixed;
    unsigned long long address = fixed->fault_address;
    enum tb_access access = tb_crash_access(fixed);
    const char *verb = access == TB_ACCESS_READ    ? "read"
                       : access == TB_ACCESS_WRITE ? "write"
                                                   : "access";
    if (fixed->code == SI_KERNEL || (fixed->trap == TRAP_GENERAL && address == 0))
        say_non_canonical(fixed, out);
    else if (access == TB_ACCESS_EXEC && fixed->code == SEGV_ACCERR)
        snprintf(out, TB_MEANING_BYTES, "jump to memory that is not executable at 0x%llx", address);
    else if (access == TB_ACCESS_EXEC || fixed->regs[TB_RIP] == address)
        snprintf(out, TB_MEANING_BYTES, "jump to unmapped address 0x%llx%s", address,
                 address == 0 ? " (call of a NULL function pointer)" : "");
    else if (is_stack_overflow(fixed, crash))
        say_overflow(crash, out);
    else if (address == 0)
        snprintf(out, TB_MEANING_BYTES, "near-NULL %s at 0x0 (NULL pointer)", verb);
    else if (address < NEAR_NULL_BYTES)
        snprintf(out, TB_MEANING_BYTES, "near-NULL %s at 0x%llx", verb, address);
    else if (fixed->code == SEGV_ACCERR && access == TB_ACCESS_WRITE)
        snprintf(out, TB_MEANING_BYTES, "write to read-only memory at 0x%llx", address);
    else if (fixed->code == SEGV_ACCERR)
        snprintf(out, TB_MEANING_BYTES, "%s of protected memory at 0x%llx", verb, address);
    else
        snprintf(out, TB_MEANING_BYTES, "%s of unmapped memory at 0x%llx", verb, address);
}

/* An abort() or raise() sends the signal to itself. */
static void say_sent(const struct tb_crash_fixed *fixed, char out[TB_MEANING_BYTES])
{
    if (fixed->sender_pid == fixed->pid || fixed->code == SI_TKILL) {
        snprintf(out, TB_MEANING_BYTES, "%s",
                 fixed->signo == SIGABRT ? "aborted" : "raised by the process itself");
        return;
    }
    snprintf(out, TB_MEANING_BYTES, "sent by pid %u uid %u (%s)", fixed->sender_pid,
             fixed->sender_uid, fixed->code == SI_QUEUE ? "sigqueue" : "kill");
}

static int has_text(const struct tb_crash *crash)
{
    return crash->fixed.signo == SIGABRT && crash->abort_text != NULL && crash->abort_len > 0;
}

void tb_crash_title(const struct tb_crash *crash, const char *culprit, char out[TB_MEANING_BYTES])
{
    char name[16];
    if (has_text(crash))
        say_abort(crash, 0, out);
    else
        snprintf(out, TB_MEANING_BYTES, "%s%s%.160s", tb_crash_class(crash, name),
                 culprit[0] != '\0' ? " in " : "", culprit);
}

void tb_crash_meaning(const struct tb_crash *crash, char out[TB_MEANING_BYTES])
{
    const struct tb_crash_fixed *fixed = &crash->fixed;
    const char *text = look_up(code_meanings, N(code_meanings), fixed->signo, fixed->code);
    char name[16];
    if (has_text(crash))
        say_abort(crash, 1, out);
    else if (tb_crash_is_sent(fixed))
        say_sent(fixed, out);
    else if (fixed->signo == SIGSEGV)
        say_segv(crash, out);
    else if (fixed->signo == SIGBUS && fixed->code == BUS_ADRERR)
        snprintf(out, TB_MEANING_BYTES,
                 "access beyond the end of a mapped file, or a disk error, at 0x%llx",
                 (unsigned long long)fixed->fault_address);
    else if (text != NULL)
        snprintf(out, TB_MEANING_BYTES, "%s", text);
    else
        snprintf(out, TB_MEANING_BYTES, "%s", tb_signal_name(fixed->signo, name));
}
