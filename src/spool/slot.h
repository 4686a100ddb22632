/* slot.h - the crash slot: one preallocated, mapped file for each process (spool-format.md 7).
 *
 * 1. After tb_slot_open nothing needs a descriptor, a folder or room on the disk.
 * 2. The functions marked signal-safe only store to the mapping, but for renew, drops, notes and
 * done, which run in a healthy host and write through the kernel: a file cut by a stranger must not
 * kill it.
 * 3. A crash stream cut anywhere is a usable prefix. */
#ifndef TB_SPOOL_SLOT_H
#define TB_SPOOL_SLOT_H

#include <stddef.h>
#include <stdint.h>

#include "spool/dir.h"
#include "spool/frame.h"
#include "spool/slot_note.h"

enum tb_slot_state {
    TB_SLOT_ARMED = 1,
    TB_SLOT_WRITING,
    TB_SLOT_COMPLETE,
    TB_SLOT_HANDED_ON,
    TB_SLOT_DONE
};
enum {
    TB_SLOT_STATE_AT = 128,
    TB_SLOT_DROPS_AT = 136, /* u32 for each class */
    TB_SLOT_AREA_A = 4096,
    TB_SLOT_AREA_B = 65536,
    TB_SLOT_CRASH_AT = 131072,
    TB_SLOT_PAGE = 4096,
    TB_SLOT_FRAGMENT_MAX = TB_SLOT_PAGE - 56,
    TB_SLOT_N_PAGES = (TB_SLOT_BYTES - TB_SLOT_CRASH_AT) / TB_SLOT_PAGE,
    /* Area A is the smaller one: what a process record may have at most. */
    TB_SLOT_CONTEXT_MAX = TB_SLOT_AREA_B - TB_SLOT_AREA_A - 56,
};

/* start_ticks in the header of a spare: no process has it; 0 is one that does not know itself. */
#define TB_SLOT_SPARE UINT64_MAX

struct tb_slot {
    uint8_t *_Atomic map;     /* TB_SLOT_BYTES, or NULL */
    int fd;                   /* holds the OFD lock; -1 */
    uint64_t dev, ino;        /* of what was opened as fd: the host may have closed it since */
    char name[TB_SPOOL_NAME]; /* in its folder */
    uint8_t header[TB_FILE_HEADER_BYTES]; /* what the file begins with, should a stray store hit */
    uint32_t context_at;                  /* area of the newest process record, 0 for none */
    uint32_t salt;
    uint64_t seq;
    /* The crash stream being written. */
    uint8_t uuid[16];
    uint64_t time_ns;
    uint32_t page;   /* fragment being filled, counted from TB_SLOT_CRASH_AT */
    uint32_t filled; /* payload bytes in it */
};

/* Creates, locks, fills and maps a slot in dirfd. Signal-safe too (raw calls only), so that the
 * handler of a fork child can make its own. 0; -EFBIG when RLIMIT_FSIZE leaves no room; or another
 * negative errno: then nothing is left behind and slot may be closed. */
int tb_slot_open(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16], uint64_t start_ticks);
/* The same for a spare: state DONE from the first, so that it is never the slot of a process that
 * died. Signal-safe. */
int tb_slot_open_spare(struct tb_slot *slot, int dirfd, const uint8_t boot_id[16]);
/* Stores the process record into the area not in use. -EMSGSIZE when it does not fit: cut it.
 * Signal-safe. */
int tb_slot_context(struct tb_slot *slot, uint64_t generation, const void *data, size_t len);
/* The same for code that is not a crash handler: when somebody has cut the file it fails (-EFAULT)
 * and raises no SIGBUS. Signal-safe. */
int tb_slot_renew(struct tb_slot *slot, uint64_t generation, const void *data, size_t len);
/* How many records of the class the writer refused and has not told of, in the same way; what
 * cannot be stored does not matter. Signal-safe. */
void tb_slot_drops(struct tb_slot *slot, int class_, uint32_t n);
/* Puts n notes, the oldest first, into their places, in the same way: one write for up to four of
 * consecutive numbers; of more than TB_SLOT_NOTES_MAX only the last ones. What cannot be stored
 * does not matter. Signal-safe. */
void tb_slot_notes(struct tb_slot *slot, const struct tb_slot_note *notes, size_t n);
/* State DONE, in the same way; what cannot be stored does not matter. Signal-safe. */
void tb_slot_done(struct tb_slot *slot);
/* Signal-safe. */
void tb_slot_state(struct tb_slot *slot, enum tb_slot_state state, uint32_t tid);
/* Starts a crash stream; forgets an earlier one, restores the file's header. Signal-safe. */
void tb_slot_begin(struct tb_slot *slot, const uint8_t uuid[16], uint64_t time_ns);
/* Appends to the stream; what does not fit any more is left out, -ENOSPC returned and the stream
 * marked truncated. A full fragment becomes readable by itself. Signal-safe. */
int tb_slot_write(struct tb_slot *slot, const void *data, size_t len);
/* How many bytes the stream still takes. Signal-safe. */
size_t tb_slot_room(const struct tb_slot *slot);
/* Makes what was written so far readable as a fragment and starts the next. Signal-safe. */
void tb_slot_flush(struct tb_slot *slot);
/* The same for the last fragment. Signal-safe. */
void tb_slot_end(struct tb_slot *slot);
/* Touches the file's times so that a watching agent wakes (stores to a mapping do not wake it);
 * errors do not matter. Call it after each change of state. Signal-safe. */
void tb_slot_wake(struct tb_slot *slot);
/* Unmaps and closes; state DONE is put there first when clean. NULL-safe, zeroed-safe (fd 0 is
 * never closed: a zeroed slot has map NULL). */
void tb_slot_close(struct tb_slot *slot, int clean);

#endif
