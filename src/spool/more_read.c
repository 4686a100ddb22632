/* more_read.c - see more_read.h. */
#include "spool/more_read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pack.h"

/* Does a sequence of chunks (docs/spool-format.md 6) end exactly here? */
static bool are_whole_chunks(const uint8_t *data, size_t len)
{
    enum { HEAD = 8 };
    uint64_t at = 0;
    while (at < len && len - at >= HEAD)
        at += HEAD + (((uint64_t)tb_get32(data + at + 4) + 7) & ~(uint64_t)7);
    return at == len;
}

void tb_more_begin(struct tb_more *more, const uint8_t *uuid)
{
    *more = (struct tb_more){.at = TB_FILE_HEADER_BYTES, .knows_uuid = uuid != NULL};
    if (uuid)
        memcpy(more->uuid, uuid, sizeof(more->uuid));
}

int tb_more_next(struct tb_more *more, struct tb_scan *scan, struct tb_frame *out,
                 const uint8_t **payload)
{
    int err = tb_scan_frame(scan, more->at, out, payload);
    if (err < 0)
        return err == -EOVERFLOW ? -EBADMSG : err;
    if (!more->knows_uuid)
        memcpy(more->uuid, out->uuid, sizeof(more->uuid));
    more->knows_uuid = true;
    if (out->type != TB_FRAME_FULL || out->kind != TB_KIND_THREADS || out->seq != more->seq)
        return -EBADMSG;
    /* Of a crash that the process survived. */
    if (memcmp(out->uuid, more->uuid, sizeof(more->uuid)) != 0)
        return more->seq == 0 ? -ENODATA : -EBADMSG;
    if (out->len == 0 || more->bytes + out->len > TB_MORE_MAX_BYTES ||
        !are_whole_chunks(*payload, out->len))
        return -EBADMSG;
    more->at += tb_frame_room(out->len);
    more->seq++;
    more->bytes += out->len;
    return 0;
}

/* ---- the file ---- */

bool tb_more_is_one(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/* A descriptor, or a negative errno. Opened as strictly as any source. */
static int open_of(const struct tb_source *slot, int dirfd, struct stat *st)
{
    char name[TB_SPOOL_NAME];
    if (!slot->is_slot || tb_spool_name_beside(slot->name, "more", name) < 0)
        return -ENOENT;
    return tb_source_open(dirfd, name, st);
}

/* Reads the header and starts the scan: 0 or a negative errno. */
static int begin_file(struct tb_scan *scan, int fd, const struct stat *st)
{
    uint8_t image[TB_FILE_HEADER_BYTES] = {0};
    struct tb_file_header header;
    uint64_t size = (uint64_t)st->st_size;
    ssize_t n = tb_fd_pread_all(fd, image, sizeof(image), 0);
    if (n < 0)
        return (int)n;
    int err = tb_file_header_unpack(image, &header);
    if (err < 0 && err != -EPROTONOSUPPORT && tb_file_header_mend(image) == 0)
        err = tb_file_header_unpack(image, &header);
    if (err < 0)
        return err;
    if (header.kind != TB_FILE_MORE)
        return -EBADMSG;
    tb_scan_begin(scan, fd, header.salt,
                  size < TB_MORE_FILE_BYTES_MAX ? size : TB_MORE_FILE_BYTES_MAX);
    return 0;
}

/* Returns 1 when what stands behind the last good frame is damage. */
static int append_frames(struct tb_scan *scan, uint8_t *stream, struct tb_spool_record *record)
{
    struct tb_more more;
    struct tb_frame frame;
    const uint8_t *payload;
    int err;
    tb_more_begin(&more, record->uuid);
    while ((err = tb_more_next(&more, scan, &frame, &payload)) == 0) {
        if (record->len + frame.len > TB_PAYLOAD_MAX_BYTES)
            return 0;
        memcpy(stream + record->len, payload, frame.len);
        record->len += frame.len;
    }
    if (err == -ENODATA)
        return 0;
    return err != -EBADMSG || tb_scan_is_torn(scan, more.at, scan->end, true) != 1;
}

int tb_more_append(const struct tb_source *slot, struct tb_visit *visit,
                   struct tb_spool_stats *stats, struct tb_spool_record *record)
{
    struct stat st;
    struct tb_scan scan = {.window = visit->scan.window};
    if (!are_whole_chunks(record->data, record->len))
        return 0; /* what comes behind a cut would be taken for the rest of it */
    int fd = open_of(slot, visit->dirfd, &st);
    if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -EINTR)
        return -EAGAIN;
    if (fd < 0)
        return 0;
    bool is_bad = st.st_size > 0;
    if (is_bad && begin_file(&scan, fd, &st) == 0)
        is_bad = append_frames(&scan, visit->stream, record) != 0;
    stats->n_damaged += is_bad;
    visit->scan.len = 0; /* the window held other bytes */
    tb_fd_close(&fd);
    return 0;
}

void tb_more_measure(struct tb_source *slot, int dirfd)
{
    struct stat st;
    char name[TB_SPOOL_NAME];
    slot->more_is_odd = false;
    if (!slot->is_slot || tb_spool_name_beside(slot->name, "more", name) < 0 ||
        fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    slot->more_is_odd = !tb_more_is_one(&st);
    if (!slot->more_is_odd)
        slot->bytes += (uint64_t)st.st_blocks * 512;
}

int tb_more_sync(const struct tb_source *slot, int dirfd)
{
    struct stat st;
    int fd = open_of(slot, dirfd, &st);
    if (fd < 0)
        return 0;
    int err = fdatasync(fd) < 0 ? -errno : 0;
    tb_fd_close(&fd);
    return err;
}
