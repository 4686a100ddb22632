/* scan.h - frames out of a file that nobody vouches for: one at a place, or the next after damage.
 *
 * 1. Reads by pread through one window; nothing of a frame is believed before its checksum.
 * 2. The work is bounded: payload bytes that were checked in vain are counted, and a file that
 *    costs more than any damage explains is given up with -EOVERFLOW. */
#ifndef TB_SPOOL_SCAN_H
#define TB_SPOOL_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/frame.h"

/* Room for the largest frame, and then some to read ahead. */
enum { TB_SCAN_WINDOW = TB_PAYLOAD_MAX_BYTES + (128 << 10) };

struct tb_scan {
    int fd; /* the caller's */
    uint32_t salt;
    uint64_t end;     /* bytes of the file that may be looked at */
    uint8_t *window;  /* TB_SCAN_WINDOW bytes, the caller's */
    uint64_t at;      /* offset of the window's first byte */
    size_t len;       /* bytes in the window */
    uint64_t in_vain; /* payload bytes of frames that failed their check */
};

/* Starts on a file; forgets what the window held. */
void tb_scan_begin(struct tb_scan *scan, int fd, uint32_t salt, uint64_t end);
/* Bytes offset .. offset + len of the file, at most TB_SCAN_WINDOW: 0, -ENODATA when the file ends
 * before, or the error of the read. out is borrowed until the next call on scan. */
int tb_scan_bytes(struct tb_scan *scan, uint64_t offset, size_t len, const uint8_t **out);
/* The frame at offset, checked: 0; -ENODATA for zeros or the end; -EBADMSG; or an error of reading.
 * payload is borrowed until the next call on scan. */
int tb_scan_frame(struct tb_scan *scan, uint64_t offset, struct tb_frame *out,
                  const uint8_t **payload);
/* Looks for the first good frame at from or behind it: 0 and its place; -ENODATA when there is
 * none; or an error. zeros is cleared when any other byte was met on the way. */
int tb_scan_resync(struct tb_scan *scan, uint64_t from, uint64_t *out, bool *zeros);
/* Is the gap from .. end, which is not all zeros, the beginning of one write (docs/spool-format.md
 * 5, "What a gap was")? at_end: nothing good is behind it. 1 or 0, or an error of reading. */
int tb_scan_is_torn(struct tb_scan *scan, uint64_t from, uint64_t end, bool at_end);

#endif
