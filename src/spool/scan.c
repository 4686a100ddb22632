/* scan.c - see scan.h. */
#include "spool/scan.h"

#include <errno.h>

#include "base/fd.h"
#include "base/pack.h"

enum {
    READ_AHEAD = 64 << 10,
    BLOCK = 64 << 10, /* that is searched backwards at a time */
    /* Damage cannot make whole frames overlap, so four times a file is a forgery. */
    IN_VAIN_MAX = 4 * TB_SEGMENT_BYTES,
};

void tb_scan_begin(struct tb_scan *scan, int fd, uint32_t salt, uint64_t end)
{
    scan->fd = fd;
    scan->salt = salt;
    scan->end = end;
    scan->at = 0;
    scan->len = 0;
    scan->in_vain = 0;
}

int tb_scan_bytes(struct tb_scan *scan, uint64_t offset, size_t len, const uint8_t **out)
{
    if (offset > scan->end || len > scan->end - offset || len > TB_SCAN_WINDOW)
        return -ENODATA;
    if (offset < scan->at || offset + len > scan->at + scan->len) {
        uint64_t want = len > READ_AHEAD ? len : READ_AHEAD;
        want = want < scan->end - offset ? want : scan->end - offset;
        ssize_t n = tb_fd_pread_all(scan->fd, scan->window, (size_t)want, offset);
        if (n < 0 && want > len) { /* a bad place further on must not hide what is here */
            want = len;
            n = tb_fd_pread_all(scan->fd, scan->window, len, offset);
        }
        scan->at = offset;
        scan->len = n < 0 ? 0 : (size_t)n;
        if (n < 0)
            return (int)n;
        if ((size_t)n < want)
            scan->end = offset + (uint64_t)n; /* cut since it was measured */
        if ((size_t)n < len)
            return -ENODATA;
    }
    *out = scan->window + (offset - scan->at);
    return 0;
}

int tb_scan_frame(struct tb_scan *scan, uint64_t offset, struct tb_frame *out,
                  const uint8_t **payload)
{
    const uint8_t *bytes;
    int err = tb_scan_bytes(scan, offset, TB_FRAME_HEADER_BYTES, &bytes);
    if (err < 0)
        return err;
    err = tb_frame_unpack(bytes, scan->salt, offset, out);
    if (err < 0)
        return err;
    err = tb_scan_bytes(scan, offset, TB_FRAME_HEADER_BYTES + (size_t)out->len, &bytes);
    if (err < 0)
        return err == -ENODATA ? -EBADMSG : err;
    *payload = bytes + TB_FRAME_HEADER_BYTES;
    err = tb_frame_check(out, scan->salt, *payload);
    if (err < 0)
        scan->in_vain += out->len;
    return scan->in_vain > IN_VAIN_MAX ? -EOVERFLOW : err;
}

int tb_scan_resync(struct tb_scan *scan, uint64_t from, uint64_t *out, bool *zeros)
{
    for (uint64_t at = from; at < scan->end; at += 8) {
        const uint8_t *bytes;
        size_t len = scan->end - at < 8 ? (size_t)(scan->end - at) : 8;
        int err = tb_scan_bytes(scan, at, len, &bytes);
        if (err == -ENODATA)
            break;
        if (err < 0)
            return err;
        uint64_t word = 0;
        memcpy(&word, bytes, len);
        if (word == 0)
            continue;
        struct tb_frame frame;
        const uint8_t *payload;
        err = tb_scan_frame(scan, at, &frame, &payload);
        if (err == 0) {
            *out = at;
            return 0;
        }
        if (err != -EBADMSG && err != -ENODATA)
            return err;
        *zeros = false;
    }
    return -ENODATA;
}

/* Offset of the last byte in from .. end that is not zero, which must be there. */
static int last_byte(struct tb_scan *scan, uint64_t from, uint64_t end, uint64_t *out)
{
    while (end > from) {
        uint64_t at = end - from > BLOCK ? end - BLOCK : from;
        const uint8_t *bytes;
        int err = tb_scan_bytes(scan, at, (size_t)(end - at), &bytes);
        if (err < 0)
            return err;
        for (; end > at; end--) {
            if (bytes[end - 1 - at] != 0) {
                *out = end - 1;
                return 0;
            }
        }
    }
    return -ENODATA; /* it changed meanwhile */
}

int tb_scan_is_torn(struct tb_scan *scan, uint64_t from, uint64_t end, bool at_end)
{
    struct tb_frame frame = {0};
    const uint8_t *bytes;
    uint64_t last;
    int err = last_byte(scan, from, end, &last);
    if (err < 0)
        return err == -ENODATA ? 1 : err;
    err = tb_scan_bytes(scan, from, TB_FRAME_HEADER_BYTES, &bytes);
    if (err == 0)
        err = tb_frame_unpack(bytes, scan->salt, from, &frame);
    else if (err == -ENODATA)
        err = -EBADMSG; /* the file ends in the middle of it */
    if (err == -EBADMSG || err == -ENODATA)
        return at_end && last < from + TB_FRAME_HEADER_BYTES;
    if (err < 0)
        return err;
    bool is_cut = last + 1 < from + TB_FRAME_HEADER_BYTES + frame.len;
    return is_cut && (at_end || end == from + tb_frame_room(frame.len));
}
