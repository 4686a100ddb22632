/* engine.h - what works behind the sockets: the pipeline with its symbolizer, the deliveries, and
 * the settings that they go by.
 *
 * 1. The settings are taken over as a whole or not at all: after a tb_engine_take that failed
 *    everything runs as before.
 * 2. Nothing is lost or done twice by a change: the pipeline changes between two batches, the
 *    delivery between two requests of a token, and both keep what they know.
 * 3. Numbers only grow: those of readers of files that were replaced are added up here.
 * 4. What looks or counts, tb_engine_wake and tb_engine_wake_deploys may be called from any thread,
 * also while the settings change. All else is for one thread at a time. */
#ifndef TB_AGENT_ENGINE_H
#define TB_AGENT_ENGINE_H

#include "agent/config/config.h"
#include "agent/deliver/deliveries.h"
#include "agent/deploys/deploys.h"
#include "agent/files/files.h"
#include "agent/pipeline/pipeline.h"

/* A record may take a minute (servers of debug data), and the delivery sleeps as long. */
enum { TB_ENGINE_WHY = 512, TB_ENGINE_STUCK_S = 180, TB_ENGINE_PART = 48 };

struct tb_engine;

struct tb_engine_options {
    const struct tb_config
        *config; /* borrowed until tb_engine_take has replaced it; the rest too */
    struct tb_spool *spool;
    struct tb_store *store;
    unsigned patience_ms; /* as the pipeline's */
    int is_stepped;       /* nothing runs by itself but the deliveries */
};

/* Starts the deliveries; the pipeline waits for tb_engine_start or is stepped. 0, or a negative
 * errno with why. */
int tb_engine_open(const struct tb_engine_options *options, struct tb_engine **out,
                   char why[TB_ENGINE_WHY]);
/* Ends what runs; NULL is fine. */
void tb_engine_close(struct tb_engine *engine);

/* Gives the pipeline a thread. 0 or a negative errno. */
int tb_engine_start(struct tb_engine *engine);
/* Ends that thread after its batch, which is settled. */
void tb_engine_stop(struct tb_engine *engine);
/* Goes on with other settings of the same spool, state folder and sockets: 0, and the former are
 * not used any more; or a negative errno with why, and the former count. Takes as long as a batch
 * does. */
int tb_engine_take(struct tb_engine *engine, const struct tb_config *config,
                   char why[TB_ENGINE_WHY]);

/* How things are; delivery is Rollbar's. */
void tb_engine_look(struct tb_engine *engine, struct tb_pipeline_snapshot *pipeline,
                    struct tb_deliver_status *delivery);
/* All sinks that are on, Rollbar first. How many. */
size_t tb_engine_sinks(struct tb_engine *engine, struct tb_delivery_state out[TB_DELIVERIES]);
/* Is there a thread that has not moved for TB_ENGINE_STUCK_S? Then part says which, for people.
 * Any thread. */
bool tb_engine_stuck(struct tb_engine *engine, char part[TB_ENGINE_PART]);
void tb_engine_files_counts(struct tb_engine *engine, struct tb_files_counts *out);
/* New rows are in the outbox; a deploy is queued. */
void tb_engine_wake(struct tb_engine *engine);
void tb_engine_wake_deploys(struct tb_engine *engine);

/* For one who steps it (towbard --once). Borrowed. */
struct tb_pipeline *tb_engine_pipeline(struct tb_engine *engine);
struct tb_deliveries *tb_engine_deliveries(struct tb_engine *engine);
struct tb_deploys *tb_engine_deploys(struct tb_engine *engine);
struct tb_files *tb_engine_files(struct tb_engine *engine); /* NULL: the settings name none */
/* No file is read any more. */
void tb_engine_end_files(struct tb_engine *engine);

#endif
