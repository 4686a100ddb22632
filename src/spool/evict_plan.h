/* evict_plan.h - which files go when a spool is over its caps or they are too old. Pure: the doing
 * is in evict.c, the rules are docs/spool-format.md 9. */
#ifndef TB_SPOOL_EVICT_PLAN_H
#define TB_SPOOL_EVICT_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spool/frame.h"

enum { TB_EVICT_FOREIGN = -1 }; /* class_ of a name that no producer makes */

struct tb_evict_file {
    int class_;
    uid_t uid;
    uint64_t bytes;   /* on the disk */
    uint64_t age_ns;  /* the oldest goes first; */
    uint64_t made_ns; /* wall clock: among those of one age the one that says it is older */
    bool is_fixed;    /* its owner lives, or it may not go for another reason; it only counts */
    bool is_kept;     /* holds the first or the last pending record of a kind */
    bool is_gone;     /* out: planned to go */
};

/* UINT64_MAX where there is no cap. */
struct tb_evict_caps {
    uint64_t bytes;     /* all of in/ and quarantine */
    uint64_t chatter;   /* classes 1 to 3 together */
    uint64_t uid_bytes; /* for each user but own_uid */
    uid_t own_uid;
    uint64_t max_age_ns[TB_N_CLASSES];
    uint64_t foreign_age_ns; /* foreign names must be older */
    uint64_t quarantine;     /* bytes in it now */
};

struct tb_evict_plan {
    size_t *order; /* indexes of the files, in the order in which they go; owned */
    size_t n;
    uint64_t quarantine; /* bytes that may stay in quarantine */
    bool is_over;        /* a cap is exceeded by what is not too old */
    bool needs_kinds;    /* a file of class 0 or 1 is to go for a cap: is_kept counts */
};

/* What is to go: 0 or -ENOMEM. Free with tb_evict_plan_done. */
int tb_evict_plan(struct tb_evict_file *files, size_t n, const struct tb_evict_caps *caps,
                  struct tb_evict_plan *out);
void tb_evict_plan_done(struct tb_evict_plan *plan);

#endif
