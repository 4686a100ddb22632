/* more_read.h - NAME.more, the other threads of the crash in the slot NAME.slot, as the reader sees
 * it (docs/spool-format.md 7, "Other threads").
 *
 * 1. It is no source: it is opened when its slot is delivered, and goes when its slot goes.
 * 2. It is trusted no more than any file of the folder: opened as strictly, read up to a
 *    cap; whatever is wrong with it costs the threads behind that place.
 * 3. Whose it is does not matter: the crash's uuid binds it, which only readers of the slot know.
 */
#ifndef TB_SPOOL_MORE_READ_H
#define TB_SPOOL_MORE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "spool/source.h"

enum {
    TB_MORE_MAX_BYTES = 896 << 10,      /* payload of all frames */
    TB_MORE_FILE_BYTES_MAX = 960 << 10, /* so much of the file is read; its frames need less */
};

/* Where a reader is in it. */
struct tb_more {
    uint64_t at, seq; /* of the next frame */
    uint64_t bytes;   /* payload so far */
    bool knows_uuid;
    uint8_t uuid[16]; /* of the crash */
};

/* Starts behind the header; uuid NULL: that of the first frame. */
void tb_more_begin(struct tb_more *more, const uint8_t *uuid);
/* The next frame: 0 and its payload, whole chunks, borrowed as from tb_scan_frame. -ENODATA at the
 * end, which is also a first frame of another crash; -EBADMSG where something else stands; or an
 * error of reading. */
int tb_more_next(struct tb_more *more, struct tb_scan *scan, struct tb_frame *out,
                 const uint8_t **payload);

/* Appends the threads to record, the whole crash of slot, whose data is in visit->stream: 0, also
 * when there are none; -EAGAIN when they cannot be read now. Uses the window of visit. */
int tb_more_append(const struct tb_source *slot, struct tb_visit *visit,
                   struct tb_spool_stats *stats, struct tb_spool_record *record);

/* Is st a file that could be one? */
bool tb_more_is_one(const struct stat *st);
/* Adds it to the bytes of the slot, or says that what stands there is none of it. */
void tb_more_measure(struct tb_source *slot, int dirfd);
/* Syncs it: 0, also when there is none, or a negative errno. */
int tb_more_sync(const struct tb_source *slot, int dirfd);

#endif
