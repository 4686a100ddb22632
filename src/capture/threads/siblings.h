/* siblings.h - a look at the other threads of a process that dies: registers, name and stack bytes
 * of each, as chunks of docs/spool-format.md 7.
 *
 * 1. Only for the thread that has the claim (crash.c), and only where death is certain: the others
 *    are stopped for some milliseconds.
 * 2. What the host can see is as before when it returns: no child is left, no signal was sent to
 *    it, its masks, errno and PR_GET_DUMPABLE are the same.
 * 3. It ends by the time it was given, whatever the others do. */
#ifndef TB_CAPTURE_SIBLINGS_H
#define TB_CAPTURE_SIBLINGS_H

#include <stddef.h>
#include <stdint.h>

#include "record/crash.h"
#include "spool/slot.h"

struct tb_siblings {
    struct tb_crash_threads about; /* n_there 0: this thread is the only one */
    const uint8_t *chunks;         /* of tag 10, for the slot: those that are in no NAME.more */
    size_t chunks_len;
};

/* How many other threads there are; -1 where /proc does not tell. Signal-safe. */
int tb_siblings_count(void);
/* Writes NAME.more beside slot, whose stream must be at the end of a chunk and keeps room for
 * reserve_bytes. Signal-safe. */
void tb_siblings_look(const struct tb_slot *slot, uint32_t pid, uint64_t until_ns,
                      size_t reserve_bytes, struct tb_siblings *out);

#endif
