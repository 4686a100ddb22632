/* notes.c - see notes.h.
 *
 * An entry's turn is the number of its note plus one, 0 before the first, BUSY while it is written.
 * All of it is atomic words, so that reading beside writing is defined; the turn read before and
 * after says whether it was one note. */
#include "capture/notes.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/lib.h"
#include "capture/text.h"
#include "towbar/towbar.h"

enum { N_WORDS = sizeof(struct tb_note) / sizeof(uint64_t) };
_Static_assert(sizeof(struct tb_note) % sizeof(uint64_t) == 0, "a note is whole words");

static const uint64_t BUSY = UINT64_MAX;

struct entry {
    _Atomic uint64_t turn;
    _Atomic uint64_t words[N_WORDS];
};

static struct entry ring[TB_NOTES_MAX];
static _Atomic uint64_t n_added;

void tb_notes_add(int level, const char *format, va_list args)
{
    union {
        struct tb_note note;
        uint64_t words[N_WORDS];
    } from;
    memset(&from, 0, sizeof(from));
    from.note.level = (uint32_t)level;
    (void)tb_text_format(from.note.text, sizeof(from.note.text), format, args);
    from.note.wall_ns = tb_clock_wall_ns();
    from.note.tid = (uint32_t)gettid();
    uint64_t number = atomic_fetch_add_explicit(&n_added, 1, memory_order_relaxed);
    struct entry *entry = &ring[number % TB_NOTES_MAX];
    if (atomic_exchange_explicit(&entry->turn, BUSY, memory_order_acquire) == BUSY)
        return; /* a whole round ahead of, or inside, one that is being written */
    for (size_t i = 0; i < N_WORDS; i++)
        atomic_store_explicit(&entry->words[i], from.words[i], memory_order_release);
    atomic_store_explicit(&entry->turn, number + 1, memory_order_release);
}

void tb_notes_range(uint64_t *first, uint64_t *end)
{
    *end = atomic_load_explicit(&n_added, memory_order_acquire);
    *first = *end > TB_NOTES_MAX ? *end - TB_NOTES_MAX : 0;
}

int tb_notes_get(uint64_t number, struct tb_note *out)
{
    union {
        struct tb_note note;
        uint64_t words[N_WORDS];
    } to;
    const struct entry *entry = &ring[number % TB_NOTES_MAX];
    if (atomic_load_explicit(&entry->turn, memory_order_acquire) != number + 1)
        return -EAGAIN;
    for (size_t i = 0; i < N_WORDS; i++)
        to.words[i] = atomic_load_explicit(&entry->words[i], memory_order_acquire);
    if (atomic_load_explicit(&entry->turn, memory_order_relaxed) != number + 1)
        return -EAGAIN;
    *out = to.note;
    return 0;
}

void towbar_note(enum towbar_level level, const char *format, ...)
{
    int kept = errno;
    va_list args;
    if (!format)
        return;
    tb_lib_touch();
    errno = kept; /* for %m */
    va_start(args, format);
    tb_notes_add((int)level, format, args);
    va_end(args);
    errno = kept;
}
