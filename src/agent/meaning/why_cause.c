/* why_cause.c - see meaning.h: whether the C library's last text is of this death, and what tells
 * deaths of one signal in one function apart. */
#include <signal.h>
#include <string.h>

#include "agent/meaning/why.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))

enum { INNERMOST = 24, FILE_BYTES = 48 };

/* ---- the text ---- */

/* The functions of the C library that keep a text and abort; plain names. */
static int is_sayer(const char *name)
{
    static const char *const sayers[] = {
        "assert_fail",          "assert_fail_base", "assert_perror_fail", "assert",
        "libc_assert_fail",     "libc_message",     "libc_message_impl",  "libc_message_wrapper",
        "libc_fatal",           "malloc_printerr",  "malloc_assert",      "fortify_fail",
        "stack_chk_fail_local", "stack_chk_fail",   "chk_fail",           "longjmp_chk"};
    for (size_t i = 0; i < N(sayers); i++)
        if (strcmp(name, sayers[i]) == 0)
            return 1;
    return 0;
}

/* A frame without a name that may be the C library's. */
static int is_unknown(const struct tb_stack_names *stack, size_t i)
{
    if (stack->names[i][0] != '\0')
        return 0;
    for (size_t k = 0; k < stack->n && stack->owners[i] != TB_STACK_C_LIBRARY; k++)
        if (stack->owners[k] == TB_STACK_C_LIBRARY)
            return 0; /* it has a file of its own */
    return 1;
}

/* Was the text set by one of the innermost functions? Taken for true where nothing inside of the
 * program's own frames has a name. */
static int is_said_on(const struct tb_stack_names *stack)
{
    size_t last = stack->n < INNERMOST ? stack->n : INNERMOST;
    size_t n_unknown = 0;
    int has_names = 0;
    for (size_t i = 0; i < last; i++) {
        const char *name = tb_stack_names_plain(stack->names[i]);
        int is_own = stack->owners[i] == TB_STACK_OWN && !is_unknown(stack, i);
        if (!is_own && is_sayer(name))
            return 1;
        if (strcmp(name, "abort") == 0 && i + 1 < stack->n &&
            (is_unknown(stack, i + 1) || stack->owners[i + 1] == TB_STACK_C_LIBRARY))
            return 1;
        if (is_own && !has_names)
            return n_unknown > 0;
        n_unknown += (size_t)is_unknown(stack, i);
        has_names |= name[0] != '\0';
    }
    return !has_names;
}

int tb_why_is_text_of(const struct tb_why *why)
{
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_fixed *fixed = &crash->fixed;
    if (crash->abort_text == NULL || crash->abort_len == 0)
        return 0;
    if (fixed->signo == SIGABRT &&
        (tb_why_is_from_other(why) || (fixed->code != SI_TKILL && fixed->sender_pid == fixed->pid)))
        return 0;
    return why->stack == NULL || why->stack->n == 0 || is_said_on(why->stack);
}

/* ---- the cause ---- */

/* glibc tells one bug in several ways, as blocks happen to lie. */
static const char *cause_of_text(const struct tb_crash *crash)
{
    static const struct {
        const char *text, *cause;
    } causes[] = {
        {"double free", "double free"},
        {"invalid pointer", "invalid free"},
        {"stack smashing", "stack smashing"},
        {"buffer overflow", "buffer overflow"},
        {"%n in writable segment", "format string"},
        {"longjmp causes", "longjmp"},
        {"bit out of range", "descriptor too large"},
        {"corrupted", "heap corruption"},
        {"(): ", "heap corruption"},
    };
    for (size_t i = 0; i < N(causes); i++)
        if (memmem(crash->abort_text, crash->abort_len, causes[i].text, strlen(causes[i].text)))
            return causes[i].cause;
    return "C library";
}

/* "unloaded libplug", without what stands for its version. */
static void say_unloaded(const struct tb_crash_unloaded *gone, struct tb_say *say)
{
    const char *slash = memrchr(gone->path, '/', gone->len);
    const char *name = slash != NULL ? slash + 1 : gone->path;
    size_t len = gone->len - (size_t)(name - gone->path);
    const char *end = memmem(name, len, ".so", 3);
    tb_say(say, "unloaded ");
    len = end != NULL ? (size_t)(end - name) : len;
    tb_say_text(say, name, len < FILE_BYTES ? len : FILE_BYTES);
}

/* In the order of the title's. */
void tb_why_cause(const struct tb_why *why, char out[TB_CAUSE_BYTES])
{
    const struct tb_crash *crash = why->crash;
    const struct tb_crash_unloaded *gone = tb_why_unloaded(why, crash->fixed.regs[TB_RIP]);
    const struct tb_why_caller *caller = tb_why_caller(why);
    struct tb_say say;
    tb_say_init(&say, out, TB_CAUSE_BYTES);
    if (tb_why_has_exception(crash) || tb_why_is_assert(why))
        return; /* class and assertion tell it */
    if (tb_why_has_text(why))
        tb_say(&say, "%s", cause_of_text(crash));
    else if (tb_why_is_watchdog(crash))
        tb_say(&say, "watchdog");
    else if (tb_why_is_from_other(why))
        tb_say(&say, "sent");
    else if (tb_why_is_from_thread(why))
        tb_say(&say, "sent by a thread");
    else if (crash->fixed.code == SI_TIMER)
        tb_say(&say, "timer");
    else if (crash->fixed.signo == SIGABRT && caller != NULL)
        tb_say(&say, "%s", caller->title);
    else if (gone != NULL && !tb_crash_is_sent(&crash->fixed))
        say_unloaded(gone, &say);
    else if (tb_why_is_raised(why))
        tb_say(&say, "raised");
    else if (tb_why_is_privileged(why))
        tb_say(&say, "privileged instruction");
}
