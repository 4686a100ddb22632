/* crash_record.h - the crash record, written stage by stage into a slot, the most valuable first.
 * One thread at a time: the one that has the claim (crash.c). All of it is signal-safe. */
#ifndef TB_CAPTURE_CRASH_RECORD_H
#define TB_CAPTURE_CRASH_RECORD_H

#include <stdint.h>

#include "capture/crash/handoff.h"
#include "spool/slot.h"

/* Writes the record of signal, in this thread. A fault inside ends the stage it is in; the nested
 * handler calls resume, which goes on with the next (a few times, then no more). Where the signal
 * is death the other threads are looked at, until until_ns (monotonic) at most; 0: not at all. */
void tb_crash_record(struct tb_slot *slot, const struct tb_signal *signal, uint32_t pid,
                     uint32_t tid, uint64_t until_ns);
void tb_crash_record_resume(void);
/* The slot cannot be written to any more; instead of done. */
void tb_crash_record_drop(void);
/* The record is as good as it gets: says so in the slot. */
void tb_crash_record_done(enum tb_slot_state state);
/* Stores the process record into a slot that a child made in its handler. */
void tb_crash_record_context(struct tb_slot *slot, uint32_t pid);

#endif
