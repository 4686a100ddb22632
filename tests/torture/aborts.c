/* aborts.c - deaths that the C library or the compiler's checks decide on. */
#include "torture.h"

#include <assert.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

/* What longjmp is under _FORTIFY_SOURCE, with gcc. */
extern void __longjmp_chk(jmp_buf env, int value) __attribute__((noreturn));

static char *volatile keep;
static jmp_buf gone;

KEEP static void call_abort(void)
{
    abort();
}

KEEP static void fail_assertion(void)
{
    assert(zero == 1 && "the text of the assertion");
}

KEEP static void free_twice(void)
{
    keep = malloc(100);
    free(keep);
    free(keep);
    sink++;
}

KEEP static void free_nonsense(void)
{
    static char room[64];
    char *volatile inside = room + 8;
    free(inside);
    sink++;
}

KEEP static void overflow_heap(void)
{
    char *volatile blocks[8];
    for (int i = 0; i < 8; i++)
        blocks[i] = malloc(20000);
    for (int i = 20000; i < 20064; i++)
        ((volatile char *)blocks[6])[i] = 0x41;
    free(blocks[7]);
    sink++;
}

KEEP static void smash_top(void)
{
    for (int i = 0; i < 8; i++)
        keep = malloc(20000);
    for (int i = 20000; i < 20064; i++)
        ((volatile char *)keep)[i] = -1;
    keep = malloc(100000);
    sink++;
}

KEEP static void realloc_nonsense(void)
{
    static char room[64];
    char *volatile inside = room + 16;
    keep = realloc(inside, 100);
    sink++;
}

KEEP static void smash_stack(void)
{
    char room[16];
    memset(room, 'A', sizeof(room));
    for (volatile int i = 0; i < 64; i++)
        ((volatile char *)room)[i] = 'A';
    sink = room[3];
}

KEEP static void fortified_copy(void)
{
    char room[8];
    const char *volatile text = "longer than eight bytes";
    strcpy(room, text);
    keep = room;
    sink = room[1];
}

KEEP static void fortified_set(void)
{
    fd_set set;
    volatile int fd = 5000;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    sink = FD_ISSET(3, &set);
}

KEEP static void fortified_format(void)
{
    int n = 0;
    char format[] = "%n";
    char line[16];
    char *volatile hidden = format;
    sink = snprintf(line, sizeof(line), hidden, &n) + n;
}

KEEP static void keep_frame(void)
{
    volatile char room[4096];
    for (size_t i = 0; i < sizeof(room); i++)
        room[i] = 1;
    if (setjmp(gone) != 0)
        sink += room[0];
}

KEEP static void jump_to_gone_frame(void)
{
    keep_frame();
    __longjmp_chk(gone, 1);
}

KEEP static void lock_garbage(void)
{
    pthread_mutex_t mutex;
    memset(&mutex, 0x41, sizeof(mutex));
    sink = pthread_mutex_lock(&mutex);
}

static void block_all(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void ignore_abort(void)
{
    catch_with(SIGABRT, SIG_IGN, 0);
}

static void come_back(int signo)
{
    say("handler %d\n", signo);
}

static void catch_abort(void)
{
    catch_with(SIGABRT, come_back, 0);
}

KEEP static void abort_with_all_blocked(void)
{
    block_all();
    abort();
}

static const struct mode modes[] = {
    MODE("abort", "abort()", SAYS("^abort.. was called$", "SIGABRT in call_abort"),
         UNDER(call_abort), .signal = SIGABRT, .flags = SHORT),
    MODE("assert", "assert()",
         SAYS("assertion failed: zero == 1 && .the text of the assertion. in fail_assertion "
              ".aborts.c:",
              "assertion failed: zero == 1 && \"the text of the assertion\" in fail_assertion"),
         UNDER(fail_assertion), .signal = SIGABRT, .flags = SHORT),
    MODE("double-free", "free() twice",
         SAYS("double free detected.*: a block was freed twice",
              "free(): double free detected in tcache 2 in free_twice"),
         UNDER(free_twice), .signal = SIGABRT, .flags = SHORT | NO_SANITIZER),
    MODE("free-nonsense", "free() of what malloc never gave",
         SAYS("free.*: invalid pointer: no block of malloc's",
              "free(): invalid pointer in free_nonsense"),
         UNDER(free_nonsense), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("heap-overflow", "heap overflow, found by free",
         SAYS("double free or corruption.* a write beyond the end of one",
              "double free or corruption (out) in overflow_heap"),
         UNDER(overflow_heap), .signal = SIGABRT, .flags = SHORT | NO_SANITIZER),
    MODE("top-overflow", "heap overflow, found by the next malloc",
         SAYS("corrupted top size: looks like a write beyond the end of a block",
              "malloc(): corrupted top size in smash_top"),
         UNDER(smash_top), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("realloc-nonsense", "realloc() of what malloc never gave",
         SAYS("realloc.*: invalid pointer", "realloc(): invalid pointer in realloc_nonsense"),
         UNDER(realloc_nonsense), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("stack-smash", "stack protector",
         SAYS("stack smashing detected: looks like .* on the stack of smash_stack",
              "stack smashing detected in smash_stack"),
         .run = smash_stack, .frames = "* smash_stack", .signal = SIGABRT, .flags = SHORT),
    MODE("fortify", "_FORTIFY_SOURCE: strcpy",
         SAYS("buffer overflow detected: strcpy would go beyond",
              "buffer overflow detected in fortified_copy"),
         UNDER(fortified_copy), .signal = SIGABRT, .flags = SHORT | NO_SANITIZER),
    MODE("fortify-fdset", "_FORTIFY_SOURCE: FD_SET",
         SAYS("FD_SETSIZE.*: looks like a descriptor too large",
              "bit out of range 0 - FD_SETSIZE on fd_set in fortified_set"),
         UNDER(fortified_set), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("fortify-format", "_FORTIFY_SOURCE: %n in writable memory",
         SAYS("%n in writable segment detected",
              "%n in writable segment detected in fortified_format"),
         UNDER(fortified_format), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("fortify-longjmp", "_FORTIFY_SOURCE: longjmp down into a frame that is gone",
         SAYS("longjmp causes uninitialized stack frame: a jump into",
              "longjmp causes uninitialized stack frame in jump_to_gone_frame"),
         UNDER(jump_to_gone_frame), .signal = SIGABRT, .flags = NO_SANITIZER),
    MODE("bad-mutex", "pthread_mutex_lock of garbage",
         SAYS("assertion failed: .* in \\w*pthread", NULL), UNDER(lock_garbage), .signal = SIGABRT,
         .flags = NO_SANITIZER),
    MODE("abort-blocked", "abort() with all signals blocked",
         SAYS("^abort.. was called$", "SIGABRT in abort_with_all_blocked"),
         UNDER(abort_with_all_blocked), .signal = SIGABRT, .flags = SHORT),
    MODE("abort-ignored", "abort() with SIGABRT ignored before init",
         SAYS("^pid .*, killed by SIGABRT.*: abort.. or somebody.s SIGABRT",
              "abort-ignored vanished: killed by SIGABRT"),
         .before = ignore_abort, UNDER(call_abort), .signal = SIGABRT, .flags = UNSEEN),
    MODE("abort-caught", "abort() with a handler that returns",
         SAYS("^abort.. was called$", "SIGABRT in call_abort"), .before = catch_abort,
         UNDER(call_abort), .signal = SIGABRT, .flags = SHORT | NO_THREADS),
};

const struct family aborts = {"aborts", modes, sizeof(modes) / sizeof(modes[0])};
