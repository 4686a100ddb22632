/* notes.h - the last notes of the process, in a ring that a crash handler can read.
 *
 * 1. Adding takes no lock: one who meets the entry in the hands of another drops its note.
 * 2. A note is read whole or not at all.
 * 3. The last of them are also in the crash slot, soon after they were added: see notes.c.
 * 4. The ring lives from the start of the program to its end, with or without towbar_init. */
#ifndef TB_CAPTURE_NOTES_H
#define TB_CAPTURE_NOTES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_NOTES_MAX = 64, TB_NOTE_BYTES = 232 };

struct tb_note {
    uint64_t wall_ns;
    uint32_t level; /* enum towbar_level */
    uint32_t tid;
    char text[TB_NOTE_BYTES];
};

void tb_notes_add(int level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* The notes there are have numbers from *first to below *end. Signal-safe. */
void tb_notes_range(uint64_t *first, uint64_t *end);
/* Copies one: 0, or -EAGAIN when it is gone or being written. Signal-safe. */
int tb_notes_get(uint64_t number, struct tb_note *out);
/* Writes those into the slot that are not there yet. For one who is inside (tb_lib_enter), or while
 * nobody else can be. Signal-safe. */
void tb_notes_write(void);
/* The same for a slot that was just made. */
void tb_notes_write_anew(void);

#endif
