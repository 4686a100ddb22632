/* frame.c - see frame.h. Offsets are those of docs/spool-format.md 2 and 3. */
#include "spool/frame.h"

#include <errno.h>
#include <string.h>

#include "base/crc.h"
#include "base/pack.h"

enum {
    VERSION = 1,
    FRAME_MAGIC = 0x31464254, /* "TBF1" */
    HEADER_CRC_AT = 124,
};
static const uint8_t FILE_MAGIC[8] = {'T', 'O', 'W', 'B', 'A', 'R', 0, 1};

void tb_file_header_pack(const struct tb_file_header *header, uint8_t out[TB_FILE_HEADER_BYTES])
{
    memset(out, 0, TB_FILE_HEADER_BYTES);
    memcpy(out, FILE_MAGIC, sizeof(FILE_MAGIC));
    tb_put16(out + 8, VERSION);
    tb_put16(out + 10, TB_FILE_HEADER_BYTES);
    out[12] = header->class_;
    out[13] = header->kind;
    tb_put32(out + 16, header->salt);
    tb_put32(out + 20, header->pid);
    tb_put32(out + 24, header->uid);
    tb_put32(out + 28, header->file_bytes);
    memcpy(out + 32, header->id, 16);
    memcpy(out + 48, header->boot_id, 16);
    tb_put64(out + 64, header->start_ticks);
    tb_put64(out + 72, header->created_wall_ns);
    tb_put64(out + 80, header->created_mono_ns);
    tb_put32(out + HEADER_CRC_AT, tb_crc32c(0, out, HEADER_CRC_AT));
}

int tb_file_header_unpack(const uint8_t in[TB_FILE_HEADER_BYTES], struct tb_file_header *out)
{
    if (memcmp(in, FILE_MAGIC, sizeof(FILE_MAGIC)) != 0)
        return -EPROTO;
    if (tb_get32(in + HEADER_CRC_AT) != tb_crc32c(0, in, HEADER_CRC_AT))
        return -EBADMSG;
    if (tb_get16(in + 8) != VERSION || tb_get16(in + 10) != TB_FILE_HEADER_BYTES)
        return -EPROTONOSUPPORT;
    if (in[12] >= TB_N_CLASSES || in[13] > TB_FILE_MORE)
        return -EBADMSG;
    out->class_ = in[12];
    out->kind = in[13];
    out->salt = tb_get32(in + 16);
    out->pid = tb_get32(in + 20);
    out->uid = tb_get32(in + 24);
    out->file_bytes = tb_get32(in + 28);
    memcpy(out->id, in + 32, 16);
    memcpy(out->boot_id, in + 48, 16);
    out->start_ticks = tb_get64(in + 64);
    out->created_wall_ns = tb_get64(in + 72);
    out->created_mono_ns = tb_get64(in + 80);
    return 0;
}

int tb_file_header_mend(uint8_t image[TB_FILE_HEADER_BYTES])
{
    struct tb_file_header unused;
    for (unsigned bit = 0; bit < TB_FILE_HEADER_BYTES * 8; bit++) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (tb_file_header_unpack(image, &unused) == 0)
            return 0;
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    return -EBADMSG;
}

static uint32_t payload_sum(const struct tb_frame *frame, uint32_t salt, const void *payload)
{
    return frame->flags & TB_FRAME_CRC32 ? tb_crc32(salt, payload, frame->len)
                                         : tb_crc32c(salt, payload, frame->len);
}

void tb_frame_pack(struct tb_frame *frame, uint32_t salt, const void *payload,
                   uint8_t out[TB_FRAME_HEADER_BYTES])
{
    frame->payload_crc = payload_sum(frame, salt, payload);
    tb_put32(out, FRAME_MAGIC);
    tb_put32(out + 8, frame->len);
    tb_put32(out + 12, frame->payload_crc);
    out[16] = frame->type;
    out[17] = frame->class_;
    out[18] = frame->kind;
    out[19] = frame->flags;
    tb_put32(out + 20, (uint32_t)(frame->offset / 8));
    tb_put64(out + 24, frame->seq);
    tb_put64(out + 32, frame->time_ns);
    memcpy(out + 40, frame->uuid, 16);
    tb_put32(out + 4, tb_crc32c(salt, out + 8, TB_FRAME_HEADER_BYTES - 8));
}

static int is_zero(const uint8_t *bytes, size_t len)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

int tb_frame_unpack(const uint8_t in[TB_FRAME_HEADER_BYTES], uint32_t salt, uint64_t offset,
                    struct tb_frame *out)
{
    if (tb_get32(in) != FRAME_MAGIC)
        return is_zero(in, TB_FRAME_HEADER_BYTES) ? -ENODATA : -EBADMSG;
    if (tb_get32(in + 4) != tb_crc32c(salt, in + 8, TB_FRAME_HEADER_BYTES - 8))
        return -EBADMSG;
    if (tb_get32(in + 20) * (uint64_t)8 != offset || tb_get32(in + 8) > TB_PAYLOAD_MAX_BYTES)
        return -EBADMSG;
    if (in[16] < TB_FRAME_FULL || in[16] > TB_FRAME_SEAL || in[17] >= TB_N_CLASSES)
        return -EBADMSG;
    out->len = tb_get32(in + 8);
    out->payload_crc = tb_get32(in + 12);
    out->type = in[16];
    out->class_ = in[17];
    out->kind = in[18];
    out->flags = in[19];
    out->offset = offset;
    out->seq = tb_get64(in + 24);
    out->time_ns = tb_get64(in + 32);
    memcpy(out->uuid, in + 40, 16);
    return 0;
}

int tb_frame_check(const struct tb_frame *frame, uint32_t salt, const void *payload)
{
    return payload_sum(frame, salt, payload) == frame->payload_crc ? 0 : -EBADMSG;
}
