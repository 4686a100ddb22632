/* hold.h - records that found no room on the disk, kept in memory until there is some.
 *
 * 1. Whole records, the oldest stay. Each has its process record beside it, once for each
 *    generation, so that it can be understood in whatever file it comes to.
 * 2. One thread at a time is inside, by a try-lock: who meets it held is told so and goes on.
 * 3. The memory is not touched before the first record; it is static (zeroes are an empty hold).
 * All signal-safe. A handler that leaves one of these calls by siglongjmp leaves the hold locked
 * for good: what is in it counts as lost. */
#ifndef TB_SPOOL_HOLD_H
#define TB_SPOOL_HOLD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/writer.h"

enum { TB_HOLD_BYTES = 256 << 10 };

struct tb_hold {
    atomic_int owner;            /* thread inside, or 0 */
    atomic_uint n[TB_N_CLASSES]; /* records held */
    size_t len;
    uint8_t bytes[TB_HOLD_BYTES]; /* entries, one behind the other (hold.c) */
};

/* Can a record be written later that was refused with err? A full disk, a table of descriptors that
 * is full, a disk with errors, a folder that the agent has not opened or made yet. */
int tb_hold_helps(int err);
/* Copies the record. 0; -ENOSPC when there is no room; -EAGAIN when somebody is inside. */
int tb_hold_put(struct tb_hold *hold, int class_, const struct tb_append *record);
/* How many are held of that class. */
unsigned tb_hold_count(struct tb_hold *hold, int class_);
/* Appends what is held of the writer's class, the oldest first, until one fails. 0 when none is
 * left, -EAGAIN when somebody is inside, or why the first one that is left could not be written. */
int tb_hold_write(struct tb_hold *hold, struct tb_writer *writer);
/* Forgets all, whoever is inside: in a fork child, or when nobody can be. */
void tb_hold_forget(struct tb_hold *hold);

#endif
