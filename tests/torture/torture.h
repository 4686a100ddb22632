/* torture.h - the ways to die, one table for each family of them.
 *
 * A mode is run twice: with the library, and with TORTURE_BARE in the environment, which is the
 * same program without towbar_init. What it says on standard output and how it ends must not
 * differ. The grader is test_torture.py. */
#ifndef TB_TORTURE_H
#define TB_TORTURE_H

#include <stddef.h>
#include <sys/types.h>

#if defined(__clang__)
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noinline, noclone))
#endif

enum {
    ALONE = 1,           /* run is called by main; else by chain_here, as most bugs are */
    ROOT_ONLY = 2,       /* needs root */
    UNSEEN = 4,          /* no handler of ours can run */
    NO_REPORT = 8,       /* none is to be made: it does not die of a signal of ours */
    SHORT = 16,          /* in the short form too */
    NO_SANITIZER = 32,   /* not under one: it does this itself, or needs more stack */
    OWN_SPOOL = 64,      /* needs one that no other mode uses */
    TWO_REPORTS = 128,   /* of two processes; graded is the one with that signal */
    NO_TRACE = 256,      /* the thread that dies has none */
    NO_THREADS = 512,    /* the idle threads need not be in the report */
    OWN_NOTES = 1024,    /* so many that others are gone */
    UNKNOWN_LATER = 2048 /* an agent that was not there cannot tell it from a death */
};

struct mode {
    const char *name;
    const char *what;
    void (*before)(void); /* towbar_init; NULL for nothing */
    void (*run)(void);
    int signal;           /* in the report */
    const char *frames;   /* innermost first; "?" is one frame of any name, "*" any number of frames
                             of other modules; NULL: not looked at */
    const char *siblings; /* functions that are each on the stack of another thread */
    int flags;
    const char *says;  /* what the meaning must hold, an extended regular expression of Python's re;
                          NULL: any sentence that is more than the signal's name */
    const char *title; /* of the item, as it is; NULL: any */
    const char *fails; /* grades that are expected to fail, and why; NULL for none */
    const char *why;
};

#define MODE(its_name, its_what, ...)                                                              \
    {                                                                                              \
        .name = its_name, .what = its_what, __VA_ARGS__                                            \
    }
/* Most modes: deed is what is innermost, or what called into other modules. */
#define CHAIN " chain_here chain_middle"
#define AT(deed) .run = (deed), .frames = #deed CHAIN
#define UNDER(deed) .run = (deed), .frames = "* " #deed CHAIN

/* The meaning and the title. */
#define SAYS(its_meaning, its_title) .says = (its_meaning), .title = (its_title)

/* Of null_write. */
#define NULL_WRITE SAYS("near-NULL write at 0x", "SIGSEGV in null_write")

struct family {
    const char *name;
    const struct mode *modes;
    size_t n;
};

extern const struct family faults, aborts, stacks, sent, handlers, locks, libraries, ends, children,
    world, sandbox, threads, siblings;

extern volatile int sink;
extern volatile int zero;
extern int is_bare;
extern const char *program_folder; /* where the plugins are */

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* towbar_init unless bare; called by main, between before and run. */
void init_towbar(void);
void push_trace(void);
/* deed, called by chain_here, chain_middle and chain_outer. */
void chain(void (*deed)(void));
/* The plainest crash. */
void null_write(void);
/* Waits for the child and says how it ended. */
void reap(pid_t pid);
/* A thread that runs what in the chain; joined. */
void chain_in_thread(void (*deed)(void), int enters, size_t stack_bytes);
/* A thread that runs body; detached. */
void spawn(void *(*body)(void *), void *arg);
void wait_forever(void);
void catch_with(int signo, void (*handler)(int), int flags);

#endif
