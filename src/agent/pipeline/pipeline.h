/* pipeline.h - from the spool into the database: read, symbolize, trace, scrub, group, store.
 *
 * 1. A record is acknowledged only after the transaction that holds it, with its outbox row, is
 *    committed and the database has been synced; its file goes after that. An agent killed in
 *    between reads it again, and its uuid is known.
 * 2. When the database fails nothing is acknowledged, the spool is read again from where it was,
 * and the next try waits.
 * 3. A record of which no item can be made goes to quarantine with the reason, and only it.
 * 4. What is over the limits is counted, and one occurrence stands for it (docs/storms.md). Whether
 *    a record is kept may be judged anew after a failed commit; whether it is counted twice not.
 * 5. One thread runs it: tb_pipeline_run, or a caller that steps it. Any thread may ask for a
 *    snapshot. */
#ifndef TB_AGENT_PIPELINE_H
#define TB_AGENT_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/config/config.h"
#include "agent/native/debuginfod.h"
#include "agent/native/symbolizer.h"
#include "sampling/sampling.h"
#include "spool/reader.h"
#include "store/store.h"

enum { TB_PIPELINE_BATCH = 64, TB_PIPELINE_BATCH_BYTES = 16 << 20, TB_PIPELINE_BACKOFF_MS = 1000 };

struct tb_pipeline;

struct tb_pipeline_options {
    const struct tb_config *config; /* borrowed, like all here */
    struct tb_spool *spool;
    struct tb_store *store;
    struct tb_symbolizer *symbolizer;
    struct tb_debuginfod *debuginfod; /* NULL: no server is asked */
    unsigned patience_ms;             /* how long it may take to learn how a process ended */
    void (*stored)(void *arg);        /* there are new outbox rows; may be NULL */
    void *arg;
    /* Whether X-Ray gets a trace of which nobody has decided; NULL: it does. On the pipeline's
     * thread. */
    bool (*samples)(void *arg, const struct tb_sampling_request *request);
    void *samples_arg;
};

enum { TB_PIPELINE_SINKS = 8 };

struct tb_pipeline_snapshot {
    struct tb_spool_stats spool;
    struct tb_store_counts store;                  /* what waits: for Rollbar */
    struct tb_store_sink sinks[TB_PIPELINE_SINKS]; /* that ever had a row, or did not get one */
    size_t n_sinks;
    struct tb_symbol_store_counts symbols;
    struct tb_symbolizer_work symbolizing; /* since start */
    int64_t at_ms;                         /* wall clock: when it was taken */
    int64_t n_stored;                      /* records stored since start */
    int64_t n_refused;                     /* records quarantined since start */
    int64_t n_watched;                     /* processes whose end will be known */
    struct tb_debuginfod_counts debuginfod;
    struct tb_store_storm_counts storms; /* its items: of the hour before at_ms */
    char trouble[512];                   /* what stops it now; "" when nothing does */
};

/* 0 or -ENOMEM. */
int tb_pipeline_new(const struct tb_pipeline_options *options, struct tb_pipeline **out);
void tb_pipeline_free(struct tb_pipeline *pipeline);
/* Settles, and closes all representatives of storms: what waits for its minute is due now. Call it
 * when nothing more will come for a while. */
int tb_pipeline_finish(struct tb_pipeline *pipeline);
/* Goes on with other settings and tools, for the same spool and database; what it knows of records
 * and processes stays. Not while a thread runs it. 0; or a negative errno, and it is as before. */
int tb_pipeline_take(struct tb_pipeline *pipeline, const struct tb_pipeline_options *options);
/* Takes in one batch: how many records it took (quarantined ones included), 0 when there are none
 * now, or a negative errno when the database failed. */
int tb_pipeline_batch(struct tb_pipeline *pipeline);
/* Makes what was stored survive a power failure, then acknowledges it in the spool and removes the
 * files that are done with, and those over the caps. Call it once a second at most. */
int tb_pipeline_settle(struct tb_pipeline *pipeline);
/* Until stop_fd becomes readable; settles at the end. */
void tb_pipeline_run(struct tb_pipeline *pipeline, int stop_fd);
void tb_pipeline_snapshot(struct tb_pipeline *pipeline, struct tb_pipeline_snapshot *out);
/* When its thread last took a step, by the monotonic clock: at each record and each look, so once a
 * second where nothing is slow. Any thread. */
uint64_t tb_pipeline_turned_ns(const struct tb_pipeline *pipeline);

#endif
