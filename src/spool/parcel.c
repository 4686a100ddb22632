/* parcel.c - see parcel.h. */
#include "spool/parcel.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/pack.h"
#include "spool/frame.h"

void tb_parcel_init(struct tb_parcel *parcel, const struct tb_spool_record *record)
{
    /* boot_id and monotonic time stay zero, unknown: the age of what is retried counts from then.
     */
    struct tb_file_header header = {.class_ = (uint8_t)record->class_,
                                    .kind = TB_FILE_SEGMENT,
                                    .pid = (uint32_t)record->pid,
                                    .uid = (uint32_t)record->uid,
                                    .file_bytes = TB_SEGMENT_BYTES,
                                    .created_wall_ns = tb_clock_wall_ns()};
    uint8_t image[TB_FILE_HEADER_BYTES];
    memset(parcel, 0, sizeof(*parcel));
    tb_buf_init(&parcel->bytes, TB_SEGMENT_BYTES);
    tb_id_random(header.id, sizeof(header.id));
    tb_id_random(&header.salt, sizeof(header.salt));
    parcel->salt = header.salt;
    tb_file_header_pack(&header, image);
    tb_buf_add(&parcel->bytes, image, sizeof(image));
    /* Where it came from: when the agent dies before it has acknowledged the record, the next one
     * puts it away under the same name. */
    snprintf(parcel->name, sizeof(parcel->name), "%d-00000000-%016llx-%lu.seg", record->class_,
             (unsigned long long)record->file_id, (unsigned long)record->off8);
}

void tb_parcel_done(struct tb_parcel *parcel)
{
    tb_buf_done(&parcel->bytes);
}

static void add_frame(struct tb_parcel *parcel, struct tb_frame *frame, const void *data)
{
    static const uint8_t zeros[8];
    uint8_t head[TB_FRAME_HEADER_BYTES];
    frame->offset = parcel->bytes.len;
    frame->seq = parcel->seq++;
    tb_frame_pack(frame, parcel->salt, data, head);
    tb_buf_add(&parcel->bytes, head, sizeof(head));
    tb_buf_add(&parcel->bytes, data, frame->len);
    tb_buf_add(&parcel->bytes, zeros, (8 - frame->len % 8) % 8);
}

void tb_parcel_context(struct tb_parcel *parcel, const struct tb_spool_record *record,
                       uint64_t generation, const uint8_t *data, size_t len)
{
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = TB_FRAME_FULL,
                             .class_ = (uint8_t)record->class_,
                             .kind = TB_KIND_PROCESS,
                             .time_ns = record->time_ns};
    tb_put64(frame.uuid, generation);
    add_frame(parcel, &frame, data);
}

int tb_parcel_close(struct tb_parcel *parcel, const struct tb_spool_record *record)
{
    struct tb_frame frame = {.len = (uint32_t)record->len,
                             .type = TB_FRAME_FULL,
                             .class_ = (uint8_t)record->class_,
                             .kind = (uint8_t)record->kind,
                             .flags = record->flags & TB_FRAME_TRUNCATED,
                             .time_ns = record->time_ns};
    struct tb_frame seal = {
        .type = TB_FRAME_SEAL, .class_ = (uint8_t)record->class_, .time_ns = record->time_ns};
    memcpy(frame.uuid, record->uuid, sizeof(frame.uuid));
    add_frame(parcel, &frame, record->data);
    add_frame(parcel, &seal, "");
    return parcel->bytes.err;
}
