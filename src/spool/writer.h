/* writer.h - a producer's segment of one class: lock-free append from threads and signal handlers.
 *
 * 1. append returns 0 only after one pwrite took the whole record.
 * 2. Appends from threads and handlers never wait for each other; the file is created at the first.
 * 3. A fork child calls tb_writer_forget first; it then writes a file of its own.
 * Rotation: whoever meets the end of the file opens the next under a try-lock; one who meets the
 * lock held yields a few times, then gives up with -EAGAIN (counted by the caller). */
#ifndef TB_SPOOL_WRITER_H
#define TB_SPOOL_WRITER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/frame.h"

struct tb_writer_file; /* one open segment; immutable but for its counters */

struct tb_writer {
    int class_;
    int dirfd; /* SPOOL/in, the caller's */
    uint8_t boot_id[16];
    uint64_t start_ticks;
    _Atomic(struct tb_writer_file *) file;
    atomic_int rotating;
    atomic_uint n_files; /* opened so far: the number in the name */
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
     * NULL when there is none: it is written once for each file and generation. */
    const void *context;
    size_t context_len;
    uint64_t generation;
};

/* Prepares; opens nothing. dirfd stays the caller's and must outlive the writer. */
void tb_writer_init(struct tb_writer *writer, int class_, int dirfd);
/* 0, -EMSGSIZE for more than TB_PAYLOAD_MAX_BYTES, or why the record is not on disk. Signal-safe.
 */
int tb_writer_append(struct tb_writer *writer, const struct tb_append *record);
/* Seals and closes the current file, if any. Not signal-safe. */
void tb_writer_close(struct tb_writer *writer);
/* In a fork child: closes the parent's file without writing to it. Signal-safe. */
void tb_writer_forget(struct tb_writer *writer);
/* The descriptor in use, or -1. */
int tb_writer_fd(const struct tb_writer *writer);

#endif
