/* spare.h - a crash slot for fork children that cannot make their own when they crash: chrooted,
 * of another user, out of descriptors (docs/spool-format.md 7, "Spare").
 *
 * 1. A program that never forks makes none. The first fork makes one, a later one only where that
 *    was taken, or lost to a process that closed what it inherited. Other forks cost a load.
 * 2. A fork never fails for it, and waits for no other that makes one.
 * 3. One crash has it, of all the processes that share it. */
#ifndef TB_CAPTURE_SPARE_H
#define TB_CAPTURE_SPARE_H

#include "spool/slot.h"

/* Before a fork (pthread_atfork): sees that there is one that the child may take, if it can be had.
 * Keeps errno. Signal-safe. */
void tb_spare_prepare(void);
/* With each report: lets one go that was taken. Signal-safe. */
void tb_spare_look(void);
/* For a crash handler without a slot; NULL when there is none, or it was taken. Signal-safe. */
struct tb_slot *tb_spare_take(uint32_t tid);
/* Was slot taken so, and not given back yet? Signal-safe. */
int tb_spare_is(const struct tb_slot *slot);
/* The record in it is complete: this process does not touch it any more. Signal-safe. */
void tb_spare_give(void);
/* In a fork child: the spare is its too. Signal-safe. */
void tb_spare_forked(void);
/* Nobody is inside the library any more. A crash in it is left to the agent. */
void tb_spare_close(void);

#endif
