/* loss.h - reports that did not get to the disk: a copy is kept, or they are counted and told.
 *
 * 1. A report is kept (class 0 and 1, no room) or counted, never both.
 * 2. What is counted is told by a record of its own with the next report of its class that gets
 *    through, and at the end of the process.
 * 3. The crash slot has the number of both, so that the reader counts them when the process dies. A
 *    process that is killed between telling and taking it from the slot has them counted twice.
 * All signal-safe. */
#ifndef TB_CAPTURE_LOSS_H
#define TB_CAPTURE_LOSS_H

#include "spool/writer.h"

/* A report of that class is lost because of err (negative). */
void tb_loss_note(int class_, int err);
/* The record could not be written because of err: 1 when a copy is kept, 0 when it is lost. */
int tb_loss_take(int class_, const struct tb_append *record, int err);
/* Tries to write what is kept of that class: to be called in front of the next record. */
void tb_loss_retry(int class_);
/* Tells how many of that class were lost: after a record that got through. */
void tb_loss_tell(int class_);
/* Puts the numbers into a slot that was made just now. */
void tb_loss_store(void);
/* Reports of all classes of which copies are kept. */
unsigned tb_loss_n_kept(void);
/* The last try, when nobody else is inside; then copies are forgotten. */
void tb_loss_end(void);
/* In a fork child: the parent will say it. */
void tb_loss_forked(void);

#endif
