/* slot_more.h - the producer of NAME.more, beside the slot NAME.slot: the other threads of the
 * crash that is in the slot (spool-format.md 7). All is signal-safe.
 *
 * 1. It stands where the reader looks for it, in the folder that has the slot; else there is none.
 *    Its owner may be another: a daemon makes its slot as root and dies as the user it became.
 * 2. A file of the host is never written to, should it close our descriptor meanwhile. */
#ifndef TB_SPOOL_SLOT_MORE_H
#define TB_SPOOL_SLOT_MORE_H

#include <stddef.h>
#include <stdint.h>

#include "spool/slot.h"

enum { TB_SLOT_MORE_BYTES = 1 << 20 }; /* of the file; the caller counts its payload */

struct tb_slot_more {
    int fd;            /* -1: there is none */
    uint64_t dev, ino; /* of what was opened as fd */
    uint64_t at;       /* where the next frame begins */
    uint64_t seq;
    uint64_t time_ns;
    uint32_t salt;
    uint8_t uuid[16];
    char name[TB_SPOOL_NAME];
};

/* Makes the file for the stream that slot has begun. 0; -ESTALE when dirfd is not the folder of the
 * slot; or another negative errno. Then nothing is left behind, and more may be closed. */
int tb_slot_more_open(struct tb_slot_more *more, const struct tb_slot *slot, int dirfd);
/* Appends one frame with len bytes, whole chunks. 0 or a negative errno: then nothing can be added
 * any more. */
int tb_slot_more_add(struct tb_slot_more *more, const void *data, size_t len);
/* Removes a file to which nothing was added. */
void tb_slot_more_close(struct tb_slot_more *more, int dirfd);

#endif
