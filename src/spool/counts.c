/* counts.c - see counts.h. */
#include "spool/counts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/crc.h"
#include "base/fd.h"
#include "base/pack.h"

#define NAME "counts"
enum { VERSION = 1, FIELDS_AT = 8, N_FIELDS = 2 * TB_N_CLASSES + 6 };

/* The numbers in the order of the file. */
static void list_fields(struct tb_spool_totals *totals, uint64_t *out[N_FIELDS])
{
    size_t n = 0;
    for (int c = 0; c < TB_N_CLASSES; c++)
        out[n++] = &totals->evicted[c];
    out[n++] = &totals->evicted_bytes;
    out[n++] = &totals->evicted_files;
    out[n++] = &totals->evicted_foreign;
    out[n++] = &totals->lost;
    for (int c = 0; c < TB_N_CLASSES; c++)
        out[n++] = &totals->drops[c];
    out[n++] = &totals->vanished;
    out[n++] = &totals->damaged;
}

void tb_counts_pack(const struct tb_spool_totals *totals, uint8_t out[TB_COUNTS_BYTES])
{
    struct tb_spool_totals copy = *totals;
    uint64_t *fields[N_FIELDS];
    list_fields(&copy, fields);
    memset(out, 0, TB_COUNTS_BYTES);
    tb_put32(out + 4, VERSION);
    for (size_t i = 0; i < N_FIELDS; i++)
        tb_put64(out + FIELDS_AT + 8 * i, *fields[i]);
    tb_put32(out, tb_crc32c(0, out + 4, TB_COUNTS_BYTES - 4));
}

int tb_counts_unpack(const uint8_t in[TB_COUNTS_BYTES], struct tb_spool_totals *out)
{
    struct tb_spool_totals totals;
    uint64_t *fields[N_FIELDS];
    if (tb_get32(in) != tb_crc32c(0, in + 4, TB_COUNTS_BYTES - 4) || tb_get32(in + 4) != VERSION)
        return -EBADMSG;
    list_fields(&totals, fields);
    for (size_t i = 0; i < N_FIELDS; i++)
        *fields[i] = tb_get64(in + FIELDS_AT + 8 * i);
    *out = totals;
    return 0;
}

void tb_counts_add(struct tb_spool_totals *sum, const struct tb_spool_totals *more)
{
    struct tb_spool_totals copy = *more;
    uint64_t *to[N_FIELDS];
    uint64_t *from[N_FIELDS];
    list_fields(sum, to);
    list_fields(&copy, from);
    for (size_t i = 0; i < N_FIELDS; i++)
        *to[i] += *from[i];
}

void tb_counts_open(struct tb_counts *counts, int dirfd)
{
    uint8_t bytes[TB_COUNTS_BYTES] = {0};
    memset(counts, 0, sizeof(*counts));
    counts->fd = openat(dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (counts->fd < 0)
        return;
    if (tb_fd_pread_all(counts->fd, bytes, sizeof(bytes), 0) != sizeof(bytes) ||
        tb_counts_unpack(bytes, &counts->totals) < 0)
        tb_counts_write(counts); /* its block is there then, on a full disk too */
}

void tb_counts_close(struct tb_counts *counts)
{
    tb_fd_close(&counts->fd);
}

void tb_counts_write(struct tb_counts *counts)
{
    uint8_t bytes[TB_COUNTS_BYTES];
    if (counts->fd < 0)
        return;
    tb_counts_pack(&counts->totals, bytes);
    (void)tb_fd_pwrite_all(counts->fd, bytes, sizeof(bytes), 0);
}
