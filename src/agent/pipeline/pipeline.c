/* pipeline.c - see pipeline.h: its life, and what others are told of it. What happens to one record
 * is in stages.c, what to a batch of them in pipeline_batch.c, when in pipeline_run.c. */
#include "agent/pipeline/pipeline_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { FILES_MANY = 4000, SUM_EVERY_MS = 500, HOUR_MS = 3600 * 1000 };

static int init_scrub(struct tb_scrub *scrub, const struct tb_config *config)
{
    char why[TB_SCRUB_WHY]; /* the settings were checked */
    const struct tb_scrub_rules rules = {.keys = config->scrub_keys,
                                         .n_keys = config->n_scrub_keys,
                                         .patterns = config->scrub_patterns,
                                         .n_patterns = config->n_scrub_patterns,
                                         .has_no_forms = config->lacks_builtin_patterns};
    return tb_scrub_init(scrub, &rules, why);
}

static void set_rows_tools(struct tb_pipeline *p)
{
    p->rows_tools.config = p->options.config;
    p->rows_tools.groups = p->groups;
    p->rows_tools.host = p->host;
    p->rows_tools.samples = p->options.samples;
    p->rows_tools.arg = p->options.samples_arg;
}

int tb_pipeline_new(const struct tb_pipeline_options *options, struct tb_pipeline **out)
{
    char why[TB_CONFIG_WHY];
    struct tb_pipeline *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return -ENOMEM;
    p->options = *options;
    p->batch = calloc(TB_PIPELINE_BATCH, sizeof(*p->batch));
    pthread_mutex_init(&p->lock, NULL);
    tb_upkeep_init(&p->upkeep, options->config, options->spool);
    if (gethostname(p->host, sizeof(p->host) - 1) < 0)
        p->host[0] = '\0';
    p->tools = (struct tb_stage_tools){.config = options->config,
                                       .spool = options->spool,
                                       .symbolizer = options->symbolizer,
                                       .debuginfod = options->debuginfod,
                                       .patience = &p->patience,
                                       .scrub = &p->scrub,
                                       .host = p->host};
    p->patience.budget_ms = options->config->user_budget_ms;
    p->rows_tools.seen = calloc(TB_ROWS_SEEN, sizeof(*p->rows_tools.seen));
    int err = init_scrub(&p->scrub, options->config);
    if (!err)
        err = tb_groups_new(options->config, &p->groups, why); /* the settings were checked */
    set_rows_tools(p);
    if (!err)
        err = tb_deaths_new(options->spool, (uint64_t)options->patience_ms * TB_NS_PER_MS,
                            &p->deaths);
    if (!err)
        err = tb_limit_new(&p->limit);
    if (err || p->batch == NULL || p->rows_tools.seen == NULL) {
        tb_pipeline_free(p);
        return err ? err : -ENOMEM;
    }
    p->tools.deaths = p->deaths;
    p->tools.limit = p->limit;
    /* The last agent died over a record. If that was while it committed a batch, any of the batch
     * may be the one: one at a time, the next death accuses the right one. */
    struct tb_spool_stats spool;
    tb_spool_stats(options->spool, &spool);
    tb_store_busy(options->store, TB_PIPELINE_BUSY_MS);
    if (spool.n_suspects > 0)
        p->n_single = TB_PIPELINE_BATCH;
    tb_pipeline_turn(p);
    tb_pipeline_publish(p, 0, 0); /* nobody shall take the first moment for an empty database */
    *out = p;
    return 0;
}

/* What the symbolizer has done, and those before it. */
static void add_work(const struct tb_pipeline *p, struct tb_symbolizer_work *sum)
{
    struct tb_symbolizer_work work = {0};
    if (p->options.symbolizer != NULL)
        tb_symbolizer_work(p->options.symbolizer, &work);
    sum->answered += work.answered;
    sum->failed += work.failed;
    sum->starts += work.starts;
    sum->answer_ns += work.answer_ns;
}

void tb_pipeline_turn(struct tb_pipeline *p)
{
    atomic_store(&p->turned_ns, tb_clock_mono_ns());
}

uint64_t tb_pipeline_turned_ns(const struct tb_pipeline *p)
{
    return atomic_load(&p->turned_ns);
}

int tb_pipeline_take(struct tb_pipeline *p, const struct tb_pipeline_options *options)
{
    struct tb_scrub scrub;
    struct tb_groups *groups = NULL;
    char why[TB_CONFIG_WHY];
    const struct tb_config *config = options->config;
    int err = tb_groups_new(config, &groups, why);
    if (!err)
        err = init_scrub(&scrub, config);
    if (err) {
        tb_groups_free(groups);
        return err;
    }
    tb_scrub_done(&p->scrub);
    p->scrub = scrub;
    tb_groups_free(p->groups);
    p->groups = groups;
    add_work(p, &p->symbolized);
    p->options = *options;
    p->tools.config = config;
    p->tools.symbolizer = options->symbolizer;
    p->tools.debuginfod = options->debuginfod;
    p->patience.budget_ms = config->user_budget_ms;
    p->upkeep.config = config;
    set_rows_tools(p);
    return 0;
}

void tb_pipeline_clear(struct tb_pipeline *p)
{
    for (size_t i = 0; i < p->n; i++)
        tb_work_done(&p->batch[i].work);
    p->n = 0;
}

void tb_pipeline_free(struct tb_pipeline *p)
{
    if (p == NULL)
        return;
    tb_pipeline_clear(p);
    free(p->batch);
    free(p->rows_tools.seen);
    tb_groups_free(p->groups);
    tb_aside_clear(&p->aside);
    tb_deaths_free(p->deaths);
    tb_limit_free(p->limit);
    tb_scrub_done(&p->scrub);
    tb_upkeep_done(&p->upkeep);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

/* ---- the snapshot ---- */

void tb_pipeline_publish(struct tb_pipeline *p, int n_stored, int n_refused)
{
    struct tb_spool_stats spool;
    struct tb_store_counts store;
    uint64_t now_ns = tb_clock_mono_ns();
    /* To sum up a folder with very many files takes long. */
    int is_new = p->snapshot.spool.n_files < FILES_MANY || (n_stored == 0 && n_refused == 0) ||
                 now_ns - p->summed_ns >= (uint64_t)SUM_EVERY_MS * TB_NS_PER_MS;
    if (is_new) {
        p->summed_ns = now_ns;
        tb_spool_stats(p->options.spool, &spool);
        tb_upkeep_tell(&p->upkeep, &spool, p->n_quarantined);
        p->n_quarantined = 0;
    }
    struct tb_store_storm_counts storms = {0};
    int64_t hour_ago_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS) - HOUR_MS;
    struct tb_store_sink sinks[TB_PIPELINE_SINKS];
    int err = tb_store_sink_counts(p->options.store, "rollbar", &store);
    int n_sinks = err ? err : tb_store_sinks(p->options.store, sinks, TB_PIPELINE_SINKS);
    err = n_sinks < 0 ? n_sinks : 0;
    /* It costs as much as storing a record. */
    int asks_storms = p->is_stormy || n_stored == 0;
    if (!err && asks_storms)
        err = tb_store_storm_counts(p->options.store, hour_ago_ms, &storms);
    p->is_stormy = 0;
    struct tb_symbol_store_counts symbols = {0};
    if (p->options.symbolizer != NULL)
        tb_symbolizer_count(p->options.symbolizer, &symbols);
    struct tb_symbolizer_work symbolizing = p->symbolized;
    add_work(p, &symbolizing);
    pthread_mutex_lock(&p->lock);
    if (is_new)
        p->snapshot.spool = spool;
    if (!err) {
        p->snapshot.store = store;
        memcpy(p->snapshot.sinks, sinks, sizeof(sinks[0]) * (size_t)n_sinks);
        p->snapshot.n_sinks = (size_t)n_sinks;
    }
    if (!err && asks_storms)
        p->snapshot.storms = storms;
    p->snapshot.symbols = symbols;
    p->snapshot.symbolizing = symbolizing;
    p->snapshot.at_ms = (int64_t)(tb_clock_wall_ns() / TB_NS_PER_MS);
    p->snapshot.n_stored += n_stored;
    p->snapshot.n_refused += n_refused;
    p->snapshot.n_watched = (int64_t)tb_deaths_count(p->deaths);
    if (p->options.debuginfod != NULL)
        p->snapshot.debuginfod = *tb_debuginfod_counts(p->options.debuginfod);
    pthread_mutex_unlock(&p->lock);
}

void tb_pipeline_trouble(struct tb_pipeline *p, const char *text)
{
    pthread_mutex_lock(&p->lock);
    snprintf(p->snapshot.trouble, sizeof(p->snapshot.trouble), "%.255s", text);
    pthread_mutex_unlock(&p->lock);
}

void tb_pipeline_snapshot(struct tb_pipeline *p, struct tb_pipeline_snapshot *out)
{
    pthread_mutex_lock(&p->lock);
    *out = p->snapshot;
    pthread_mutex_unlock(&p->lock);
}
