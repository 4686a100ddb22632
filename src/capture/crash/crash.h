/* crash.h - the handler of fatal signals: writes the crash record into the slot, hands the signal
 * on. Takes no lock, allocates nothing, calls nothing of the loader or of stdio. */
#ifndef TB_CAPTURE_CRASH_H
#define TB_CAPTURE_CRASH_H

#include <signal.h>

/* What the handler cannot look up itself. Once, by init; not signal-safe. */
void tb_crash_setup(void);
/* To be set for the fatal signals. */
void tb_crash_handle(int signo, siginfo_t *info, void *context);
/* In a fork child: a thread that was crashing is not here. Signal-safe. */
void tb_crash_forked(void);
/* Does a thread write its crash now, or die of it? Signal-safe. */
int tb_crash_is_claimed(void);

#endif
