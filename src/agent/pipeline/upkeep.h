/* upkeep.h - what the pipeline does for the spool beside reading it: saying what was met and lost,
 * keeping it within its limits, making it durable while the database takes nothing.
 *
 * One thread calls it, that of the pipeline. */
#ifndef TB_AGENT_UPKEEP_H
#define TB_AGENT_UPKEEP_H

#include "agent/config/config.h"
#include "agent/pipeline/kind.h"
#include "spool/reader.h"

/* When something may be done again whose cost grows with the files that there are. */
struct tb_upkeep_rest {
    uint64_t least_ns; /* not before it, whatever happens; 0: it was never done */
    uint64_t next_ns;
};

struct tb_upkeep {
    const struct tb_config *config; /* borrowed, like the spool */
    struct tb_spool *spool;
    struct tb_kinds kinds;
    struct tb_upkeep_rest evict, sync;
    uint64_t room;              /* bytes free on the file system after the last eviction */
    struct tb_spool_stats told; /* what was said */
};

void tb_upkeep_init(struct tb_upkeep *upkeep, const struct tb_config *config,
                    struct tb_spool *spool);
void tb_upkeep_done(struct tb_upkeep *upkeep);
/* Says what the reader met since the last call; n_said of the quarantined were said already. */
void tb_upkeep_tell(struct tb_upkeep *upkeep, const struct tb_spool_stats *now, uint64_t n_said);
/* Removes what is over the limits, once a second at most. After a look that took long the next one
 * comes 20 times as long after it, a minute at most; after twice as long when a 16th of max_bytes
 * was written meanwhile. Data of the last record is not good any more. */
void tb_upkeep_evict(struct tb_upkeep *upkeep);
/* The same as tb_upkeep_sync up to errors, for when more comes than is stored in time: once a
 * second at most, with the same rest. */
void tb_upkeep_sync_late(struct tb_upkeep *upkeep);
/* Makes the files of the classes up to max_class survive a loss of power; says what fails. */
void tb_upkeep_sync(struct tb_upkeep *upkeep, int max_class);

#endif
