/* stages.h - what happens to one record between the spool and the database: a row of stages, in the
 * order of the table in stages.c. */
#ifndef TB_AGENT_STAGES_H
#define TB_AGENT_STAGES_H

#include "agent/config/config.h"
#include "agent/native/debuginfod.h"
#include "agent/native/group.h"
#include "agent/pipeline/limit.h"
#include "agent/pipeline/patience.h"
#include "agent/pipeline/scrub.h"
#include "agent/native/symbolizer.h"
#include "agent/pipeline/trace_ids.h"
#include "agent/deaths/deaths.h"
#include "base/buf.h"
#include "base/id.h"
#include "item/read.h"
#include "spool/reader.h"

enum { TB_STAGE_WHY = 256 };

/* What the stages need; all borrowed. */
struct tb_stage_tools {
    const struct tb_config *config;
    struct tb_spool *spool;
    struct tb_symbolizer *symbolizer;
    struct tb_debuginfod *debuginfod; /* NULL: no server is asked */
    struct tb_patience *patience;     /* for whom the symbolizer is not asked */
    const struct tb_scrub *scrub;
    struct tb_limit *limit; /* NULL: all is kept */
    const char *host;
    struct tb_deaths *deaths; /* how processes ended; NULL: nobody knows */
    int may_wait;             /* there is room for a record that must wait */
};

/* One record on its way. */
struct tb_work {
    const struct tb_spool_record *record; /* borrowed while the stages run */
    struct tb_buf item; /* the data object of the envelope, whole when all stages have run */
    struct tb_doc *doc; /* of item, with the edits since; or NULL: ask tb_work_doc */
    char uuid[TB_UUID_TEXT];
    char token[TB_CONFIG_TOKEN_MAX + 1]; /* the item's own, or "" */
    struct tb_trace_ids ids;
    struct tb_group group;
    struct tb_item facts;
    char service[TB_ITEM_TEXT];
    uint64_t occurred_ns;
    struct tb_limit_taken limit; /* kept one by one, or counted */
    /* A dropcount is no item, nor is a process that ended as it should: it is only counted. */
    char drop_counter[TB_ITEM_SHORT]; /* "dropped.rate", "vanished.exec", or "" */
    int64_t n_dropped;
    char counter[TB_ITEM_SHORT]; /* what an item counts as beside, "vanished.reported", or "" */
    char told[TB_STAGE_WHY];     /* for the log, when it is stored; or "" */
    char why[TB_STAGE_WHY];      /* why no item can be made of it */
};

/* Runs all stages. 0; -ENOMEM; -EAGAIN when the record is to be put aside for a moment; or another
 * negative errno with work->why: then the record belongs in quarantine. Free with tb_work_done,
 * whatever came back. */
int tb_stages_run(const struct tb_stage_tools *tools, const struct tb_spool_record *record,
                  struct tb_work *work);
void tb_work_done(struct tb_work *work);

/* ---- for the stages: one index of the item for all of them ---- */

/* The index of the item as the stages so far have left it; owned by work, until the next call of
 * one of these. Edits made to it are shown by the next call. 0 or a negative errno. */
int tb_work_doc(struct tb_work *work, struct tb_doc **out);
/* The same for a stage that only edits what no stage before it has edited: it is spared reading the
 * item again, and does not see their edits. */
int tb_work_edit(struct tb_work *work, struct tb_doc **out);
/* Takes the edits over into work->item. */
int tb_work_text(struct tb_work *work);

#endif
