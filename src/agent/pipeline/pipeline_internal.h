/* pipeline_internal.h - shared by pipeline.c and pipeline_*.c. */
#ifndef TB_AGENT_PIPELINE_INTERNAL_H
#define TB_AGENT_PIPELINE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "agent/pipeline/aside.h"
#include "agent/pipeline/pipeline.h"
#include "agent/pipeline/rows.h"
#include "agent/pipeline/stages.h"
#include "agent/pipeline/upkeep.h"

enum {
    TB_PIPELINE_HOST = 256,
    /* How long the database may be locked before that is said. Meanwhile this thread sees to
     * nothing else, crashes that wait to be synced among it. */
    TB_PIPELINE_BUSY_MS = 1000
};

/* A record that is ready to be stored, and its place in the spool. */
struct entry {
    struct tb_work work;
    struct tb_rows rows;
    int class_;
    uint64_t file_id;
    uint32_t off8;
};

struct tb_pipeline {
    struct tb_pipeline_options options;
    struct tb_stage_tools tools;
    struct tb_rows_tools rows_tools;
    struct tb_groups *groups;
    struct tb_scrub scrub;
    struct tb_patience patience;
    struct tb_upkeep upkeep;
    struct tb_deaths *deaths;
    struct tb_limit *limit;
    struct tb_thin thin;
    int is_stormy;         /* something was counted since the last snapshot */
    int has_closed;        /* the representatives that the last agent left open are closed */
    struct tb_aside aside; /* records of processes of which more may be known soon */
    char host[TB_PIPELINE_HOST];
    struct entry *batch; /* TB_PIPELINE_BATCH entries, n of them in use */
    size_t n;
    struct tb_spool_record last; /* of the spool; its data are there until it is asked again */
    int is_held;                 /* last is still to be worked on, alone: an agent died over it */
    unsigned n_single; /* batches of one left after a failure: a record that the database refuses
                          then stands alone */
    int is_dirty;      /* something was committed and not yet synced */
    int is_failing;    /* the last commit failed, and that was said */
    int is_displaced;  /* the spool was moved or removed, and that was said */
    uint64_t n_quarantined;               /* records since the last look; each was said */
    uint64_t summed_ns;                   /* when the spool's files were summed up */
    struct tb_symbolizer_work symbolized; /* by symbolizers that were replaced */
    atomic_uint_fast64_t turned_ns;
    uint64_t worked_ns; /* when it last took something in; 0: since it last rested */
    pthread_mutex_t lock;
    struct tb_pipeline_snapshot snapshot; /* under lock */
};

/* Counts what an item that was stored or collapsed counts as beside. 0 or a negative errno. */
int tb_pipeline_count(struct tb_store *store, const struct entry *entry);
/* Stores one that is over its limit, or counts it; nothing is due yet. 0 or a negative errno. */
int tb_pipeline_collapse(struct tb_pipeline *p, const struct entry *entry,
                         const struct tb_occurrence *event);
/* Closes the representatives whose minute is over, or all; what they stand for is due then. Returns
 * how many, or a negative errno. */
int tb_pipeline_close_storms(struct tb_pipeline *p, int all);
/* Forgets what is in the batch. */
void tb_pipeline_clear(struct tb_pipeline *p);
/* What the other threads are told that stops it; "" for nothing. */
void tb_pipeline_trouble(struct tb_pipeline *p, const char *text);
/* A step was taken. */
void tb_pipeline_turn(struct tb_pipeline *p);
/* Makes the state known to the other threads, adding what was stored and refused since. */
void tb_pipeline_publish(struct tb_pipeline *p, int n_stored, int n_refused);

#endif
