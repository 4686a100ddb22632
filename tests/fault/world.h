/* world.h - a spool of the test's own, in memory where that can be, and the last look at it. */
#ifndef TEST_FAULT_WORLD_H
#define TEST_FAULT_WORLD_H

#include "oracle.h"

struct world {
    char path[64];
    int in_fd; /* as a producer holds it */
    struct oracle *oracle;
};

/* A fresh folder; the oracle stays the caller's. Ends the program when that cannot be. */
void world_open(struct world *world, struct oracle *oracle);
/* Removes it, and sets the clock right. */
void world_close(struct world *world);
/* An open reader (without inotify), or NULL with the reason on stderr. */
struct tb_spool *world_reader(const struct world *world);
/* Reads all that is there now, stores and acknowledges it; how many. */
size_t world_drain(struct world *world, struct tb_spool *spool);
/* What an agent started now does, until nothing is left to come: stores all, collects, and lets the
 * time pass in which a file may stay half-made. stats may be NULL. Nonzero when the reader would
 * not open or the spool is not empty then. */
int world_settle(struct world *world, struct tb_spool_stats *stats);
/* Marks as kept what the agent was about to quarantine and is there. */
void world_look_into_quarantine(struct world *world);
/* Files in SPOOL/folder but for "." and "..". */
int world_count(const struct world *world, const char *folder);
int world_n_fds(void);
/* Open descriptors of files that have no name any more. */
int world_n_nameless(void);
void world_pass_s(unsigned s);
/* 1 in the long form (TOWBAR_LONG=1). */
int world_is_long(void);
/* 0 .. below - 1, from a seed that is the same in each run. */
uint32_t world_dice(uint64_t *seed, uint32_t below);

#endif
