/* unseen.h - the crash record of a process whose death nobody saw, made from what its slot holds
 * (docs/spool-format.md 7, "Died unseen"). Pure.
 *
 * The form of the record is src/record/crash.h's, which this folder may not include; a test unpacks
 * what is made here with it. */
#ifndef TB_SPOOL_UNSEEN_H
#define TB_SPOOL_UNSEEN_H

#include <stddef.h>
#include <stdint.h>

#include "spool/frame.h"
#include "spool/slot_note.h"

enum {
    TB_UNSEEN_FIXED_BYTES = 288,
    TB_UNSEEN_MAX = 8 + TB_UNSEEN_FIXED_BYTES + TB_SLOT_NOTES_MAX * (24 + TB_SLOT_NOTE_TEXT_MAX)
};

/* notes: the TB_SLOT_NOTES_MAX entries of the slot, or NULL. Returns the bytes written to out. */
size_t tb_unseen_pack(const struct tb_file_header *header, uint64_t wall_ns, const uint8_t *notes,
                      uint8_t out[TB_UNSEEN_MAX]);

#endif
