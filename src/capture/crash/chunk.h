/* chunk.h - a chunk of the crash record, written into the slot. Signal-safe. */
#ifndef TB_CAPTURE_CHUNK_H
#define TB_CAPTURE_CHUNK_H

#include <stddef.h>

#include "spool/slot.h"

/* A chunk of two parts. What does not fit is left out: the reader sees a cut record. */
void tb_crash_chunk(struct tb_slot *slot, int tag, const void *head, size_t head_len,
                    const void *rest, size_t rest_len);

#endif
