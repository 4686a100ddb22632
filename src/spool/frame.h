/* frame.h - the bytes of the spool: file header and frame, packed and checked. Pure; signal-safe.
 *
 * docs/spool-format.md sections 2 and 3 are normative for every offset and value here. */
#ifndef TB_SPOOL_FRAME_H
#define TB_SPOOL_FRAME_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_FILE_HEADER_BYTES = 128,
    TB_FRAME_HEADER_BYTES = 56,
    TB_PAYLOAD_MAX_BYTES = 1 << 20,
    TB_SEGMENT_BYTES = 4 << 20,
    TB_SLOT_BYTES = 256 << 10,
};

enum tb_spool_class {
    TB_CLASS_CRASH,
    TB_CLASS_ERROR,
    TB_CLASS_WARNING,
    TB_CLASS_INFO,
    TB_N_CLASSES
};
enum tb_file_kind { TB_FILE_SEGMENT, TB_FILE_SLOT, TB_FILE_MORE };
enum tb_frame_type {
    TB_FRAME_FULL = 1,
    TB_FRAME_FIRST,
    TB_FRAME_MID,
    TB_FRAME_LAST,
    TB_FRAME_PAD,
    TB_FRAME_SEAL
};
enum tb_record_kind {
    TB_KIND_NONE,
    TB_KIND_PROCESS,
    TB_KIND_NATIVE, /* Rollbar item whose frames are addresses */
    TB_KIND_ITEM,   /* complete Rollbar item */
    TB_KIND_CRASH,
    TB_KIND_DROPCOUNT,
    TB_KIND_THREADS, /* of a crash; in the file beside its slot only */
    TB_N_KINDS
};
enum { TB_FRAME_TRUNCATED = 1, TB_FRAME_CRC32 = 2 }; /* frame flags */

struct tb_file_header {
    uint8_t class_;
    uint8_t kind; /* enum tb_file_kind */
    uint32_t salt;
    uint32_t pid, uid; /* hints; the reporter is the file's owner */
    uint32_t file_bytes;
    uint8_t id[16];
    uint8_t boot_id[16];
    uint64_t start_ticks;
    uint64_t created_wall_ns, created_mono_ns;
};

struct tb_frame {
    uint32_t len; /* payload bytes */
    uint32_t payload_crc;
    uint8_t type, class_, kind, flags;
    uint64_t offset; /* of the frame in its file; a multiple of 8 */
    uint64_t seq;
    uint64_t time_ns;
    uint8_t uuid[16];
};

/* Bytes that a frame with len bytes of payload takes in its file. */
static inline uint64_t tb_frame_room(uint64_t len)
{
    return (TB_FRAME_HEADER_BYTES + len + 7) & ~(uint64_t)7;
}

/* A record as it stands in a segment. */
static inline int tb_frame_is_record(const struct tb_frame *frame)
{
    return frame->type == TB_FRAME_FULL && frame->kind > TB_KIND_PROCESS &&
           frame->kind < TB_KIND_THREADS;
}

void tb_file_header_pack(const struct tb_file_header *header, uint8_t out[TB_FILE_HEADER_BYTES]);
/* 0; -EPROTO when it is no header of ours; -EBADMSG when damaged; -EPROTONOSUPPORT for a version
 * this program does not know. */
int tb_file_header_unpack(const uint8_t in[TB_FILE_HEADER_BYTES], struct tb_file_header *out);
/* Puts one flipped bit right: 0 when image now unpacks, or -EBADMSG. Certain: below 5243 bits any
 * two CRC-32C code words differ in 6 bits or more, so one flip has one origin. */
int tb_file_header_mend(uint8_t image[TB_FILE_HEADER_BYTES]);

/* Packs frame; computes frame->payload_crc from payload first, as frame->flags says. */
void tb_frame_pack(struct tb_frame *frame, uint32_t salt, const void *payload,
                   uint8_t out[TB_FRAME_HEADER_BYTES]);
/* Checks and reads the header at offset. 0; -ENODATA when all bytes are zero; -EBADMSG otherwise.
 * The payload is not looked at. */
int tb_frame_unpack(const uint8_t in[TB_FRAME_HEADER_BYTES], uint32_t salt, uint64_t offset,
                    struct tb_frame *out);
/* 0, or -EBADMSG when payload (frame->len bytes) is not what was written. */
int tb_frame_check(const struct tb_frame *frame, uint32_t salt, const void *payload);

#endif
