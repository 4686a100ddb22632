/* chunk.c - see chunk.h. */
#include "record/chunk.h"

#include <errno.h>

#include "base/pack.h"

void tb_chunk_header(uint16_t tag, size_t len, uint8_t out[TB_CHUNK_HEADER_BYTES])
{
    tb_put16(out, tag);
    tb_put16(out + 2, 0);
    tb_put32(out + 4, (uint32_t)len);
}

int tb_chunk_next(const uint8_t *data, size_t len, size_t *at, struct tb_chunk *out)
{
    size_t left = *at < len ? len - *at : 0;
    if (left == 0)
        return -ENODATA;
    const uint8_t *head = data + *at;
    if (left < TB_CHUNK_HEADER_BYTES) {
        *out = (struct tb_chunk){.data = head};
        *at = len;
        return -EBADMSG;
    }
    size_t want = tb_get32(head + 4);
    left -= TB_CHUNK_HEADER_BYTES;
    *out = (struct tb_chunk){.tag = tb_get16(head),
                             .data = head + TB_CHUNK_HEADER_BYTES,
                             .len = want < left ? want : left};
    size_t padded = tb_chunk_room(out->len);
    *at = padded < len - *at ? *at + padded : len; /* the last padding may be missing */
    return want > left ? -EBADMSG : 0;
}
