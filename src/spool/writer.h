/* writer.h - a producer's segments of one class: lock-free append from threads and signal handlers.
 *
 * 1. append returns 0 only after one write took the whole record.
 * 2. Appends from threads and handlers never wait for each other; the file is created at the first.
 * 3. A fork child calls tb_writer_forget first; it then writes a file of its own.
 * 4. Never writes to a descriptor that the host has closed or reused: it notices and opens a new
 *    file. Never makes a file longer than RLIMIT_FSIZE, which would send the host a signal.
 * 5. A handler that interrupts any of this, and one that never comes back, blocks nobody: the next
 *    file is opened under a try-lock, which a handler that interrupted its holder passes by, and
 *    which is taken from one who stays in it for a second.
 * 6. There is one file, and a second only where threads meet, as the kernel lets one write to a
 *    file at a time: who finds another in the first writes to the second, and keeps to it until it
 *    ends: after 10 minutes, or when it fails. Where none can be made the first takes all, as it
 *    does for appends that sync, which share the sync.
 *
 * Whoever meets the end of the file opens the next; one who meets the lock held yields a few times,
 * then gives up with -EAGAIN (counted by the caller). */
#ifndef TB_SPOOL_WRITER_H
#define TB_SPOOL_WRITER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/frame.h"

enum {
    /* Files that one writer may have open: the current ones, and older ones while a thread still
     * writes to them. A handler that leaves an append by siglongjmp leaves one in use for good. */
    TB_WRITER_FILES = 9,
    TB_WRITER_LANES = 2,        /* of the current ones */
    TB_WRITER_FILE_AGE_S = 600, /* then the next record goes to a new one */
    TB_WRITER_LINE = 64,        /* bytes of the processor's cache that move as one */
};

/* Who syncs a file and what came of it (writer_sync.c). Syncs are numbered from 1. */
struct tb_writer_sync {
    atomic_int leader;     /* thread that syncs for all, or 0 */
    _Atomic uint32_t turn; /* grows when a leader is done; followers wait for that by futex */
    _Atomic uint32_t begun, done;
    _Atomic uint32_t failed; /* number of the first that failed, or 0 */
    atomic_int error;        /* of it, a negative errno */
    atomic_int has_name;     /* its name is on the disk as well */
};

/* One open segment.
 *
 *   refs   state     what is true                            who moves it
 *   0      free      nobody looks at the other fields        who opens a file takes it, -> -2
 *   -2     opening   it is being filled                      the same, -> 1, or -> 0 on error
 *   n > 0  open      1 for being current + 1 per append      append +1 and -1, retiring -1
 *   -1     closing   the last one out closes the descriptor  the same thread, -> 0 */
struct tb_writer_file {
    char apart[TB_WRITER_LINE]; /* from what other threads use */
    atomic_int refs;
    int fd;
    uint64_t dev, ino; /* of what was opened as fd; ino 0: nothing */
    int64_t mark; /* random file position that tells fd from a stranger's; 0: none could be set */
    uint32_t salt;
    uint64_t limit;              /* where the last record ends at the latest; a SEAL fits behind */
    _Atomic uint64_t cursor;     /* next offset << 24 | next seq; bit 63: sealed */
    _Atomic uint64_t allocated;  /* bytes that fallocate was asked for */
    _Atomic uint64_t generation; /* newest process record in it + 1; 0: none */
    uint64_t dir_dev, dir_ino;   /* the folder that has its name */
    struct tb_writer_sync sync;
    _Atomic uint64_t renew_at_ns; /* monotonic: when it is too old; far from refs, see apart */
};

struct tb_writer {
    int class_;
    atomic_int dirfd; /* SPOOL/in, the caller's */
    _Atomic uint64_t dir_dev, dir_ino;
    uint8_t boot_id[16];
    uint64_t start_ticks;
    _Atomic(struct tb_writer_file *) current[TB_WRITER_LANES]; /* the first, the second; or NULL */
    _Atomic uintptr_t second_owner; /* address that stands for the thread that keeps to it */
    _Atomic uint64_t second_at_ns;  /* monotonic: before that none is tried */
    atomic_int rotating;            /* thread that opens the next file, or 0 */
    _Atomic uint64_t rotating_since_ns;
    atomic_uint n_files; /* opened so far: the number in the name */
    struct tb_writer_file files[TB_WRITER_FILES];
};

/* One record to append. Everything is borrowed for the call. */
struct tb_append {
    int kind; /* enum tb_record_kind */
    int flags;
    const uint8_t *uuid; /* 16 bytes, or NULL for zeros */
    uint64_t time_ns;
    const void *data;
    size_t len;
    /* The process record that must stand in the file before this record, with its generation, and
     * NULL when there is none: it is written once for each file and generation (twice when threads
     * race for it). */
    const void *context;
    size_t context_len;
    uint64_t generation;
    /* NULL, or: put the record on the disk before the append returns. When that returns 0, *synced
     * is 0 too, or why the record is not known to be there: it is in the spool all the same, but
     * may be lost with the power. */
    int *synced;
};

/* Prepares; opens nothing. dirfd stays the caller's and must outlive the writer. */
void tb_writer_init(struct tb_writer *writer, int class_, int dirfd);
/* Makes the next files in dirfd, which may be -1, from now on; appends may go on meanwhile. 0, or
 * -EAGAIN while one of them opens a file. Signal-safe. */
int tb_writer_move(struct tb_writer *writer, int dirfd);
/* 0, -EMSGSIZE for more than TB_PAYLOAD_MAX_BYTES, -ESTALE when dirfd is no longer the folder that
 * tb_writer_init or tb_writer_move was given (the host closed it), -EFBIG over RLIMIT_FSIZE, or why
 * else the record is not on disk. Signal-safe. */
int tb_writer_append(struct tb_writer *writer, const struct tb_append *record);
/* Seals and closes the current files, if any. Not signal-safe. */
void tb_writer_close(struct tb_writer *writer);
/* In a fork child: closes the parent's files without writing to them. A zeroed writer is fine.
 * Signal-safe. */
void tb_writer_forget(struct tb_writer *writer);
/* The descriptor of the first file, or -1. */
int tb_writer_fd(const struct tb_writer *writer);

#endif
