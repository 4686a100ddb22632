/* meaning.c - see meaning.h: which sentence, class and title; the sentences are in why_*.c. */
#include "agent/meaning/meaning.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "agent/meaning/why.h"

static const char OVERFLOW[] = "stack overflow";

const char *tb_why_class(const struct tb_why *why, char buf[TB_CLASS_BYTES])
{
    char name[16];
    struct tb_say say;
    tb_say_init(&say, buf, TB_CLASS_BYTES);
    if (tb_why_has_exception(why->crash))
        tb_say_text(&say, tb_why_exception_type(why), strlen(tb_why_exception_type(why)));
    else if (tb_why_is_assert(why))
        tb_say(&say, "assert");
    else if (tb_why_is_overflow(why->crash))
        tb_say(&say, "%s", OVERFLOW);
    else
        tb_say(&say, "%s", tb_signal_name(why->crash->fixed.signo, name));
    return buf;
}

int tb_why_assertion(const struct tb_why *why, char out[TB_TITLE_BYTES])
{
    struct tb_say say;
    tb_say_init(&say, out, TB_TITLE_BYTES);
    if (!tb_why_is_assert(why) || tb_why_has_exception(why->crash))
        return 0;
    tb_why_say_assert(why, 0, &say);
    return 1;
}

/* ---- the sentence ---- */

static void say_segv(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    const struct tb_crash_unloaded *gone = tb_why_unloaded(why, fixed->regs[TB_RIP]);
    const struct tb_crash_unloaded *caller = tb_why_unloaded_caller(why);
    if (fixed->code == SI_KERNEL || (fixed->trap == TB_TRAP_GENERAL && fixed->fault_address == 0))
        tb_why_say_general(why, say);
    else
        tb_why_say_page_fault(why, say);
    if (gone != NULL && tb_why_unloaded(why, fixed->fault_address) == NULL) {
        tb_say(say, ", in code of ");
        tb_why_say_file(gone->path, gone->len, say);
        tb_say(say, ", which was unloaded");
    } else if (gone == NULL && caller != NULL) {
        tb_say(say, "; it was called by code of ");
        tb_why_say_file(caller->path, caller->len, say);
        tb_say(say, ", which was unloaded");
    }
}

static void say_bus(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    unsigned long long address = fixed->fault_address;
    if (fixed->trap == TB_TRAP_STACK)
        tb_why_say_stack_segment(why, say);
    else if (fixed->code == BUS_ADRERR)
        tb_why_say_bus_page(why, say);
    else if (fixed->code == BUS_ADRALN)
        tb_say(say, "misaligned access at 0x%llx, where the program asks for checks (AC flag)",
               address);
    else if (fixed->code == BUS_MCEERR_AR || fixed->code == BUS_MCEERR_AO)
        tb_say(say, "the memory at 0x%llx has a hardware fault", address);
    else
        tb_say(say, "bus error at 0x%llx", address);
}

static void say_abort(const struct tb_why *why, struct tb_say *say)
{
    if (tb_why_has_exception(why->crash)) {
        tb_why_say_exception(why, say);
    } else if (tb_why_is_assert(why)) {
        tb_why_say_assert(why, 1, say);
    } else {
        tb_why_say_text(why->crash, say);
        tb_why_say_hint(why, say);
    }
}

void tb_why_meaning(const struct tb_why *why, char out[TB_MEANING_BYTES])
{
    static const struct {
        int signo;
        void (*say)(const struct tb_why *why, struct tb_say *say);
    } sentences[] = {
        {SIGSEGV, say_segv},          {SIGBUS, say_bus},          {SIGFPE, tb_why_say_arithmetic},
        {SIGILL, tb_why_say_illegal}, {SIGTRAP, tb_why_say_trap}, {SIGSYS, tb_why_say_syscall},
    };
    const struct tb_crash_fixed *fixed = &why->crash->fixed;
    char name[16];
    struct tb_say say;
    tb_say_init(&say, out, TB_MEANING_BYTES);
    if (tb_why_has_exception(why->crash) || tb_why_has_text(why)) {
        say_abort(why, &say);
        return;
    }
    if (tb_crash_is_sent(fixed)) {
        tb_why_say_sent(why, &say);
        return;
    }
    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++)
        if (sentences[i].signo == fixed->signo)
            sentences[i].say(why, &say);
    if (say.len == 0)
        tb_say(&say, "%s by the kernel, code %d", tb_signal_name(fixed->signo, name), fixed->code);
}

/* ---- the title ---- */

/* All but the function. True when that belongs behind it. */
static int say_what(const struct tb_why *why, struct tb_say *say)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_unloaded *gone = tb_why_unloaded(why, crash->fixed.regs[TB_RIP]);
    const struct tb_why_caller *caller = tb_why_caller(why);
    struct tb_why_syscall call;
    char name[16];
    const char *signal = tb_signal_name(crash->fixed.signo, name);
    if (tb_why_has_exception(crash)) {
        tb_say(say, "uncaught %s", tb_why_exception_type(why));
    } else if (tb_why_is_assert(why)) {
        tb_why_say_assert(why, 0, say);
        return 0;
    } else if (tb_why_has_text(why)) {
        tb_why_say_text(crash, say);
    } else if (tb_why_is_watchdog(crash)) {
        tb_say(say, "watchdog abort");
    } else if (tb_why_is_from_other(why)) {
        tb_say(say, "%s from another process", signal);
    } else if (tb_why_is_from_thread(why)) {
        tb_say(say, "%s from another thread", signal);
    } else if (crash->fixed.code == SI_TIMER) {
        tb_say(say, "%s from a timer", signal);
    } else if (crash->fixed.signo == SIGABRT && caller != NULL) {
        tb_say(say, "%s", caller->title);
    } else if (tb_why_syscall(crash, &call)) {
        tb_say(say, "forbidden system call %s", call.name);
        if (call.name[0] == '\0')
            tb_say(say, "%u", call.number);
    } else if (tb_why_is_overflow(crash)) {
        tb_say(say, "%s", OVERFLOW);
    } else if (gone != NULL && !tb_crash_is_sent(&crash->fixed)) {
        tb_say(say, "%s in unloaded ", signal);
        tb_why_say_file(gone->path, gone->len, say);
        return 0;
    } else if (tb_why_is_raised(why)) {
        tb_say(say, "%s raised", signal);
    } else if (tb_why_is_privileged(why)) {
        tb_say(say, "privileged instruction");
    } else {
        tb_say(say, "%s", signal);
    }
    return 1;
}

/* What was jumped to is no function where it is data, whatever symbol stands there. */
static const char *function_of(const struct tb_why *why)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_stack_names *stack = why->stack;
    const struct tb_crash_mapping *there = tb_why_mapping(crash, crash->fixed.fault_address);
    const char *other = NULL;
    const char *recursive = tb_stack_names_recursive(stack, &other);
    if (tb_why_is_overflow(crash) && recursive != NULL)
        return recursive;
    int is_data = tb_crash_access(&crash->fixed) == TB_ACCESS_EXEC && there != NULL &&
                  (there->rights & (TB_MAPPING_READ | TB_MAPPING_WRITE)) != 0;
    if (!is_data || stack == NULL || stack->n == 0 || strcmp(stack->names[0], why->culprit) != 0)
        return why->culprit;
    for (size_t i = 1; i < stack->n; i++)
        if (stack->names[i][0] != '\0' && stack->owners[i] == TB_STACK_OWN)
            return stack->names[i];
    return why->culprit;
}

void tb_why_title(const struct tb_why *why, char out[TB_TITLE_BYTES])
{
    const char *function = why->culprit != NULL ? function_of(why) : NULL;
    struct tb_say say;
    tb_say_init(&say, out, TB_TITLE_BYTES);
    if (!say_what(why, &say))
        return;
    if (function != NULL && function[0] != '\0')
        tb_say(&say, " in %.160s", function);
}
