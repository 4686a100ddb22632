/* slot_more.c - see slot_more.h. */
#include "spool/slot_more.h"

#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "spool/sys.h"

static const char SLOT_SUFFIX[] = ".slot";
static const char MORE_SUFFIX[] = ".more";

static int make_name(const char *slot_name, char out[TB_SPOOL_NAME])
{
    size_t len = strnlen(slot_name, TB_SPOOL_NAME);
    const size_t suffix_len = sizeof(SLOT_SUFFIX) - 1;
    if (len < suffix_len || len == TB_SPOOL_NAME ||
        memcmp(slot_name + len - suffix_len, SLOT_SUFFIX, suffix_len) != 0)
        return -EINVAL;
    memcpy(out, slot_name, len - suffix_len);
    memcpy(out + len - suffix_len, MORE_SUFFIX, sizeof(MORE_SUFFIX));
    return 0;
}

static int stat_at(int dirfd, const char *name, struct stat *out)
{
    return syscall(SYS_newfstatat, dirfd, name, out, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* One that is there already is none of ours: a process dies once. */
static int create(int dirfd, const char *name)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    int fd = tb_sys_open_high(dirfd, name, flags, 0640);
    if (fd == -EEXIST) {
        tb_sys_unlinkat(dirfd, name);
        fd = tb_sys_open_high(dirfd, name, flags, 0640);
    }
    return fd;
}

/* All of it, or nothing that counts. */
static int put(const struct tb_slot_more *more, struct iovec *parts, int n_parts)
{
    uint64_t len = 0;
    for (int i = 0; i < n_parts; i++)
        len += parts[i].iov_len;
    if (!tb_sys_is_same(more->fd, more->dev, more->ino))
        return -EBADF;
    uint64_t limit = tb_sys_file_limit();
    if (more->at + len > TB_SLOT_MORE_BYTES || more->at + len > limit)
        return -EFBIG;
    long n = tb_sys_pwritev(more->fd, parts, n_parts, more->at);
    if (n < 0)
        return (int)n;
    return (uint64_t)n == len ? 0 : -ENOSPC;
}

static int put_header(struct tb_slot_more *more, const struct tb_slot *slot)
{
    struct tb_file_header header;
    uint8_t bytes[TB_FILE_HEADER_BYTES];
    int err = tb_file_header_unpack(slot->header, &header);
    if (err < 0)
        return err;
    header.kind = TB_FILE_MORE;
    header.file_bytes = TB_SLOT_MORE_BYTES;
    header.created_wall_ns = tb_clock_wall_ns();
    header.created_mono_ns = tb_clock_mono_ns();
    tb_id_random(&header.salt, sizeof(header.salt));
    tb_id_random(header.id, sizeof(header.id));
    tb_file_header_pack(&header, bytes);
    struct iovec part = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    if ((err = put(more, &part, 1)) < 0)
        return err;
    more->salt = header.salt;
    more->at = sizeof(bytes);
    return 0;
}

int tb_slot_more_open(struct tb_slot_more *more, const struct tb_slot *slot, int dirfd)
{
    struct stat beside = {0};
    struct stat st = {0};
    *more = (struct tb_slot_more){.fd = -1, .time_ns = slot->time_ns};
    memcpy(more->uuid, slot->uuid, sizeof(more->uuid));
    int err = make_name(slot->name, more->name);
    if (err < 0 || (err = stat_at(dirfd, slot->name, &beside)) < 0)
        return err == -ENOENT ? -ESTALE : err;
    if ((uint64_t)beside.st_dev != slot->dev || (uint64_t)beside.st_ino != slot->ino)
        return -ESTALE;
    if (tb_sys_file_limit() < TB_FILE_HEADER_BYTES)
        return -EFBIG;
    more->fd = create(dirfd, more->name);
    if (more->fd < 0) {
        err = more->fd;
        more->fd = -1;
        return err;
    }
    err = tb_sys_fstat(more->fd, &st);
    more->dev = (uint64_t)st.st_dev;
    more->ino = (uint64_t)st.st_ino;
    if (err == 0) {
        tb_sys_share(more->fd);
        err = put_header(more, slot);
    }
    if (err < 0)
        tb_slot_more_close(more, dirfd);
    return err;
}

int tb_slot_more_add(struct tb_slot_more *more, const void *data, size_t len)
{
    uint8_t header[TB_FRAME_HEADER_BYTES];
    static const uint8_t zeros[8];
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = TB_FRAME_FULL,
                             .class_ = TB_CLASS_CRASH,
                             .kind = TB_KIND_THREADS,
                             .offset = more->at,
                             .seq = more->seq,
                             .time_ns = more->time_ns};
    if (more->fd < 0)
        return -EBADF;
    if (len == 0 || len > TB_SLOT_MORE_BYTES)
        return -EMSGSIZE;
    memcpy(frame.uuid, more->uuid, sizeof(frame.uuid));
    tb_frame_pack(&frame, more->salt, data, header);
    size_t room = tb_frame_room(len);
    struct iovec parts[] = {
        {.iov_base = header, .iov_len = sizeof(header)},
        {.iov_base = (void *)(uintptr_t)data, .iov_len = len}, /* only read from */
        {.iov_base = (void *)(uintptr_t)zeros, .iov_len = room - sizeof(header) - len},
    };
    int err = put(more, parts, 3);
    if (err < 0)
        return err;
    more->at += room;
    more->seq++;
    return 0;
}

void tb_slot_more_close(struct tb_slot_more *more, int dirfd)
{
    if (more->fd < 0)
        return;
    if (more->seq == 0)
        tb_sys_unlinkat(dirfd, more->name);
    if (tb_sys_is_same(more->fd, more->dev, more->ino))
        tb_sys_close(more->fd);
    more->fd = -1;
}
