/* frame.h - the signal frame that the kernel put on a stack, moved to another one.
 *
 * A handler that is entered on a moved frame cannot tell it from a delivery there: same arguments,
 * same return address, and its return restores the same registers. x86-64 only; elsewhere, and
 * where the processor keeps a shadow stack, the handler stays on the stack that it is on.
 * All of it is signal-safe. */
#ifndef TB_CAPTURE_FRAME_H
#define TB_CAPTURE_FRAME_H

#include <signal.h>

#include "capture/crash/handoff.h"

/* Continues on a stack of ours, in handler, where the alternate stack leaves too little room for
 * it; otherwise returns at once. One thread at a time has that stack; the others wait. */
void tb_frame_make_room(const struct tb_signal *signal, void (*handler)(int, siginfo_t *, void *));
/* Gives that stack back, if this is its thread, and returns from the signal; else only returns. */
void tb_frame_leave(const struct tb_signal *signal);
/* Is there room for the frame where the kernel would have put it for a handler with these flags? */
int tb_frame_fits(const struct tb_signal *signal, int flags);
/* The return from inner, a delivery that interrupted the handler of outer, is to lead to where
 * outer's would: 1, or 0 when outer's frame cannot be read any more, or not here. */
int tb_frame_replace(const struct tb_signal *inner, const struct tb_signal *outer);
/* Where a handler with these flags is to find its frame: moves it there, unless it is there. 0 when
 * frames cannot be moved here. */
int tb_frame_place(const struct tb_signal *signal, int flags, struct tb_signal *out);
/* Runs handler on the frame of signal, as the kernel would have, and never comes back. */
_Noreturn void tb_frame_enter(const struct tb_signal *signal, void *handler);

#endif
