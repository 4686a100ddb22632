/* notes.c - see notes.h.
 *
 * An entry's turn is the number of its note plus one, 0 before the first, BUSY while it is written.
 * All of it is atomic words, so that reading beside writing is defined; the turn read before and
 * after says whether it was one note.
 *
 * The last TB_SLOT_NOTES_MAX of them go into the slot too, for a death that no handler sees. A
 * write there costs several times what a note does: WRITES_MAX at once and one in WRITE_EVERY_NS is
 * what a process may do. One that may not leaves its note to the next write or report, and each
 * write takes along all that were left. */
#include "capture/report/notes.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/lib.h"
#include "capture/text.h"
#include "towbar/towbar.h"

enum { WRITE_EVERY_NS = TB_NS_PER_MS, WRITES_MAX = 256, AT_ONCE = 4 };
enum { N_WORDS = sizeof(struct tb_note) / sizeof(uint64_t) };
_Static_assert(sizeof(struct tb_note) % sizeof(uint64_t) == 0, "a note is whole words");

static const uint64_t BUSY = UINT64_MAX;

struct entry {
    _Atomic uint64_t turn;
    _Atomic uint64_t words[N_WORDS];
};

static struct entry ring[TB_NOTES_MAX];
static _Atomic uint64_t n_added;
static _Atomic uint64_t in_slot[TB_SLOT_NOTES_MAX]; /* the turn of the note in each place, or 0 */
static _Atomic uint64_t writes_from_ns; /* when WRITES_MAX at once may be written again */

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

/* ---- the slot ---- */

/* Reads the notes from *number on that are not in the slot yet, AT_ONCE at most. */
static size_t collect(uint64_t *number, uint64_t end, struct tb_note notes[AT_ONCE],
                      struct tb_slot_note out[AT_ONCE])
{
    size_t n = 0;
    for (; *number < end && n < AT_ONCE; ++*number) {
        uint64_t turn = *number + 1; /* the slot counts from 1 */
        struct tb_note *note = &notes[n];
        if (atomic_load(&in_slot[turn % TB_SLOT_NOTES_MAX]) == turn ||
            tb_notes_get(*number, note) != 0)
            continue;
        atomic_store(&in_slot[turn % TB_SLOT_NOTES_MAX], turn);
        out[n++] = (struct tb_slot_note){.number = turn,
                                         .wall_ns = note->wall_ns,
                                         .level = note->level,
                                         .tid = note->tid,
                                         .text = note->text,
                                         .len = strnlen(note->text, sizeof(note->text))};
    }
    return n;
}

void tb_notes_write(void)
{
    struct tb_note notes[AT_ONCE];
    struct tb_slot_note packed[AT_ONCE];
    uint64_t end = atomic_load_explicit(&n_added, memory_order_acquire);
    uint64_t number = end > TB_SLOT_NOTES_MAX ? end - TB_SLOT_NOTES_MAX : 0;
    if (!tb_lib.slot.map)
        return;
    for (size_t n; (n = collect(&number, end, notes, packed)) > 0;)
        tb_slot_notes(&tb_lib.slot, packed, n);
}

void tb_notes_write_anew(void)
{
    for (size_t i = 0; i < TB_SLOT_NOTES_MAX; i++)
        atomic_store(&in_slot[i], 0);
    tb_notes_write();
}

static int may_write(void)
{
    uint64_t now = tb_clock_tick_ns();
    uint64_t from = atomic_load_explicit(&writes_from_ns, memory_order_relaxed);
    uint64_t next;
    do {
        next = (from > now ? from : now) + WRITE_EVERY_NS;
        if (next - now > (uint64_t)WRITES_MAX * WRITE_EVERY_NS)
            return 0;
    } while (!atomic_compare_exchange_weak(&writes_from_ns, &from, next));
    return 1;
}

/* The last of a burst is worth the most, and is what a burst of up to WRITES_MAX never loses. */
static void write_through(void)
{
    if (!may_write() || tb_lib_enter() != 0)
        return;
    tb_notes_write();
    tb_lib_leave();
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
    if (atomic_load_explicit(&tb_lib.state, memory_order_relaxed) == TB_LIB_ON)
        write_through();
    errno = kept;
}
