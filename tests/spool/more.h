/* more.h - the other threads of a crash, NAME.more, made by hand: to be read, and to be damaged. */
#ifndef TEST_SPOOL_MORE_H
#define TEST_SPOOL_MORE_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pack.h"
#include "spool/dir.h"
#include "spool/frame.h"

enum { MORE_SALT = 0x3042, MORE_CAP = 2 << 20, MORE_TAG = 10 };

struct more_image {
    uint8_t bytes[MORE_CAP];
    size_t len;
    uint64_t seq;
    uint8_t uuid[16];
};

static inline void more_begin(struct more_image *image, const uint8_t uuid[16])
{
    struct tb_file_header header = {
        .class_ = TB_CLASS_CRASH, .kind = TB_FILE_MORE, .salt = MORE_SALT};
    tb_put64(header.id, 0x3042);
    memcpy(image->uuid, uuid, 16);
    tb_file_header_pack(&header, image->bytes);
    image->len = TB_FILE_HEADER_BYTES;
    image->seq = 0;
}

static inline struct more_image *more_new(const uint8_t uuid[16])
{
    struct more_image *image = calloc(1, sizeof(*image));
    if (!image)
        abort();
    more_begin(image, uuid);
    return image;
}

/* Payload of thread n: one chunk with data_len bytes; returns its length. */
static inline size_t more_payload(uint32_t n, size_t data_len, uint8_t *out)
{
    size_t room = 8 + ((data_len + 7) & ~(size_t)7);
    memset(out, 0, room);
    tb_put16(out, MORE_TAG);
    tb_put32(out + 4, (uint32_t)data_len);
    for (size_t i = 0; i < data_len; i++)
        out[8 + i] = (uint8_t)(n * 13 + i * 7 + (i >> 8));
    if (data_len >= 4)
        tb_put32(out + 8, n);
    return room;
}

/* A frame around what stands at its payload's place already. */
static inline void more_seal(struct more_image *image, int type, int kind, size_t len)
{
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = (uint8_t)type,
                             .class_ = TB_CLASS_CRASH,
                             .kind = (uint8_t)kind,
                             .offset = image->len,
                             .seq = image->seq++,
                             .time_ns = 77};
    uint8_t *at = image->bytes + image->len;
    memcpy(frame.uuid, image->uuid, 16);
    tb_frame_pack(&frame, MORE_SALT, at + TB_FRAME_HEADER_BYTES, at);
    image->len += tb_frame_room(len);
}

static inline void more_add(struct more_image *image, uint32_t n, size_t data_len)
{
    size_t len = more_payload(n, data_len, image->bytes + image->len + TB_FRAME_HEADER_BYTES);
    more_seal(image, TB_FRAME_FULL, TB_KIND_THREADS, len);
}

/* Puts it beside the slot of that name: 0 or a negative errno. */
static inline int more_put(const struct more_image *image, int dirfd, const char *slot)
{
    char name[TB_SPOOL_NAME];
    if (tb_spool_name_beside(slot, "more", name) < 0)
        abort();
    int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);
    int err = fd < 0 ? -errno : tb_fd_write_all(fd, image->bytes, image->len);
    tb_fd_close(&fd);
    return err;
}

#endif
