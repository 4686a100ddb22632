/* chunk.c - see chunk.h. */
#include "capture/crash/chunk.h"

#include "record/chunk.h"

enum { ALIGNMENT = 8 };

void tb_crash_chunk(struct tb_slot *slot, int tag, const void *head, size_t head_len,
                    const void *rest, size_t rest_len)
{
    static const uint8_t zeros[ALIGNMENT];
    uint8_t header[TB_CHUNK_HEADER_BYTES];
    size_t len = head_len + rest_len;
    tb_chunk_header((uint16_t)tag, len, header);
    (void)tb_slot_write(slot, header, sizeof(header));
    (void)tb_slot_write(slot, head, head_len);
    (void)tb_slot_write(slot, rest, rest_len);
    (void)tb_slot_write(slot, zeros, (ALIGNMENT - len % ALIGNMENT) % ALIGNMENT);
}
