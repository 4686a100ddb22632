/* handlers.c - programs with signal handlers and alternate stacks of their own. */
#include "torture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SMALL_BYTES = 4 << 10,
    MEDIUM_BYTES = 8 << 10,
    LARGE_BYTES = 128 << 10,
    AUTODISARM = (int)(1u << 31)
};

static sigjmp_buf back;
static struct sigaction inner;

static void print_signal(int signo)
{
    say("handler %d\n", signo);
}

static void print_and_exit(int signo)
{
    say("handler %d\n", signo);
    _exit(3);
}

static void print_and_exit_well(int signo)
{
    say("handler %d\n", signo);
    exit(4);
}

static void print_and_jump(int signo)
{
    say("handler %d\n", signo);
    siglongjmp(back, 1);
}

static void print_and_abort(int signo)
{
    say("handler %d\n", signo);
    abort();
}

static void print_and_default(int signo)
{
    say("handler %d\n", signo);
    catch_with(signo, SIG_DFL, 0);
    raise(signo);
}

static void print_info(int signo, siginfo_t *info, void *context)
{
    say("handler %d code %d address %p context %d\n", signo, info->si_code, info->si_addr,
        context != NULL);
    catch_with(signo, SIG_DFL, 0);
}

static void print_and_lead_on(int signo, siginfo_t *info, void *context)
{
    say("handler %d\n", signo);
    if (inner.sa_flags & SA_SIGINFO)
        inner.sa_sigaction(signo, info, context);
    else
        catch_with(signo, SIG_DFL, 0);
}

static void fault_in_handler(int signo)
{
    (void)signo;
    chain(null_write);
}

#define BEFORE(name, handler, flags)                                                               \
    static void name(void)                                                                         \
    {                                                                                              \
        catch_with(SIGSEGV, handler, flags);                                                       \
    }

BEFORE(earlier_exits, print_and_exit, 0)
BEFORE(earlier_exits_well, print_and_exit_well, 0)
BEFORE(earlier_aborts, print_and_abort, 0)
BEFORE(earlier_defaults, print_and_default, 0)
BEFORE(earlier_once, print_signal, SA_RESETHAND)
BEFORE(earlier_jumps, print_and_jump, 0)
BEFORE(earlier_ignores, SIG_IGN, 0)
BEFORE(earlier_faults, fault_in_handler, SA_ONSTACK)

static void earlier_informed(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = print_info;
    sigaction(SIGSEGV, &action, NULL);
}

KEEP static void crash(void)
{
    null_write();
    sink++;
}

KEEP static void recover(void)
{
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(back, 1) == 0)
            null_write();
    }
    say("recovered\n");
}

KEEP static void recover_then_crash(void)
{
    recover();
    abort();
}

KEEP static void later_exits(void)
{
    catch_with(SIGSEGV, print_and_exit, 0);
    null_write();
}

KEEP static void later_leads_on(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = print_and_lead_on;
    sigaction(SIGSEGV, &action, &inner);
    null_write();
    sink++;
}

KEEP static void later_default(void)
{
    catch_with(SIGSEGV, SIG_DFL, 0);
    null_write();
}

KEEP static void raise_ignored(void)
{
    raise(SIGSEGV);
    say("survived\n");
}

/* ---- inside of handlers of other signals ---- */

KEEP static void crash_in_handler(void)
{
    catch_with(SIGUSR1, fault_in_handler, 0);
    raise(SIGUSR1);
    sink++;
}

KEEP static void crash_in_handler_on_alternate(void)
{
    catch_with(SIGUSR1, fault_in_handler, SA_ONSTACK);
    raise(SIGUSR1);
    sink++;
}

static void raise_usr1(int signo)
{
    (void)signo;
    catch_with(SIGUSR1, fault_in_handler, SA_ONSTACK);
    raise(SIGUSR1);
}

KEEP static void crash_in_nested_handlers(void)
{
    catch_with(SIGUSR2, raise_usr1, SA_ONSTACK);
    raise(SIGUSR2);
    sink++;
}

static volatile sig_atomic_t n_rain;

static void count_rain(int signo)
{
    (void)signo;
    n_rain++;
}

static void *rain(void *arg)
{
    pid_t target = getpid();
    (void)arg;
    for (;;)
        kill(target, SIGUSR1);
    return NULL;
}

KEEP static void crash_in_rain(void)
{
    catch_with(SIGUSR1, count_rain, SA_RESTART);
    spawn(rain, NULL);
    while (n_rain < 100)
        sink++;
    null_write();
}

/* ---- alternate stacks ---- */

static char small[SMALL_BYTES] __attribute__((aligned(64)));
static char medium[MEDIUM_BYTES] __attribute__((aligned(64)));
static char large[LARGE_BYTES] __attribute__((aligned(64)));

static void set_alternate(void *at, size_t bytes, int flags)
{
    stack_t own = {.ss_sp = at, .ss_size = bytes, .ss_flags = flags};
    if (sigaltstack(&own, NULL) != 0)
        say("no alternate stack\n");
}

static void small_before(void)
{
    set_alternate(small, sizeof(small), 0);
}

KEEP static void small_later(void)
{
    set_alternate(small, sizeof(small), 0);
    null_write();
    sink++;
}

KEEP static void large_autodisarm(void)
{
    set_alternate(large, sizeof(large), AUTODISARM);
    null_write();
    sink++;
}

KEEP static void disable_alternate(void)
{
    set_alternate(NULL, 0, SS_DISABLE);
    null_write();
    sink++;
}

/* A fault on the alternate stack, in the last KiB of it. */
static void use_up_alternate(int signo)
{
    volatile char room[SMALL_BYTES / 4];
    room[0] = (char)signo;
    null_write();
    sink += room[0];
}

KEEP static void crash_low_on_small(void)
{
    set_alternate(medium, sizeof(medium), 0);
    catch_with(SIGUSR1, use_up_alternate, SA_ONSTACK);
    raise(SIGUSR1);
    sink++;
}

static void useless_before(void)
{
    char *page = mmap(NULL, LARGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_alternate(page, LARGE_BYTES, 0);
}

#define CRASH .run = crash, .frames = "null_write crash" CHAIN, .signal = SIGSEGV

static const struct mode modes[] = {
    MODE("earlier-exits", "an earlier handler calls _exit(3)", NULL_WRITE, .before = earlier_exits,
         CRASH, .flags = SHORT | NO_THREADS),
    MODE("earlier-exit", "an earlier handler calls exit(4)", NULL_WRITE,
         .before = earlier_exits_well, CRASH, .flags = NO_THREADS),
    MODE("earlier-aborts", "an earlier handler calls abort()", NULL_WRITE, .before = earlier_aborts,
         CRASH, .flags = NO_THREADS),
    MODE("earlier-default", "an earlier handler sets SIG_DFL and raises", NULL_WRITE,
         .before = earlier_defaults, CRASH, .flags = NO_THREADS),
    MODE("earlier-once", "an earlier handler with SA_RESETHAND returns", NULL_WRITE,
         .before = earlier_once, CRASH),
    MODE("earlier-informed", "an earlier handler prints its siginfo", NULL_WRITE,
         .before = earlier_informed, CRASH, .flags = SHORT | NO_THREADS),
    MODE("earlier-faults", "an earlier handler faults itself", NULL_WRITE, .before = earlier_faults,
         CRASH, .flags = NO_THREADS),
    MODE("recovers", "an earlier handler recovers by siglongjmp", .run = recover,
         .before = earlier_jumps, .flags = NO_REPORT | SHORT),
    MODE("recovers-then-aborts", "the same, abort() later",
         SAYS("^abort.. was called$", "SIGABRT in recover_then_crash"), .run = recover_then_crash,
         .frames = "* recover_then_crash" CHAIN, .before = earlier_jumps, .signal = SIGABRT,
         .flags = SHORT),
    MODE("ignored-raise", "raise(SIGSEGV) while it is ignored", .before = earlier_ignores,
         .run = raise_ignored, .flags = NO_REPORT),
    MODE("ignored-fault", "a fault while SIGSEGV is ignored",
         SAYS("^pid .*, killed by SIGSEGV.*: its signal was blocked, or the program had set "
              "another handler or none, or there was no stack",
              "ignored-fault vanished: killed by SIGSEGV"),
         .before = earlier_ignores, CRASH, .flags = UNSEEN),
    MODE("later-exits", "a later handler that does not lead to ours exits", .run = later_exits,
         .signal = SIGSEGV, .flags = UNSEEN, .fails = "report",
         .why = "the program's own choice; towbar_status says so"),
    MODE("later-leads-on", "a later handler leads to ours", NULL_WRITE, .run = later_leads_on,
         .frames = "null_write later_leads_on" CHAIN, .signal = SIGSEGV, .flags = SHORT),
    MODE("later-default", "SIG_DFL set later",
         SAYS("^pid .*, killed by SIGSEGV.*: its signal was blocked, or the program had set "
              "another handler or none, or there was no stack",
              "later-default vanished: killed by SIGSEGV"),
         .run = later_default, .signal = SIGSEGV, .flags = UNSEEN),
    MODE("in-handler", "inside a signal handler", NULL_WRITE, .run = crash_in_handler,
         .frames = "null_write chain_here chain_middle chain_outer chain fault_in_handler "
                   "* crash_in_handler" CHAIN,
         .signal = SIGSEGV, .flags = SHORT),
    MODE("in-handler-alternate", "inside a signal handler on the alternate stack", NULL_WRITE,
         .run = crash_in_handler_on_alternate,
         .frames = "null_write chain_here chain_middle chain_outer chain fault_in_handler "
                   "* crash_in_handler_on_alternate" CHAIN,
         .signal = SIGSEGV),
    MODE("in-nested-handlers", "inside a handler inside a handler", NULL_WRITE,
         .run = crash_in_nested_handlers,
         .frames =
             "null_write chain_here chain_middle chain_outer chain fault_in_handler * raise_usr1 "
             "* crash_in_nested_handlers" CHAIN,
         .signal = SIGSEGV),
    MODE("in-rain", "while another signal rains", NULL_WRITE, .run = crash_in_rain,
         .frames = "null_write crash_in_rain" CHAIN, .signal = SIGSEGV),
    MODE("small-alternate", "an alternate stack of 4 KiB, set before", NULL_WRITE,
         .before = small_before, CRASH, .flags = SHORT | NO_SANITIZER),
    MODE("small-alternate-later", "an alternate stack of 4 KiB, set later", NULL_WRITE,
         .run = small_later, .frames = "null_write small_later" CHAIN, .signal = SIGSEGV,
         .flags = NO_SANITIZER),
    MODE("small-alternate-used", "on an alternate stack of 8 KiB, far down", NULL_WRITE,
         .run = crash_low_on_small,
         .frames = "null_write use_up_alternate * crash_low_on_small" CHAIN, .signal = SIGSEGV,
         .flags = NO_SANITIZER),
    MODE("autodisarm", "an alternate stack with SS_AUTODISARM", NULL_WRITE, .run = large_autodisarm,
         .frames = "null_write large_autodisarm" CHAIN, .signal = SIGSEGV),
    MODE("no-alternate", "the alternate stack taken away", NULL_WRITE, .run = disable_alternate,
         .frames = "null_write disable_alternate" CHAIN, .signal = SIGSEGV),
    MODE("useless-alternate", "an alternate stack that may not be written",
         SAYS("^pid .*, killed by SIGSEGV.*: its signal was blocked, or the program had set "
              "another handler or none, or there was no stack",
              "useless-alternate vanished: killed by SIGSEGV"),
         .before = useless_before, CRASH, .flags = UNSEEN, .fails = "core",
         .why = "the kernel finds no place for a handler's frame: the core's si_code says so"),
};

const struct family handlers = {"handlers", modes, sizeof(modes) / sizeof(modes[0])};
