/* chunk.h - tag, length, bytes: the form of the process and crash records (spool-format.md 6). */
#ifndef TB_RECORD_CHUNK_H
#define TB_RECORD_CHUNK_H

#include <stddef.h>
#include <stdint.h>

enum { TB_CHUNK_HEADER_BYTES = 8 };

struct tb_chunk {
    uint16_t tag;
    const uint8_t *data; /* borrowed from the record */
    size_t len;
};

static inline size_t tb_chunk_room(size_t len)
{
    return TB_CHUNK_HEADER_BYTES + ((len + 7) & ~(size_t)7);
}

/* The 8 bytes before a chunk's data. Signal-safe. */
void tb_chunk_header(uint16_t tag, size_t len, uint8_t out[TB_CHUNK_HEADER_BYTES]);
/* The chunk at *at, which is advanced: 0; -ENODATA at the end; -EBADMSG when the record stops in
 * the middle of a chunk (what was read so far is good; *out holds the part that is there, tag 0
 * and len 0 when even the header is cut; the next call says -ENODATA). */
int tb_chunk_next(const uint8_t *data, size_t len, size_t *at, struct tb_chunk *out);

#endif
