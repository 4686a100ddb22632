/* aside.h - records that wait a moment while others pass: copies, in the order they came. Never
 * more than TB_ASIDE_MAX. */
#ifndef TB_AGENT_ASIDE_H
#define TB_AGENT_ASIDE_H

#include <stddef.h>
#include <stdint.h>

#include "spool/reader.h"

enum { TB_ASIDE_MAX = 64, TB_ASIDE_MS = 100 };

struct tb_aside {
    struct tb_aside_record {
        struct tb_spool_record record; /* its data are ours */
        uint64_t due_ns;               /* monotonic */
    } records[TB_ASIDE_MAX];
    size_t n;
    void *taken; /* data of the one that was taken last */
};

/* 0; -ENOSPC when as many wait as may; -ENOMEM. It may be the record taken last. */
int tb_aside_put(struct tb_aside *aside, const struct tb_spool_record *record, uint64_t now_ns);
/* The first that has waited TB_ASIDE_MS: 0, its data good until the next is taken or all are
 * dropped; or -EAGAIN. */
int tb_aside_take(struct tb_aside *aside, uint64_t now_ns, struct tb_spool_record *out);
/* Drops all. */
void tb_aside_clear(struct tb_aside *aside);

#endif
