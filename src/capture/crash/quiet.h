/* quiet.h - a crash handler that makes no system call, where a seccomp filter may kill for one.
 *
 * Nothing tells whether there is such a filter, but by a call. Known is what the program asked of
 * prctl, in the shared library alone: a filter, or that it can gain no privileges, which comes
 * before a filter that is set by another call. From then on handlers are quiet, for good. What was
 * there before exec is not known, and needs not be: towbar_init did its work under it.
 *
 * A quiet handler does without the thread's name, the other threads, libunwind (its locks make
 * calls; the agent walks the stack again) and the agent's wake-up, loads memory under the guard of
 * its own handler, and reads the tick clock. A fault kills by itself, when its signal is blocked.
 * Calls are made only where nothing else helps: for a slot that is not there yet, for a signal that
 * was sent, and for a handler of the program. */
#ifndef TB_CAPTURE_QUIET_H
#define TB_CAPTURE_QUIET_H

#include <signal.h>

/* To be called while calls are allowed still, after the handlers were set and before a filter is:
 * can a fault be caught? */
void tb_quiet_look(void);
/* From now on there may be a filter. Makes no call. */
void tb_quiet_expect(void);
int tb_quiet_is_expected(void);
/* Is the handler that begins to be quiet? blocked: what was when it was called. Signal-safe. */
int tb_quiet_is_due(const sigset_t *blocked);
/* Is this a quiet handler? Signal-safe. */
int tb_quiet(void);

#endif
