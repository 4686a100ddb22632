/* handoff.h - the signals that are caught, and what becomes of them after the report.
 *
 * The promise: but for the report, the process fares as it would have without the library. Its own
 * handlers run with the same arguments and mask, on the same stack; default death has the same
 * signal, core and siginfo; what it ignored stays ignored. */
#ifndef TB_CAPTURE_HANDOFF_H
#define TB_CAPTURE_HANDOFF_H

#include <signal.h>
#include <stddef.h>

enum { TB_HANDOFF_TEXT = 128 };

/* One delivery, as the kernel handed it to the handler. */
struct tb_signal {
    int signo;
    siginfo_t *info;
    void *context; /* ucontext_t */
    int err;       /* errno of the thread at that moment */
};

enum tb_handoff_way {
    TB_WAY_IGNORE, /* nothing happens: it was sent to the first process of a namespace */
    TB_WAY_DEATH,  /* the default action */
    TB_WAY_HANDLER /* the program's handler decides */
};

/* Puts handler in front of what is set now. 0 or a negative errno, then nothing is changed. */
int tb_handoff_install(void (*handler)(int, siginfo_t *, void *));
/* Takes it back where it is still the one that is set. */
void tb_handoff_remove(void);
/* Would a fault of ours, SIGSEGV or SIGBUS, come to our handler? */
int tb_handoff_is_in_front(void);
/* Which of the signals have another handler by now, as "SIGSEGV SIGBUS"; "" for none. */
void tb_handoff_replaced(char out[TB_HANDOFF_TEXT]);

/* The following are signal-safe. */
enum tb_handoff_way tb_handoff_way(const struct tb_signal *signal);
/* Does what the way says; the caller returns from its handler afterwards. nested: the delivery that
 * it returns from then, which interrupted our own handler for signal; NULL when it is signal's. */
void tb_handoff(const struct tb_signal *signal, const struct tb_signal *nested);
/* This thread's handlers are over, or will not be returned to. */
void tb_handoff_end_handlers(void);
/* Did it happen in the program's own handler, to which this thread's last crash was given? Then
 * that one is the crash to tell of. A handler that was left by siglongjmp runs no more: its frame
 * is overwritten, or its signal unblocked. */
int tb_handoff_is_inside(const struct tb_signal *signal, int tid);
/* Is this thread, now, in the program's handler to which its last crash was given? */
int tb_handoff_is_running(void);
/* The handler goes round in circles: the default action, from its return on. */
void tb_handoff_give_up(const struct tb_signal *signal);

#endif
