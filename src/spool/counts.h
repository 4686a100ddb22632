/* counts.h - agent/counts: what was evicted and lost over the lifetime of the spool
 * (docs/spool-format.md 9).
 *
 * 1. Written in place with one write and not synced. Written before the file that they come from
 *    goes: a death in between counts twice, never not at all.
 * 2. A file that fails its check starts at 0. */
#ifndef TB_SPOOL_COUNTS_H
#define TB_SPOOL_COUNTS_H

#include "spool/reader.h"

struct tb_counts {
    int fd; /* -1: they are not kept */
    struct tb_spool_totals totals;
};

/* Opens or makes the file in dirfd and reads it. Never fails: without it counting starts at 0. */
void tb_counts_open(struct tb_counts *counts, int dirfd);
void tb_counts_close(struct tb_counts *counts);
/* Best effort. */
void tb_counts_write(struct tb_counts *counts);
/* Adds what is counted in more to sum. */
void tb_counts_add(struct tb_spool_totals *sum, const struct tb_spool_totals *more);

enum { TB_COUNTS_BYTES = 128 };
void tb_counts_pack(const struct tb_spool_totals *totals, uint8_t out[TB_COUNTS_BYTES]);
/* 0 or -EBADMSG. */
int tb_counts_unpack(const uint8_t in[TB_COUNTS_BYTES], struct tb_spool_totals *out);

#endif
