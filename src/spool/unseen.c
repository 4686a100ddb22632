/* unseen.c - see unseen.h. */
#include "spool/unseen.h"

#include <stdlib.h>
#include <string.h>

#include "base/pack.h"

enum { TAG_FIXED = 1, TAG_NOTE = 6, CHUNK_HEAD = 8, NOTE_HEAD = 16 };
enum { FIXED_PID = 16, FIXED_WALL = 40 }; /* all else is 0: no signal, no thread */

static int by_number(const void *left, const void *right)
{
    const struct tb_slot_note *a = left;
    const struct tb_slot_note *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

/* A chunk of zeros; returns its data. */
static uint8_t *add_chunk(uint8_t *out, size_t *at, unsigned tag, size_t len)
{
    uint8_t *head = out + *at;
    size_t room = CHUNK_HEAD + ((len + 7) & ~(size_t)7);
    memset(head, 0, room);
    tb_put16(head, (uint16_t)tag);
    tb_put32(head + 4, (uint32_t)len);
    *at += room;
    return head + CHUNK_HEAD;
}

static void add_note(uint8_t *out, size_t *at, const struct tb_slot_note *note)
{
    uint8_t *data = add_chunk(out, at, TAG_NOTE, NOTE_HEAD + note->len);
    tb_put64(data, note->wall_ns);
    tb_put32(data + 8, note->level);
    tb_put32(data + 12, note->tid);
    memcpy(data + NOTE_HEAD, note->text, note->len);
}

size_t tb_unseen_pack(const struct tb_file_header *header, uint64_t wall_ns, const uint8_t *notes,
                      uint8_t out[TB_UNSEEN_MAX])
{
    struct tb_slot_note whole[TB_SLOT_NOTES_MAX] = {{0}};
    size_t n = 0;
    size_t at = 0;
    uint8_t *fixed = add_chunk(out, &at, TAG_FIXED, TB_UNSEEN_FIXED_BYTES);
    tb_put32(fixed + FIXED_PID, header->pid);
    tb_put64(fixed + FIXED_WALL, wall_ns);
    for (unsigned place = 0; notes && place < TB_SLOT_NOTES_MAX; place++) {
        const uint8_t *entry = notes + (size_t)place * TB_SLOT_NOTE_BYTES;
        n += tb_slot_note_unpack(entry, header->salt, place, &whole[n]) == 0;
    }
    qsort(whole, n, sizeof(*whole), by_number);
    for (size_t i = 0; i < n; i++)
        add_note(out, &at, &whole[i]);
    return at;
}
