/* slot_note.h - the last notes of a process that lives, in its slot: for the report of a death that
 * nobody sees (docs/spool-format.md 7, "Notes").
 *
 *   0     4      8       16       24   28   32        256
 *   | crc | level | number | wall_ns | tid | len | text ... zeros |
 *
 * Pure; signal-safe. */
#ifndef TB_SPOOL_SLOT_NOTE_H
#define TB_SPOOL_SLOT_NOTE_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_SLOT_NOTES_AT = 126976,
    TB_SLOT_NOTES_MAX = 16,
    TB_SLOT_NOTE_BYTES = 256,
    TB_SLOT_NOTE_TEXT_MAX = TB_SLOT_NOTE_BYTES - 32,
};

struct tb_slot_note {
    uint64_t number; /* counts up from 1; its place is number mod TB_SLOT_NOTES_MAX */
    uint64_t wall_ns;
    uint32_t level, tid;
    const char *text; /* borrowed */
    size_t len;       /* what is beyond TB_SLOT_NOTE_TEXT_MAX is cut, at a whole character */
};

void tb_slot_note_pack(const struct tb_slot_note *note, uint32_t salt,
                       uint8_t out[TB_SLOT_NOTE_BYTES]);
/* The entry at place, 0..15: 0, or -EBADMSG when nothing whole is there. text borrows from in. */
int tb_slot_note_unpack(const uint8_t in[TB_SLOT_NOTE_BYTES], uint32_t salt, unsigned place,
                        struct tb_slot_note *out);

#endif
