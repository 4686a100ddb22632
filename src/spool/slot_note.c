/* slot_note.c - see slot_note.h. */
#include "spool/slot_note.h"

#include <errno.h>
#include <string.h>

#include "base/crc.h"
#include "base/pack.h"

enum { AT_LEVEL = 4, AT_NUMBER = 8, AT_WALL = 16, AT_TID = 24, AT_LEN = 28, AT_TEXT = 32 };

/* So much of the text that it fits and no UTF-8 character is cut in two. */
static size_t fitting(const struct tb_slot_note *note)
{
    size_t len = note->len;
    if (len <= TB_SLOT_NOTE_TEXT_MAX)
        return len;
    len = TB_SLOT_NOTE_TEXT_MAX;
    while (len > TB_SLOT_NOTE_TEXT_MAX - 3 && ((unsigned char)note->text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

void tb_slot_note_pack(const struct tb_slot_note *note, uint32_t salt,
                       uint8_t out[TB_SLOT_NOTE_BYTES])
{
    size_t len = fitting(note);
    memset(out, 0, TB_SLOT_NOTE_BYTES);
    tb_put32(out + AT_LEVEL, note->level);
    tb_put64(out + AT_NUMBER, note->number);
    tb_put64(out + AT_WALL, note->wall_ns);
    tb_put32(out + AT_TID, note->tid);
    tb_put32(out + AT_LEN, (uint32_t)len);
    if (len > 0)
        memcpy(out + AT_TEXT, note->text, len);
    tb_put32(out, tb_crc32c(salt, out + AT_LEVEL, TB_SLOT_NOTE_BYTES - AT_LEVEL));
}

int tb_slot_note_unpack(const uint8_t in[TB_SLOT_NOTE_BYTES], uint32_t salt, unsigned place,
                        struct tb_slot_note *out)
{
    if (tb_get32(in) != tb_crc32c(salt, in + AT_LEVEL, TB_SLOT_NOTE_BYTES - AT_LEVEL))
        return -EBADMSG;
    uint64_t number = tb_get64(in + AT_NUMBER);
    uint32_t len = tb_get32(in + AT_LEN);
    if (number == 0 || number % TB_SLOT_NOTES_MAX != place || len > TB_SLOT_NOTE_TEXT_MAX)
        return -EBADMSG;
    *out = (struct tb_slot_note){.number = number,
                                 .wall_ns = tb_get64(in + AT_WALL),
                                 .level = tb_get32(in + AT_LEVEL),
                                 .tid = tb_get32(in + AT_TID),
                                 .text = (const char *)in + AT_TEXT,
                                 .len = len};
    return 0;
}
