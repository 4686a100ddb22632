/* inflate.c - see inflate.h. */
#include "agent/serve/inflate.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>

enum {
    PIECE_BYTES = 16 << 10,
    WINDOW = 15,
    GZIP_WINDOW = 16 + WINDOW, /* gzip's head and checksum */
    RAW_WINDOW = -WINDOW
};

enum tb_coding tb_coding_of(const char *header)
{
    if (header == NULL || header[0] == '\0' || strcasecmp(header, "identity") == 0)
        return TB_CODING_NONE;
    if (strcasecmp(header, "gzip") == 0 || strcasecmp(header, "x-gzip") == 0)
        return TB_CODING_GZIP;
    return strcasecmp(header, "deflate") == 0 ? TB_CODING_DEFLATE : TB_CODING_UNKNOWN;
}

/* To the end of the stream. 0 or a negative errno. */
static int inflate_one(z_stream *z, struct tb_buf *out)
{
    unsigned char piece[PIECE_BYTES];
    int status;
    do {
        z->next_out = piece;
        z->avail_out = sizeof(piece);
        status = inflate(z, Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END)
            return status == Z_MEM_ERROR ? -ENOMEM : -EBADMSG; /* Z_BUF_ERROR: cut short */
        tb_buf_add(out, piece, sizeof(piece) - z->avail_out);
        if (out->err)
            return out->err;
    } while (status != Z_STREAM_END);
    return 0;
}

static int inflate_as(int window, const char *data, size_t len, struct tb_buf *out)
{
    z_stream z = {.next_in = (const unsigned char *)data, .avail_in = (unsigned)len};
    if (inflateInit2(&z, window) != Z_OK)
        return -ENOMEM;
    int err = inflate_one(&z, out);
    while (!err && z.avail_in > 0 && window == GZIP_WINDOW) /* the next member */
        err = inflateReset(&z) == Z_OK ? inflate_one(&z, out) : -EBADMSG;
    if (!err && z.avail_in > 0)
        err = -EBADMSG;
    (void)inflateEnd(&z);
    return err;
}

int tb_inflate(enum tb_coding coding, const char *data, size_t len, struct tb_buf *out)
{
    if (len == 0)
        return -EBADMSG;
    if (coding == TB_CODING_GZIP)
        return inflate_as(GZIP_WINDOW, data, len, out);
    int err = inflate_as(WINDOW, data, len, out);
    if (err != -EBADMSG)
        return err;
    tb_buf_reset(out); /* some send it bare, against the standard */
    return inflate_as(RAW_WINDOW, data, len, out);
}
